//! Passes that every verifier must accept.

use serde_json::json;

use super::{accept, pass_of, passthrough, saying, with};
use crate::keys;
use crate::{LONGEST, Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::first();
    let kid = key.kid();
    let nobody = Vector {
        number: None,
        ..accept(
            "passthrough",
            saying(&passthrough()),
            "given while no queue was in force: no num, no seq, a random jti",
        )
    };
    let account = "고객-7 \u{1f39f}";
    vec![
        accept("pass", pass_of(&key), "as the waiting room makes it"),
        accept("pass of the second key", pass_of(&keys::second()), "every published key verifies"),
        nobody,
        accept(
            "a claim nobody knows",
            saying(&with(good_claims(), "later", json!({"nested": ["list", 1.5, null]}))),
            "a later version may add claims",
        ),
        accept("the longest token", longest(), "4,096 bytes are read"),
        Vector {
            subject: Some(account.to_owned()),
            ..accept(
                "an asserted account that is not ASCII",
                saying(&with(good_claims(), "sub", json!(account))),
                "sub is any text of the shop's",
            )
        },
        accept(
            "header members in another order",
            key.token(
                format!(r#"{{"kid":"{kid}","alg":"ES256","typ":"ropeline-pass+jwt"}}"#),
                good_claims().to_string(),
            ),
            "order means nothing in JSON",
        ),
        accept(
            "white space in the claims",
            key.token(key.header().to_string(), spaced()),
            "the claims are JSON, in whatever layout was signed",
        ),
        accept(
            "escapes in the claims",
            key.token(key.header().to_string(), good_claims().to_string().replace(r#""demo""#, r#""\u0064emo""#)),
            "an escape and its character are the same text",
        ),
    ]
}

fn spaced() -> String {
    serde_json::to_string_pretty(&good_claims()).unwrap_or_default()
}

/// As long as may be: base64 has no texts of some lengths.
pub(super) fn longest() -> String {
    (0..=about_longest()).rev().map(padded).find(|token| token.len() <= LONGEST).unwrap_or_default()
}

/// The shortest one that is too long.
pub(super) fn too_long() -> String {
    (about_longest() - 40..).map(padded).find(|token| token.len() > LONGEST).unwrap_or_default()
}

/// A little more padding than fits: three bytes are four characters.
fn about_longest() -> usize {
    (LONGEST - pass_of(&keys::first()).len()) * 3 / 4
}

/// A good pass with a claim of this many characters more.
fn padded(length: usize) -> String {
    saying(&with(good_claims(), "pad", "x".repeat(length).into()))
}
