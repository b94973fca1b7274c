//! JSON in and out with little code.
//!
//! What serde derives for reading is a parser for every type, written out once more wherever it is used: it was the largest part
//! of the Worker. Here a text is parsed once, by one parser, into a [`Value`], and a type takes its members out of that by name:
//! a line of a table for each. Structs are objects; an enum's variant is its name, or an object with its name and its content,
//! as serde writes them.
//!
//! Members that nobody asks for are ignored, since old and new code meet during a deploy. Of a member that is there twice the
//! last counts.
//!
//! ```
//! use ropeline_queue::{from_json, json};
//!
//! struct Seat { row: u16, name: Option<String> }
//! from_json! { struct Seat { row, name } }
//!
//! let seat: Seat = json::read(r#"{"row": 7, "later": []}"#)?;
//! assert_eq!((seat.row, seat.name), (7, None));
//! # Ok::<_, json::Misread>(())
//! ```

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::UnixMillis;

/// Why a text was not read. Never holds what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("'{member}' must be {expected}")]
pub struct Misread {
    /// The innermost member that is wrong; empty for the text itself.
    pub member: &'static str,
    /// What would fit.
    pub expected: &'static str,
}

impl Misread {
    /// Something else than `expected`.
    #[must_use]
    pub const fn expected(expected: &'static str) -> Self {
        Self { member: "", expected }
    }
}

/// What can be read from JSON. [`from_json!`](crate::from_json) implements it.
pub trait FromJson: Sized {
    /// Takes itself out of `value`; nobody reads what is left there. A member that is missing is given as null.
    ///
    /// # Errors
    /// [`Misread`].
    fn from_json(value: &mut Value) -> Result<Self, Misread>;
}

/// Reads a value from the whole of `text`.
///
/// # Errors
/// [`Misread`], also when it is no JSON at all.
pub fn read<T: FromJson>(text: &str) -> Result<T, Misread> {
    T::from_json(&mut parse(text)?)
}

fn parse(text: &str) -> Result<Value, Misread> {
    serde_json::from_str(text).map_err(|_| Misread::expected("JSON"))
}

/// Writes a value. Those of this product can be written: their keys are texts.
pub fn write(value: &(impl ToJson + ?Sized)) -> String {
    let mut out = Vec::new();
    value.to_json(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// What can be written as JSON: all that serde can, and [`Raw`]. Unlike serde's own trait it can be had as `dyn`, for [`object`].
pub trait ToJson {
    /// Appends itself.
    fn to_json(&self, out: &mut Vec<u8>);
}

impl<T: Serialize + ?Sized> ToJson for T {
    fn to_json(&self, out: &mut Vec<u8>) {
        // Fails only for maps whose keys are no texts, and for writers that fail.
        if serde_json::to_writer(&mut *out, self).is_err() {
            out.extend_from_slice(b"null");
        }
    }
}

/// A text that is JSON already.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a str);

impl ToJson for Raw<'_> {
    fn to_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// An object with these members, in this order. For what is written in one place only: a table costs less than a type of its own.
#[must_use]
pub fn object(members: &[(&str, &dyn ToJson)]) -> String {
    extended(members, "{}")
}

/// The same, followed by the members of another object.
#[must_use]
pub fn extended(members: &[(&str, &dyn ToJson)], object: &str) -> String {
    let mut out = Vec::new();
    let mut before = b'{';
    for (name, value) in members {
        out.push(before);
        name.to_json(&mut out);
        out.push(b':');
        value.to_json(&mut out);
        before = b',';
    }
    let rest = object.strip_prefix('{').unwrap_or(object);
    if rest != "}" || members.is_empty() {
        out.push(before);
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).unwrap_or_default()
}

/// A list of texts that are JSON already.
#[must_use]
pub fn list(items: &[String]) -> String {
    ["[", &items.join(","), "]"].concat()
}

/// The members of an object.
#[derive(Debug)]
pub struct Members<'a>(&'a mut Map<String, Value>);

impl<'a> Members<'a> {
    /// Of a struct, or of a variant's content.
    ///
    /// # Errors
    /// [`Misread`] when it is no object.
    pub fn of(value: Option<&'a mut Value>) -> Result<Self, Misread> {
        match value {
            Some(Value::Object(members)) => Ok(Self(members)),
            _ => Err(Misread::expected("an object")),
        }
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Misread`], which names it.
    pub fn take<T: FromJson>(&mut self, name: &'static str) -> Result<T, Misread> {
        let mut null = Value::Null;
        T::from_json(self.0.get_mut(name).unwrap_or(&mut null)).map_err(|error| of_member(name, error))
    }

    /// One of them, or what its type says where it is missing.
    ///
    /// # Errors
    /// As [`Members::take`].
    pub fn take_or_default<T: FromJson + Default>(&mut self, name: &'static str) -> Result<T, Misread> {
        if self.0.contains_key(name) { self.take(name) } else { Ok(T::default()) }
    }

    /// A time in RFC 3339, or null.
    ///
    /// # Errors
    /// As [`Members::take`].
    pub fn take_time(&mut self, name: &'static str) -> Result<Option<UnixMillis>, Misread> {
        let text: Option<String> = self.take(name)?;
        let parse = |text: String| {
            UnixMillis::parse_rfc3339(&text).ok_or(Misread { member: name, expected: "a time in RFC 3339" })
        };
        text.map(parse).transpose()
    }
}

const fn of_member(name: &'static str, error: Misread) -> Misread {
    if error.member.is_empty() { Misread { member: name, expected: error.expected } } else { error }
}

/// Name and content of an enum's variant; no content for one that is just its name.
///
/// # Errors
/// [`Misread`] when it is neither a text nor an object with one member.
pub fn variant(value: &mut Value) -> Result<(&str, Option<&mut Value>), Misread> {
    match value {
        Value::String(name) => Ok((name, None)),
        Value::Object(members) if members.len() == 1 => {
            let only = members.iter_mut().next().map(|(name, content)| (name.as_str(), Some(content)));
            only.ok_or(Misread::expected("a variant"))
        }
        _ => Err(Misread::expected("a variant")),
    }
}

/// The content of a variant that has one value.
///
/// # Errors
/// [`Misread`] when it has none, or that value is wrong.
pub fn content<T: FromJson>(value: Option<&mut Value>) -> Result<T, Misread> {
    value.map_or(Err(Misread::expected("a variant with content")), T::from_json)
}

/// Implements [`FromJson`](crate::json::FromJson) by a table of names.
///
/// `struct Name { member, later = default, at = time }`: a member with `= default` may be missing, one with `= time` is null or RFC
/// 3339. `enum Name { "name" => Variant, "name" =>
/// Variant { member }, "name" => Variant(Type) }`. `newtype Name(Type)`: as the value in it.
#[macro_export]
macro_rules! from_json {
    (struct $name:ident { $($member:ident $(= $or:ident)?),* $(,)? }) => {
        impl $crate::json::FromJson for $name {
            fn from_json(value: &mut ::serde_json::Value) -> ::core::result::Result<Self, $crate::json::Misread> {
                let mut members = $crate::json::Members::of(Some(value))?;
                Ok(Self { $($member: $crate::from_json!(@take members $member $($or)?)),* })
            }
        }
    };
    (enum $name:ident { $($text:literal => $variant:ident $({ $($member:ident $(= $or:ident)?),* })? $(($inner:ty))?),* $(,)? }) => {
        impl $crate::json::FromJson for $name {
            fn from_json(value: &mut ::serde_json::Value) -> ::core::result::Result<Self, $crate::json::Misread> {
                #[allow(unused_variables, reason = "not where no variant has content")]
                let (name, content) = $crate::json::variant(value)?;
                match name {
                    $($text => {
                        $(let mut members = $crate::json::Members::of(content)?;
                        let made = Self::$variant { $($member: $crate::from_json!(@take members $member $($or)?)),* };)?
                        $(let made = Self::$variant($crate::json::content::<$inner>(content)?);)?
                        $crate::from_json!(@made made $variant $({ $($member)* })? $(($inner))?)
                    })*
                    _ => Err($crate::json::Misread::expected("a variant that is known here")),
                }
            }
        }
    };
    (newtype $name:ident($inner:ty)) => {
        impl $crate::json::FromJson for $name {
            fn from_json(value: &mut ::serde_json::Value) -> ::core::result::Result<Self, $crate::json::Misread> {
                <$inner as $crate::json::FromJson>::from_json(value).map(Self)
            }
        }
    };
    (@take $members:ident $member:ident) => { $members.take(stringify!($member))? };
    (@take $members:ident $member:ident time) => { $members.take_time(stringify!($member))? };
    (@take $members:ident $member:ident default) => { $members.take_or_default(stringify!($member))? };
    (@made $made:ident $variant:ident) => { Ok(Self::$variant) };
    (@made $made:ident $variant:ident $($content:tt)+) => { Ok($made) };
}

impl FromJson for Value {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        Ok(value.take())
    }
}

impl FromJson for Map<String, Value> {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        Members::of(Some(value)).map(|members| std::mem::take(members.0))
    }
}

impl FromJson for String {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        match value {
            Value::String(text) => Ok(std::mem::take(text)),
            _ => Err(Misread::expected("a text")),
        }
    }
}

impl FromJson for bool {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        value.as_bool().ok_or(Misread::expected("true or false"))
    }
}

impl FromJson for f64 {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        value.as_f64().ok_or(Misread::expected("a number"))
    }
}

impl FromJson for u64 {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        value.as_u64().ok_or(Misread::expected("an integer that is not negative"))
    }
}

impl FromJson for i64 {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        value.as_i64().ok_or(Misread::expected("an integer"))
    }
}

macro_rules! narrower {
    ($($small:ty: $large:ty),*) => {
        $(impl FromJson for $small {
            fn from_json(value: &mut Value) -> Result<Self, Misread> {
                <$large>::from_json(value)?.try_into().map_err(|_| Misread::expected("an integer that is not so large"))
            }
        })*
    };
}

narrower! { u16: u64, usize: u64, i32: i64 }

impl<T: FromJson> FromJson for Box<T> {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        T::from_json(value).map(Self::new)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        match value {
            Value::Array(items) => items.iter_mut().map(T::from_json).collect(),
            _ => Err(Misread::expected("a list")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Said {
        Nothing,
        Number(u64),
        Place { number: u64, note: Option<String> },
        All(Vec<Said>),
    }

    from_json! {
        enum Said { "nothing" => Nothing, "number" => Number(u64), "place" => Place { number, note }, "all" => All(Vec<Said>) }
    }

    #[derive(Debug, PartialEq)]
    struct Row {
        small: u16,
        signed: i32,
        share: f64,
        flag: bool,
        list: Vec<i64>,
    }

    from_json! { struct Row { small, signed, share = default, flag = default, list = default } }

    fn row(value: Value) -> Result<Row, Misread> {
        read(&value.to_string())
    }

    #[test]
    fn what_serde_writes_is_read() {
        let place = |note: Option<&str>| Said::Place { number: 7, note: note.map(str::to_owned) };
        let all = Said::All(vec![Said::Nothing, Said::Number(u64::MAX), place(None), place(Some("a \"b\" ü"))]);
        assert_eq!(read::<Said>(&write(&all)), Ok(all));
    }

    #[test]
    fn objects_are_written_in_the_order_given() {
        assert_eq!(object(&[]), "{}");
        let text = object(&[("b", &1_u64), ("a", &"x\"y"), ("raw", &Raw("[1, 2]")), ("none", &None::<u64>)]);
        assert_eq!(text, r#"{"b":1,"a":"x\"y","raw":[1, 2],"none":null}"#);
        assert_eq!(extended(&[("a", &true)], r#"{"b":2}"#), r#"{"a":true,"b":2}"#);
        assert_eq!(extended(&[], r#"{"b":2}"#), r#"{"b":2}"#);
        assert_eq!(list(&["1".to_owned(), object(&[])]), "[1,{}]");
        assert_eq!(list(&[]), "[]");
    }

    #[test]
    fn what_may_be_missing_has_its_default_and_nothing_else_may() {
        let whole = row(json!({ "small": 1, "signed": -2, "share": 3, "flag": true, "list": [-4], "later": {} }));
        assert_eq!(whole, Ok(Row { small: 1, signed: -2, share: 3.0, flag: true, list: vec![-4] }));
        let least = row(json!({ "small": 1, "signed": -2 }));
        assert_eq!(least, Ok(Row { small: 1, signed: -2, share: 0.0, flag: false, list: vec![] }));
        assert_eq!(row(json!({ "small": 1 })).unwrap_err().member, "signed");
        assert_eq!(
            row(json!({ "small": 1, "signed": 0, "flag": null })).unwrap_err().member,
            "flag",
            "null is no default"
        );
        assert_eq!(
            read::<Row>(r#"{"small": 1, "signed": 0, "small": 2}"#).map(|row| row.small),
            Ok(2),
            "the last counts"
        );
    }

    #[test]
    fn a_time_is_read_as_rfc_3339_and_may_be_missing() {
        #[derive(Debug, PartialEq)]
        struct Timed {
            at: Option<UnixMillis>,
        }
        from_json! { struct Timed { at = time } }
        let timed = |text: &str| read::<Timed>(text).map(|timed| timed.at);
        assert_eq!(timed(r#"{"at": "1970-01-01T00:00:01.500Z"}"#), Ok(Some(UnixMillis(1_500))));
        assert_eq!([timed(r#"{"at": null}"#), timed("{}")], [Ok(None), Ok(None)]);
        for bad in [r#"{"at": 1500}"#, r#"{"at": "soon"}"#] {
            assert_eq!(timed(bad).unwrap_err().member, "at", "{bad}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let fits = json!({ "small": 1, "signed": 2, "share": 0.5, "flag": false, "list": [] });
        assert!(row(fits.clone()).is_ok());
        for (name, bad) in [
            ("small", json!(65_536)),
            ("small", json!(-1)),
            ("small", json!(1.5)),
            ("small", json!("1")),
            ("signed", json!(2_147_483_648_u64)),
            ("signed", json!(-2_147_483_649_i64)),
            ("share", json!("0.5")),
            ("share", json!(null)),
            ("flag", json!(0)),
            ("list", json!({})),
            ("list", json!([1, "2"])),
            ("list", json!([u64::MAX])),
        ] {
            let mut wrong = fits.clone();
            wrong[name] = bad;
            let error = row(wrong.clone()).expect_err(&wrong.to_string());
            assert_eq!(error.member, name, "{wrong}");
        }
        assert_eq!(row(json!([1, 2])), Err(Misread::expected("an object")), "a struct is an object");
    }

    #[test]
    fn a_variant_is_known_and_has_its_content() {
        for bad in [
            r#""other""#,
            r#""number""#,
            r#""place""#,
            r#"{"other": {}}"#,
            r#"{"place": [7, null]}"#,
            r#"{"place": {}}"#,
            r#"{"number": 1, "nothing": null}"#,
            r#"{"place": {"number": 7}} x"#,
            "{}",
            "7",
            "",
        ] {
            assert!(read::<Said>(bad).is_err(), "{bad}");
        }
        let deep = read::<Said>(r#"{"all": [{"place": {"number": "7"}}]}"#).unwrap_err();
        assert_eq!(deep.to_string(), "'number' must be an integer that is not negative");
    }
}
