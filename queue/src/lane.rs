//! A lane: takes one slice of an event's visitors and batches what they ask of the line.
//!
//! Invariants: one exchange in flight at most; a frozen batch never changes until it is answered; `k` of storage is the last
//! batch whose outcome is stored, so `stored_k <= k in flight <= stored_k + 1`; pending waiters ≤ [`MAX_PENDING`].
//!
//! The state is pure. The caller keeps a channel per [`WaiterId`], applies [`LaneChange`]s in one transaction and only then
//! delivers the [`Wake`]s, so that what was answered is stored.

use std::collections::{BTreeMap, VecDeque};

use crate::Subject;
use crate::place;
use crate::types::{EventId, LaneId, Number, UnixMillis};
use crate::wire::{Board, Exchange, ExchangeReply, MAX_BATCH, MAX_OPS, Numbering, Op, OpAnswer, Refusal, Shuffle};

/// The most waiters (for places and for answers to ops) a lane takes in; above, it is overloaded.
pub const MAX_PENDING: usize = 4_000;

/// Names one waiting request within one instance of a lane.
pub type WaiterId = u64;

/// What a lane has stored of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LaneMeta {
    /// Incarnation: counts the starts.
    pub inc: u64,
    /// The last batch whose outcome is stored.
    pub k: u64,
}

/// What the caller must store, all of a step in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneChange {
    /// The lane's own row.
    Meta(LaneMeta),
    /// Visitors with their new numbers, in order from `first` on. A visitor that had an older place now has this one.
    Visitors {
        /// In the order of their numbers.
        subjects: Vec<Subject>,
        /// Number of the first.
        first: Number,
        /// When they entered, by the line's clock.
        at: UnixMillis,
    },
}

/// What a waiter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The visitor's new place.
    Place {
        /// The number given.
        number: Number,
        /// When it was given.
        entered_at: UnixMillis,
        /// Whether its turn has come already.
        called: bool,
        /// What the event has committed itself to, where a draw is still to come.
        commitment: Option<String>,
    },
    /// The line gives no numbers.
    Refused(Refusal),
    /// The answer to an op.
    Op {
        /// What the line says.
        answer: OpAnswer,
        /// In how many milliseconds there will be room for a called place, where that is soon.
        in_ms: Option<u64>,
    },
    /// No outcome is known: ask again.
    Unavailable,
}

/// What a step asks of the caller: store, then wake, then perhaps give up this instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LaneStep {
    /// To be stored first, in one transaction.
    pub changes: Vec<LaneChange>,
    /// To be delivered after that.
    pub wakes: Vec<(WaiterId, Wake)>,
    /// This instance must end: it is a zombie, or line and lane disagree.
    pub abort: Option<Abort>,
}

/// Why an instance must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// A newer instance has spoken.
    Stale,
    /// Line and lane disagree about what was numbered: a bug.
    Conflict,
}

/// The lane has no room for another waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this lane has all the waiters it can hold")]
pub struct Overloaded;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Batch {
    /// Visitors in the order in which they came.
    order: VecDeque<Subject>,
    /// Who waits for each of them; a retry joins its visitor's entry.
    waiters: BTreeMap<Subject, Vec<WaiterId>>,
    ops: VecDeque<(Op, WaiterId)>,
    pending: usize,
    /// Into how many lanes the event is split, as the visitors of this batch were told; the line has the last word.
    lanes: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    exchange: Exchange,
    batch: Batch,
}

/// The state of one lane instance in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    id: LaneId,
    stored: LaneMeta,
    started: bool,
    open: Batch,
    flight: Option<Flight>,
    frontier: u64,
    /// The draw, as far as the line has told.
    shuffle: Option<Shuffle>,
}

impl Batch {
    fn join(&mut self, subject: Subject, waiter: WaiterId) {
        self.pending += 1;
        if let Some(waiters) = self.waiters.get_mut(&subject) {
            waiters.push(waiter);
        } else {
            self.order.push_back(subject);
            self.waiters.insert(subject, vec![waiter]);
        }
    }

    /// Takes out the oldest of what waits, as much as one exchange carries.
    fn freeze(&mut self) -> Self {
        let mut frozen = Self { lanes: self.lanes, ..Self::default() };
        while frozen.order.len() < MAX_BATCH {
            let Some(subject) = self.order.pop_front() else { break };
            let waiters = self.waiters.remove(&subject).unwrap_or_default();
            frozen.pending += waiters.len();
            frozen.order.push_back(subject);
            frozen.waiters.insert(subject, waiters);
        }
        let mut weight = 0;
        while let Some((op, _)) = self.ops.front() {
            weight += op.weight();
            if weight > MAX_OPS {
                break;
            }
            frozen.ops.extend(self.ops.pop_front());
        }
        frozen.pending += frozen.ops.len();
        self.pending -= frozen.pending.min(self.pending);
        frozen
    }

    fn wakes(&mut self, subject: &Subject, wake: &Wake, out: &mut Vec<(WaiterId, Wake)>) {
        let waiters = self.waiters.remove(subject).unwrap_or_default();
        out.extend(waiters.into_iter().map(|waiter| (waiter, wake.clone())));
    }

    /// Everybody gets this answer; the visitors of the batch stay in it.
    fn wake_all(&mut self, wake: &Wake) -> Vec<(WaiterId, Wake)> {
        self.pending = 0;
        let places = self.waiters.values_mut().flat_map(core::mem::take);
        let mut wakes: Vec<_> = places.map(|waiter| (waiter, wake.clone())).collect();
        wakes.extend(self.ops.drain(..).map(|(_, waiter)| (waiter, wake.clone())));
        wakes
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty() && self.ops.is_empty()
    }
}

impl Lane {
    /// A new instance over what is stored.
    #[must_use]
    pub fn restore(id: LaneId, stored: LaneMeta) -> Self {
        Self { id, stored, started: false, open: Batch::default(), flight: None, frontier: 0, shuffle: None }
    }

    /// Waiters now held.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.open.pending + self.flight.as_ref().map_or(0, |flight| flight.batch.pending)
    }

    /// Whether this number is still to be called, by all that the line has told this instance so far.
    #[must_use]
    pub fn is_waiting(&self, event: &EventId, number: Number) -> bool {
        let position = place::position(self.shuffle.as_ref(), event, number);
        position.is_none_or(|position| position.get() > self.frontier)
    }

    /// Takes note of a board that came another way.
    pub fn saw(&mut self, board: &Board) {
        if board.frontier >= self.frontier {
            self.frontier = board.frontier;
            // A draw is never undone: what an older board does not know yet is not forgotten.
            if board.shuffle.as_ref().is_some_and(|shuffle| shuffle.count.is_some()) || self.frontier == 0 {
                self.shuffle.clone_from(&board.shuffle);
            }
        }
    }

    /// A visitor without a stored place wants one. A retry waits for the number of its first call, also while that is in flight.
    ///
    /// `lanes` is what led the caller to this lane. One batch has one such number.
    ///
    /// # Errors
    /// [`Overloaded`] at [`MAX_PENDING`] waiters, or when the open batch came by another number of lanes; nothing was taken in.
    pub fn join(&mut self, subject: Subject, lanes: u16, waiter: WaiterId) -> Result<(), Overloaded> {
        if self.pending() >= MAX_PENDING || (!self.open.order.is_empty() && self.open.lanes != lanes) {
            return Err(Overloaded);
        }
        if let Some(flight) = &mut self.flight
            && let Some(waiters) = flight.batch.waiters.get_mut(&subject)
        {
            waiters.push(waiter);
            flight.batch.pending += 1;
            return Ok(());
        }
        self.open.lanes = lanes;
        self.open.join(subject, waiter);
        Ok(())
    }

    /// Sends an op along with the next exchange.
    ///
    /// # Errors
    /// [`Overloaded`] at [`MAX_PENDING`] waiters; nothing was taken in.
    pub fn submit(&mut self, op: Op, waiter: WaiterId) -> Result<(), Overloaded> {
        if self.pending() >= MAX_PENDING {
            return Err(Overloaded);
        }
        self.open.pending += 1;
        self.open.ops.push_back((op, waiter));
        Ok(())
    }

    /// The exchange to send now: the one in flight again, the same to the letter, or the next batch, frozen here.
    ///
    /// Changes, if any, must be stored before it is sent. `None`: there is nothing to say.
    pub fn exchange(&mut self) -> Option<(Exchange, Vec<LaneChange>)> {
        if let Some(flight) = &self.flight {
            return Some((flight.exchange.clone(), Vec::new()));
        }
        if self.open.is_empty() {
            return None;
        }
        let mut changes = Vec::new();
        if !self.started {
            self.started = true;
            self.stored.inc += 1;
            changes.push(LaneChange::Meta(self.stored));
        }
        let batch = self.open.freeze();
        let count = batch.order.len() as u64;
        let exchange = Exchange {
            lane: self.id,
            inc: self.stored.inc,
            k: if count > 0 { self.stored.k + 1 } else { self.stored.k },
            count,
            stored_k: self.stored.k,
            lanes: if count > 0 { batch.lanes } else { 0 },
            ops: batch.ops.iter().map(|(op, _)| op.clone()).collect(),
        };
        self.flight = Some(Flight { exchange: exchange.clone(), batch });
        Some((exchange, changes))
    }

    /// The line refuses work for now: nobody waits longer for it, but the batch stays as it is and is sent again.
    pub fn give_up_waiting(&mut self) -> Vec<(WaiterId, Wake)> {
        let mut wakes = self.open.wake_all(&Wake::Unavailable);
        self.open = Batch::default();
        if let Some(flight) = &mut self.flight {
            wakes.extend(flight.batch.wake_all(&Wake::Unavailable));
        }
        wakes
    }

    /// The line's answer to the exchange in flight. One that names another exchange, or comes when none is in flight, changes
    /// nothing.
    pub fn reply(&mut self, reply: &ExchangeReply) -> LaneStep {
        self.saw(&reply.board);
        if !self.flight.as_ref().is_some_and(|flight| reply.answers(&flight.exchange)) {
            return LaneStep::default();
        }
        let Some(Flight { exchange, mut batch }) = self.flight.take() else {
            return LaneStep::default();
        };
        let mut step = LaneStep::default();
        match reply.numbering {
            Numbering::Stale => return self.abort(batch, Abort::Stale),
            Numbering::None if exchange.count == 0 => {}
            Numbering::Range { first, count, at } if count == exchange.count && count > 0 => {
                self.stored.k = exchange.k;
                step.changes = vec![
                    LaneChange::Visitors { subjects: batch.order.iter().copied().collect(), first, at },
                    LaneChange::Meta(self.stored),
                ];
                let board = &reply.board;
                let drawn = board.shuffle.as_ref().map_or(0, |shuffle| shuffle.count.unwrap_or(u64::MAX));
                for (offset, subject) in (0..).zip(core::mem::take(&mut batch.order)) {
                    let number = first.plus(offset);
                    // Whoever takes part in a draw is not called at once; the others stand where their number says.
                    let called = number.get() > drawn && number.get() <= self.frontier;
                    let commitment = board.commitment().map(str::to_owned);
                    let wake = Wake::Place { number, entered_at: at, called, commitment };
                    batch.wakes(&subject, &wake, &mut step.wakes);
                }
            }
            Numbering::Refused { reason } if exchange.count > 0 => {
                self.stored.k = exchange.k;
                step.changes = vec![LaneChange::Meta(self.stored)];
                self.refused(&mut batch, reason, &mut step.wakes);
            }
            _ => return self.abort(batch, Abort::Conflict),
        }
        // An op that a restored flight does not know waits for nobody; one without an answer asks again.
        let turns: BTreeMap<u64, u64> = reply.turns.iter().map(|turn| (turn.op, turn.in_ms)).collect();
        let mut answers = (0..).zip(&reply.ops);
        for (_, waiter) in batch.ops.drain(..) {
            let wake = answers
                .next()
                .map_or(Wake::Unavailable, |(op, answer)| Wake::Op { answer: *answer, in_ms: turns.get(&op).copied() });
            step.wakes.push((waiter, wake));
        }
        step
    }

    /// Those for whom there is room go to the front of the next batch, which can only be smaller.
    fn refused(&mut self, batch: &mut Batch, reason: Refusal, wakes: &mut Vec<(WaiterId, Wake)>) {
        let room = match reason {
            Refusal::LineFull { room } => room,
            _ => 0,
        };
        let mut keep = usize::try_from(room).unwrap_or(usize::MAX).min(batch.order.len().saturating_sub(1));
        if self.open.order.is_empty() {
            self.open.lanes = batch.lanes;
        } else if self.open.lanes != batch.lanes {
            // Those who came meanwhile believe in another number of lanes: one batch cannot speak for both.
            keep = 0;
        }
        for subject in batch.order.split_off(keep) {
            batch.wakes(&subject, &Wake::Refused(reason), wakes);
        }
        while let Some(subject) = batch.order.pop_back() {
            let waiters = batch.waiters.remove(&subject).unwrap_or_default();
            self.open.pending += waiters.len();
            self.open.order.push_front(subject);
            self.open.waiters.insert(subject, waiters);
        }
    }

    fn abort(&mut self, mut batch: Batch, abort: Abort) -> LaneStep {
        let mut wakes = batch.wake_all(&Wake::Unavailable);
        wakes.extend(self.open.wake_all(&Wake::Unavailable));
        self.open = Batch::default();
        LaneStep { changes: Vec::new(), wakes, abort: Some(abort) }
    }
}
