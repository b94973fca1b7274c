//! All events of one deployment: asks once a second which are busy, keeps one task for each, and stops them in time.
//!
//! Invariants: at most one task per event and at most `max_events` tasks; an event that stopped is left alone until its time
//! has come; a stop ends within its bound, whatever the tasks do.
//!
//! A standby asks for one held lease every `ASK_HELD`, in turn, and for all of them at once when it got one: relays leave
//! all their events together. So a clean stop is noticed at once, and how often a standby asks does not grow with its events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::broker::Broker;
use crate::machine::{Backoff, Outcome, StopCause, WORKER_WAIT_MS};
use crate::task::{EventTask, Shared};
use crate::types::EventId;
use crate::worker::WorkerApi;

/// How the fleet works. See the sample configuration for what each means.
#[derive(Clone, Copy, Debug)]
pub struct FleetRules {
    /// Between two questions for busy events.
    pub poll: Duration,
    /// Events worked on at a time, at most.
    pub max_events: usize,
    /// Until a stopped event is looked at again.
    pub stopped_retry: Duration,
    /// How long a stop may take.
    pub stop_within: Duration,
}

/// What an operator mends from outside, like a missing topic or permission, leaves nothing in doubt: look again sooner.
const MENDED_RETRY: Duration = Duration::from_secs(5);
/// After too many failures in a row, or when another relay took over.
const PAUSE: Duration = Duration::from_secs(5);

/// Between two questions of a standby for leases that others hold.
const ASK_HELD: Duration = Duration::from_millis(250);
/// The longest wait between two questions for busy events while the Worker does not answer, beside the usual one; and what
/// one question takes at most.
const ONE_POLL: Duration = Duration::from_secs(20);

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every batch was finished and acked, every lease given back.
    Cleanly,
    /// So many tasks did not end in time and were dropped. Nothing is lost: the next relay reads the log back.
    Dropped(usize),
}

struct Running {
    event: EventId,
    listed: Arc<AtomicBool>,
}

/// An event that is left alone for a while.
#[derive(Clone, Copy)]
struct Later {
    until: Instant,
    /// Another relay held the lease when it was asked for at this time.
    held: Option<Instant>,
}

/// The relay of a deployment.
pub struct Fleet<W, B> {
    shared: Arc<Shared<W, B>>,
    rules: FleetRules,
    tasks: JoinSet<Outcome>,
    running: HashMap<Id, Running>,
    /// Bounded by what the registry lists.
    later: HashMap<EventId, Later>,
    /// Told by a task that got a lease which another relay held before.
    taken_over: Arc<Notify>,
    next_ask: Instant,
    backoff: Backoff,
    seed: u64,
    seen_worker: bool,
}

impl<W: WorkerApi, B: Broker> Fleet<W, B> {
    /// A fleet; `seed` spreads its waits.
    pub fn new(shared: Arc<Shared<W, B>>, rules: FleetRules, seed: u64) -> Self {
        Self {
            shared,
            rules,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            later: HashMap::new(),
            taken_over: Arc::default(),
            next_ask: Instant::now(),
            backoff: Backoff::new(seed).at_most(WORKER_WAIT_MS),
            seed,
            seen_worker: false,
        }
    }

    /// Works until `stop` turns true, then stops within its bound.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Stopped {
        loop {
            self.turned();
            let poll = self.poll(stop.clone());
            let wait = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                wait = poll => wait,
            };
            let next = Instant::now() + wait;
            if self.until(next, &mut stop).await {
                break;
            }
        }
        self.stop().await
    }

    /// Looks after the tasks until `next`; true when it is to stop.
    async fn until(&mut self, next: Instant, stop: &mut watch::Receiver<bool>) -> bool {
        let (taken_over, tasks_stop) = (Arc::clone(&self.taken_over), stop.clone());
        loop {
            self.turned();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return true,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = taken_over.notified() => self.ask_for_all(&tasks_stop),
                () = sleep_until(next) => return false,
                () = sleep_until(self.next_ask) => {
                    self.next_ask = Instant::now() + ASK_HELD;
                    self.ask_for_one(&tasks_stop);
                }
            }
        }
    }

    fn turned(&self) {
        self.shared.health.turned(self.rules.poll + ONE_POLL);
    }

    /// Asks for the busy events and starts what is missing; returns how long to wait for the next time.
    async fn poll(&mut self, stop: watch::Receiver<bool>) -> Duration {
        match self.shared.worker.busy_events().await {
            Ok(events) => {
                self.backoff.reset();
                if !self.seen_worker {
                    self.seen_worker = true;
                    info!(busy_events = events.len(), "the Worker answers");
                }
                let waiting = self.start(&events, &stop);
                self.shared.health.worker_answered(waiting);
                self.rules.poll
            }
            Err(failure) => {
                let asked = Duration::from_millis(failure.retry_after_ms().unwrap_or(0));
                let wait = (self.rules.poll + Duration::from_millis(self.backoff.failed())).max(asked);
                let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                self.shared.health.worker_failed(&failure.to_string());
                warn!(cause = %failure, retry_ms, "cannot ask the Worker which events are busy");
                wait
            }
        }
    }

    /// Starts what is missing; how many busy events have no task for want of a place.
    fn start(&mut self, events: &[EventId], stop: &watch::Receiver<bool>) -> usize {
        let now = Instant::now();
        let events: HashSet<&EventId> = events.iter().collect();
        for running in self.running.values() {
            let listed = events.contains(&running.event);
            running.listed.store(listed, Ordering::Relaxed);
        }
        self.later.retain(|event, _| events.contains(event));
        let busy: HashSet<EventId> = self.running.values().map(|running| running.event.clone()).collect();
        self.shared.health.keep(|event| events.contains(event) || busy.contains(event));
        let mut waiting = 0usize;
        for event in events {
            if busy.contains(event) || self.later.get(event).is_some_and(|later| later.until > now) {
                continue;
            }
            if !self.spawn(event, stop) {
                waiting += 1;
            }
        }
        if waiting > 0 {
            warn!(waiting, max_events = self.rules.max_events, "more busy events than tasks: raise limits.max_events");
        }
        waiting
    }

    /// Starts a task, if there is a place for one.
    fn spawn(&mut self, event: &EventId, stop: &watch::Receiver<bool>) -> bool {
        if self.running.len() >= self.rules.max_events {
            return false;
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let was_held = self.later.remove(event).is_some_and(|later| later.held.is_some());
        // A lease that nobody held says nothing about the others.
        let taken = if was_held { Arc::clone(&self.taken_over) } else { Arc::default() };
        let task = EventTask::new(Arc::clone(&self.shared), event.clone(), self.seed);
        let listed = Arc::new(AtomicBool::new(true));
        let handle = self.tasks.spawn(task.run(Arc::clone(&listed), taken, stop.clone()));
        self.running.insert(handle.id(), Running { event: event.clone(), listed });
        true
    }

    /// Asks for the lease that was not asked for the longest among those that other relays hold.
    fn ask_for_one(&mut self, stop: &watch::Receiver<bool>) {
        let held = self.later.iter().filter_map(|(event, later)| Some((later.held?, event)));
        if let Some((_, event)) = held.min() {
            let event = event.clone();
            self.spawn(&event, stop);
        }
    }

    /// A relay has left one event, and very likely others.
    fn ask_for_all(&mut self, stop: &watch::Receiver<bool>) {
        let held: Vec<EventId> =
            self.later.iter().filter(|(_, later)| later.held.is_some()).map(|(event, _)| event.clone()).collect();
        for event in held {
            self.spawn(&event, stop);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let health = Arc::clone(&self.shared.health);
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                error!(%error, "an event's task broke down; it is started again");
                (error.id(), None)
            }
        };
        let Some(Running { event, .. }) = self.running.remove(&id) else { return };
        let now = Instant::now();
        let held = matches!(outcome, Some(Outcome::Held { .. } | Outcome::Stale)).then_some(now);
        let pause = match &outcome {
            None => {
                health.event(&event).broke("the event's task broke down");
                Some(self.rules.stopped_retry)
            }
            Some(outcome) => self.pause(outcome),
        };
        if matches!(outcome, Some(Outcome::Idle | Outcome::Shutdown | Outcome::Gone)) {
            health.forget(&event);
        }
        if let Some(pause) = pause {
            self.later.insert(event, Later { until: now + pause, held });
        }
    }

    fn pause(&self, outcome: &Outcome) -> Option<Duration> {
        match outcome {
            Outcome::Idle | Outcome::Shutdown => None,
            Outcome::Held { retry_after_ms } => {
                let most = self.rules.stopped_retry;
                Some(Duration::from_millis(*retry_after_ms).clamp(self.rules.poll, most))
            }
            Outcome::Stale | Outcome::GaveUp { .. } => Some(PAUSE),
            Outcome::Stopped(
                StopCause::TopicMissing { .. }
                | StopCause::NotAuthorized { .. }
                | StopCause::EntryTooLarge { .. }
                | StopCause::Refused { .. },
            ) => Some(MENDED_RETRY.min(self.rules.stopped_retry)),
            Outcome::Gone | Outcome::Stopped(_) => Some(self.rules.stopped_retry),
        }
    }

    async fn stop(mut self) -> Stopped {
        self.shared.health.stopping();
        info!(tasks = self.tasks.len(), "stopping: batches under way are finished, leases given back");
        let all = async { while self.tasks.join_next().await.is_some() {} };
        match timeout(self.rules.stop_within, all).await {
            Ok(()) => Stopped::Cleanly,
            Err(_) => Stopped::Dropped(self.tasks.len()),
        }
    }
}
