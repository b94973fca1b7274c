//! All events of one deployment: asks once a second which are busy, keeps one task for each, and stops them in time.
//!
//! Invariants: at most one task per event and at most `max_events` tasks; an event that stopped or was held is left alone
//! until its time has come; a stop ends within its bound, whatever the tasks do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use crate::broker::Broker;
use crate::machine::{Backoff, Outcome, StopCause};
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

/// A missing topic is the commonest beginner's trouble and quickly mended: look again sooner.
const TOPIC_RETRY: Duration = Duration::from_secs(5);
/// After too many failures in a row, or when another relay took over.
const PAUSE: Duration = Duration::from_secs(5);

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

/// The relay of a deployment.
pub struct Fleet<W, B> {
    shared: Arc<Shared<W, B>>,
    rules: FleetRules,
    tasks: JoinSet<Outcome>,
    running: HashMap<Id, Running>,
    /// Events that are left alone until then; bounded by what the registry lists.
    later: HashMap<EventId, Instant>,
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
            backoff: Backoff::new(seed),
            seed,
            seen_worker: false,
        }
    }

    /// Works until `stop` turns true, then stops within its bound.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Stopped {
        loop {
            let poll = self.poll(stop.clone());
            let wait = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                wait = poll => wait,
            };
            let wait = sleep(wait);
            tokio::pin!(wait);
            let stopping = loop {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => break true,
                    Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                    () = &mut wait => break false,
                }
            };
            if stopping {
                break;
            }
        }
        self.stop().await
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
                self.start(&events, &stop);
                self.rules.poll
            }
            Err(failure) => {
                let wait = self.rules.poll + Duration::from_millis(self.backoff.failed());
                let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                warn!(cause = %failure, retry_ms, "cannot ask the Worker which events are busy");
                wait
            }
        }
    }

    fn start(&mut self, events: &[EventId], stop: &watch::Receiver<bool>) {
        let now = Instant::now();
        for running in self.running.values() {
            let listed = events.contains(&running.event);
            running.listed.store(listed, Ordering::Relaxed);
        }
        self.later.retain(|event, until| *until > now && events.contains(event));
        let mut waiting = 0usize;
        for event in events {
            let busy = self.running.values().any(|running| running.event == *event);
            if busy || self.later.contains_key(event) {
                continue;
            }
            if self.running.len() >= self.rules.max_events {
                waiting += 1;
                continue;
            }
            self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let task = EventTask::new(Arc::clone(&self.shared), event.clone(), self.seed);
            let listed = Arc::new(AtomicBool::new(true));
            let handle = self.tasks.spawn(task.run(Arc::clone(&listed), stop.clone()));
            self.running.insert(handle.id(), Running { event: event.clone(), listed });
        }
        if waiting > 0 {
            warn!(waiting, max_events = self.rules.max_events, "more busy events than tasks: raise limits.max_events");
        }
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, pause) = match ended {
            Ok((id, outcome)) => (id, self.pause(&outcome)),
            Err(error) => {
                error!(%error, "an event's task broke down; it is started again");
                (error.id(), Some(self.rules.stopped_retry))
            }
        };
        if let (Some(running), Some(pause)) = (self.running.remove(&id), pause) {
            self.later.insert(running.event, Instant::now() + pause);
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
            Outcome::Stopped(StopCause::TopicMissing { .. }) => Some(TOPIC_RETRY.min(self.rules.stopped_retry)),
            Outcome::Gone | Outcome::Stopped(_) => Some(self.rules.stopped_retry),
        }
    }

    async fn stop(mut self) -> Stopped {
        info!(tasks = self.tasks.len(), "stopping: batches under way are finished, leases given back");
        let all = async { while self.tasks.join_next().await.is_some() {} };
        match timeout(self.rules.stop_within, all).await {
            Ok(()) => Stopped::Cleanly,
            Err(_) => Stopped::Dropped(self.tasks.len()),
        }
    }
}
