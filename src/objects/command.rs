//! What is said to a Durable Object: one typed command enum per object, shared by caller and object.
//!
//! Unknown fields are ignored and an unknown command is answered 501, since old and new code meet during a deploy.

use ropeline_queue::line::history::Which;
use ropeline_queue::line::log::{Ack, Drain, Lease};
use ropeline_queue::wire::{Configured, Exchange, OpAnswer, Refusal};
use ropeline_queue::{Epoch, EventId, LaneId, Number, Seq, Settings, Subject, UnixMillis};
use serde::{Deserialize, Serialize};

/// A command, and how it travels.
pub trait Command: Serialize {
    /// In the address of the call, which costs less than a body; but logs show addresses, and they are short. So only what is
    /// small and holds no secret.
    const IN_ADDRESS: bool;
}

impl Command for RegistryCommand {
    const IN_ADDRESS: bool = false;
}

impl Command for LaneCommand {
    const IN_ADDRESS: bool = true;
}

impl Command for LineCommand {
    const IN_ADDRESS: bool = false;
}

/// To the registry, the one object that lists a deployment's events.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryCommand {
    /// Everything a Worker needs of the living events, unless it has this version already. → [`Listing`]
    List { known: Option<u64> },
    /// What is known of an id. → [`Reservation`]
    Find { event: EventId },
    /// Keeps an id for a new event with so many lanes; the salt is used if the id is new. → [`Reservation`]
    Reserve { event: EventId, salt: String, lanes: u16 },
    /// A line tells its settings; makes a reserved event live. → [`Told`]
    Tell { event: EventId, configured: Configured },
    /// A line tells whether it has entries that are not acked. What came with a later `stamp` counts. → [`Told`]
    Busy { event: EventId, busy: bool, stamp: u64 },
    /// The events that are busy. → `Vec<EventId>`
    ListBusy,
    /// The id of a purged event: never used again. → [`Reservation`]
    Bury {
        event: EventId,
        /// Whose key.
        #[serde(default)]
        by: String,
        /// Whether it was purged although it was open, or had entries that are not in Kafka.
        #[serde(default)]
        forced: bool,
    },
    /// Who buried an event, and when. → `Option<Burial>`
    Burial { event: EventId },
    /// The storage of a buried event has been given back. → [`Told`]
    Buried { event: EventId },
}

/// What the registry tells of all living events.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
    /// Grows with every change.
    pub version: u64,
    /// The events; none when the caller's version is the current one.
    pub events: Option<Vec<EventEntry>>,
}

/// What a Worker needs to know of an event before it speaks to any other object.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventEntry {
    /// Its id.
    pub event: EventId,
    /// Secret salt of the visitors' hashes, base64url.
    pub salt: String,
    /// Its settings.
    pub configured: Configured,
}

/// What the registry knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// The end of an event: all that is left of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Burial {
    /// The registry's clock.
    pub at: UnixMillis,
    /// Whose key.
    pub by: String,
    /// Whether it was purged although it was open, or had entries that are not in Kafka.
    pub forced: bool,
}

/// The registry took note.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// False: the event is gone, there is nothing to tell any more.
    pub alive: bool,
}

/// To a lane.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneCommand {
    /// Makes the lane, where the caller is or hints. → `true`
    Create { event: EventId, lane: LaneId },
    /// A place for this visitor, or the one it has. → [`Entered`]
    Enter { sub: Subject, lanes: u16, claim: bool, again: bool },
    /// Lets this visitor in, if it can be. → [`Asked`]
    Claim { sub: Subject, number: Number },
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
    /// Gives back all storage. → `true`
    Purge,
}

/// A lane's answer to enter.
#[derive(Debug, Serialize, Deserialize)]
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commitment: Option<String>,
    },
    /// No number was given.
    Refused { reason: Refusal },
}

/// A lane's answer about a place that its caller has a ticket for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The line's answer.
    Answer { answer: OpAnswer },
    /// This visitor has another place now, or never had this one.
    Unknown,
}

/// To a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineCommand {
    /// Makes the line, or (one that has given no number yet) takes these settings. → [`Configuring`]
    Create {
        event: EventId,
        settings: Settings,
        /// Whose key.
        #[serde(default)]
        by: String,
    },
    /// New settings. → [`Configuring`]
    Configure {
        settings: Settings,
        if_version: Option<u64>,
        /// Whose key.
        #[serde(default)]
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
    /// → [`Log`] of `u64`, milliseconds
    RenewLease { epoch: Epoch },
    /// → [`Log`] of `()`
    ReleaseLease { epoch: Epoch },
    /// → [`Log`] of `DrainedEntries`
    Drain(Drain),
    /// → [`Log`] of `()`
    Ack {
        /// The relay's lease.
        epoch: Epoch,
        /// What is in Kafka.
        ack: Ack,
    },
}

/// What became of settings.
#[derive(Debug, Serialize, Deserialize)]
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

/// What an origin asks of a line's pace.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As configured.
    Lifted,
    /// Admissions per minute not to pass.
    AtMost(u64),
}

/// What somebody with a key did.
#[derive(Debug, Serialize, Deserialize)]
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

/// What became of a relay's wish.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log<T> {
    /// Done.
    Done { answer: T },
    /// Another relay has the lease.
    Held { for_ms: u64 },
    /// The lease is over.
    StaleEpoch,
    /// It does not fit what was done before.
    Conflict { detail: String },
}

/// The answer of [`LineCommand::Lease`].
pub type LeaseAnswer = Log<Lease>;

/// Entries of the admission log, each as it was written.
#[derive(Debug, Serialize, Deserialize)]
pub struct DrainedEntries {
    /// JSON values, byte for byte as their records.
    pub entries: Vec<Box<serde_json::value::RawValue>>,
    /// The last entry there is.
    pub head: Seq,
}

/// A visitor as its lane has stored it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StoredVisitor {
    /// Its place.
    pub number: Number,
    /// When the place was given.
    pub entered_at: UnixMillis,
    /// Whether the visitor asked to give it up.
    pub left: bool,
}
