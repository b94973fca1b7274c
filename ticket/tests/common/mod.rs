//! Keys, claims and tokens for the tests, and a way to sign what the crate itself would never sign.
#![allow(dead_code)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_ticket::native::{Signer, Verifier, generate_ed25519, generate_es256};
use ropeline_ticket::{
    AdmittedBy, Algorithm, PassClaims, PrivateJwk, PrivateKeys, TicketClaims, pass_jti, passthrough_jti,
};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://queue.example.com";
pub const SHOP: &str = "https://shop.example.com";
pub const NOW: u64 = 1_795_374_000;

/// One key of each kind.
pub fn both_kinds() -> [PrivateJwk; 2] {
    [generate_es256([1; 32]), generate_ed25519([2; 32])]
}

pub fn set(keys: &[&PrivateJwk]) -> PrivateKeys {
    PrivateKeys::from_keys(keys.iter().map(|key| (*key).clone()).collect()).unwrap()
}

pub fn signer(key: &PrivateJwk) -> Signer {
    Signer::new(&set(&[key])).unwrap()
}

/// Trusts all of these keys, for passes of [`ISSUER`] meant for [`SHOP`].
pub fn verifier(keys: &[&PrivateJwk]) -> Verifier {
    Verifier::new(&set(keys).public(), ISSUER, SHOP).unwrap()
}

pub fn pass() -> PassClaims {
    PassClaims {
        iss: ISSUER.to_owned(),
        aud: SHOP.to_owned(),
        sub: "visitor".to_owned(),
        evt: "demo".to_owned(),
        num: Some(42),
        seq: Some(7),
        adm: None,
        iat: NOW,
        exp: NOW + 300,
        jti: pass_jti("demo", 7),
    }
}

/// A pass as given while no queue is in force.
pub fn passthrough() -> PassClaims {
    let jti = passthrough_jti(&[0xfe; 16]);
    PassClaims { num: None, seq: None, adm: Some(AdmittedBy::Passthrough), jti, ..pass() }
}

pub fn ticket() -> TicketClaims {
    TicketClaims {
        iss: ISSUER.to_owned(),
        aud: ISSUER.to_owned(),
        sub: "visitor".to_owned(),
        evt: "demo".to_owned(),
        num: 42,
        com: None,
        pos: None,
        iat: NOW,
        exp: NOW + 86_400,
        jti: "mac".to_owned(),
    }
}

/// A ticket of an event that shuffles, after its draw.
pub fn drawn_ticket() -> TicketClaims {
    TicketClaims { com: Some("5e".repeat(32)), pos: Some(9), ..ticket() }
}

pub fn header(key: &PrivateJwk) -> Value {
    json!({"alg": key.algorithm().name(), "typ": "ropeline-pass+jwt", "kid": key.kid()})
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims, whatever they are, signed correctly by `key`.
pub fn sign_raw(key: &PrivateJwk, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = encode(signature(key, input.as_bytes()));
    format!("{input}.{signature}")
}

/// A correct signature of `key` over `message`.
pub fn signature(key: &PrivateJwk, message: &[u8]) -> [u8; 64] {
    let jwk: Value = serde_json::from_str(&key.to_secret_json()).unwrap();
    let secret: [u8; 32] = URL_SAFE_NO_PAD.decode(jwk["d"].as_str().unwrap()).unwrap().try_into().unwrap();
    match key.algorithm() {
        Algorithm::Es256 => {
            use p256::ecdsa::signature::Signer as _;
            let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from_slice(&secret).unwrap().sign(message);
            signature.to_bytes().into()
        }
        Algorithm::EdDsa => {
            use ed25519_dalek::Signer as _;
            ed25519_dalek::SigningKey::from_bytes(&secret).sign(message).to_bytes()
        }
    }
}

/// The three segments of a token.
pub fn segments(token: &str) -> [String; 3] {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}
