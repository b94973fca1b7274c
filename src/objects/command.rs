//! What is said to a Durable Object: one typed command enum per object, shared by caller and object.
//!
//! Unknown fields are ignored and an unknown command is answered 501, since old and new code meet during a deploy.

use ropeline_queue::json::{self, Misread, ToJson};
use ropeline_queue::line::history::Which;
use ropeline_queue::line::log::{Ack, Drain, Replay};
use ropeline_queue::wire::{Configured, Exchange, OpAnswer, Refusal};
use ropeline_queue::{Account, Epoch, EventId, LaneId, Number, Seq, Settings, Subject, UnixMillis, from_json};
use serde::Serialize;

/// A command, and how it travels.
pub trait Command: ToJson {
    /// In the address of the call, which costs less than a body; but logs show addresses, and they are short. So only what is
    /// small and holds no secret.
    fn is_in_address(&self) -> bool {
        false
    }
}

impl Command for RegistryCommand {}

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

impl Command for LineCommand {}

/// To the registry, the one object that lists a deployment's events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryCommand {
    /// Everything a Worker needs of the living events, unless it has this version already. → [`Listing`]
    List { known: Option<u64> },
    /// What is known of an id. → [`Reservation`]
    Find { event: EventId },
    /// Keeps an id for a new event with so many lanes; the salt is used if the id is new. → [`Reservation`]
    Reserve { event: EventId, salt: String, lanes: u16 },
    /// A line tells its settings; makes a reserved event live. → [`Told`]
    Tell { event: EventId, configured: Box<Configured> },
    /// A line tells whether it has entries that are not acked. What came with a later `stamp` counts. → [`Told`]
    Busy { event: EventId, busy: bool, stamp: u64 },
    /// The events that are busy. → `Vec<EventId>`
    ListBusy,
    /// The id of a purged event: never used again. → [`Reservation`]
    Bury {
        event: EventId,
        /// Whose key.
        by: String,
        /// Whether it was purged although it was open, or had entries that are not in Kafka.
        forced: bool,
    },
    /// Who buried an event, and when. → `Option<Burial>`
    Burial { event: EventId },
    /// The storage of a buried event has been given back. → [`Told`]
    Buried { event: EventId },
    /// The metrics of all events, from what the objects have counted at most five seconds ago. → a text
    Metrics,
}

from_json! {
    enum RegistryCommand {
        "list" => List { known },
        "find" => Find { event },
        "reserve" => Reserve { event, salt, lanes },
        "tell" => Tell { event, configured },
        "busy" => Busy { event, busy, stamp },
        "list_busy" => ListBusy,
        "bury" => Bury { event, by = default, forced = default },
        "burial" => Burial { event },
        "buried" => Buried { event },
        "metrics" => Metrics,
    }
}

/// What the registry tells of all living events.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// Grows with every change.
    pub version: u64,
    /// The events; none when the caller's version is the current one.
    pub events: Option<Vec<EventEntry>>,
}

from_json! { struct Listing { version, events } }

/// What a Worker needs to know of an event before it speaks to any other object.
#[derive(Debug, Serialize)]
pub struct EventEntry {
    /// Its id.
    pub event: EventId,
    /// Secret salt of the visitors' hashes, base64url.
    pub salt: String,
    /// Its settings.
    pub configured: Configured,
}

from_json! { struct EventEntry { event, salt, configured } }

/// What the registry knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// Nobody has used it.
    Unknown,
    /// Kept for an event that is being created.
    Reserved,
    /// A living event.
    Live,
    /// A purged event whose storage may not all be given back. It had this many lanes.
    Burying { lanes: u16 },
    /// A purged event.
    Gone,
}

from_json! {
    enum Reservation {
        "unknown" => Unknown,
        "reserved" => Reserved,
        "live" => Live,
        "burying" => Burying { lanes },
        "gone" => Gone,
    }
}

/// The end of an event: all that is left of it.
#[derive(Debug, Serialize)]
pub struct Burial {
    /// The registry's clock.
    pub at: UnixMillis,
    /// Whose key.
    pub by: String,
    /// Whether it was purged although it was open, or had entries that are not in Kafka.
    pub forced: bool,
}

from_json! { struct Burial { at, by, forced } }

/// The registry took note.
#[derive(Debug, Serialize)]
pub struct Told {
    /// False: the event is gone, there is nothing to tell any more.
    pub alive: bool,
}

from_json! { struct Told { alive } }

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

/// To a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineCommand {
    /// Makes the line, or (one that has given no number yet) takes these settings. → [`Configuring`]
    Create {
        event: EventId,
        settings: Settings,
        /// Whose key.
        by: String,
    },
    /// New settings. → [`Configuring`]
    Configure {
        settings: Settings,
        if_version: Option<u64>,
        /// Whose key.
        by: String,
    },
    /// The origin's pace. → `Paced`
    Pace {
        /// A new limit; none: as it is.
        pace: Option<Pace>,
        /// Whether it is sold out; none: as it is.
        sold_out: Option<bool>,
        /// Whose key.
        by: String,
    },
    /// Throws somebody out. → `Option<Seq>`: none if there is no such session
    EndSession {
        which: Which,
        /// Whose key.
        by: String,
    },
    /// One visitor's history. → `Option<History>`
    History { number: Number },
    /// Who did what. → `Vec<AuditRow>`
    Audit,
    /// The settings there are. → `Configured`
    Configured,
    /// A page of the operator's own; none: ours again. → [`Configuring`]
    SetPage {
        /// Its HTML.
        page: Option<String>,
        /// Only if the page there is has this version.
        if_version: Option<u64>,
        /// Whose key.
        by: String,
    },
    /// The operator's own page. → `Option<PageRow>`
    Page,
    /// One exchange with a lane. → `ExchangeReply`
    Exchange(Exchange),
    /// How the event stands. → `Board`
    Board,
    /// Counts. → `Stats`
    Stats,
    /// Gives back all storage. → `true`
    Purge,
    /// → [`Log`] of [`Lease`]
    Lease { relay: String },
    /// A lease, and what is sent under it begins anew. → [`Log`] of [`Lease`]
    Replay {
        relay: String,
        replay: Replay,
        /// Whose key.
        by: String,
    },
    /// How far the relay is. → [`Lease`]
    LogState,
    /// → [`Log`] of `u64`, milliseconds
    RenewLease { epoch: Epoch },
    /// → [`Log`] of `()`
    ReleaseLease { epoch: Epoch },
    /// → [`Log`] of `{"entries": […], "head"}`
    Drain(Drain),
    /// → [`Log`] of `()`
    Ack {
        /// The relay's lease.
        epoch: Epoch,
        /// What is in Kafka.
        ack: Ack,
    },
}

from_json! {
    enum LineCommand {
        "create" => Create { event, settings, by = default },
        "configure" => Configure { settings, if_version, by = default },
        "pace" => Pace { pace, sold_out, by },
        "end_session" => EndSession { which, by },
        "history" => History { number },
        "audit" => Audit,
        "configured" => Configured,
        "set_page" => SetPage { page, if_version, by },
        "page" => Page,
        "exchange" => Exchange(Exchange),
        "board" => Board,
        "stats" => Stats,
        "purge" => Purge,
        "lease" => Lease { relay },
        "replay" => Replay { relay, replay, by },
        "log_state" => LogState,
        "renew_lease" => RenewLease { epoch },
        "release_lease" => ReleaseLease { epoch },
        "drain" => Drain(Drain),
        "ack" => Ack { epoch, ack },
    }
}

/// What became of settings.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Configuring {
    /// They are these now.
    Done { configured: Configured },
    /// Another version than the caller's is there.
    Changed { current: u64 },
    /// One of them cannot change any more.
    Fixed { field: String, since: String },
    /// One of them does not fit the time.
    Invalid { field: String, detail: String },
}

from_json! {
    enum Configuring {
        "done" => Done { configured },
        "changed" => Changed { current },
        "fixed" => Fixed { field, since },
        "invalid" => Invalid { field, detail },
    }
}

/// A page of the operator's own.
#[derive(Debug, Serialize)]
pub struct PageRow {
    /// The settings' version that brought it.
    pub version: u64,
    /// Its HTML.
    pub html: String,
}

from_json! { struct PageRow { version, html } }

/// What an origin asks of a line's pace.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As configured.
    Lifted,
    /// Admissions per minute not to pass.
    AtMost(u64),
}

from_json! {
    enum Pace {
        "lifted" => Lifted,
        "at_most" => AtMost(u64),
    }
}

/// What somebody with a key did.
#[derive(Debug, Serialize)]
pub struct AuditRow {
    /// The line's clock.
    pub at: UnixMillis,
    /// Whose key.
    pub by: String,
    /// What, in a word.
    pub action: String,
    /// What it changed.
    pub detail: serde_json::Value,
}

from_json! { struct AuditRow { at, by, action, detail } }

/// Why a relay's wish was not done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// Another relay has the lease.
    Held { for_ms: u64 },
    /// The lease is over.
    StaleEpoch,
    /// It does not fit what was done before.
    Conflict { detail: String },
}

from_json! {
    enum Undone {
        "held" => Held { for_ms },
        "stale_epoch" => StaleEpoch,
        "conflict" => Conflict { detail },
    }
}

/// What became of a relay's wish. What is done is answered as text, which the Worker passes on as it is: entries of the admission log
/// arrive byte for byte as they were written.
pub type Log = Result<String, Undone>;

const DONE: &str = r#"{"done":{"answer":"#;
const DONE_END: &str = "}}";

/// A [`Log`] as it travels.
pub fn write_log(log: &Log) -> String {
    match log {
        Ok(answer) => [DONE, answer, DONE_END].concat(),
        Err(undone) => json::write(undone),
    }
}

/// Reads what [`write_log`] wrote.
pub fn read_log(text: &str) -> Result<Log, Misread> {
    match text.strip_prefix(DONE).and_then(|rest| rest.strip_suffix(DONE_END)) {
        Some(answer) => Ok(Ok(answer.to_owned())),
        None => json::read(text).map(Err),
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
