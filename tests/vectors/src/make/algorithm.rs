//! `none`, a MAC with the public key as its secret, another curve.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{headed, pass_of, reject, segments, with};
use crate::keys::{self, encode};
use crate::{Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::first();
    let claims = good_claims().to_string();
    let alg = |alg: &str| with(key.header(), "alg", json!(alg)).to_string();
    let unsigned = |name: &str| format!("{}.{}.", encode(alg(name)), encode(&claims));
    let good = pass_of(&key);
    let [_, payload, signature] = segments(&good);
    let mut vectors: Vec<Vector> = ["none", "None", "NONE", "nOnE"]
        .into_iter()
        .map(|name| {
            reject(&format!("alg {name}, unsigned"), unsigned(name), "an unsigned token proves nothing (RFC 8725 §2.1)")
        })
        .collect();
    vectors.extend([
        reject(
            "alg none, with a good signature",
            format!("{}.{payload}.{signature}", encode(alg("none"))),
            "alg is not the key's",
        ),
        reject(
            "no alg at all",
            headed(&super::without(key.header(), "alg").to_string()),
            "the header must name its algorithm",
        ),
        reject("alg is a number", headed(&with(key.header(), "alg", json!(256)).to_string()), "alg is a text"),
        reject("alg in lower case", headed(&alg("es256")), "names of algorithms are case-sensitive"),
        reject("alg RS256, signed with ES256", headed(&alg("RS256")), "alg is not the key's"),
        reject("alg ES384, signed with ES256", headed(&alg("ES384")), "alg is not the key's"),
        reject("alg ES256K, signed with ES256", headed(&alg("ES256K")), "alg is not the key's"),
        reject("alg EdDSA, signed with ES256", headed(&alg("EdDSA")), "alg is not the key's"),
    ]);
    for (name, secret) in [
        ("the JWK", serde_json::to_vec(key.jwk.public()).unwrap_or_default()),
        ("the coordinates", coordinates()),
        ("the key as DER", spki()),
        ("the key as PEM", pem().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        let input = format!("{}.{}", encode(alg("HS256")), encode(&claims));
        let token = format!("{input}.{}", encode(mac(&secret, input.as_bytes())));
        vectors.push(reject(
            &format!("alg HS256, the secret is {name}"),
            token,
            "a public key is no secret (RFC 8725 §2.1)",
        ));
    }
    vectors.push(reject(
        "another curve: ES384 by a published key",
        es384(),
        "only the algorithm that the verifier was set up for is a pass'",
    ));
    vectors.push(reject(
        "another kind: the name of the Ed25519 key over an ES256 signature",
        headed(&with(key.header(), "kid", json!(keys::ed25519().kid())).to_string()),
        "the key named is of another kind",
    ));
    vectors
}

fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(secret)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// x and y, 64 bytes.
fn coordinates() -> Vec<u8> {
    use base64::Engine as _;
    let public = keys::first().jwk.public().clone();
    let decode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    [decode(&public.x), decode(public.y.as_deref().unwrap_or_default())].concat()
}

/// `SubjectPublicKeyInfo` of a P-256 key (RFC 5480).
fn spki() -> Vec<u8> {
    const BEFORE: [u8; 27] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    [&BEFORE[..], &coordinates()].concat()
}

fn pem() -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(spki());
    let (first, rest) = text.split_at(64);
    format!("-----BEGIN PUBLIC KEY-----\n{first}\n{rest}\n-----END PUBLIC KEY-----\n")
}

/// Rightly signed by the P-384 key of the set, under its own name.
fn es384() -> String {
    use p384::ecdsa::signature::Signer as _;
    let header = json!({"alg": "ES384", "typ": ropeline_ticket::PASS_TYP, "kid": keys::p384_jwk()["kid"]});
    let input = format!("{}.{}", encode(header.to_string()), encode(good_claims().to_string()));
    let signature: p384::ecdsa::Signature = keys::p384().sign(input.as_bytes());
    format!("{input}.{}", encode(signature.to_bytes()))
}
