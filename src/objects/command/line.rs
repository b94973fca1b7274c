//! To a line.

use ropeline_queue::json::{self, Misread};
use ropeline_queue::line::history::Which;
use ropeline_queue::line::log::{Ack, Drain, Replay};
use ropeline_queue::wire::{BrakeCause, Configured, Exchange};
use ropeline_queue::{Epoch, EventId, Number, Settings, UnixMillis, from_json};
use serde::Serialize;

use super::Command;

impl Command for LineCommand {}

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
    /// A relay slows the line down for a while. → `u64`, percent that are left
    Brake {
        cause: BrakeCause,
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
        "brake" => Brake { cause, by },
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
