//! Assertions: a shop's signed word that a visitor is one of its accounts.
//!
//! Unlike tickets and passes they are made by other people's libraries, so of the header only `alg` must be there; `typ` is
//! [`ASSERTION_TYP`], `JWT`, or left out, `kid` may be left out where the shop has a single key. Everything else is as strict.

use serde::{Deserialize, Serialize};

use crate::check::TokenError;
use crate::jws::{self, Header, Unverified};
use crate::members::{Members, Wrong};

/// The `typ` that tells an assertion from everything else that the shop signs.
pub const ASSERTION_TYP: &str = "ropeline-assertion+jwt";

/// From `iat` to `exp` at most, seconds.
pub const MAX_LIFE_SECONDS: u64 = 3_600;

/// How far the shop's clock may be off, seconds.
pub const LEEWAY_SECONDS: u64 = 30;

/// What an assertion says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members")]
pub struct AssertionClaims {
    /// Who vouches, in words of its own.
    pub iss: String,
    /// For which events.
    pub aud: Vec<String>,
    /// The account.
    pub sub: String,
    /// When it was made, seconds.
    pub iat: u64,
    /// From when on it counts no more, seconds.
    pub exp: u64,
}

impl TryFrom<Members> for AssertionClaims {
    type Error = Wrong;

    fn try_from(mut members: Members) -> Result<Self, Wrong> {
        Ok(Self {
            iss: members.text("iss")?,
            aud: members.texts("aud")?,
            sub: members.text("sub")?,
            iat: members.integer("iat")?,
            exp: members.integer("exp")?,
        })
    }
}

impl AssertionClaims {
    /// Checks audience and times. It says nothing about the signature: check that first.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self, event: &str, now_seconds: u64) -> Result<(), TokenError> {
        let Self { ref aud, iat, exp, .. } = *self;
        if !aud.iter().any(|aud| aud == event) {
            return Err(TokenError::WrongAudience);
        }
        if exp > iat.saturating_add(MAX_LIFE_SECONDS) {
            return Err(TokenError::TooLong { max: MAX_LIFE_SECONDS });
        }
        if iat > now_seconds.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::NotYetValid { iat });
        }
        if now_seconds >= exp.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired { exp });
        }
        Ok(())
    }
}

/// Takes an assertion apart; nothing it says may be believed yet.
///
/// # Errors
/// As [`jws::parse`].
pub fn parse(token: &str) -> Result<Unverified<'_>, TokenError> {
    jws::take_apart(token, |header| {
        let typ = header.maybe_text("typ")?;
        let fits = typ.is_none_or(|typ| typ == ASSERTION_TYP || typ.eq_ignore_ascii_case("JWT"));
        Ok(Header { alg: header.text("alg")?, kid: header.maybe_text("kid")?.unwrap_or_default(), fits })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base64url;

    const NOW: u64 = 1_795_374_000;

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
        format!("{}.{}.{}", part(header), part(claims), base64url::encode(&[0; 64]))
    }

    fn claims() -> Value {
        json!({"iss": "shop", "aud": "demo", "sub": "customer-7", "iat": NOW, "exp": NOW + 3_600, "more": {}})
    }

    #[test]
    fn headers_of_common_libraries_are_read() {
        for (header, kid) in [
            (json!({"alg": "ES256"}), ""),
            (json!({"alg": "EdDSA", "typ": "JWT"}), ""),
            (json!({"alg": "ES256", "typ": "jwt", "kid": "one"}), "one"),
            (json!({"alg": "ES256", "typ": ASSERTION_TYP, "kid": "one"}), "one"),
        ] {
            assert_eq!(parse(&token(&header, &claims())).unwrap().kid(), kid, "{header}");
        }
        for (header, error) in [
            (json!({"typ": "JWT"}), TokenError::Malformed { part: "header" }),
            (json!({"alg": "ES256", "crit": []}), TokenError::Malformed { part: "header" }),
            (json!({"alg": "ES256", "jku": "https://keys.example"}), TokenError::Malformed { part: "header" }),
            (json!({"alg": "ES256", "kid": 1}), TokenError::Malformed { part: "header" }),
            (json!({"alg": "none"}), TokenError::WrongAlgorithm),
            (json!({"alg": "HS256"}), TokenError::WrongAlgorithm),
            (json!({"alg": "ES256", "typ": crate::TICKET_TYP}), TokenError::WrongType),
            (json!({"alg": "ES256", "typ": crate::PASS_TYP}), TokenError::WrongType),
            (json!({"alg": "ES256", "typ": "at+jwt"}), TokenError::WrongType),
        ] {
            assert_eq!(parse(&token(&header, &claims())).unwrap_err(), error, "{header}");
        }
    }

    #[test]
    fn claims_are_those_of_the_event_now_and_for_an_hour_at_most() {
        let header = json!({"alg": "ES256"});
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            let token = token(&header, &claims);
            let parsed = parse(&token)?;
            parsed.claims::<AssertionClaims>()?.check("demo", NOW)
        };
        for (name, value) in [("aud", json!(["other", "demo"])), ("iat", json!(NOW + 30)), ("exp", json!(NOW - 29))] {
            assert_eq!(with(name, value), Ok(()), "{name}");
        }
        let malformed = TokenError::Malformed { part: "claims" };
        for (name, value, error) in [
            ("aud", json!("other"), TokenError::WrongAudience),
            ("aud", json!([]), TokenError::WrongAudience),
            ("aud", json!(["demo", 1]), malformed.clone()),
            ("aud", Value::Null, malformed.clone()),
            ("iss", Value::Null, malformed.clone()),
            ("sub", json!(7), malformed.clone()),
            ("iat", json!("now"), malformed.clone()),
            ("exp", Value::Null, malformed),
            ("exp", json!(NOW + 3_601), TokenError::TooLong { max: 3_600 }),
            ("iat", json!(NOW + 31), TokenError::NotYetValid { iat: NOW + 31 }),
            ("exp", json!(NOW - 30), TokenError::Expired { exp: NOW - 30 }),
        ] {
            assert_eq!(with(name, value.clone()), Err(error), "{name} {value}");
        }
    }
}
