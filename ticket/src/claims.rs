//! What a ticket and a pass say, and the name of an admission (`jti` of a pass).
//!
//! Times are seconds since 1970 (`NumericDate`, RFC 7519 §2). Claims a reader does not know are
//! ignored, claims it needs are required: a later version may add, never take away.
//!
//! A pass is one of two things, told apart by what it says and never mixed:
//!
//! ```text
//! admitted from the line   num, seq            jti = {event}/{seq}
//! no queue was in force    adm "passthrough"   jti = at least 22 random characters of A-Z a-z 0-9 _ -
//! ```
//!
//! Invariant: `parse_pass_jti(&pass_jti(event, seq)) == Some((event, seq))` for every event id
//! (`[a-z0-9-]{1,64}`) and every `seq ≥ 1`; no other text is parsed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::members::{Members, Wrong};

/// The `typ` of a ticket's header (explicit typing, RFC 8725 §3.11).
pub const TICKET_TYP: &str = "ropeline-ticket+jwt";

/// The `typ` of a pass' header.
pub const PASS_TYP: &str = "ropeline-pass+jwt";

const MAX_EVENT_LENGTH: usize = 64;

/// Length of a random `jti`, characters: at least 128 bits.
const RANDOM_JTI_LENGTH: core::ops::RangeInclusive<usize> = 22..=128;

/// Length of a commitment, characters of lower-case hex.
const COMMITMENT_LENGTH: usize = 64;

/// A place in the line of one event, given at enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members")]
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
    /// Where the event shuffles: the commitment to the draw that was published when this place was given
    /// (64 characters of lower-case hex), so that its holder can prove a draw that was exchanged afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub com: Option<String>,
    /// Where the event shuffles and the draw is done: this place's position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pos: Option<u64>,
    /// When it was made, seconds.
    pub iat: u64,
    /// From when on it counts no more, seconds.
    pub exp: u64,
    /// MAC over all other claims, see [`MacKeys`](crate::mac::MacKeys).
    pub jti: String,
}

/// An admission that lives: what an origin verifies. Most want [`PassClaims::admission`] of it, and `jti`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members")]
pub struct PassClaims {
    /// Who signed: the deployment's configured issuer.
    pub iss: String,
    /// Who may use it: the event's configured `audience`, i.e. the shop.
    pub aud: String,
    /// The visitor, as in the ticket.
    pub sub: String,
    /// The event the visitor was admitted to.
    pub evt: String,
    /// The place in the line that was admitted; none where no queue was in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num: Option<u64>,
    /// The admission's place in the event's admission log; none where no queue was in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// How its holder came in, if not through the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adm: Option<AdmittedBy>,
    /// When this pass was made, seconds; a renewed pass has a later one.
    pub iat: u64,
    /// When the session it stands for ends, seconds.
    pub exp: u64,
    /// `{event}/{seq}`: the same in renewed passes. Keep it until the event's end to admit each place once.
    /// Where no queue was in force: random, and another one in every pass.
    pub jti: String,
}

/// How a pass was come by other than through the line. A word that a reader does not know is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmittedBy {
    /// No queue was in force: everybody got one. Not counted, and in no admission log.
    Passthrough,
}

impl TryFrom<Members> for TicketClaims {
    type Error = Wrong;

    fn try_from(mut members: Members) -> Result<Self, Wrong> {
        Ok(Self {
            iss: members.text("iss")?,
            aud: members.text("aud")?,
            sub: members.text("sub")?,
            evt: members.text("evt")?,
            num: members.integer("num")?,
            com: members.maybe_text("com")?,
            pos: members.maybe_integer("pos")?,
            iat: members.integer("iat")?,
            exp: members.integer("exp")?,
            jti: members.text("jti")?,
        })
    }
}

impl TryFrom<Members> for PassClaims {
    type Error = Wrong;

    fn try_from(mut members: Members) -> Result<Self, Wrong> {
        Ok(Self {
            iss: members.text("iss")?,
            aud: members.text("aud")?,
            sub: members.text("sub")?,
            evt: members.text("evt")?,
            num: members.maybe_integer("num")?,
            seq: members.maybe_integer("seq")?,
            adm: match members.maybe_text("adm")?.as_deref() {
                None => None,
                Some("passthrough") => Some(AdmittedBy::Passthrough),
                Some(_) => return Err(Wrong),
            },
            iat: members.integer("iat")?,
            exp: members.integer("exp")?,
            jti: members.text("jti")?,
        })
    }
}

/// An admission from the line, as its pass tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The place in the line.
    pub num: u64,
    /// The place in the event's admission log.
    pub seq: u64,
}

impl PassClaims {
    /// The admission from the line that this pass stands for; `None` where no queue was in force.
    #[must_use]
    pub fn admission(&self) -> Option<Admission> {
        match (self.num, self.seq, self.adm) {
            (Some(num), Some(seq), None) => Some(Admission { num, seq }),
            _ => None,
        }
    }

    /// Whether it was given because no queue was in force: it has no number, and its `jti` is its own.
    #[must_use]
    pub fn is_passthrough(&self) -> bool {
        matches!((self.num, self.seq, self.adm), (None, None, Some(AdmittedBy::Passthrough)))
    }
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
        self.com.as_ref().is_none_or(|com| {
            com.len() == COMMITMENT_LENGTH && com.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        }) && self.pos != Some(0)
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
        match self.admission() {
            Some(admission) => parse_pass_jti(&self.jti) == Some((self.evt.as_str(), admission.seq)),
            None => self.is_passthrough() && is_random_jti(&self.jti),
        }
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

/// The `jti` of a pass that no admission stands behind: 16 random bytes as 22 characters of base64url.
#[must_use]
pub fn passthrough_jti(random: &[u8; 16]) -> String {
    base64url::encode(random)
}

fn is_random_jti(jti: &str) -> bool {
    RANDOM_JTI_LENGTH.contains(&jti.len()) && jti.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
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
