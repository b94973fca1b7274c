//! The public keys with which an event checks whom the shop vouches for: a JWK Set (RFC 7517), read strictly.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::from_json;

/// More keys than any rotation needs.
const MOST_KEYS: usize = 16;
const LONGEST_KID: usize = 128;
/// 32 bytes as base64url.
const COORDINATE_LENGTH: usize = 43;

/// A shop's public keys. Any of them vouches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VisitorKeys {
    /// At least one.
    pub keys: Vec<VisitorKey>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VisitorKey {
    /// `EC` or `OKP`.
    pub kty: String,
    /// `P-256` or `Ed25519`.
    pub crv: String,
    /// Base64url of 32 bytes.
    pub x: String,
    /// Base64url of 32 bytes, for `EC` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Its name; only a single key may go without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

from_json! { struct VisitorKeys { keys } }
from_json! { struct VisitorKey { kty, crv, x, y, kid } }

impl VisitorKeys {
    /// What a JWK Set consists of, in words.
    pub(crate) const PARTS: &str = "the member 'keys', a list of public keys: a JWK Set";

    /// These keys in place of the ones there are: a list is replaced as a whole (RFC 7396).
    ///
    /// # Errors
    /// Which part is wrong, and what would fit.
    pub(crate) fn with(mut self, body: &Map<String, Value>) -> Result<Self, (String, String)> {
        let keys = body.get("keys");
        if keys.is_none() && !self.keys.is_empty() {
            return Ok(self);
        }
        let list = keys.and_then(Value::as_array).filter(|list| (1..=MOST_KEYS).contains(&list.len()));
        let list = list
            .ok_or_else(|| ("visitor_keys.keys".to_owned(), format!("a list of 1 to {MOST_KEYS} public keys (JWK)")))?;
        self.keys = list.iter().enumerate().map(|(index, key)| read(index, key)).collect::<Result<_, _>>()?;
        for (index, key) in self.keys.iter().enumerate() {
            let twice = self.keys.iter().take(index).any(|other| other.kid == key.kid);
            if twice || (key.kid.is_none() && self.keys.len() > 1) {
                return Err(wrong(index, "kid", "a name of its own, where there are several keys"));
            }
        }
        Ok(self)
    }
}

fn wrong(index: usize, member: &str, expected: &str) -> (String, String) {
    (format!("visitor_keys.keys[{index}].{member}"), expected.to_owned())
}

fn read(index: usize, key: &Value) -> Result<VisitorKey, (String, String)> {
    let wrong = |member, expected| Err(wrong(index, member, expected));
    let text = |member: &str| key.get(member).and_then(Value::as_str);
    let is_there = |member: &str| key.get(member).is_some_and(|value| !value.is_null());
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter().any(is_there) {
        return wrong("d", "left out: this is a private key, which nobody but the shop may know; make a new one");
    }
    let alg = match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => "ES256",
        (Some("OKP"), Some("Ed25519")) => "EdDSA",
        (Some("EC" | "OKP"), _) => return wrong("crv", "'P-256' with kty 'EC' or 'Ed25519' with kty 'OKP'"),
        _ => return wrong("kty", "'EC' with crv 'P-256' (ES256) or 'OKP' with crv 'Ed25519' (EdDSA)"),
    };
    // Members that are optional must not contradict what the key is for.
    if is_there("alg") && text("alg") != Some(alg) {
        return wrong("alg", "'ES256' for P-256, 'EdDSA' for Ed25519, or left out");
    }
    if is_there("use") && text("use") != Some("sig") {
        return wrong("use", "'sig', or left out");
    }
    let coordinate = |member| {
        let fits = text(member).filter(|text| {
            text.len() == COORDINATE_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        fits.map(str::to_owned).ok_or_else(|| self::wrong(index, member, "32 bytes in base64url without padding"))
    };
    let kid = match key.get("kid") {
        None | Some(Value::Null) => None,
        Some(Value::String(kid)) if (1..=LONGEST_KID).contains(&kid.len()) => Some(kid.clone()),
        Some(_) => return wrong("kid", "a text of 1 to 128 bytes, or left out"),
    };
    Ok(VisitorKey {
        kty: text("kty").unwrap_or_default().to_owned(),
        crv: text("crv").unwrap_or_default().to_owned(),
        x: coordinate("x")?,
        y: if alg == "ES256" { Some(coordinate("y")?) } else { None },
        kid,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(keys: Value) -> Result<VisitorKeys, (String, String)> {
        let body = json!({ "keys": keys });
        VisitorKeys::default().with(body.as_object().unwrap())
    }

    fn x() -> String {
        format!("-_{}", "A".repeat(41))
    }

    #[test]
    fn public_keys_are_taken_as_they_are_and_written_back() {
        let given = json!([
            {"kty": "EC", "crv": "P-256", "x": x(), "y": x(), "kid": "one", "alg": "ES256", "use": "sig", "key_ops": ["verify"]},
            {"kty": "OKP", "crv": "Ed25519", "x": x(), "kid": "two"},
        ]);
        let read = keys(given).unwrap();
        let written = crate::json::write(&read);
        assert_eq!(crate::json::read::<VisitorKeys>(&written), Ok(read.clone()));
        let again: Map<String, Value> = serde_json::from_str(&written).unwrap();
        assert_eq!(VisitorKeys::default().with(&again), Ok(read));
        assert_eq!(keys(json!([{"kty": "OKP", "crv": "Ed25519", "x": x()}])).unwrap().keys[0].kid, None);
    }

    #[test]
    fn what_is_no_public_key_of_ours_is_refused_by_name() {
        let ec = |change: Value| {
            let mut key = json!({"kty": "EC", "crv": "P-256", "x": x(), "y": x(), "kid": "one"});
            for (name, value) in change.as_object().unwrap() {
                key[name] = value.clone();
            }
            json!([key])
        };
        for (given, field) in [
            (Value::Null, "visitor_keys.keys"),
            (json!([]), "visitor_keys.keys"),
            (json!({}), "visitor_keys.keys"),
            (json!(vec![json!({}); 17]), "visitor_keys.keys"),
            (json!(["key"]), "visitor_keys.keys[0].kty"),
            (json!([{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]), "visitor_keys.keys[0].kty"),
            (json!([{"kty": "oct", "k": "AAAA"}]), "visitor_keys.keys[0].d"),
            (ec(json!({"d": x()})), "visitor_keys.keys[0].d"),
            (ec(json!({"crv": "P-384"})), "visitor_keys.keys[0].crv"),
            (ec(json!({"crv": "Ed25519"})), "visitor_keys.keys[0].crv"),
            (ec(json!({"alg": "ES384"})), "visitor_keys.keys[0].alg"),
            (ec(json!({"use": "enc"})), "visitor_keys.keys[0].use"),
            (ec(json!({"x": "AAAA"})), "visitor_keys.keys[0].x"),
            (ec(json!({"y": format!("{}=", "A".repeat(42))})), "visitor_keys.keys[0].y"),
            (ec(json!({"y": null})), "visitor_keys.keys[0].y"),
            (ec(json!({"kid": ""})), "visitor_keys.keys[0].kid"),
            (ec(json!({"kid": "x".repeat(129)})), "visitor_keys.keys[0].kid"),
            (ec(json!({"kid": 7})), "visitor_keys.keys[0].kid"),
        ] {
            assert_eq!(keys(given.clone()).unwrap_err().0, field, "{given}");
        }
        let okp = |kid: Option<&str>| json!({"kty": "OKP", "crv": "Ed25519", "x": x(), "kid": kid});
        for second in [None, Some("one")] {
            let error = keys(json!([okp(Some("one")), okp(second)])).unwrap_err();
            assert_eq!(error.0, "visitor_keys.keys[1].kid");
        }
        assert!(VisitorKeys::default().with(&Map::new()).is_err());
        let one = keys(json!([okp(None)])).unwrap();
        assert_eq!(one.clone().with(&Map::new()), Ok(one), "nothing is changed");
        assert!(keys(json!([okp(None), okp(Some("two"))])).is_err(), "a token without a name fits the first only");
    }
}
