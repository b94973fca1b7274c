//! One event's way from the admission log into Kafka, as a pure state machine (protocol, section 5).
//!
//! It takes an [`Input`] and the time, and returns the next [`Effect`] with [`Note`]s; it does no I/O, has no clock and no
//! hidden randomness, so the same machine runs in the relay and in a seeded simulation.
//!
//! Invariant, from which order and completeness follow for any number of stale relays and late appends:
//!
//! ```text
//! a batch [a..b] is produced only when every seq < a is known to be in the log:    a == known.seq + 1
//! known.seq rises only by an ack the line holds, a clean Ok, or a record read back; acked_seq <= known.seq <= drained_seq
//! ```
//!
//! The way: take the lease → connect (a new client; the topic must be there) → open the partition → anchor (is the acked
//! record still where it was?) → scan, when something was under way → drain → produce → drain with the ack → …
//! Any outcome but an Ok leads back to connect; after an Ok at another place than expected the batch is looked for, see
//! `recover.rs`. Test events may go nowhere, see `discard.rs`.

mod backoff;
mod discard;
mod io;
mod notes;
mod recover;
mod work;

pub use discard::TEST_SUFFIX;
pub use io::{
    Bounds, BrokerFailure, DrainRequest, Drained, Effect, Fetched, Input, Lease, Mark, Outcome, Pin, Progress, Read,
    WorkerFailure,
};
pub use notes::{Cause, Note, StopCause};

pub(crate) use backoff::{Backoff, WORKER_WAIT_MS};
use recover::{Placed, Scan};

use crate::types::{Epoch, EventId, Mono, Offset, Seq};

/// The numbers of protocol section 5. All have a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Topic of events that have no `topic` setting of their own; test events go to [`TEST_SUFFIX`] behind it.
    pub topic: String,
    /// Rows of one batch, at most.
    pub batch_rows: usize,
    /// Bytes of one batch's values, at most; a single entry may be larger.
    pub batch_bytes: usize,
    /// Records one scan reads at most.
    pub scan_records: u64,
    /// Bytes one scan reads at most.
    pub scan_bytes: u64,
    /// Milliseconds one scan takes at most.
    pub scan_ms: u64,
    /// Milliseconds between drains while there is nothing new.
    pub idle_ms: u64,
    /// An event without news is kept so many milliseconds before it is left: taking it up again costs more than a few drains.
    pub linger_ms: u64,
    /// Nothing is produced in the last so many milliseconds of a lease.
    pub margin_ms: u64,
    /// After so many failed calls in a row the event is left to another relay.
    pub max_failures: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            topic: "ropeline.admissions".to_owned(),
            batch_rows: 500,
            batch_bytes: 512 * 1024,
            scan_records: 200_000,
            scan_bytes: 64 * 1024 * 1024,
            scan_ms: 20_000,
            idle_ms: 200,
            linger_ms: 3_000,
            margin_ms: 2_000,
            max_failures: 8,
        }
    }
}

/// What the machine needs to know about the world beside the outcome of its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// The clock.
    pub now: Mono,
    /// The registry lists this event as one with unacked entries.
    pub listed: bool,
    /// The process is to stop.
    pub stopping: bool,
}

/// The next effect, and what happened on the way to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// To be carried out; its outcome is the next input.
    pub effect: Effect,
    /// For log and counters.
    pub notes: Vec<Note>,
}

/// Where a wait or a renewal leads to.
#[derive(Debug, PartialEq, Eq)]
enum Goal {
    Take,
    Connect,
    Anchor,
    Confirm(Placed),
    Scan(Scan),
    Drain,
}

/// What is under way.
#[derive(Debug)]
enum State {
    New,
    Taking,
    Renewing(Goal),
    Waiting(Goal),
    Connecting,
    Opening,
    Pinning,
    Anchoring,
    /// A fetch was out of range, or there is no record to look at: ask for the ends of the log.
    Measuring,
    Confirming(Placed),
    /// A record that should be in the log is out of its range: ask for its ends.
    Locating(Placed),
    Scanning(Scan),
    /// A read-back sees nothing more below the high watermark: ask for the ends of what can be read.
    Probing(Scan),
    Draining,
    Producing(Placed),
    Acking(Outcome),
    Releasing(Outcome),
    Done(Outcome),
}

/// The relay of one event, from take to leave.
#[derive(Debug)]
pub struct Machine {
    event: EventId,
    rules: Rules,
    state: State,
    notes: Vec<Note>,
    worker_backoff: Backoff,
    broker_backoff: Backoff,

    // The lease. `lease_until` counts from before the request.
    epoch: Option<Epoch>,
    lease_ms: u64,
    lease_until: Mono,
    asked_at: Mono,

    // The line's row.
    pin: Option<Pin>,
    pin_is_stored: bool,
    acked: Seq,
    drained: Seq,
    head: Seq,
    oldest_unix_ms: Option<i64>,
    /// When the last entry of the batch under way was admitted.
    newest_unix_ms: Option<i64>,

    // The log.
    known: Mark,
    floor: Offset,
    placed: Option<Placed>,
    /// The anchor has held since `placed` was appended.
    anchored: bool,
    /// Rows of the next batch, at most: less than the rules say once the topic has refused a batch for its size.
    batch_rows: usize,
    seems_lost: u32,
    configured_topic: Option<String>,
    test: bool,
    replay_from: Option<Seq>,
    /// Entries are acked without being produced, see `discard.rs`.
    discarding: bool,
    idle_since: Option<Mono>,
}

impl Machine {
    /// A machine for `event`. `seed` spreads its waits.
    pub fn new(event: EventId, rules: Rules, seed: u64) -> Self {
        Self {
            event,
            batch_rows: rules.batch_rows,
            rules,
            state: State::New,
            notes: Vec::new(),
            worker_backoff: Backoff::new(seed).at_most(WORKER_WAIT_MS),
            broker_backoff: Backoff::new(seed ^ 0x5555_5555_5555_5555),
            epoch: None,
            lease_ms: 0,
            lease_until: Mono(0),
            asked_at: Mono(0),
            pin: None,
            pin_is_stored: false,
            acked: Seq(0),
            drained: Seq(0),
            head: Seq(0),
            oldest_unix_ms: None,
            newest_unix_ms: None,
            known: Mark { seq: Seq(0), next_offset: Offset(0) },
            floor: Offset(0),
            placed: None,
            anchored: false,
            seems_lost: 0,
            configured_topic: None,
            test: false,
            replay_from: None,
            discarding: false,
            idle_since: None,
        }
    }

    /// The event.
    pub fn event(&self) -> &EventId {
        &self.event
    }

    /// The lease it holds, or held last.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The highest seq known to be in Kafka, and where the log goes on after it.
    pub fn known(&self) -> Mark {
        self.known
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            epoch: self.epoch,
            head: self.head,
            known: self.known.seq,
            acked: self.acked,
            oldest_unix_ms: self.oldest_unix_ms.filter(|_| self.head > self.known.seq),
        }
    }

    /// Whether the effect under way may be dropped ([`Input::Interrupted`]) when the process is to stop. What changes the
    /// line or the log may not.
    pub fn may_interrupt(&self) -> bool {
        let harmless = matches!(
            self.state,
            State::Waiting(_)
                | State::Connecting
                | State::Opening
                | State::Pinning
                | State::Anchoring
                | State::Measuring
                | State::Scanning(_)
                | State::Probing(_)
        );
        harmless && self.placed.is_none()
    }

    /// Takes the outcome of the last effect and gives the next. After [`Effect::Done`] it gives that again.
    pub fn step(&mut self, around: Around, input: Input) -> Step {
        let state = std::mem::replace(&mut self.state, State::New);
        let effect = self.next(around, state, input);
        Step { effect, notes: std::mem::take(&mut self.notes) }
    }

    fn next(&mut self, around: Around, state: State, input: Input) -> Effect {
        match (state, input) {
            (State::New, Input::Start) => self.go(around, Goal::Take),
            (State::Waiting(goal), Input::Woke) => self.go(around, goal),
            (State::Taking, Input::Lease(answer)) => self.taken(around, answer),
            (State::Renewing(goal), Input::Renewed(answer)) => self.renewed(around, goal, answer),
            (State::Connecting, Input::Connected(answer)) => self.connected(around, answer),
            (State::Opening, Input::Opened(answer)) => self.opened(around, answer),
            (State::Pinning, Input::Bounds(answer)) => self.pinned(around, answer),
            (State::Anchoring, Input::Fetched(answer)) => self.anchored(around, answer),
            (State::Measuring, Input::Bounds(answer)) => self.measured(around, answer),
            (State::Confirming(placed), Input::Fetched(answer)) => self.confirmed(around, placed, answer),
            (State::Locating(placed), Input::Bounds(answer)) => self.located(around, placed, answer),
            (State::Scanning(scan), Input::Fetched(answer)) => self.scanned(around, scan, answer),
            (State::Probing(scan), Input::Bounds(answer)) => self.probed(around, scan, answer),
            (State::Draining, Input::Drained(answer)) => self.drained(around, answer),
            (State::Producing(placed), Input::Produced(answer)) => self.produced(around, placed, answer),
            (State::Acking(outcome), Input::Acked(answer)) => self.acked(outcome, answer),
            (State::Releasing(outcome), Input::Released) => self.done(outcome),
            (State::Done(outcome), _) => self.done(outcome),
            (_, Input::Interrupted) => self.leave(Outcome::Shutdown),
            (state, input) => {
                let detail: String = format!("{input:?} while {state:?}").chars().take(300).collect();
                self.leave(Outcome::Stopped(StopCause::Confused { detail }))
            }
        }
    }

    /// Sets out for `goal`; renews the lease first when half of it is over, leaves when the process is to stop.
    fn go(&mut self, around: Around, goal: Goal) -> Effect {
        if self.is_to_leave(around) {
            return self.leave(Outcome::Shutdown);
        }
        let half_over = around.now.plus(self.lease_ms / 2) >= self.lease_until;
        match (goal, self.epoch) {
            (Goal::Take, _) => {
                self.asked_at = around.now;
                self.state = State::Taking;
                Effect::TakeLease
            }
            // A drain renews by itself.
            (Goal::Drain, Some(epoch)) => self.drain(around, epoch),
            (goal, Some(epoch)) if half_over => {
                self.asked_at = around.now;
                self.state = State::Renewing(goal);
                Effect::RenewLease { epoch }
            }
            (Goal::Connect, Some(_)) => self.connect(),
            (Goal::Anchor, Some(_)) => self.anchor(),
            (Goal::Confirm(placed), Some(_)) => self.confirm(placed),
            (Goal::Scan(scan), Some(_)) => self.scan(scan),
            (goal, None) => {
                self.leave(Outcome::Stopped(StopCause::Confused { detail: format!("{goal:?} without a lease") }))
            }
        }
    }

    /// A batch that was appended further on than expected is looked for before the machine leaves: a read-back by the next
    /// relay may be longer than its bound, and a clean restart repeats nothing.
    fn is_to_leave(&self, around: Around) -> bool {
        around.stopping && self.placed.is_none()
    }

    fn wait(&mut self, around: Around, ms: u64, goal: Goal) -> Effect {
        if self.is_to_leave(around) {
            return self.leave(Outcome::Shutdown);
        }
        self.state = State::Waiting(goal);
        Effect::Wait { until: around.now.plus(ms) }
    }

    /// Gives the lease back, with an ack of what is known where that is sound.
    fn leave(&mut self, outcome: Outcome) -> Effect {
        let Some(epoch) = self.epoch else {
            return self.done(outcome);
        };
        match outcome {
            Outcome::Stale | Outcome::Held { .. } | Outcome::Gone => self.done(outcome),
            // A shift is not yet looked into, or the log is in doubt: leave the line's row as it is.
            _ if self.placed.is_some() || matches!(outcome, Outcome::Stopped(_)) => self.release(epoch, outcome),
            _ if self.known.seq > self.acked => {
                self.state = State::Acking(outcome);
                Effect::Ack { epoch, mark: self.known }
            }
            _ => self.release(epoch, outcome),
        }
    }

    fn acked(&mut self, outcome: Outcome, answer: Result<(), WorkerFailure>) -> Effect {
        match (answer, self.epoch) {
            (Err(WorkerFailure::Stale), _) | (_, None) => self.done(Outcome::Stale),
            (Ok(()), Some(epoch)) => {
                self.acked = self.known.seq;
                self.release(epoch, outcome)
            }
            // The next relay reads the log back and finds what was not acked.
            (Err(_), Some(epoch)) => self.release(epoch, outcome),
        }
    }

    fn release(&mut self, epoch: Epoch, outcome: Outcome) -> Effect {
        self.state = State::Releasing(outcome);
        Effect::ReleaseLease { epoch }
    }

    fn done(&mut self, outcome: Outcome) -> Effect {
        self.state = State::Done(outcome.clone());
        Effect::Done(outcome)
    }

    fn renewed(&mut self, around: Around, goal: Goal, answer: Result<u64, WorkerFailure>) -> Effect {
        match answer {
            Ok(lease_ms) => {
                self.worker_backoff.reset();
                self.lease_ms = lease_ms;
                self.lease_until = self.asked_at.plus(lease_ms);
                self.go(around, goal)
            }
            Err(failure) => self.worker_failed(around, failure, goal),
        }
    }

    /// What a failed call to the Worker leads to: wait and repeat for `goal`, or leave.
    fn worker_failed(&mut self, around: Around, failure: WorkerFailure, goal: Goal) -> Effect {
        let cause = failure.to_string();
        let asked_ms = failure.retry_after_ms().unwrap_or(0);
        match failure {
            WorkerFailure::Stale => return self.leave(Outcome::Stale),
            WorkerFailure::Held { retry_after_ms } => {
                return self.leave(Outcome::Held { retry_after_ms });
            }
            WorkerFailure::UnknownEvent => return self.leave(Outcome::Gone),
            WorkerFailure::Refused { .. } => {
                return self.leave(Outcome::Stopped(StopCause::Refused { cause }));
            }
            WorkerFailure::Later { .. } | WorkerFailure::BadAnswer { .. } => {}
        }
        let ms = self.worker_backoff.failed().max(asked_ms);
        if self.worker_backoff.failures() > self.rules.max_failures {
            return self.leave(Outcome::GaveUp { cause });
        }
        self.notes.push(Note::WorkerTrouble { cause, retry_ms: ms });
        self.wait(around, ms, goal)
    }
}
