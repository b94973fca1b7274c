//! What is known of one event: who works on it, how far it is, since when it goes on.
//!
//! Invariant: an event that this relay answers for has a growing `since_progress` exactly while entries wait and none of
//! them becomes known to be in Kafka. One that another relay works on has none.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::counters::{Counters, StopLabel};
use crate::machine::{Cause, Note, Outcome, Progress};
use crate::types::{Epoch, Seq};

/// How long another relay must keep an event that was stopped here until that counts as mended: it may just be looking at it.
const MENDED_BY_OTHERS: Duration = Duration::from_secs(15);

/// Who works on an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nobody is known to: this relay is asking for the lease.
    Starting,
    /// This relay.
    Leading,
    /// Another one; this relay stands by.
    Standby,
    /// Nobody for a moment: this relay has left it after too many failures and asks again soon.
    Pausing,
    /// Nobody until an operator has acted.
    Stopped,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Leading, Self::Stopped, Self::Pausing, Self::Starting, Self::Standby];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Leading => "leading",
            Self::Standby => "standby",
            Self::Pausing => "pausing",
            Self::Stopped => "stopped",
        }
    }
}

/// Why an event is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// In a word.
    pub label: StopLabel,
    /// In a sentence, with how to go on.
    pub detail: String,
}

/// One event at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct EventReport {
    /// Who works on it.
    pub role: Role,
    /// The last lease this relay had on it.
    pub epoch: Option<Epoch>,
    /// How far it is; absent while another relay works on it, for then this one does not know.
    pub place: Option<Place>,
    /// How long entries have waited without any becoming known to be in Kafka; zero when none waits. Absent as `place` is.
    pub since_progress: Option<Duration>,
    /// What failed last, if anything has since the last progress.
    pub trouble: Option<String>,
    /// Why it is stopped.
    pub stop: Option<Stop>,
}

/// How far an event is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The last admission, by the last answer of the Worker.
    pub head: Seq,
    /// The last admission known to be in Kafka.
    pub known: Seq,
    /// The last admission that the Worker knows to be in Kafka.
    pub acked: Seq,
    /// Seconds since the oldest admission was made that is not known to be in Kafka; 0 when there is none.
    pub lag_seconds: f64,
}

impl Place {
    /// Admissions that are not known to be in Kafka.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.head.0.saturating_sub(self.known.0)
    }
}

#[derive(Debug)]
struct Inner {
    role: Role,
    progress: Progress,
    progress_at: Instant,
    /// Since when entries wait, as far as this process knows.
    waiting_since: Option<Instant>,
    /// By when the call or wait under way is over, if one is.
    due: Option<Instant>,
    held_since: Option<Instant>,
    trouble: Option<String>,
    stop: Option<Stop>,
}

/// What the tasks of one event tell, and what the reports ask.
#[derive(Debug)]
pub struct EventHealth {
    inner: Mutex<Inner>,
}

impl EventHealth {
    pub(super) fn new(now: Instant) -> Self {
        let inner = Inner {
            role: Role::Starting,
            progress: Progress::default(),
            progress_at: now,
            waiting_since: Some(now),
            due: None,
            held_since: None,
            trouble: None,
            stop: None,
        };
        Self { inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine has made a step, and its next call or wait is over by `due`.
    pub fn stepped(&self, now: Instant, progress: Progress, notes: &[Note], due: Instant, counters: &Counters) {
        let mut inner = self.inner();
        inner.due = Some(due);
        for note in notes {
            counters.count(note);
            match note {
                Note::Taken { .. } => inner.taken(now, progress),
                Note::Recovering { cause: Cause::Shifted { .. }, .. } => {}
                Note::Recovering { cause, .. } => inner.trouble = Some(cause.to_string()),
                Note::WorkerTrouble { cause, .. } => inner.trouble = Some(cause.clone()),
                Note::NotVisible { .. } => {
                    inner.trouble = Some(
                        "records are not visible yet: another producer's open transaction, or a new leader".to_owned(),
                    );
                }
                _ => {}
            }
        }
        inner.moved(now, progress, counters);
    }

    /// The log was found as it should be, and the next entries are asked for.
    pub fn sound(&self) {
        let mut inner = self.inner();
        if inner.stop.take().is_some() {
            inner.role = Role::Leading;
        }
    }

    /// The task has ended.
    pub fn ended(&self, now: Instant, outcome: &Outcome) {
        let mut inner = self.inner();
        inner.due = None;
        match outcome {
            Outcome::Held { .. } | Outcome::Stale => {
                let since = *inner.held_since.get_or_insert(now);
                if inner.stop.is_none() || now.duration_since(since) >= MENDED_BY_OTHERS {
                    inner.role = Role::Standby;
                    inner.stop = None;
                    inner.trouble = None;
                }
            }
            Outcome::Stopped(cause) => {
                inner.role = Role::Stopped;
                inner.held_since = None;
                inner.stop = Some(Stop { label: StopLabel::of(cause), detail: cause.to_string() });
            }
            Outcome::GaveUp { cause } => {
                inner.role = Role::Pausing;
                inner.trouble = Some(cause.clone());
            }
            Outcome::Idle | Outcome::Shutdown | Outcome::Gone => {}
        }
    }

    /// The task broke down.
    pub fn broke(&self, cause: &str) {
        let mut inner = self.inner();
        inner.due = None;
        inner.role = Role::Pausing;
        inner.trouble = Some(cause.to_owned());
    }

    /// By how much the call or wait under way is too late, when it is.
    pub fn overdue(&self, now: Instant) -> Option<Duration> {
        self.inner().due.and_then(|due| now.checked_duration_since(due)).filter(|late| !late.is_zero())
    }

    /// How things are; `unix_ms` is the wall clock.
    pub fn report(&self, now: Instant, unix_ms: i64) -> EventReport {
        let inner = self.inner();
        let answers = inner.role != Role::Standby;
        EventReport {
            role: inner.role,
            epoch: inner.progress.epoch,
            place: (answers && inner.progress.epoch.is_some()).then(|| inner.place(now, unix_ms)),
            since_progress: answers.then(|| inner.since_progress(now)),
            trouble: inner.trouble.clone(),
            stop: inner.stop.clone(),
        }
    }
}

impl Inner {
    /// This relay holds the lease now. It answers for what waits from here on, unless it did before.
    fn taken(&mut self, now: Instant, progress: Progress) {
        if self.role == Role::Standby {
            self.progress_at = now;
            self.waiting_since = None;
        }
        if self.stop.is_none() {
            self.role = Role::Leading;
        }
        self.held_since = None;
        // What others have acked is not this relay's doing.
        self.progress = progress;
    }

    fn moved(&mut self, now: Instant, progress: Progress, counters: &Counters) {
        let before = std::mem::replace(&mut self.progress, progress);
        if before.epoch == progress.epoch {
            counters.acked(progress.acked.0.saturating_sub(before.acked.0));
        }
        let waits = progress.head > progress.known;
        if progress.known > before.known || (progress.epoch.is_some() && !waits) {
            self.progress_at = now;
            self.trouble = None;
        }
        if progress.epoch.is_some() {
            self.waiting_since = if waits { self.waiting_since.or(Some(now)) } else { None };
        }
    }

    fn since_progress(&self, now: Instant) -> Duration {
        match self.waiting_since {
            None => Duration::ZERO,
            Some(since) => now.saturating_duration_since(self.progress_at.max(since)),
        }
    }

    fn place(&self, now: Instant, unix_ms: i64) -> Place {
        let Progress { head, known, acked, oldest_unix_ms, .. } = self.progress;
        let lag_seconds = match (head > known, oldest_unix_ms) {
            (false, _) => 0.0,
            (true, Some(oldest)) => seconds(unix_ms.saturating_sub(oldest)),
            // Not drained yet, and the Worker did not say: at least since this process knows of it.
            (true, None) => self.waiting_since.map_or(0.0, |since| now.saturating_duration_since(since).as_secs_f64()),
        };
        Place { head, known, acked, lag_seconds }
    }
}

/// A clock of another machine may be ahead of ours.
fn seconds(ms: i64) -> f64 {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs_f64()
}
