//! The normal way: take, drain, produce, and what is checked of each answer.
//!
//! A produce is *clean* when the broker's offsets start exactly where the log was known to end. Only then does `known` rise
//! without a look at the log.

use super::recover::Placed;
use super::{
    Around, BrokerFailure, Cause, DrainRequest, Drained, Effect, Goal, Lease, Machine, Mark, Note, Outcome, State,
    StopCause, WorkerFailure,
};
use crate::entry::Entry;
use crate::types::{Epoch, Mono, Offset};

impl Machine {
    pub(super) fn taken(&mut self, around: Around, answer: Result<Lease, WorkerFailure>) -> Effect {
        let lease = match answer {
            Ok(lease) => lease,
            Err(failure) => return self.worker_failed(around, failure, Goal::Take),
        };
        self.worker_backoff.reset();
        self.epoch = Some(lease.epoch);
        self.lease_ms = lease.lease_ms;
        self.lease_until = self.asked_at.plus(lease.lease_ms);
        self.acked = lease.acked_seq;
        self.drained = lease.drained_seq.max(lease.acked_seq);
        self.head = lease.head;
        self.oldest_unix_ms = lease.oldest_unix_ms;
        self.notes.push(Note::Taken { acked: self.acked, drained: self.drained, head: self.head });
        self.known =
            Mark { seq: lease.acked_seq, next_offset: lease.pin.as_ref().map_or(Offset(0), |pin| pin.next_offset) };
        self.pin_is_stored = lease.pin.is_some();
        self.pin = lease.pin;
        self.configured_topic = lease.configured_topic;
        self.test = lease.test;
        self.replay_from = lease.replay_from;
        if self.head < self.acked {
            return self.leave(Outcome::Stopped(StopCause::LineBehind { head: self.head, known: self.acked }));
        }
        if self.pin.is_none() && self.drained.0 > 0 {
            return self.leave(Outcome::Stopped(StopCause::Confused {
                detail: "the lease has drained entries but no topic".to_owned(),
            }));
        }
        if self.has_discarded() {
            return self.start_to_discard(around);
        }
        self.go(around, Goal::Connect)
    }

    pub(super) fn drain(&mut self, around: Around, epoch: Epoch) -> Effect {
        self.asked_at = around.now;
        self.state = State::Draining;
        Effect::Drain(DrainRequest {
            epoch,
            after: self.known.seq,
            limit: self.batch_rows,
            pin: (!self.pin_is_stored).then(|| self.pin.clone()).flatten(),
            ack: (self.known.seq > self.acked).then_some(self.known),
        })
    }

    pub(super) fn drained(&mut self, around: Around, answer: Result<Drained, WorkerFailure>) -> Effect {
        let answer = match answer.and_then(|answer| self.check(answer)) {
            Ok(answer) => answer,
            Err(failure) => return self.worker_failed(around, failure, Goal::Drain),
        };
        self.worker_backoff.reset();
        self.lease_until = self.asked_at.plus(self.lease_ms);
        self.pin_is_stored = true;
        self.acked = self.known.seq;
        self.head = answer.head;
        if self.head < self.known.seq {
            return self.leave(Outcome::Stopped(StopCause::LineBehind { head: self.head, known: self.known.seq }));
        }
        if let Some(last) = answer.entries.last() {
            self.drained = self.drained.max(last.seq);
        }
        self.oldest_unix_ms = answer.entries.first().map(|entry| entry.admitted_unix_ms);
        let batch = self.cut(answer.entries);
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            let idle_since = *self.idle_since.get_or_insert(around.now);
            let lingered = around.now.since(idle_since) >= self.rules.linger_ms;
            if lingered && !around.listed && self.head == self.known.seq {
                return self.leave(Outcome::Idle);
            }
            return self.wait(around, self.rules.idle_ms, Goal::Drain);
        };
        self.idle_since = None;
        if self.discarding {
            return self.discard(around, first, last);
        }
        let Some(epoch) = self.epoch.filter(|_| !around.stopping) else {
            return self.leave(Outcome::Shutdown);
        };
        // A relay that slept may be a zombie by now: nothing is produced near the end of its lease.
        let not_after = Mono(self.lease_until.0.saturating_sub(self.rules.margin_ms));
        if around.now >= not_after {
            self.notes.push(Note::TooLate);
            let ms = self.worker_backoff.failed();
            return self.wait(around, ms, Goal::Drain);
        }
        // What follows the batch is no older than its last entry.
        self.newest_unix_ms = Some(last.admitted_unix_ms);
        self.state = State::Producing(Placed {
            first: first.seq,
            last: last.seq,
            count: i64::try_from(batch.len()).unwrap_or(i64::MAX),
            base: self.known.next_offset,
            bytes: batch.iter().map(|entry| entry.value.len()).sum(),
        });
        Effect::Produce { epoch, batch, not_after }
    }

    /// The entries must go on without a gap where the log ends, else order would be lost.
    fn check(&self, answer: Drained) -> Result<Drained, WorkerFailure> {
        let bad = |detail: String| Err(WorkerFailure::BadAnswer { detail });
        if answer.entries.len() > self.batch_rows {
            return bad(format!("{} entries, asked for {}", answer.entries.len(), self.batch_rows));
        }
        let mut expected = self.known.seq.next();
        for entry in &answer.entries {
            if entry.seq != expected {
                return bad(format!("seq {} where {expected} is due", entry.seq));
            }
            expected = expected.next();
        }
        match answer.entries.last() {
            Some(last) if last.seq > answer.head => bad(format!("seq {} above the head {}", last.seq, answer.head)),
            _ => Ok(answer),
        }
    }

    /// As much as fits into one batch, at least one entry; the rest is drained again.
    fn cut(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let mut bytes = 0usize;
        let fits = entries
            .iter()
            .take_while(|entry| {
                bytes = bytes.saturating_add(entry.value.len());
                bytes <= self.rules.batch_bytes
            })
            .count();
        entries.truncate(fits.max(1));
        entries
    }

    pub(super) fn produced(
        &mut self,
        around: Around,
        placed: Placed,
        answer: Result<Vec<Offset>, BrokerFailure>,
    ) -> Effect {
        let expected = placed.base;
        let batch = Some((placed.first, placed.last));
        let offsets = match answer {
            Ok(offsets) => offsets,
            Err(BrokerFailure::TooLarge { cause }) => return self.too_large(around, placed, cause),
            Err(BrokerFailure::Denied { cause }) => return self.denied(cause),
            Err(failure) => {
                let cause = Cause::Unknown(failure.to_string());
                return self.recover(around, cause, batch);
            }
        };
        let base = offsets.first().copied().unwrap_or(Offset(-1));
        let in_row = (0..).zip(&offsets).all(|(n, at)| *at == base.plus(n));
        let all = i64::try_from(offsets.len()).is_ok_and(|n| n == placed.count);
        if !in_row || !all || base < expected {
            return self.recover(around, Cause::Misaligned { expected }, batch);
        }
        if base > expected {
            let cause = Cause::Shifted { expected, found: base };
            self.notes.push(Note::Recovering { cause, batch });
            return self.look_for(around, Placed { base, ..placed });
        }
        self.in_log(Placed { base, ..placed });
        self.go_on(around)
    }

    /// The next drain: at once where the line is known to have more, else a moment later, so that what is admitted meanwhile goes in
    /// one batch. The ack waits with it.
    pub(super) fn go_on(&mut self, around: Around) -> Effect {
        if self.known.seq < self.head {
            return self.go(around, Goal::Drain);
        }
        self.wait(around, self.rules.idle_ms, Goal::Drain)
    }

    /// Half of it may fit. Each refusal makes batches smaller, so this ends: with one that fits, or with an entry that never will.
    fn too_large(&mut self, around: Around, placed: Placed, cause: String) -> Effect {
        let rows = usize::try_from(placed.count / 2).unwrap_or(0);
        if rows == 0 {
            let (topic, seq, bytes) = (self.topic(), placed.first, placed.bytes);
            return self.leave(Outcome::Stopped(StopCause::EntryTooLarge { topic, seq, bytes, cause }));
        }
        self.batch_rows = rows;
        self.recover(around, Cause::TooLarge { rows, cause }, Some((placed.first, placed.last)))
    }

    /// A permission does not come by asking again.
    pub(super) fn denied(&mut self, cause: String) -> Effect {
        let topic = self.topic();
        self.leave(Outcome::Stopped(StopCause::NotAuthorized { topic, cause }))
    }

    /// The batch is in the log for certain.
    pub(super) fn in_log(&mut self, placed: Placed) {
        self.broker_backoff.reset();
        self.placed = None;
        self.oldest_unix_ms = self.newest_unix_ms.take().or(self.oldest_unix_ms);
        self.known = Mark { seq: placed.last, next_offset: placed.base.plus(placed.count) };
        self.notes.push(Note::Produced { first: placed.first, last: placed.last, offset: placed.base });
    }
}
