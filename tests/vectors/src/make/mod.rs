//! The vectors, one module per file, and what they are built with.

mod algorithm;
mod claims;
mod eddsa;
mod form;
mod good;
mod header;
mod key;
mod purpose;
mod signature;
mod time;

use serde_json::Value;

use crate::keys::{self, Key};
use crate::{AUDIENCE, EVENT, File, ISSUER, Judgement, NOW, Vector, good_claims};

/// All files with vectors, by name.
#[must_use]
pub fn files() -> Vec<(String, File)> {
    let file = |name: &str, algorithm: &str, about: &str, vectors: Vec<Vector>| {
        let (about, algorithm) = (about.to_owned(), algorithm.to_owned());
        (format!("{name}.json"), File { about, algorithm, vectors })
    };
    vec![
        file("good", "ES256", "Passes that every verifier must accept.", good::vectors()),
        file(
            "algorithm",
            "ES256",
            "The algorithm is the key's and never the token's (RFC 8725 §2.1, §3.1).",
            algorithm::vectors(),
        ),
        file(
            "key",
            "ES256",
            "The key is one of the published set, by its exact name (RFC 8725 §2.8, §3.10).",
            key::vectors(),
        ),
        file(
            "header",
            "ES256",
            "The header is alg, typ and kid, each once, and nothing else (RFC 8725 §3.10, RFC 7515 §4.1.11).",
            header::vectors(),
        ),
        file(
            "purpose",
            "ES256",
            "A pass is for one issuer, audience and event, and nothing else is a pass (RFC 8725 §3.8, §3.9, §3.11).",
            purpose::vectors(),
        ),
        file(
            "claims",
            "ES256",
            "The claims of a pass are all there, each once, of the right type, and agree with each other.",
            claims::vectors(),
        ),
        file("time", "ES256", "A pass is good from iat to exp.", time::vectors()),
        file(
            "signature",
            "ES256",
            "The signature is r ‖ s of 32 bytes each over the very text (RFC 7518 §3.4).",
            signature::vectors(),
        ),
        file("form", "ES256", "Of all texts only the one that was signed is the token.", form::vectors()),
        file(
            "eddsa",
            "EdDSA",
            "The same with an Ed25519 key, for stacks that know EdDSA; others reject all of these.",
            eddsa::vectors(),
        ),
    ]
}

/// A pass that must be accepted.
fn accept(name: &str, token: String, reason: &str) -> Vector {
    Vector {
        subject: Some("visitor-1".to_owned()),
        number: Some(42),
        judgement: Judgement::Accept,
        ..reject(name, token, reason)
    }
}

/// A pass that must be refused.
fn reject(name: &str, token: String, reason: &str) -> Vector {
    Vector {
        name: name.to_owned(),
        token,
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        event: EVENT.to_owned(),
        now: NOW,
        judgement: Judgement::Reject,
        reason: reason.to_owned(),
        may: false,
        subject: None,
        number: None,
    }
}

/// The first key's token with these claims.
fn saying(claims: &Value) -> String {
    let key = keys::first();
    key.token(key.header().to_string(), claims.to_string())
}

/// The first key's token with this header over good claims.
fn headed(header: &str) -> String {
    keys::first().token(header, good_claims().to_string())
}

/// The good pass of a key.
fn pass_of(key: &Key) -> String {
    key.token(key.header().to_string(), good_claims().to_string())
}

/// An object with one member more, or another value for it.
fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

/// An object with one member less.
fn without(mut object: Value, member: &str) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.remove(member);
    }
    object
}

/// The claims of a pass that was given while no queue was in force.
fn passthrough() -> Value {
    let claims = without(without(good_claims(), "num"), "seq");
    with(with(claims, "adm", "passthrough".into()), "jti", "AAECAwQFBgcICQoLDA0ODw".into())
}

/// Header, claims and signature of a token.
fn segments(token: &str) -> [&str; 3] {
    let mut parts = token.splitn(3, '.');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
