//! What goes over the network, who asks, and what comes back.

use ropeline_queue::line::history::Which;
use ropeline_queue::line::log::Ack;
use ropeline_queue::wire::{OpAnswer, Refusal};
use ropeline_queue::{Epoch, Number, Seq, Settings, Subject};

/// Names one call; an answer to a call that is over is ignored.
pub(crate) type CallId = u64;

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Tab {
        visitor: usize,
        tab: usize,
    },
    Origin {
        seq: Seq,
    },
    Isolate {
        isolate: usize,
        generation: u64,
    },
    Exchange {
        lane: usize,
        instance: u64,
    },
    LaneBoard {
        lane: usize,
        instance: u64,
        asked_by: CallId,
    },
    Operator,
    Relay {
        relay: usize,
        effect: u64,
    },
    LineTells {
        instance: u64,
        stamp: u64,
        busy: bool,
    },
    /// Somebody whose answer nobody waits for.
    Nobody,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Lane(usize),
    Line,
    Registry,
}

/// What a call says. What the engine has a type for crosses as JSON.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Enter { sub: Subject, lanes: u16, claim: bool, again: bool },
    Claim { sub: Subject, number: Number },
    Renew { sub: Subject, number: Number },
    Leave { sub: Subject, number: Number },
    Complete { seq: Seq },
    Redeem { seq: Seq },
    LaneBoard,
    Exchange(String),
    LineBoard,
    Configure { settings: Box<Settings>, if_version: Option<u64> },
    Pace { pace: Option<u64> },
    EndSession { which: Which },
    Lease { relay: String },
    RenewLease { epoch: Epoch },
    ReleaseLease { epoch: Epoch },
    Drain(String),
    Ack { epoch: Epoch, ack: Ack },
    Busy { busy: bool, stamp: u64 },
}

/// A lane's answer to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    Place { number: Number, new: bool, state: OpAnswer },
    Refused(Refusal),
}

/// Why a relay gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogRefused {
    Held { for_ms: u64 },
    Stale,
    Conflict(&'static str),
}

/// What became of a call.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Entered {
        sub: Subject,
        entered: Entered,
    },
    /// `None`: this visitor has another place now, or never had this one.
    Asked {
        asked: Request,
        answer: Option<OpAnswer>,
        /// When there will be room, if the line says so.
        in_ms: Option<u64>,
    },
    /// JSON of the engine's type.
    Json(String),
    Log(Result<String, LogRefused>),
    /// The version there is now; an error: refused.
    Configured(Result<u64, String>),
    Told,
    /// A session that an operator ended, if there was one.
    EndedSession(Option<Seq>),
    /// 503, or the stub's `.overloaded`: not to be repeated.
    Overloaded,
    /// `.retryable`, a lost connection, or 500.
    Unavailable,
    TimedOut,
}

/// What an object sends through its output gate.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    Answer(CallId, Outcome),
    Call(CallId, To, Request),
}
