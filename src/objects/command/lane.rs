//! To a lane.

use ropeline_queue::wire::{OpAnswer, Refusal};
use ropeline_queue::{Account, EventId, LaneId, Number, Seq, Subject, UnixMillis, from_json};
use serde::Serialize;

use super::Command;

impl Command for LaneCommand {
    /// An account is a name that may be somebody's, and no log's business.
    fn is_in_address(&self) -> bool {
        let account = match self {
            Self::Enter { account, .. } | Self::Known { account, .. } | Self::Claim { account, .. } => account.as_ref(),
            _ => None,
        };
        account.is_none()
    }
}

/// To a lane.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneCommand {
    /// Makes the lane, where the caller is or hints. → `true`
    Create { event: EventId, lane: LaneId },
    /// A place for this visitor, or the one it has. → [`Entered`]
    Enter {
        sub: Subject,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<Account>,
        lanes: u16,
        claim: bool,
        again: bool,
    },
    /// As `Enter`, but only for whoever has a place; a new one is [`Entered::Unknown`]. A command of its own, since a lane that
    /// does not know it yet must not give a place. → [`Entered`]
    Known {
        sub: Subject,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<Account>,
        claim: bool,
        again: bool,
    },
    /// Lets this visitor in, if it can be. → [`Asked`]
    Claim {
        sub: Subject,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<Account>,
        number: Number,
    },
    /// Keeps the session alive. → [`Asked`]
    Renew { sub: Subject, number: Number },
    /// Gives up the place or ends the session. → [`Asked`]
    Leave { sub: Subject, number: Number },
    /// The origin is done with this admission. → [`Asked`]
    Complete { seq: Seq },
    /// The origin uses this admission's pass. → [`Asked`]
    Redeem { seq: Seq },
    /// The visitor with this number, for support: looks at all there are. → `Option<StoredVisitor>`
    Find { number: Number },
    /// How the event stands, at most a second old. → `Board`
    Board,
    /// What it has counted. → [`LaneTally`](ropeline_queue::LaneTally)
    Tally,
    /// Gives back all storage. → `true`
    Purge,
}

from_json! {
    enum LaneCommand {
        "create" => Create { event, lane },
        "enter" => Enter { sub, account, lanes, claim, again },
        "known" => Known { sub, account, claim, again },
        "claim" => Claim { sub, account, number },
        "renew" => Renew { sub, number },
        "leave" => Leave { sub, number },
        "complete" => Complete { seq },
        "redeem" => Redeem { seq },
        "find" => Find { number },
        "board" => Board,
        "tally" => Tally,
        "purge" => Purge,
    }
}

impl LaneCommand {
    /// Whether somebody asks about a place, or an admission, that there is.
    pub const fn is_about_a_place(&self) -> bool {
        matches!(
            self,
            Self::Claim { .. } | Self::Renew { .. } | Self::Leave { .. } | Self::Complete { .. } | Self::Redeem { .. }
        )
    }
}

/// A lane's answer to enter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entered {
    /// The visitor has this place.
    Place {
        /// Its number.
        number: Number,
        /// Whether this call made it.
        new: bool,
        /// What it is now.
        state: OpAnswer,
        /// What the event has committed itself to, if this call made the place and a draw is still to come.
        #[serde(skip_serializing_if = "Option::is_none")]
        commitment: Option<String>,
    },
    /// No number was given.
    Refused { reason: Refusal },
    /// Nothing was asked of the line: this visitor has no place, or asks for a new one after an old one that is over.
    Unknown,
}

from_json! {
    enum Entered {
        "place" => Place { number, new, state, commitment },
        "refused" => Refused { reason },
        "unknown" => Unknown,
    }
}

/// A lane's answer about a place that its caller has a ticket for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The line's answer.
    Answer {
        answer: OpAnswer,
        /// In how many milliseconds there will be room for a called place, where that is soon.
        #[serde(skip_serializing_if = "Option::is_none")]
        in_ms: Option<u64>,
    },
    /// This visitor has another place now, or never had this one.
    Unknown,
}

from_json! {
    enum Asked {
        "answer" => Answer { answer, in_ms },
        "unknown" => Unknown,
    }
}

/// A visitor as its lane has stored it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StoredVisitor {
    /// Its place.
    pub number: Number,
    /// When the place was given.
    pub entered_at: UnixMillis,
    /// Whether the visitor asked to give it up.
    pub left: bool,
}

from_json! { struct StoredVisitor { number, entered_at, left } }
