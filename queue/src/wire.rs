//! What a lane and its line say to each other: one [`Exchange`] out, one [`ExchangeReply`] back.
//!
//! Unknown fields are ignored on both sides, since old and new code meet during a deploy.

use serde::Serialize;

use crate::Subject;
use crate::eta::Forecast;
use crate::from_json;
use crate::settings::{QueueingMethod, Settings};
use crate::types::{LaneId, Number, Seq, UnixMillis};
use crate::visitor::Account;

/// The most places one exchange may ask for.
pub const MAX_BATCH: usize = 2_000;

/// The most operations (claims, leaves, renewals, completions) one exchange may carry, by their [`Op::weight`]; keeps its body below
/// 256 KB.
pub const MAX_OPS: usize = 1_500;

/// The one batched call a lane makes to its line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Exchange {
    /// Who asks.
    pub lane: LaneId,
    /// Incarnation: counts the starts of this lane. Only the newest is listened to.
    pub inc: u64,
    /// Which batch of this lane this is; meaningless when `count` is 0.
    pub k: u64,
    /// Places wanted.
    pub count: u64,
    /// The last batch that the lane has in its storage.
    pub stored_k: u64,
    /// Into how many lanes those who ask for places believe the event to be split; 0 when `count` is 0.
    pub lanes: u16,
    /// What visitors (and the origin) ask beside new places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<Op>,
}

from_json! { struct Exchange { lane, inc, k, count, stored_k, lanes, ops = default } }

/// One wish of one visitor with a place, or of the origin. Every one of them may be repeated without harm.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Let me in, if it is my turn and there is room.
    Claim {
        /// The place.
        number: Number,
        /// Whose it is; goes into the admission's record.
        sub: Subject,
        /// When it was given; goes into the admission's record.
        entered_at: UnixMillis,
        /// The account, where the shop vouches for one; it goes into the record in place of `sub`.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<Account>,
    },
    /// What is this place?
    Look {
        /// The place.
        number: Number,
    },
    /// Keep the session alive.
    Renew {
        /// The place that was admitted.
        number: Number,
    },
    /// Give the place up, or end the session.
    Leave {
        /// The place.
        number: Number,
    },
    /// The origin is done with this admission: free its slot.
    Complete {
        /// The admission.
        seq: Seq,
    },
    /// The origin uses this admission's pass: is it the first to do so?
    Redeem {
        /// The admission.
        seq: Seq,
    },
}

impl Op {
    /// For how many operations of the usual size it counts: an account makes a claim up to twice as long.
    #[must_use]
    pub const fn weight(&self) -> usize {
        if let Self::Claim { account: Some(_), .. } = self { 3 } else { 1 }
    }
}

from_json! {
    enum Op {
        "claim" => Claim { number, sub, entered_at, account },
        "look" => Look { number },
        "renew" => Renew { number },
        "leave" => Leave { number },
        "complete" => Complete { seq },
        "redeem" => Redeem { seq },
    }
}

/// What became of the places wanted in an [`Exchange`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbering {
    /// None were wanted.
    None,
    /// `first`, `first + 1` … `first + count − 1`.
    Range {
        /// The first number given.
        first: Number,
        /// How many; always as many as were asked for.
        count: u64,
        /// When, by the line's clock.
        at: UnixMillis,
    },
    /// None are given. A refusal uses up `k`, so that a late copy of the batch cannot be granted.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// A newer instance of this lane has spoken: this one must stop.
    Stale,
    /// `k` fits neither the last batch nor the next: a bug. The lane starts again with a new incarnation.
    Conflict,
}

from_json! {
    enum Numbering {
        "none" => None,
        "range" => Range { first, count, at },
        "refused" => Refused { reason },
        "stale" => Stale,
        "conflict" => Conflict,
    }
}

/// Why a line gives no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// `max_line_length` would be passed. The first `room` of the batch may ask again.
    LineFull {
        /// How many places are left.
        room: u64,
    },
    /// The event is split into another number of lanes than the visitors' Worker believed; asking again finds the right lane.
    Moved,
    /// Places are given later.
    NotOpen {
        /// From when on.
        opens_at: UnixMillis,
    },
    /// There is nothing left to wait for.
    SoldOut,
    /// The event is over.
    Ended,
    /// The operator gives no new places for now.
    Closed,
}

from_json! {
    enum Refusal {
        "line_full" => LineFull { room },
        "moved" => Moved,
        "not_open" => NotOpen { opens_at },
        "sold_out" => SoldOut,
        "ended" => Ended,
        "closed" => Closed,
    }
}

/// The answer to one [`Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpAnswer {
    /// The position is beyond the frontier.
    Waiting,
    /// It is the place's turn; the next free slot goes to the smallest called position that is present.
    Called,
    /// Let in. The same for every repeat, but for the session's end, which renewals move.
    Admitted {
        /// Place in the admission log.
        seq: Seq,
        /// Until when the session lasts.
        session_expires_at: UnixMillis,
    },
    /// The place was given up, or was voided.
    Left,
    /// The session is over.
    Ended,
    /// Renewals are switched off for this event.
    RenewalDisabled,
    /// Nobody is let in: it is sold out. The place is kept.
    SoldOut,
    /// The event is over, and this place was not admitted, or its session is not renewed any more.
    EventEnded,
    /// The origin uses the pass.
    Redeemed {
        /// Whether this is the first time, and the session was not over.
        first: bool,
    },
    /// Done, or already done, or nothing to do.
    Done,
}

from_json! {
    enum OpAnswer {
        "waiting" => Waiting,
        "called" => Called,
        "admitted" => Admitted { seq, session_expires_at },
        "left" => Left,
        "ended" => Ended,
        "renewal_disabled" => RenewalDisabled,
        "sold_out" => SoldOut,
        "event_ended" => EventEnded,
        "redeemed" => Redeemed { first },
        "done" => Done,
    }
}

/// When there will be room for a called place, if nothing changes before: worth asking again just then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Turn {
    /// Which of the ops.
    pub op: u64,
    /// Milliseconds from now.
    pub in_ms: u64,
}

from_json! {
    struct Turn { op, in_ms }
}

/// What a line answers to an [`Exchange`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExchangeReply {
    /// Incarnation of the exchange that this answers; 0 from a line of an earlier version.
    pub inc: u64,
    /// Batch of the exchange that this answers.
    pub k: u64,
    /// What became of the places wanted.
    pub numbering: Numbering,
    /// One for each op, in their order; empty when `numbering` is stale or a conflict.
    pub ops: Vec<OpAnswer>,
    /// For those of the ops that are [`OpAnswer::Called`] and will find room soon: when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// How the line stands now.
    pub board: Board,
}

from_json! { struct ExchangeReply { inc = default, k = default, numbering, ops = default, turns = default, board } }

impl ExchangeReply {
    /// Whether this is the answer to `exchange`. Lines of an earlier version do not say what they answer.
    #[must_use]
    pub fn answers(&self, exchange: &Exchange) -> bool {
        self.inc == 0 || (self.inc, self.k) == (exchange.inc, exchange.k)
    }
}

/// Why nobody is called at the moment although there may be room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Paused {
    /// The operator calls nobody (`queue_all`), or the origin has set its pace to 0.
    QueueAll,
    /// `max_unacked` admissions wait for Kafka, or a relay has pulled the brake all the way.
    Relay,
}

from_json! {
    enum Paused {
        "queue_all" => QueueAll,
        "relay" => Relay,
    }
}

/// Why a relay has pulled the brake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BrakeCause {
    /// Too many of its canary's requests fail.
    Canary,
    /// Kafka is too far behind.
    Lag,
}

from_json! {
    enum BrakeCause {
        "canary" => Canary,
        "lag" => Lag,
    }
}

/// A brake that is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Braked {
    /// How much of the limit is left, 0 … 99.
    pub percent: u64,
    /// Why.
    pub cause: BrakeCause,
}

from_json! { struct Braked { percent, cause } }

/// How far an event has come. Time, the operator and the origin move it on; from `Open` it never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No places are given yet.
    Scheduled,
    /// Places are given, nobody is called yet.
    Prequeue,
    /// The line moves.
    #[default]
    Open,
    /// No queue: everybody passes.
    Suspended,
    /// There is nothing left: nobody is called or admitted.
    SoldOut,
    /// It is over.
    Ended,
}

from_json! {
    enum Phase {
        "scheduled" => Scheduled,
        "prequeue" => Prequeue,
        "open" => Open,
        "suspended" => Suspended,
        "sold_out" => SoldOut,
        "ended" => Ended,
    }
}

/// The draw of a `shuffle_at_event_start`, as far as it is public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Shuffle {
    /// SHA-256 over the seed, 64 hexadecimal digits: known from the start.
    pub commitment: String,
    /// The seed, 64 hexadecimal digits: only after the cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// The last number that takes part: only after the cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When it was drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_at: Option<UnixMillis>,
}

from_json! { struct Shuffle { commitment, seed = default, count = default, cut_at = default } }

/// How an event stands: the snapshot from which polls are answered.
///
/// This is the whole of it, as lanes and Workers hold it; what the public may see of it the Worker decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    /// Grows with every change; a board with a smaller one is older.
    pub version: u64,
    /// Version of the event's settings.
    pub config_version: u64,
    /// How far the event has come.
    pub phase: Phase,
    /// How visitors are let in.
    pub queueing_method: QueueingMethod,
    /// When places are given before the opening.
    pub prequeue_start_time: Option<UnixMillis>,
    /// When the event opens.
    pub event_start_time: Option<UnixMillis>,
    /// When it ends.
    pub event_end_time: Option<UnixMillis>,
    /// The draw, if there is one.
    pub shuffle: Option<Shuffle>,
    /// Why nobody is called, if so.
    pub paused: Option<Paused>,
    /// Every position up to it has been called.
    pub frontier: u64,
    /// The last number given.
    pub last_number: u64,
    /// Living places beyond the frontier.
    pub waiting: u64,
    /// Living places up to the frontier that are not admitted.
    pub called: u64,
    /// Slots in use.
    pub active_users: u64,
    /// How many slots there are.
    pub total_active_users: u64,
    /// The limit of admissions in any 60 seconds: the operator's, or the origin's where that is lower.
    pub new_users_per_minute: u64,
    /// Admissions in the last 60 to 61 seconds.
    pub admitted_last_minute: u64,
    /// Positions called per minute, as measured; null before anything was called.
    pub pace_per_minute: Option<u64>,
    /// Where the frontier will be; null while that cannot be foreseen.
    pub forecast: Option<Forecast>,
    /// What the operator tells the visitors.
    pub message: String,
    /// Whether the counts are for everybody.
    pub public_counts: bool,
    /// The line's clock.
    pub updated_at: UnixMillis,
}

from_json! { struct Board { version, config_version, phase = default, queueing_method = default, prequeue_start_time = default, event_start_time = default, event_end_time = default, shuffle = default, paused, frontier, last_number, waiting, called, active_users, total_active_users, new_users_per_minute, admitted_last_minute, pace_per_minute, forecast = default, message, public_counts, updated_at } }

impl Board {
    /// What the event has committed itself to, as long as the draw is still to come.
    #[must_use]
    pub fn commitment(&self) -> Option<&str> {
        let shuffle = self.shuffle.as_ref().filter(|shuffle| shuffle.count.is_none());
        shuffle.map(|shuffle| shuffle.commitment.as_str())
    }
}

/// Counts for dashboards. `entered = voided + left + waiting + called + admitted`, `admitted = active + ended`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// How far the event has come.
    pub phase: Phase,
    /// Numbers given.
    pub entered: u64,
    /// Living places beyond the frontier.
    pub waiting: u64,
    /// Living places up to the frontier that are not admitted.
    pub called: u64,
    /// Called visitors that asked to be let in during the last seconds.
    pub present: u64,
    /// Slots in use.
    pub active: u64,
    /// Admissions, ever.
    pub admitted: u64,
    /// Places given up before they were admitted.
    pub left: u64,
    /// Sessions that are over.
    pub ended: u64,
    /// Numbers lost to a crash of a lane.
    pub voided: u64,
    /// The last `seq` of the admission log.
    pub head_seq: u64,
    /// The last `seq` known to be in Kafka.
    pub acked_seq: u64,
    /// The frontier.
    pub frontier: u64,
    /// Admissions in the last 60 to 61 seconds.
    pub admitted_last_minute: u64,
    /// Positions called per minute, as measured.
    pub pace_per_minute: Option<u64>,
    /// Share of called visitors that show up, as measured.
    pub show_rate: f64,
    /// Why nobody is called, if so.
    pub paused: Option<Paused>,
    /// The limit of admissions in any 60 seconds: the operator's, or the origin's where that is lower, as far as a brake
    /// leaves it.
    pub new_users_per_minute: u64,
    /// Whether a relay has the lease.
    pub relay_leased: bool,
    /// Admissions by which a limit was passed, since this instance of the line started: 0, or there is a bug.
    pub over_limit: u64,
    /// The brake, while it is pulled.
    pub brake: Option<Braked>,
    /// The line's clock.
    pub updated_at: UnixMillis,
}

from_json! { struct Stats { phase = default, entered, waiting, called, present, active, admitted, left, ended, voided, head_seq, acked_seq, frontier, admitted_last_minute, pace_per_minute, show_rate, paused = default, new_users_per_minute = default, relay_leased = default, over_limit = default, brake = default, updated_at } }

/// An event's settings with their version, as the line keeps them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Configured {
    /// Counts the changes: 1, 2, 3 …; the `ETag`.
    pub version: u64,
    /// The settings.
    pub settings: Settings,
}

from_json! { struct Configured { version, settings } }
