//! Passes of the vectors' keys, made when they are shown.

use ropeline_e2e::{Value, json, now_ms};
use ropeline_vectors::keys::{Key, first};
use ropeline_vectors::{AUDIENCE, EVENT, ISSUER};

pub fn now() -> u64 {
    now_ms() / 1_000
}

/// The claims of a pass that is good for five minutes.
pub fn claims(seq: u64) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "visitor-1", "evt": EVENT, "num": 42, "seq": seq, "iat": now(), "exp": now() + 300,
        "jti": format!("{EVENT}/{seq}"),
    })
}

/// A pass of this key.
pub fn pass_of(key: &Key, claims: &Value) -> String {
    key.token(key.header().to_string(), claims.to_string())
}

/// A good pass.
pub fn pass(seq: u64) -> String {
    pass_of(&first(), &claims(seq))
}

/// A pass from `iat` to `exp`, both as seconds from now.
pub fn between(iat: i64, exp: i64) -> String {
    let mut claims = claims(7);
    for (claim, from_now) in [("iat", iat), ("exp", exp)] {
        claims[claim] = json!(now().saturating_add_signed(from_now));
    }
    pass_of(&first(), &claims)
}

/// A pass that names a key which nobody has.
pub fn of_unknown_key(n: usize) -> String {
    let key = first();
    let mut header = key.header();
    header["kid"] = json!(format!("nobody-{n}"));
    key.token(header.to_string(), claims(7).to_string())
}
