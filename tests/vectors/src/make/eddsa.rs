//! The same with an Ed25519 key.

use serde_json::json;

use super::{accept, pass_of, passthrough, reject, segments, with};
use crate::keys::{self, encode};
use crate::{ISSUED, Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::ed25519();
    let good = pass_of(&key);
    let [header, payload, _] = segments(&good);
    let input = format!("{header}.{payload}");
    let bytes = key.sign(input.as_bytes());
    let signed = |bytes: &[u8]| format!("{input}.{}", encode(bytes));
    let saying = |claims: serde_json::Value| key.token(key.header().to_string(), claims.to_string());
    let mut turned = bytes;
    turned[40] ^= 1;
    vec![
        accept("Ed25519: pass", good.clone(), "as the waiting room makes it with such a key"),
        Vector {
            number: None,
            ..accept("Ed25519: passthrough", saying(passthrough()), "given while no queue was in force")
        },
        reject("Ed25519: a bit is turned", signed(&turned), "another signature"),
        reject("Ed25519: all zero", signed(&[0; 64]), "no signature of this key"),
        reject("Ed25519: s plus the order", signed(&plus_order(&bytes)), "s is below the order (RFC 8032 §5.1.7)"),
        reject("Ed25519: a byte short", signed(&bytes[..63]), "64 bytes"),
        reject("Ed25519: a byte long", signed(&[&bytes[..], &[0]].concat()), "64 bytes"),
        reject(
            "Ed25519: alg ES256",
            key.token(with(key.header(), "alg", json!("ES256")).to_string(), good_claims().to_string()),
            "alg is not the key's",
        ),
        reject(
            "Ed25519: alg Ed25519",
            key.token(with(key.header(), "alg", json!("Ed25519")).to_string(), good_claims().to_string()),
            "the published key says EdDSA",
        ),
        reject(
            "Ed25519: under the name of the ES256 key",
            key.token(with(key.header(), "kid", json!(keys::first().kid())).to_string(), good_claims().to_string()),
            "the key named is of another kind",
        ),
        reject(
            "Ed25519: typ is JWT",
            key.token(with(key.header(), "typ", json!("JWT")).to_string(), good_claims().to_string()),
            "typ is exactly ropeline-pass+jwt",
        ),
        reject(
            "Ed25519: another audience",
            saying(with(good_claims(), "aud", json!("https://other.example.com"))),
            "for another shop",
        ),
        reject(
            "Ed25519: expired",
            saying(with(good_claims(), "exp", json!(ISSUED + 300))),
            "its session was over in 2023",
        ),
    ]
}

/// The same signature for a reader that does not reduce s.
fn plus_order(signature: &[u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut sum = *signature;
    let mut carry = 0;
    for (byte, add) in sum[32..].iter_mut().zip(ORDER) {
        let total = u16::from(*byte) + u16::from(add) + carry;
        *byte = (total & 0xff) as u8;
        carry = total >> 8;
    }
    sum
}
