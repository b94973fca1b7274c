//! The MAC in a ticket's `jti`: what a poll checks instead of the signature, in microseconds.
//!
//! `jti = base64url(HMAC-SHA-256(key, label ‖ iss ‖ aud ‖ sub ‖ evt ‖ num ‖ iat ‖ exp))`; texts have their
//! length before them (u64 big-endian), numbers are u64 big-endian, so no two tickets share an input.
//! The label keeps this use of the key apart from every other.
//!
//! A ticket with `com` or `pos` has another label, and both follow: 01 and the value, or 00 where it has none.
//! Without them the input is what it always was, so that tickets given before there were such claims stay good.
//!
//! Invariant: `check(t)` holds only if `t.jti = jti(t)` under one of the keys; every key is tried
//! whatever the others said, and compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::base64url;
use crate::claims::TicketClaims;
use crate::keys::KeyError;
use crate::keyset;

const LABEL: &str = "ropeline-ticket-jti-v1";
/// For tickets that say something about a draw.
const DRAW_LABEL: &str = "ropeline-ticket-jti-v2";
const MIN_KEY_LENGTH: usize = 32;
const MAX_KEY_LENGTH: usize = 1024;

/// The secrets that make and check the `jti` of tickets.
#[derive(Clone)]
pub struct MacKeys {
    first: Keyed,
    others: Vec<Keyed>,
}

/// HMAC with the key already taken in: each use starts from a copy.
type Keyed = Hmac<Sha256>;

impl MacKeys {
    /// Reads a JWK Set of `{"kty":"oct","k": base64url, ≥ 32 bytes}`. The first makes, all check.
    ///
    /// # Errors
    /// Names the entry and what to do about it, never the secret.
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        let entries = keyset::entries(json)?;
        let mut secrets: Vec<Zeroizing<Vec<u8>>> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let secret = read_secret(index, entry)?;
            if let Some(first) = secrets.iter().position(|known| *known == secret) {
                return Err(KeyError::Duplicate { index, first });
            }
            secrets.push(secret);
        }
        let mut keyed = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate() {
            let hmac = Keyed::new_from_slice(secret).map_err(|_| too_short(index))?;
            keyed.push(hmac);
        }
        let mut keyed = keyed.into_iter();
        let first = keyed.next().ok_or(KeyError::Empty)?;
        Ok(Self { first, others: keyed.collect() })
    }

    /// The `jti` that belongs to these claims. What `ticket.jti` holds is ignored.
    #[must_use]
    pub fn jti(&self, ticket: &TicketClaims) -> String {
        base64url::encode(&tag(&self.first, ticket))
    }

    /// Whether `ticket.jti` belongs to the other claims, under any of the keys.
    #[must_use]
    pub fn check(&self, ticket: &TicketClaims) -> bool {
        let Some(given) = base64url::decode_array::<32>(&ticket.jti) else {
            return false;
        };
        let mut fits = Choice::from(0);
        for key in std::iter::once(&self.first).chain(&self.others) {
            fits |= tag(key, ticket).ct_eq(&given);
        }
        fits.into()
    }
}

impl std::fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MacKeys({} redacted)", self.others.len().saturating_add(1))
    }
}

/// A JWK Set of MAC keys from random secrets, in the order given: the text [`MacKeys::from_json`] reads.
#[must_use]
pub fn mac_keys_json(secrets: &[[u8; 32]]) -> String {
    let keys: Vec<Value> = secrets.iter().map(|secret| json!({"kty": "oct", "k": base64url::encode(secret)})).collect();
    json!({ "keys": keys }).to_string()
}

fn read_secret(index: usize, entry: &Value) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if keyset::text(index, entry, "kty")? != "oct" {
        return Err(KeyError::WrongType { index, expected: "kty \"oct\"" });
    }
    let text = keyset::text(index, entry, "k")?;
    let secret = base64url::decode(text).map(Zeroizing::new).ok_or(KeyError::NotBase64Url { index, member: "k" })?;
    if secret.len() < MIN_KEY_LENGTH {
        return Err(too_short(index));
    }
    if secret.len() > MAX_KEY_LENGTH {
        return Err(KeyError::WrongLength { index, member: "k", expected: "at most 1024" });
    }
    Ok(secret)
}

fn too_short(index: usize) -> KeyError {
    KeyError::WrongLength { index, member: "k", expected: "at least 32" }
}

fn tag(keyed: &Keyed, ticket: &TicketClaims) -> [u8; 32] {
    // Naming every claim makes a new one a compile error here instead of a claim nobody protects.
    let TicketClaims { iss, aud, sub, evt, num, com, pos, iat, exp, jti: _ } = ticket;
    let tells_of_a_draw = com.is_some() || pos.is_some();
    let mut hmac = keyed.clone();
    let label = if tells_of_a_draw { DRAW_LABEL } else { LABEL };
    for text in [label, iss, aud, sub, evt] {
        update_text(&mut hmac, text);
    }
    for number in [num, iat, exp] {
        hmac.update(&number.to_be_bytes());
    }
    if tells_of_a_draw {
        hmac.update(&[com.is_some().into()]);
        if let Some(com) = com {
            update_text(&mut hmac, com);
        }
        hmac.update(&[pos.is_some().into()]);
        if let Some(pos) = pos {
            hmac.update(&pos.to_be_bytes());
        }
    }
    hmac.finalize().into_bytes().into()
}

fn update_text(hmac: &mut Keyed, text: &str) {
    hmac.update(&(text.len() as u64).to_be_bytes());
    hmac.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn keys(secrets: &[[u8; 32]]) -> MacKeys {
        MacKeys::from_json(&mac_keys_json(secrets)).unwrap()
    }

    fn ticket() -> TicketClaims {
        TicketClaims {
            iss: "https://queue.example.com".to_owned(),
            aud: "https://queue.example.com".to_owned(),
            sub: "visitor".to_owned(),
            evt: "demo".to_owned(),
            num: 42,
            com: None,
            pos: None,
            iat: 1_800_000_000,
            exp: 1_800_086_400,
            jti: String::new(),
        }
    }

    fn stamped(keys: &MacKeys, mut ticket: TicketClaims) -> TicketClaims {
        ticket.jti = keys.jti(&ticket);
        ticket
    }

    #[test]
    fn a_stamped_ticket_is_accepted_and_what_jti_held_before_does_not_matter() {
        let keys = keys(&[OLD]);
        let mut first = stamped(&keys, ticket());
        assert!(keys.check(&first));
        let jti = first.jti.clone();
        first.jti = "something else".to_owned();
        assert_eq!(keys.jti(&first), jti);
    }

    #[test]
    fn the_mac_is_hmac_sha256_over_the_documented_bytes() {
        let mut hmac = Keyed::new_from_slice(&OLD).unwrap();
        let issuer = "https://queue.example.com";
        let mut input = Vec::new();
        for text in ["ropeline-ticket-jti-v1", issuer, issuer, "visitor", "demo"] {
            input.extend((text.len() as u64).to_be_bytes());
            input.extend(text.bytes());
        }
        for number in [42_u64, 1_800_000_000, 1_800_086_400] {
            input.extend(number.to_be_bytes());
        }
        hmac.update(&input);
        let expected = base64url::encode(&hmac.finalize().into_bytes());
        assert_eq!(keys(&[OLD]).jti(&ticket()), expected);
    }

    #[test]
    fn a_ticket_with_any_other_claim_changed_is_refused() {
        let keys = keys(&[OLD]);
        let good = stamped(&keys, ticket());
        let changes: [fn(&mut TicketClaims); 7] = [
            |t| t.iss.push('x'),
            |t| t.aud.push('x'),
            |t| t.sub.push('x'),
            |t| t.evt.push('x'),
            |t| t.num -= 1,
            |t| t.iat += 1,
            |t| t.exp += 1,
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut changed = good.clone();
            change(&mut changed);
            assert!(!keys.check(&changed), "change {index}");
        }
    }

    fn drawn(com: Option<&str>, pos: Option<u64>) -> TicketClaims {
        TicketClaims { com: com.map(str::to_owned), pos, ..ticket() }
    }

    #[test]
    fn what_a_ticket_says_of_a_draw_cannot_be_added_removed_or_changed() {
        let keys = keys(&[OLD]);
        // The last ones would be the same bytes if lengths or absences were not told.
        let zeros = "\0\0\0\0\0\0\0\x07";
        let variants = [
            drawn(None, None),
            drawn(None, Some(7)),
            drawn(None, Some(8)),
            drawn(None, Some(0)),
            drawn(Some("ab"), None),
            drawn(Some("ac"), None),
            drawn(Some("ab"), Some(7)),
            drawn(Some("ab"), Some(8)),
            drawn(Some(""), None),
            drawn(Some(""), Some(7)),
            drawn(Some(zeros), None),
            drawn(Some(&format!("ab{zeros}")), None),
        ];
        for given in &variants {
            let jti = keys.jti(given);
            for other in &variants {
                let shown = TicketClaims { jti: jti.clone(), ..other.clone() };
                assert_eq!(keys.check(&shown), given == other, "{given:?} shown as {other:?}");
            }
        }
    }

    #[test]
    fn the_mac_of_a_drawn_ticket_is_hmac_sha256_over_the_documented_bytes() {
        let mut hmac = Keyed::new_from_slice(&OLD).unwrap();
        let issuer = "https://queue.example.com";
        let text = |text: &str| [&(text.len() as u64).to_be_bytes()[..], text.as_bytes()].concat();
        for part in ["ropeline-ticket-jti-v2", issuer, issuer, "visitor", "demo"] {
            hmac.update(&text(part));
        }
        for number in [42_u64, 1_800_000_000, 1_800_086_400] {
            hmac.update(&number.to_be_bytes());
        }
        hmac.update(&[&[1], &text("ab")[..], &[1], &7_u64.to_be_bytes()].concat());
        let expected = base64url::encode(&hmac.finalize().into_bytes());
        assert_eq!(keys(&[OLD]).jti(&drawn(Some("ab"), Some(7))), expected);
    }

    #[test]
    fn text_moved_from_one_claim_into_the_next_is_refused() {
        let keys = keys(&[OLD]);
        let mut moved = stamped(&keys, ticket());
        moved.sub = "visit".to_owned();
        moved.evt = "ordemo".to_owned();
        assert!(!keys.check(&moved));
    }

    #[test]
    fn a_jti_that_is_not_the_one_spelling_is_refused() {
        let keys = keys(&[OLD]);
        let good = stamped(&keys, ticket());
        // 43 characters hold 258 bits: the last two must be zero.
        let mut alphabet = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain([b'-', b'_']);
        let last = good.jti.bytes().last().unwrap();
        let value = alphabet.position(|b| b == last).unwrap();
        assert_eq!(value % 4, 0);
        let sibling = char::from(alphabet.next().unwrap());
        let with_trailing_bit = format!("{}{sibling}", &good.jti[..42]);
        for jti in
            [String::new(), format!("{}=", good.jti), format!(" {}", good.jti), with_trailing_bit, "A".repeat(43)]
        {
            assert!(!keys.check(&TicketClaims { jti: jti.clone(), ..good.clone() }), "{jti:?}");
        }
    }

    #[test]
    fn rotation_append_move_remove_never_refuses_a_living_ticket() {
        let before = stamped(&keys(&[OLD]), ticket());
        let appended = keys(&[OLD, NEW]);
        assert!(appended.check(&before));
        let during = stamped(&appended, ticket());
        assert_eq!(during.jti, before.jti, "the appended key must not make yet");
        let moved = keys(&[NEW, OLD]);
        let after = stamped(&moved, ticket());
        assert_ne!(after.jti, before.jti, "the moved key makes");
        assert!(moved.check(&before) && moved.check(&after));
        assert!(appended.check(&after), "an isolate with the old order accepts it too");
        let removed = keys(&[NEW]);
        assert!(removed.check(&after));
        assert!(!removed.check(&before), "a removed key accepts nothing");
    }

    #[test]
    fn unusable_secrets_are_refused_by_entry() {
        let good = r#"{"kty":"oct","k":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}"#;
        let short = base64url::encode(&[7; 31]);
        let long = base64url::encode(&[7; 1025]);
        let cases = [
            (r#"{"kty":"EC","k":"AQ"}"#.to_owned(), KeyError::WrongType { index: 1, expected: "kty \"oct\"" }),
            (r#"{"k":"AQ"}"#.to_owned(), KeyError::Missing { index: 1, member: "kty" }),
            (r#"{"kty":"oct"}"#.to_owned(), KeyError::Missing { index: 1, member: "k" }),
            (r#"{"kty":"oct","k":7}"#.to_owned(), KeyError::Missing { index: 1, member: "k" }),
            (r#"{"kty":"oct","k":"A+=="}"#.to_owned(), KeyError::NotBase64Url { index: 1, member: "k" }),
            (format!(r#"{{"kty":"oct","k":"{short}"}}"#), too_short(1)),
            (
                format!(r#"{{"kty":"oct","k":"{long}"}}"#),
                KeyError::WrongLength { index: 1, member: "k", expected: "at most 1024" },
            ),
            (good.to_owned(), KeyError::Duplicate { index: 1, first: 0 }),
        ];
        for (entry, expected) in cases {
            let json = format!(r#"{{"keys":[{good},{entry}]}}"#);
            assert_eq!(MacKeys::from_json(&json).unwrap_err(), expected, "{entry}");
        }
        assert_eq!(MacKeys::from_json(r#"{"keys":[]}"#).unwrap_err(), KeyError::Empty);
        assert_eq!(MacKeys::from_json(&mac_keys_json(&[OLD; 17])).unwrap_err(), KeyError::TooMany { max: 16 });
    }

    #[test]
    fn a_secret_has_32_to_1024_bytes() {
        for length in [32, 1024] {
            let k = base64url::encode(&vec![7; length]);
            assert!(MacKeys::from_json(&format!(r#"{{"keys":[{{"kty":"oct","k":"{k}"}}]}}"#)).is_ok(), "{length}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", keys(&[OLD, NEW])), "MacKeys(2 redacted)");
    }
}
