//! Tokens of ours that are no passes, and passes for somebody else.

use serde_json::{Value, json};

use super::{headed, reject, saying, with, without};
use crate::keys;
use crate::{AUDIENCE, EVENT, EXPIRES, ISSUED, ISSUER, Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::first();
    let typed = |typ: Value| with(key.header(), "typ", typ).to_string();
    let ticket = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "visitor-1", "evt": EVENT, "num": 42, "iat": ISSUED, "exp": EXPIRES,
        "jti": "c2l4dGVlbiBieXRlcyBvZiBhIE1BQyBvdmVyIGNsYWltcw",
    });
    let ticket_typ = typed(json!(ropeline_ticket::TICKET_TYP));
    let mut vectors = vec![
        reject("a ticket", key.token(&ticket_typ, ticket.to_string()), "a place in the line is not an admission"),
        reject(
            "a pass' claims under a ticket's typ",
            headed(&ticket_typ),
            "typ says what a token is for (RFC 8725 §3.11)",
        ),
        reject(
            "a ticket's claims under a pass' typ",
            key.token(key.header().to_string(), ticket.to_string()),
            "its audience is not the shop, and it names no admission",
        ),
        reject("no typ", headed(&without(key.header(), "typ").to_string()), "typ says what a token is for"),
    ];
    for typ in [
        json!("JWT"),
        json!("at+jwt"),
        json!(""),
        json!("Ropeline-Pass+JWT"),
        json!("application/ropeline-pass+jwt"),
        json!("ropeline-pass+jwt "),
        json!(7),
        Value::Null,
    ] {
        vectors.push(reject(&format!("typ is {typ}"), headed(&typed(typ.clone())), "typ is exactly ropeline-pass+jwt"));
    }
    for (claim, value, reason) in [
        ("iss", json!("https://queue.evil.example"), "another deployment's"),
        ("iss", json!(format!("{ISSUER}/")), "the issuer is one exact text"),
        ("iss", json!("HTTPS://QUEUE.EXAMPLE.COM"), "the issuer is one exact text"),
        ("iss", json!([ISSUER]), "iss is a text"),
        ("iss", json!(""), "the issuer is one exact text"),
        ("aud", json!("https://other.example.com"), "for another shop"),
        ("aud", json!(ISSUER), "for the waiting room itself"),
        ("aud", json!(format!("{AUDIENCE}.evil.example")), "the audience is one exact text"),
        ("aud", json!("https://shop.example.co"), "the audience is one exact text"),
        ("aud", json!([AUDIENCE]), "a pass is for one audience, written as a text"),
        ("aud", json!([AUDIENCE, "https://other.example.com"]), "a pass is for one audience"),
        ("aud", json!([]), "a pass is for one audience"),
        ("aud", json!("*"), "the audience is one exact text"),
        ("evt", json!("DEMO"), "the event is one exact text"),
        ("evt", json!(["demo"]), "evt is a text"),
    ] {
        vectors.push(reject(
            &format!("{claim} is {value}"),
            saying(&with(good_claims(), claim, value.clone())),
            reason,
        ));
    }
    let other = with(with(good_claims(), "evt", json!("other")), "jti", json!("other/7"));
    vectors.push(reject("a pass of another event", saying(&other), "admitted to another sale"));
    vectors
}
