//! The keyed hash under which a visitor is known: the first 16 bytes of HMAC-SHA-256(salt, visitor key), or, of an account that the
//! shop vouches for, of HMAC-SHA-256(salt, 01 ‖ account). No visitor key begins with that byte.
//!
//! The salt is the event's own, so nobody outside can aim at a lane or follow a visitor from one event to the next, and the
//! visitor key itself is never stored.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::Sha256;
use thiserror::Error;

use crate::LaneId;
use crate::json::{FromJson, Misread};
use crate::visitor::Account;

/// Length of a subject in its text form (base64url without padding).
pub const SUBJECT_TEXT_LEN: usize = 22;

/// A visitor of one event; as text 22 base64url characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject([u8; 16]);

/// Why a text is no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a subject is 22 base64url characters")]
pub struct SubjectError;

/// Why a visitor key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a visitor key is a secret of 22 to 128 characters of A-Z, a-z, 0-9, '_' and '-'; make a random one (a UUID) before the first call and keep it"
)]
pub struct VisitorKeyError;

/// Per-event secret for [`Subject::of_visitor`], 32 bytes.
pub type Salt = [u8; 32];

impl Subject {
    /// Hashes a visitor key under the event's salt.
    ///
    /// # Errors
    /// [`VisitorKeyError`] when the key has not the form that a random secret has.
    pub fn of_visitor(salt: &Salt, key: &str) -> Result<Self, VisitorKeyError> {
        let fits =
            (22..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !fits {
            return Err(VisitorKeyError);
        }
        Ok(Self::of(salt, &[key.as_bytes()]))
    }

    /// Hashes an account under the event's salt.
    #[must_use]
    pub fn of_account(salt: &Salt, account: &Account) -> Self {
        Self::of(salt, &[&[1], account.as_str().as_bytes()])
    }

    fn of(salt: &Salt, parts: &[&[u8]]) -> Self {
        let mut mac = keyed(salt);
        for part in parts {
            mac.update(part);
        }
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = digest;
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`SubjectError`] when it is not exactly 16 bytes of base64url.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SubjectError)?;
        bytes.try_into().map(Self).map_err(|_| SubjectError)
    }

    /// The lane that keeps this visitor: `u32be(first four bytes) mod lanes`.
    #[must_use]
    pub const fn lane(self, lanes: u16) -> LaneId {
        let [a, b, c, d, ..] = self.0;
        let lanes = if lanes == 0 { 1 } else { lanes };
        LaneId((u32::from_be_bytes([a, b, c, d]) % lanes as u32) as u16)
    }
}

/// HMAC fills a key up with zeros to its block of 64 bytes: done here, nothing can fail.
pub(crate) fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(secret) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; SUBJECT_TEXT_LEN];
        URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromJson for Subject {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        let subject = value.as_str().and_then(|text| Self::parse(text).ok());
        subject.ok_or(Misread::expected("a subject"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0b8f2a52-6f0e-4c55-9a1f-2f8f2a526f0e";

    #[test]
    fn the_subject_is_the_head_of_the_hmac() {
        // printf KEY | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07 says 90075b4c2962f54a07bbed6d2d42af84…, and so does
        // Python's hmac; base64url of these 16 bytes:
        let subject = Subject::of_visitor(&[7; 32], KEY).unwrap();
        assert_eq!(subject.to_string(), "kAdbTCli9UoHu-1tLUKvhA");
        assert_eq!(subject.lane(256), LaneId(0x4c), "the fourth byte");
        assert_eq!(Subject::parse(&subject.to_string()), Ok(subject));
        assert_eq!(subject.to_string().len(), SUBJECT_TEXT_LEN);
        assert_ne!(subject, Subject::of_visitor(&[8; 32], KEY).unwrap(), "the salt counts");
    }

    #[test]
    fn an_account_is_hashed_apart_from_every_key() {
        // printf '\001%s' customer-7 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07 begins with these 16 bytes:
        let account = Account::parse("customer-7").unwrap();
        assert_eq!(Subject::of_account(&[7; 32], &account).to_string(), "3OD8Iq_etbhXaYe8CqDjDw");
        let account = Account::parse(KEY).unwrap();
        assert_ne!(Subject::of_account(&[7; 32], &account), Subject::of_visitor(&[7; 32], KEY).unwrap());
    }

    #[test]
    fn a_key_that_is_no_secret_is_refused() {
        for bad in ["", "short", "somebody@example.com-somebody", &"x".repeat(129), "0b8f2a52 6f0e 4c55 9a1f 2f8f"] {
            assert_eq!(Subject::of_visitor(&[0; 32], bad), Err(VisitorKeyError), "{bad}");
        }
    }

    #[test]
    fn visitors_spread_over_all_lanes() {
        let mut counts = [0_u32; 8];
        for n in 0..8_000 {
            let lane = Subject::of_visitor(&[1; 32], &format!("visitor-key-number-{n:08}")).unwrap().lane(8);
            counts[usize::from(lane.0)] += 1;
        }
        assert!(counts.iter().all(|&count| (800..1_200).contains(&count)), "{counts:?}");
    }

    #[test]
    fn only_the_exact_text_form_is_read() {
        for bad in
            ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAA+"]
        {
            assert_eq!(Subject::parse(bad), Err(SubjectError), "{bad}");
        }
    }
}
