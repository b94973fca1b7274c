//! What a ticket and a pass say, and the name of an admission (`jti` of a pass).
//!
//! Times are seconds since 1970 (`NumericDate`, RFC 7519 §2). Claims a reader does not know are
//! ignored, claims it needs are required: a later version may add, never take away.
//!
//! Invariant: `parse_pass_jti(&pass_jti(event, seq)) == Some((event, seq))` for every event id
//! (`[a-z0-9-]{1,64}`) and every `seq ≥ 1`; no other text is parsed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The `typ` of a ticket's header (explicit typing, RFC 8725 §3.11).
pub const TICKET_TYP: &str = "ropeline-ticket+jwt";

/// The `typ` of a pass' header.
pub const PASS_TYP: &str = "ropeline-pass+jwt";

const MAX_EVENT_LENGTH: usize = 64;

/// A place in the line of one event, given at enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketClaims {
    /// Who signed: the deployment's configured issuer.
    pub iss: String,
    /// Who may use it: the issuer itself. A ticket means nothing to an origin.
    pub aud: String,
    /// The visitor: keyed hash of the visitor key, or the asserted account.
    pub sub: String,
    /// The event whose line this place is in.
    pub evt: String,
    /// The place: the dense sequence number given at enter.
    pub num: u64,
    /// When it was made, seconds.
    pub iat: u64,
    /// From when on it counts no more, seconds.
    pub exp: u64,
    /// MAC over all other claims, see [`MacKeys`](crate::mac::MacKeys).
    pub jti: String,
}

/// An admission that lives: what an origin verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassClaims {
    /// Who signed: the deployment's configured issuer.
    pub iss: String,
    /// Who may use it: the event's configured `audience`, i.e. the shop.
    pub aud: String,
    /// The visitor, as in the ticket.
    pub sub: String,
    /// The event the visitor was admitted to.
    pub evt: String,
    /// The place in the line that was admitted.
    pub num: u64,
    /// The admission's place in the event's admission log.
    pub seq: u64,
    /// When this pass was made, seconds; a renewed pass has a later one.
    pub iat: u64,
    /// When the session it stands for ends, seconds.
    pub exp: u64,
    /// `{event}/{seq}`: the same in renewed passes. Keep it until the event's end to admit each place once.
    pub jti: String,
}

/// What tickets and passes have in common: a purpose (`typ`) and the claims every reader checks.
pub trait Claims: Serialize + DeserializeOwned {
    /// The header's `typ` for these claims.
    const TYP: &'static str;
    /// `iss`.
    fn issuer(&self) -> &str;
    /// `aud`.
    fn audience(&self) -> &str;
    /// `evt`.
    fn event(&self) -> &str;
    /// `iat`, seconds.
    fn issued_at(&self) -> u64;
    /// `exp`, seconds.
    fn expires_at(&self) -> u64;
    /// Whether claims that say the same thing twice agree.
    fn is_consistent(&self) -> bool;
}

impl Claims for TicketClaims {
    const TYP: &'static str = TICKET_TYP;
    fn issuer(&self) -> &str {
        &self.iss
    }
    fn audience(&self) -> &str {
        &self.aud
    }
    fn event(&self) -> &str {
        &self.evt
    }
    fn issued_at(&self) -> u64 {
        self.iat
    }
    fn expires_at(&self) -> u64 {
        self.exp
    }
    fn is_consistent(&self) -> bool {
        true
    }
}

impl Claims for PassClaims {
    const TYP: &'static str = PASS_TYP;
    fn issuer(&self) -> &str {
        &self.iss
    }
    fn audience(&self) -> &str {
        &self.aud
    }
    fn event(&self) -> &str {
        &self.evt
    }
    fn issued_at(&self) -> u64 {
        self.iat
    }
    fn expires_at(&self) -> u64 {
        self.exp
    }
    fn is_consistent(&self) -> bool {
        parse_pass_jti(&self.jti) == Some((self.evt.as_str(), self.seq))
    }
}

/// The `jti` of the pass for admission `seq` of `event`: `{event}/{seq}`.
#[must_use]
pub fn pass_jti(event: &str, seq: u64) -> String {
    format!("{event}/{seq}")
}

/// Event and `seq` of a pass' `jti`; `None` for anything [`pass_jti`] does not make.
#[must_use]
pub fn parse_pass_jti(jti: &str) -> Option<(&str, u64)> {
    let (event, digits) = jti.split_once('/')?;
    let event_is_valid = (1..=MAX_EVENT_LENGTH).contains(&event.len())
        && event.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    // One spelling per admission: no sign, no leading zero, so that a store of `jti` sees each once.
    let digits_are_canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if !event_is_valid || !digits_are_canonical {
        return None;
    }
    Some((event, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_jti_is_read_back() {
        let longest = "a".repeat(64);
        for (event, seq) in [("demo", 1), ("a-9", 120), (longest.as_str(), u64::MAX)] {
            assert_eq!(parse_pass_jti(&pass_jti(event, seq)), Some((event, seq)));
        }
        assert_eq!(pass_jti("demo", 7), "demo/7");
    }

    #[test]
    fn every_other_spelling_of_a_pass_jti_is_refused() {
        let too_long = format!("{}/1", "a".repeat(65));
        for jti in [
            "",
            "/",
            "demo",
            "demo/",
            "/1",
            "demo/0",
            "demo/01",
            "demo/+1",
            "demo/-1",
            "demo/1 ",
            " demo/1",
            "demo/1/2",
            "Demo/1",
            "d_mo/1",
            "d\u{e9}mo/1",
            "demo/\u{661}",
            "demo/18446744073709551616",
            "demo/1e3",
            too_long.as_str(),
        ] {
            assert_eq!(parse_pass_jti(jti), None, "{jti:?}");
        }
    }
}
