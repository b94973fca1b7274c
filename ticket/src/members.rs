//! The members of a JSON object, to be taken out by name.
//!
//! What serde derives for reading is a parser for every type, which weighs much in a Worker. Here a text is parsed once, into
//! values, and a type says what it takes of them. No member may be there twice; what nobody takes is ignored or, by
//! [`Members::done`], refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Members that nobody has taken yet.
pub(crate) struct Members(Map<String, Value>);

/// A member is missing or of another type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrong;

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member is missing, or of another type")
    }
}

impl Members {
    /// A text, if it is there. As everywhere here, null is as good as nothing.
    pub(crate) fn maybe_text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Wrong),
        }
    }

    /// A text, or a list of texts: as `aud` is (RFC 7519 §4.1.3).
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, Wrong> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(list)) => {
                list.into_iter().map(|text| text.as_str().map(str::to_owned).ok_or(Wrong)).collect()
            }
            _ => Err(Wrong),
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Wrong> {
        self.maybe_text(name)?.ok_or(Wrong)
    }

    /// An integer that is not negative, if it is there.
    pub(crate) fn maybe_integer(&mut self, name: &str) -> Result<Option<u64>, Wrong> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(Wrong),
        }
    }

    /// An integer that is not negative and must be there.
    pub(crate) fn integer(&mut self, name: &str) -> Result<u64, Wrong> {
        self.maybe_integer(name)?.ok_or(Wrong)
    }

    /// Refuses what nobody has taken.
    pub(crate) fn done(self) -> Result<(), Wrong> {
        if self.0.is_empty() { Ok(()) } else { Err(Wrong) }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Once)
    }
}

/// Takes an object with no member twice.
struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = map.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        let read = |text| serde_json::from_str::<Members>(text).map_err(|error| error.to_string());
        assert!(read("7").err().unwrap().contains("expected an object"));
        assert!(read(r#"{"a":1,"a":2}"#).err().unwrap().contains("a member is there twice"));
        let wrong = read(r#"{"a":1}"#).unwrap().text("a").unwrap_err();
        assert_eq!(wrong.to_string(), "a member is missing, or of another type");
    }
}
