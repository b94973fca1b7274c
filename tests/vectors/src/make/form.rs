//! Other texts of a good token, and texts that are none.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::{good, pass_of, reject, segments, with};
use crate::keys::{self, encode};
use crate::{Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    const FORM: &str = "three segments of base64url with a dot between them";
    const ONE: &str = "base64url without padding, in its one spelling (RFC 7515 §2)";
    let key = keys::first();
    let token = pass_of(&key);
    let [header, payload, signature] = segments(&token);
    vec![
        reject("a dot behind it", format!("{token}."), FORM),
        reject("a dot before it", format!(".{token}"), FORM),
        reject("a fourth segment", format!("{token}.{payload}"), FORM),
        reject("five segments, as if encrypted", format!("{header}..{payload}.{payload}.{signature}"), FORM),
        reject("two segments", format!("{header}.{payload}"), FORM),
        reject("one segment", header.to_owned(), FORM),
        reject("two dots", "..".to_owned(), FORM),
        reject("header and claims exchanged", format!("{payload}.{header}.{signature}"), FORM),
        reject("two passes with a comma", format!("{token},{token}"), FORM),
        reject(
            "JSON instead of the compact form",
            format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
            FORM,
        ),
        reject("padding behind the signature", format!("{token}=="), ONE),
        reject("padding behind the header", format!("{header}=.{payload}.{signature}"), ONE),
        reject("signed with padding behind the claims", key.over(&format!("{header}.{}", padded(&two_over()))), ONE),
        reject("bits left over in the signature", format!("{header}.{payload}.{}", left_over(signature)), ONE),
        reject(
            "bits left over in the claims, and signed so",
            key.over(&format!("{header}.{}", left_over(&two_over()))),
            ONE,
        ),
        reject("the other alphabet in the signature", other_alphabet(), ONE),
        reject("a percent sign behind it", format!("{token}%20"), ONE),
        reject("a tilde in the signature", format!("{header}.{payload}.{}", signature.replacen(|_| true, "~", 1)), ONE),
        reject("a byte more than is read", good::too_long(), "at most 4,096 bytes"),
        reject("much too long", good::longest() + &"A".repeat(2_000), "at most 4,096 bytes"),
    ]
}

fn padded(payload: &str) -> String {
    format!("{payload}{}", "=".repeat((4 - payload.len() % 4) % 4))
}

/// Claims whose text has bits left over.
fn two_over() -> String {
    (0..3)
        .map(|n| encode(with(good_claims(), "pad", json!("x".repeat(n))).to_string()))
        .find(|text| text.len() % 4 == 2)
        .unwrap_or_default()
}

/// The same bytes for a lax reader: the bits behind the last byte are not zero.
fn left_over(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let at = ALPHABET.iter().position(|letter| last.as_bytes() == [*letter]).unwrap_or(0);
    format!("{rest}{}", char::from(ALPHABET[at + 1]))
}

/// A good pass whose signature is spelled with `+` and `/`.
fn other_alphabet() -> String {
    let key = keys::first();
    let tokens =
        (0..100).map(|n| key.token(key.header().to_string(), with(good_claims(), "pad", json!(n)).to_string()));
    let token = tokens.into_iter().find(|token| segments(token)[2].contains(['-', '_'])).unwrap_or_default();
    let [header, payload, signature] = segments(&token);
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    format!("{header}.{payload}.{}", STANDARD_NO_PAD.encode(bytes))
}
