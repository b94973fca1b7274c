//! Headers with anything more, with a member twice, or that are none.

use serde_json::json;

use super::{headed, reject, with};
use crate::keys;
use crate::{Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::first();
    let foreign = keys::foreign();
    let theirs = serde_json::to_value(foreign.jwk.public()).unwrap_or_default();
    let own = with(foreign.header(), "jwk", theirs.clone()).to_string();
    let ours = with(key.header(), "jwk", theirs).to_string();
    let claims = good_claims().to_string();
    let mut vectors = vec![
        reject(
            "jwk: signed by the key that the token brings along",
            foreign.token(own, &claims),
            "a token cannot vouch for its own key",
        ),
        reject(
            "jwk: the same under our key's name",
            foreign.token(ours, &claims),
            "a token cannot vouch for its own key",
        ),
    ];
    for (member, value, reason) in [
        ("jku", json!("https://evil.example/jwks.json"), "keys come from the configured address only"),
        ("x5u", json!("https://evil.example/cert.pem"), "keys come from the configured address only"),
        ("x5c", json!(["AAAA"]), "a token cannot vouch for its own key"),
        ("x5t", json!("AAAA"), "the waiting room never writes it"),
        ("crit", json!(["exp"]), "an extension that must be understood is not (RFC 7515 §4.1.11)"),
        ("crit", json!(["b64"]), "an extension that must be understood is not"),
        ("crit", json!([]), "an empty list is forbidden (RFC 7515 §4.1.11)"),
        ("b64", json!(false), "the payload is always base64url (RFC 7797)"),
        ("cty", json!("JWT"), "a pass holds no other token (RFC 8725 §3.8)"),
        ("zip", json!("DEF"), "nothing is compressed"),
        ("enc", json!("A256GCM"), "a pass is not encrypted"),
        ("anything", json!(1), "the waiting room never writes it"),
    ] {
        let name = format!("{member} is {value}, by our key");
        vectors.push(reject(&name, headed(&with(key.header(), member, value).to_string()), reason));
    }
    let text = key.header().to_string();
    let twice = |member: &str| text.replacen('{', &format!("{{{member},"), 1);
    for (name, header) in [
        ("alg twice, the first is none", twice(r#""alg":"none""#)),
        ("typ twice", twice(r#""typ":"JWT""#)),
        ("kid twice", twice(&format!(r#""kid":"{}""#, foreign.kid()))),
        ("kid twice, one of them escaped", twice(&format!(r#""\u006bid":"{}""#, foreign.kid()))),
    ] {
        vectors.push(reject(name, headed(&header), "readers differ in which of two members they take (RFC 8725 §2.4)"));
    }
    for (name, header) in [
        ("the header is empty", ""),
        ("the header is {}", "{}"),
        ("the header is a list", r#"["ES256"]"#),
        ("the header is null", "null"),
        ("the header is a text", r#""ES256""#),
        ("the header is no JSON", "alg=ES256"),
    ] {
        vectors.push(reject(name, headed(header), "the header is an object with alg, typ and kid"));
    }
    vectors.push(reject(
        "the header ends in something else",
        headed(&format!("{text} {text}")),
        "the header is one object",
    ));
    vectors.push(reject(
        "the header is not UTF-8",
        key.token(not_utf8(&text), &claims),
        "JSON is UTF-8 (RFC 8259 §8.1)",
    ));
    vectors
}

/// A member more with a byte that is no character.
fn not_utf8(header: &str) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    bytes.pop();
    bytes.extend(b",\"x\":\"\xff\"}");
    bytes
}
