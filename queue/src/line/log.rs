//! The relay's side of the admission log: lease, drain, ack. `acked <= drained <= seq`.
//!
//! A relay works under an epoch; taking the lease makes a new one, and an older one is refused at drain and at ack. Entries are
//! handed out byte for byte as they were written at admission.
//!
//! Every call renews the lease, and a relay with nothing to do calls five times a second. So that this is not a row each time, the
//! row notes a later end than the relay is told, and is written again only when that no longer covers what it is told:
//! `told end <= RelayRow::lease_until <= told end + 5 s`. Memory knows the end as told; a line that starts again goes by the
//! row and may hold others off up to 5 s longer, never shorter than was promised.
//!
//! A replay takes `acked` back, and nothing else: `drained` still tells what a relay of before may have under way.

use serde::Serialize;
use thiserror::Error;

use super::admission::admitted_at;
use super::store::{Audit, Change, LineStore, RelayRow, Target};
use super::{Line, Step};
use crate::types::{Epoch, Seq, UnixMillis};
use crate::{from_json, json};

/// How long a lease lasts.
pub const LEASE_MS: u64 = 10_000;
/// How much later an end the row notes.
const NOTED_LATER_MS: u64 = 5_000;
/// The most entries one drain hands out.
pub const MAX_DRAIN: usize = 500;
/// The most bytes of entries one drain hands out.
pub const MAX_DRAIN_BYTES: usize = 512 * 1024;

/// What a relay learns when it takes the lease, and an operator who asks how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// To be given with everything that follows.
    pub epoch: Epoch,
    /// How long it lasts, counted from before the request.
    pub lease_ms: u64,
    /// Who holds it; null when nobody does.
    pub relay: Option<String>,
    /// The last entry there is.
    pub head: Seq,
    /// The last entry that was handed out.
    pub drained_seq: Seq,
    /// The last entry known to be in Kafka.
    pub acked_seq: Seq,
    /// When the entry after that was admitted, in RFC 3339; null when there is none.
    pub oldest_unacked_at: Option<String>,
    /// Pinned topic; null before the first drain.
    pub topic: Option<String>,
    /// Pinned partition; null before the first drain.
    pub partition: Option<i32>,
    /// One past the offset of the acked entry; null before the first drain.
    pub next_offset: Option<i64>,
    /// The event's `topic` setting.
    pub configured_topic: Option<String>,
    /// Whether this is a rehearsal: without a topic of its own it goes to the relay's `{topic}.test`.
    pub test: bool,
    /// Where the last replay began; null without one. As long as `acked_seq` is smaller, no record stands before `next_offset`.
    pub replay_from: Option<Seq>,
}

from_json! {
    struct Lease {
        epoch, lease_ms, relay = default, head, drained_seq, acked_seq, oldest_unacked_at = default, topic, partition,
        next_offset, configured_topic, test = default, replay_from = default,
    }
}

/// Where an operator lets an event's entries go on, after its log was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// The first entry to be sent again.
    pub from: Seq,
    /// Where they will go.
    pub topic: String,
    /// Where they will go.
    pub partition: i32,
    /// End of the partition before the first of them.
    pub next_offset: i64,
}

from_json! { struct Replay { from, topic, partition, next_offset } }

/// That everything up to `seq` is in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ack {
    /// The last entry that is.
    pub seq: Seq,
    /// One past its offset.
    pub next_offset: i64,
}

from_json! { struct Ack { seq, next_offset } }

/// What a relay asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drain {
    /// The relay's lease.
    pub epoch: Epoch,
    /// Entries after this one.
    pub after: Seq,
    /// How many at most.
    pub limit: usize,
    /// Where they will go; pinned the first time.
    pub topic: Option<String>,
    /// Where they will go; pinned the first time.
    pub partition: Option<i32>,
    /// End of the partition before the first of them; taken the first time.
    pub next_offset: Option<i64>,
    /// The ack of the entries before.
    pub ack: Option<Ack>,
}

from_json! { struct Drain { epoch, after, limit, topic, partition, next_offset, ack } }

/// What a relay gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// JSON values, `after + 1` and on, without gaps.
    pub entries: Vec<String>,
    /// The last entry there is.
    pub head: Seq,
}

/// Why a relay is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError<E> {
    /// Another relay has the lease.
    #[error("another relay has the lease for {for_ms} ms more")]
    Held {
        /// For how long, if it does not renew it.
        for_ms: u64,
    },
    /// The lease is over: released, or taken by another.
    #[error("epoch {epoch} is over")]
    StaleEpoch {
        /// The one that was given.
        epoch: Epoch,
    },
    /// What is asked does not fit what was done before.
    #[error("{0}")]
    Conflict(&'static str),
    /// Storage could not be read; the line must be restored.
    #[error("storage could not be read")]
    Store(E),
}

impl Line {
    /// Makes `relay` the one relay of this event, under a new epoch.
    ///
    /// # Errors
    /// [`LogError::Held`] while another one's lease lasts; [`LogError::Store`].
    pub fn lease<S: LineStore>(
        &mut self,
        store: &S,
        now: UnixMillis,
        relay: &str,
    ) -> Result<Step<Lease>, LogError<S::Error>> {
        self.catch_up(now);
        let row = self.taken_by(relay)?;
        let answer = self.lease_on(store, &row, LEASE_MS).map_err(LogError::Store)?;
        Ok(self.keep_relay(row, answer))
    }

    /// Makes `relay` the one relay of this event, and what is sent next `replay.from`, to where it says. The operator vouches for
    /// what comes before.
    ///
    /// # Errors
    /// [`LogError::Held`] while another one's lease lasts; [`LogError::Conflict`] when that would pass over an entry, or nothing was
    /// handed out yet; [`LogError::Store`].
    pub fn replay<S: LineStore>(
        &mut self,
        store: &S,
        now: UnixMillis,
        relay: &str,
        replay: Replay,
        by: &str,
    ) -> Result<Step<Lease>, LogError<S::Error>> {
        self.catch_up(now);
        let mut row = self.taken_by(relay)?;
        if row.target.is_none() {
            return Err(LogError::Conflict("no entry of this event was handed out yet: there is nothing to replay"));
        }
        let before = replay.from.get().checked_sub(1).map(Seq).filter(|before| *before <= row.acked);
        let Some(before) = before else {
            return Err(LogError::Conflict(
                "'replay_from' must be 1 to acked_seq + 1: entries between would never reach Kafka",
            ));
        };
        let Replay { from, topic, partition, next_offset } = replay;
        let detail = json::object(&[
            ("from", &from),
            ("topic", &topic),
            ("partition", &partition),
            ("next_offset", &next_offset),
            ("acked_seq", &row.acked),
        ]);
        row.acked = before;
        row.next_offset = next_offset;
        row.target = Some(Target { topic, partition });
        row.replay_from = Some(from);
        let answer = self.lease_on(store, &row, LEASE_MS).map_err(LogError::Store)?;
        let mut step = self.keep_relay(row, answer);
        step.changes.push(Change::Audit(Audit { at: self.head.clk, by: by.to_owned(), action: "replay", detail }));
        Ok(step)
    }

    /// How far this event's relay is, and for how long it has the lease.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub fn log_state<S: LineStore>(&self, store: &S, now: UnixMillis) -> Result<Lease, S::Error> {
        self.lease_on(store, &self.relay, self.leased_until.since(self.head.clk.max(now)))
    }

    /// Keeps the lease: its length in milliseconds, from now.
    ///
    /// # Errors
    /// [`LogError::StaleEpoch`].
    pub fn renew_lease<E>(&mut self, now: UnixMillis, epoch: Epoch) -> Result<Step<u64>, LogError<E>> {
        self.catch_up(now);
        let row = self.leased(epoch)?;
        Ok(self.keep_relay(row, LEASE_MS))
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// [`LogError::StaleEpoch`].
    pub fn release_lease<E>(&mut self, now: UnixMillis, epoch: Epoch) -> Result<Step<()>, LogError<E>> {
        self.catch_up(now);
        let row = self.leased(epoch)?;
        Ok(self.keep_relay(RelayRow { owner: None, ..row }, ()))
    }

    /// Hands out entries and notes that they are under way.
    ///
    /// # Errors
    /// [`LogError::StaleEpoch`]; [`LogError::Conflict`] when the target is missing, differs from the pinned one, or the ack is
    /// for what was never handed out; [`LogError::Store`].
    pub fn drain<S: LineStore>(
        &mut self,
        store: &S,
        now: UnixMillis,
        drain: &Drain,
    ) -> Result<Step<Drained>, LogError<S::Error>> {
        self.catch_up(now);
        let mut row = self.leased(drain.epoch)?;
        match (&row.target, &drain.topic, drain.partition, drain.next_offset) {
            (None, Some(topic), Some(partition), Some(next_offset)) => {
                row.target = Some(Target { topic: topic.clone(), partition });
                row.next_offset = next_offset;
            }
            (None, ..) => {
                return Err(LogError::Conflict("the first drain must name topic, partition and next_offset"));
            }
            (Some(pinned), topic, partition, _) => {
                let same = topic.as_ref().is_none_or(|topic| *topic == pinned.topic)
                    && partition.is_none_or(|partition| partition == pinned.partition);
                if !same {
                    return Err(LogError::Conflict(
                        "this event's records go to another topic or partition since its first drain",
                    ));
                }
            }
        }
        if let Some(ack) = drain.ack {
            row = acked(row, ack)?;
        }
        // Entries that are passed over could be acked without ever having been handed out.
        if drain.after > row.drained {
            return Err(LogError::Conflict("'after' is beyond what was handed out so far"));
        }
        let limit = drain.limit.clamp(1, MAX_DRAIN);
        let entries = store.records(drain.after, limit, MAX_DRAIN_BYTES).map_err(LogError::Store)?;
        row.drained = row.drained.max(drain.after.plus(entries.len() as u64));
        let answer = Drained { entries, head: self.head.seq };
        Ok(self.keep_relay(row, answer))
    }

    /// Notes that everything up to `seq` is in Kafka.
    ///
    /// # Errors
    /// [`LogError::StaleEpoch`]; [`LogError::Conflict`] for what was never handed out.
    pub fn ack<E>(&mut self, now: UnixMillis, epoch: Epoch, ack: Ack) -> Result<Step<()>, LogError<E>> {
        self.catch_up(now);
        let row = acked(self.leased(epoch)?, ack)?;
        Ok(self.keep_relay(row, ()))
    }

    /// The relay's row under a new epoch, once no other relay holds the lease.
    fn taken_by<E>(&self, relay: &str) -> Result<RelayRow, LogError<E>> {
        let row = &self.relay;
        let for_ms = self.leased_until.since(self.head.clk);
        if for_ms > 0 && row.owner.as_deref().is_some_and(|owner| owner != relay) {
            return Err(LogError::Held { for_ms });
        }
        Ok(RelayRow { epoch: row.epoch.next(), owner: Some(relay.to_owned()), ..row.clone() })
    }

    fn lease_on<S: LineStore>(&self, store: &S, row: &RelayRow, lease_ms: u64) -> Result<Lease, S::Error> {
        let target = row.target.clone();
        let oldest = match row.acked < self.head.seq {
            true => store.records(row.acked, 1, 1)?,
            false => Vec::new(),
        };
        Ok(Lease {
            epoch: row.epoch,
            lease_ms,
            relay: row.owner.clone().filter(|_| lease_ms > 0),
            head: self.head.seq,
            drained_seq: row.drained,
            acked_seq: row.acked,
            oldest_unacked_at: oldest.first().and_then(|record| admitted_at(record)).map(str::to_owned),
            next_offset: target.as_ref().map(|_| row.next_offset),
            partition: target.as_ref().map(|target| target.partition),
            topic: target.map(|target| target.topic),
            configured_topic: self.configured.settings.topic.clone(),
            test: self.configured.settings.test,
            replay_from: row.replay_from,
        })
    }

    /// The relay's row under this epoch.
    fn leased<E>(&self, epoch: Epoch) -> Result<RelayRow, LogError<E>> {
        if self.relay.epoch != epoch || self.relay.owner.is_none() {
            return Err(LogError::StaleEpoch { epoch });
        }
        Ok(self.relay.clone())
    }

    /// Renews the lease, if there is one; a row only where that or something else must be known after a crash.
    fn keep_relay<T>(&mut self, row: RelayRow, answer: T) -> Step<T> {
        let leased = row.owner.is_some();
        self.leased_until = if leased { self.head.clk.plus(LEASE_MS) } else { UnixMillis(0) };
        if row == self.relay && self.leased_until <= row.lease_until {
            return Step { answer, changes: Vec::new() };
        }
        let lease_until = if leased { self.leased_until.plus(NOTED_LATER_MS) } else { UnixMillis(0) };
        self.relay = RelayRow { lease_until, ..row };
        let mut changes = vec![Change::Relay(self.relay.clone())];
        self.seal(&mut changes);
        Step { answer, changes }
    }
}

fn acked<E>(mut row: RelayRow, ack: Ack) -> Result<RelayRow, LogError<E>> {
    if ack.seq > row.drained {
        return Err(LogError::Conflict("an ack for entries that were never handed out"));
    }
    // The offset belongs to the acked entry: an ack that comes again, or late, moves neither.
    if ack.seq > row.acked {
        row.acked = ack.seq;
        row.next_offset = row.next_offset.max(ack.next_offset);
    }
    Ok(row)
}
