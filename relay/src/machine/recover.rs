//! Connect, anchor, confirm, scan: how the machine finds out what is in the log instead of guessing.
//!
//! Invariants: nothing is produced between [`Goal::Connect`] and the next drain; an empty read below the high watermark
//! means "not visible yet" and never "not there"; each wait and each scan has a bound.
//!
//! **After a replay** (an operator let the event begin anew at a seq, in a log that lost what was there) two things are different. No
//! record of ours stands before `next_offset` until the first ack, so only the ends of the log are looked at. And a relay that was
//! cut off before the replay may, for all we know, still write a batch of its own into the new log, ahead of what goes before it:
//! a read-back counts only records that follow without a gap, and one from the very beginning stops at what does not.

use super::{
    Around, Bounds, BrokerFailure, Cause, Effect, Fetched, Goal, Machine, Mark, Note, Outcome, Pin, State, StopCause,
};
use crate::murmur2::partition_of;
use crate::types::{Mono, Offset, Seq};

/// Between two looks at records that are not visible yet.
const NOT_VISIBLE_MS: u64 = 1_000;
/// So many times in a row the log must seem to end too early before that is believed: a new leader may, for a moment,
/// report a high watermark that lies behind.
const LOST_TIMES: u32 = 3;
/// The anchor looks at one record; the broker sends a whole batch if that is larger.
const ONE_RECORD_BYTES: u32 = 4 * 1024;
const SCAN_FETCH_BYTES: u32 = 1024 * 1024;

/// A batch and where its first record is, or is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) count: i64,
    pub(super) base: Offset,
    /// Of all values.
    pub(super) bytes: usize,
}

/// A read-back under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    at: Offset,
    /// The high watermark of the first answer: where the scan ends. What others append later only makes repeats.
    end: Option<Offset>,
    found: Option<Mark>,
    /// Everything before it could be read, at a moment after an empty read.
    stable: Option<Offset>,
    records: u64,
    repeats: u64,
    bytes: u64,
    since: Mono,
}

impl Machine {
    /// After anything but a clean Ok: a new client, and look.
    pub(super) fn recover(&mut self, around: Around, cause: Cause, batch: Option<(Seq, Seq)>) -> Effect {
        // What came of it is known: there is nothing to wait for.
        let certain = matches!(cause, Cause::TooLarge { .. });
        let text = cause.to_string();
        self.notes.push(Note::Recovering { cause, batch });
        if certain {
            return self.go(around, Goal::Connect);
        }
        let ms = self.broker_backoff.failed();
        if self.broker_backoff.failures() > self.rules.max_failures {
            return self.leave(Outcome::GaveUp { cause: text });
        }
        self.wait(around, ms, Goal::Connect)
    }

    fn broker_failed(&mut self, around: Around, failure: BrokerFailure) -> Effect {
        match failure {
            BrokerFailure::Denied { cause } => self.denied(cause),
            other => self.recover(around, Cause::Broker(other.to_string()), None),
        }
    }

    pub(super) fn connect(&mut self) -> Effect {
        self.state = State::Connecting;
        Effect::Connect { topic: self.topic() }
    }

    pub(super) fn connected(&mut self, around: Around, answer: Result<Option<u32>, BrokerFailure>) -> Effect {
        let partitions = match answer {
            Ok(partitions) => partitions.unwrap_or(0),
            Err(failure) => return self.broker_failed(around, failure),
        };
        if partitions == 0 && self.may_discard() {
            return match self.still_missing(around) {
                Some(wait) => wait,
                None => self.start_to_discard(around),
            };
        }
        if self.pin.is_none() {
            let topic = self.topic();
            let Some(partition) = partition_of(self.event.as_str(), partitions) else {
                return self.leave(Outcome::Stopped(StopCause::TopicMissing { topic }));
            };
            self.pin = Some(Pin { topic, partition, next_offset: Offset(-1) });
        }
        let Some(pin) = self.pin.clone() else {
            return self.go(around, Goal::Connect);
        };
        let there = u32::try_from(pin.partition.0).is_ok_and(|p| p < partitions);
        if !there {
            return self.still_missing(around).unwrap_or_else(|| {
                self.leave(Outcome::Stopped(StopCause::PartitionMissing { topic: pin.topic, partition: pin.partition }))
            });
        }
        self.state = State::Opening;
        Effect::Open { topic: pin.topic, partition: pin.partition }
    }

    /// Metadata right after a broker's start may lack a topic: believed only when it stays so. `None`: it has stayed so.
    fn still_missing(&mut self, around: Around) -> Option<Effect> {
        self.seems_lost = self.seems_lost.saturating_add(1);
        if self.seems_lost >= LOST_TIMES {
            return None;
        }
        let ms = self.broker_backoff.failed();
        Some(self.wait(around, ms.max(NOT_VISIBLE_MS), Goal::Connect))
    }

    pub(super) fn opened(&mut self, around: Around, answer: Result<(), BrokerFailure>) -> Effect {
        let placed = match (answer, &self.pin) {
            (Err(failure), _) => return self.broker_failed(around, failure),
            (Ok(()), Some(pin)) => pin.next_offset.0 >= 0,
            (Ok(()), None) => false,
        };
        if placed {
            return self.go(around, Goal::Anchor);
        }
        self.state = State::Pinning;
        Effect::Bounds
    }

    /// The first time: the event's records start where the log ends now.
    pub(super) fn pinned(&mut self, around: Around, answer: Result<Bounds, BrokerFailure>) -> Effect {
        let bounds = match answer {
            Ok(bounds) => bounds,
            Err(failure) => return self.broker_failed(around, failure),
        };
        if let Some(pin) = &mut self.pin {
            pin.next_offset = bounds.latest;
        }
        self.known.next_offset = bounds.latest;
        self.go(around, Goal::Drain)
    }

    pub(super) fn anchor(&mut self) -> Effect {
        if !self.has_anchor() {
            // No record of ours to look at: the place must be within the log, that is all.
            self.state = State::Measuring;
            return Effect::Bounds;
        }
        self.state = State::Anchoring;
        Effect::Fetch { offset: self.known.next_offset.plus(-1), max_bytes: ONE_RECORD_BYTES }
    }

    pub(super) fn anchored(&mut self, around: Around, answer: Result<Fetched, BrokerFailure>) -> Effect {
        let at = self.known.next_offset.plus(-1);
        match answer {
            Ok(fetched) => match fetched.records.first() {
                Some(read) if read.offset == at && read.seq == Some(self.known.seq) => self.anchor_holds(around),
                Some(_) => self.leave(Outcome::Stopped(StopCause::OtherRecord { expected: at, seq: self.known.seq })),
                None if fetched.high_watermark > at => {
                    self.not_visible(at, fetched.high_watermark);
                    self.wait(around, NOT_VISIBLE_MS, Goal::Anchor)
                }
                None => self.seems_lost(around, at),
            },
            Err(BrokerFailure::OutOfRange) => {
                self.state = State::Measuring;
                Effect::Bounds
            }
            Err(failure) => self.broker_failed(around, failure),
        }
    }

    pub(super) fn measured(&mut self, around: Around, answer: Result<Bounds, BrokerFailure>) -> Effect {
        let bounds = match answer {
            Ok(bounds) => bounds,
            Err(failure) => return self.broker_failed(around, failure),
        };
        let next = self.known.next_offset;
        if bounds.latest < next {
            return self.seems_lost(around, next.plus(-1));
        }
        let retained = self.is_retained(bounds);
        if !self.has_anchor() || retained {
            return self.anchor_holds(around);
        }
        // The record came into range again between the two questions: ask anew.
        self.broker_failed(around, BrokerFailure::OutOfRange)
    }

    /// Whether retention has removed the record at the anchor.
    fn is_retained(&mut self, bounds: Bounds) -> bool {
        let retained = bounds.earliest >= self.known.next_offset && bounds.earliest.0 > 0;
        if retained && bounds.earliest > self.floor {
            self.floor = bounds.earliest;
            self.notes.push(Note::Retention { earliest: bounds.earliest });
        }
        retained
    }

    fn seems_lost(&mut self, around: Around, expected: Offset) -> Effect {
        self.seems_lost = self.seems_lost.saturating_add(1);
        if self.seems_lost >= LOST_TIMES {
            return self.leave(Outcome::Stopped(StopCause::LogLost { expected, seq: self.known.seq }));
        }
        self.notes.push(Note::SeemsLost { expected, times: self.seems_lost });
        self.wait(around, NOT_VISIBLE_MS, Goal::Connect)
    }

    fn anchor_holds(&mut self, around: Around) -> Effect {
        self.seems_lost = 0;
        self.anchored = true;
        match self.placed {
            Some(placed) if self.has_anchor() || self.replay_from.is_none() => self.go(around, Goal::Confirm(placed)),
            // Right after a replay it matters what came in between.
            _ => self.start_scan(around),
        }
    }

    /// Whether the record of `known.seq` stands before `known.next_offset`, or retention has removed it.
    fn has_anchor(&self) -> bool {
        self.known.seq > Seq(0) && self.replay_from.is_none_or(|from| self.known.seq >= from)
    }

    /// The broker said Ok for a batch further on: the common case where events share a partition. The client that was told so looks
    /// first; only when it does not find the batch there is it replaced.
    pub(super) fn look_for(&mut self, around: Around, placed: Placed) -> Effect {
        self.anchored = false;
        self.placed = Some(placed);
        if self.replay_from.is_some() && !self.has_anchor() {
            return self.go(around, Goal::Connect);
        }
        self.go(around, Goal::Confirm(placed))
    }

    /// Its last record must be there. Where it cannot be read yet, for another producer's transaction is open, the broker's word and a
    /// high watermark beyond it are enough, as for any clean Ok.
    pub(super) fn confirm(&mut self, placed: Placed) -> Effect {
        self.state = State::Confirming(placed);
        Effect::Fetch { offset: placed.base.plus(placed.count - 1), max_bytes: ONE_RECORD_BYTES }
    }

    pub(super) fn confirmed(
        &mut self,
        around: Around,
        placed: Placed,
        answer: Result<Fetched, BrokerFailure>,
    ) -> Effect {
        let at = placed.base.plus(placed.count - 1);
        let fetched = match answer {
            Ok(fetched) => fetched,
            Err(BrokerFailure::OutOfRange) if self.anchored => {
                self.state = State::Locating(placed);
                return Effect::Bounds;
            }
            Err(failure) => return self.broker_failed(around, failure),
        };
        match fetched.records.first() {
            Some(read) if read.offset == at && read.seq == Some(placed.last) => {
                self.in_log(placed);
                self.go_on(around)
            }
            None if fetched.high_watermark > at => {
                self.not_visible(at, fetched.high_watermark);
                self.in_log(placed);
                self.go(around, Goal::Drain)
            }
            _ if !self.anchored => self.go(around, Goal::Connect),
            _ => self.start_scan(around),
        }
    }

    /// The log does not reach to where the broker said, or begins after it.
    pub(super) fn located(&mut self, around: Around, placed: Placed, answer: Result<Bounds, BrokerFailure>) -> Effect {
        let bounds = match answer {
            Ok(bounds) => bounds,
            Err(failure) => return self.broker_failed(around, failure),
        };
        self.is_retained(bounds);
        if bounds.earliest > placed.base.plus(placed.count - 1) {
            // Appended for certain, by the broker's word and the log's beginning, and gone by retention already.
            self.in_log(placed);
            return self.go(around, Goal::Drain);
        }
        self.start_scan(around)
    }

    fn start_scan(&mut self, around: Around) -> Effect {
        self.placed = None;
        if self.drained <= self.known.seq {
            return self.go(around, Goal::Drain);
        }
        let scan = Scan {
            at: self.known.next_offset.max(self.floor),
            end: None,
            found: None,
            stable: None,
            records: 0,
            repeats: 0,
            bytes: 0,
            since: around.now,
        };
        self.go(around, Goal::Scan(scan))
    }

    pub(super) fn scan(&mut self, scan: Scan) -> Effect {
        self.state = State::Scanning(scan);
        Effect::Fetch { offset: scan.at, max_bytes: SCAN_FETCH_BYTES }
    }

    pub(super) fn scanned(&mut self, around: Around, mut scan: Scan, answer: Result<Fetched, BrokerFailure>) -> Effect {
        let fetched = match answer {
            Ok(fetched) => fetched,
            // Retention moved on, or the log was cut: the anchor tells which.
            Err(failure) => return self.broker_failed(around, failure),
        };
        let end = *scan.end.get_or_insert(fetched.high_watermark);
        for read in &fetched.records {
            scan.at = scan.at.max(read.offset.plus(1));
            scan.records = scan.records.saturating_add(1);
            scan.bytes = scan.bytes.saturating_add(read.bytes);
            // By the order of first copies, everything up to the highest seq seen is in the log.
            let highest = scan.found.map_or(self.known.seq, |mark| mark.seq);
            if read.seq.is_some_and(|seq| seq <= highest) {
                scan.repeats = scan.repeats.saturating_add(1);
            }
            let best = scan.found.map_or(self.known.seq.next(), |mark| mark.seq);
            let Some(seq) = read.seq.filter(|s| *s >= best && *s <= self.drained) else { continue };
            let due = scan.found.map_or(best, |mark| mark.seq.next());
            if seq > due && self.replay_from.is_some() {
                if !self.has_anchor() {
                    let cause = StopCause::OutOfOrder { found: read.offset, seq, expected: due };
                    return self.leave(Outcome::Stopped(cause));
                }
                continue;
            }
            scan.found = Some(Mark { seq, next_offset: read.offset.plus(1) });
        }
        let all_found = scan.found.is_some_and(|mark| mark.seq == self.drained);
        if all_found || scan.at >= end {
            return self.end_scan(around, scan);
        }
        let bound = scan.records >= self.rules.scan_records
            || scan.bytes >= self.rules.scan_bytes
            || around.now.since(scan.since) >= self.rules.scan_ms;
        if bound {
            self.notes.push(Note::ScanBound {
                known: scan.found.map_or(self.known.seq, |mark| mark.seq),
                drained: self.drained,
            });
            return self.end_scan(around, scan);
        }
        if fetched.records.is_empty() {
            let Some(stable) = scan.stable.take().filter(|stable| *stable > scan.at) else {
                self.state = State::Probing(scan);
                return Effect::Bounds;
            };
            // Nothing to read before an offset up to which all could be read: only marks that end transactions.
            scan.at = stable;
            if scan.at >= end {
                return self.end_scan(around, scan);
            }
        }
        self.go(around, Goal::Scan(scan))
    }

    /// After an empty read below the high watermark: is something hidden there, or are there no records?
    pub(super) fn probed(&mut self, around: Around, mut scan: Scan, answer: Result<Bounds, BrokerFailure>) -> Effect {
        match answer {
            Ok(bounds) if bounds.latest > scan.at => {
                // It may have become visible in between: read once more.
                scan.stable = Some(bounds.latest);
                self.go(around, Goal::Scan(scan))
            }
            Ok(bounds) => {
                self.not_visible(scan.at, scan.end.unwrap_or(bounds.latest));
                self.wait(around, NOT_VISIBLE_MS, Goal::Scan(scan))
            }
            Err(failure) => self.broker_failed(around, failure),
        }
    }

    fn end_scan(&mut self, around: Around, scan: Scan) -> Effect {
        if let Some(mark) = scan.found {
            self.known = mark;
            self.broker_backoff.reset();
        }
        self.notes.push(Note::Scanned {
            known: self.known.seq,
            drained: self.drained,
            records: scan.records,
            repeats: scan.repeats,
        });
        self.go(around, Goal::Drain)
    }

    fn not_visible(&mut self, offset: Offset, high_watermark: Offset) {
        self.notes.push(Note::NotVisible { offset, high_watermark });
    }
}
