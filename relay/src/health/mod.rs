//! What the process knows of itself: gathered here by the fleet and its tasks, shown by [`server`] over HTTP and by
//! [`crate::systemd`] to the service manager.
//!
//! Invariants: telling costs a short lock and never waits for a reader; nothing here holds a visitor's data; at most
//! `max_events` events are shown one by one, and one that is gone is forgotten.
//!
//! *Alive* and *ready* are two things. Alive: every call comes back within its bound and the loops turn, whatever the calls
//! bring; what is not alive is mended by a restart. Ready: Worker and Kafka answer and every event goes on; a broken broker
//! makes a relay unready, and no restart of the relay mends that.

mod counters;
mod event;
mod metrics;
mod probe;
mod ready;
pub mod server;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

pub use counters::{RetryCause, StopLabel};
pub use event::{EventHealth, EventReport, Place, Role, Stop};
pub use metrics::Format;
pub use probe::watch_broker;
pub use ready::{Condition, Readiness};

use crate::machine::{BrokerFailure, Note, Progress};
use crate::types::EventId;
use crate::{brake, canary};
pub(crate) use counters::label;

use counters::Counters;

/// What comes back too late by this much is said to hang.
const GRACE: Duration = Duration::from_secs(5);

/// What counts as ready.
#[derive(Clone, Copy, Debug)]
pub struct HealthRules {
    /// An event whose entries wait without progress for longer is stalled.
    pub stalled_after: Duration,
    /// The Worker and Kafka must have answered within this time.
    pub answered_within: Duration,
    /// Events shown one by one.
    pub max_events: usize,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self { stalled_after: Duration::from_secs(30), answered_within: Duration::from_secs(15), max_events: 256 }
    }
}

/// Whether somebody answers.
#[derive(Debug, Default)]
struct Reach {
    answered: Option<Instant>,
    /// What it said instead, when the last attempt brought no answer.
    failure: Option<String>,
}

/// The process' knowledge of itself.
#[derive(Debug)]
pub struct Health {
    rules: HealthRules,
    events: Mutex<BTreeMap<EventId, Arc<EventHealth>>>,
    worker: Mutex<Reach>,
    broker: Mutex<Reach>,
    /// By when the fleet's loop turns again.
    turn_due: Mutex<Option<Instant>>,
    /// Busy events beyond `max_events`.
    waiting: AtomicUsize,
    stopping: AtomicBool,
    counters: Counters,
    /// Of the canary, where there is one.
    canary: Option<Arc<canary::Counters>>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new(HealthRules::default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wall clock in milliseconds since 1970.
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Health {
    /// Knows nothing yet.
    pub fn new(rules: HealthRules) -> Self {
        Self {
            rules,
            events: Mutex::default(),
            worker: Mutex::default(),
            broker: Mutex::default(),
            turn_due: Mutex::default(),
            waiting: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            counters: Counters::default(),
            canary: None,
        }
    }

    /// The same, with what a canary counts.
    #[must_use]
    pub fn with_canary(self, counters: Arc<canary::Counters>) -> Self {
        Self { canary: Some(counters), ..self }
    }

    /// What is known of `event`, from here on if not before.
    pub fn event(&self, event: &EventId) -> Arc<EventHealth> {
        let mut events = lock(&self.events);
        let known = events.entry(event.clone()).or_insert_with(|| Arc::new(EventHealth::new(Instant::now())));
        Arc::clone(known)
    }

    /// Forgets the events that are not to be kept.
    pub fn keep(&self, keep: impl Fn(&EventId) -> bool) {
        lock(&self.events).retain(|event, _| keep(event));
    }

    /// Forgets one event: it is done.
    pub fn forget(&self, event: &EventId) {
        lock(&self.events).remove(event);
    }

    /// A task's machine has made a step, and its next call or wait is over by `due`.
    pub fn stepped(&self, event: &EventHealth, progress: Progress, notes: &[Note], due: Instant) {
        event.stepped(Instant::now(), progress, notes, due, &self.counters);
    }

    /// Since how many seconds the oldest admission of `event` is not known to be in Kafka, where this process works on it.
    pub fn lag_seconds(&self, event: &EventId) -> Option<f64> {
        let health = lock(&self.events).get(event).map(Arc::clone)?;
        health.report(Instant::now(), unix_ms()).place.map(|place| place.lag_seconds)
    }

    /// The brake was pulled.
    pub fn pulled(&self, cause: brake::Cause) {
        self.counters.pulled(cause);
    }

    /// What Kafka answered, or why not.
    pub fn broker(&self, answer: Result<(), &BrokerFailure>) {
        match answer {
            Ok(()) | Err(BrokerFailure::OutOfRange) => answered(&self.broker),
            Err(failure) => lock(&self.broker).failure = Some(failure.to_string()),
        }
    }

    /// How long Kafka has not answered; `None` when it never did.
    pub fn broker_silent(&self) -> Option<Duration> {
        lock(&self.broker).answered.map(|at| at.elapsed())
    }

    /// The Worker has told which events are busy; `waiting` of them have no task.
    pub fn worker_answered(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Relaxed);
        answered(&self.worker);
    }

    /// The Worker did not tell which events are busy.
    pub fn worker_failed(&self, cause: &str) {
        self.counters.retry(RetryCause::Worker);
        lock(&self.worker).failure = Some(cause.to_owned());
    }

    /// The fleet's loop turned, and turns again within `bound`.
    pub fn turned(&self, bound: Duration) {
        *lock(&self.turn_due) = Some(Instant::now() + bound);
    }

    /// The process is to stop.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the process is to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What hangs: a call or wait that is not over within its bound, or a loop that does not turn. Nothing, when the process is
    /// alive.
    pub fn hangs(&self) -> Option<String> {
        let now = Instant::now();
        let late = |by: Duration| by > GRACE;
        let turn = lock(&self.turn_due).and_then(|due| now.checked_duration_since(due)).filter(|by| late(*by));
        if let Some(by) = turn.filter(|_| !self.is_stopping()) {
            return Some(format!("the fleet's loop is {} s late", by.as_secs()));
        }
        let events = lock(&self.events);
        let mut overdue = events.iter().filter_map(|(event, health)| Some((event, health.overdue(now)?)));
        let (event, by) = overdue.find(|(_, by)| late(*by))?;
        Some(format!("a call for event {event} is {} s beyond its bound", by.as_secs()))
    }

    /// All events, those first that need attention.
    fn reports(&self) -> Vec<(EventId, EventReport)> {
        let (now, wall) = (Instant::now(), unix_ms());
        let events = lock(&self.events);
        let mut reports: Vec<_> =
            events.iter().map(|(event, health)| (event.clone(), health.report(now, wall))).collect();
        drop(events);
        reports.sort_by_key(|(_, report)| match report.role {
            Role::Stopped => 0,
            Role::Pausing => 1,
            Role::Leading => 2,
            Role::Starting => 3,
            Role::Standby => 4,
        });
        reports
    }
}

fn answered(reach: &Mutex<Reach>) {
    *lock(reach) = Reach { answered: Some(Instant::now()), failure: None };
}
