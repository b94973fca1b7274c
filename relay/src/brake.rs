//! The brake: slows events down by itself while Kafka is too far behind or the canary fails, through the Worker.
//!
//! Every five seconds, each event that was named for it and has a reason is pulled once: its line halves what it lets in. Nobody opens it
//! again; the line does, step by step, when no pull comes any more.
//!
//! Invariant: it is nothing but a reader of what health and canary know; what it meets touches no other work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::canary;
use crate::health::{Health, label};
use crate::types::EventId;
use crate::worker::HttpWorker;

label! {
    /// Why it is pulled.
    Cause {
        /// Too many of the canary's requests fail.
        Canary = "canary",
        /// Kafka is too far behind.
        Lag = "lag",
    }
}

const EVERY: Duration = Duration::from_secs(5);
/// The canary's failures are those of so many [`EVERY`]: half a minute.
const LOOKS: usize = 6;
/// Fewer requests say nothing.
const FEWEST: u64 = 3;

/// When to pull. A limit that is not there gives no reason.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whom.
    pub events: Vec<EventId>,
    /// From so many percent of the canary's requests on that fail.
    pub canary_failures_percent: Option<u64>,
    /// From so many seconds on that the oldest admission has not been known to be in Kafka.
    pub lag_seconds: Option<f64>,
}

/// Starts to watch over each event by itself, so that none waits for another one's call. `canary`: what it counts, where there is one.
pub fn start(rules: &Rules, worker: HttpWorker, health: &Arc<Health>, canary: Option<&Arc<canary::Counters>>) {
    let worker = Arc::new(worker);
    for event in &rules.events {
        let (worker, health) = (Arc::clone(&worker), Arc::clone(health));
        tokio::spawn(watch(event.clone(), rules.clone(), worker, health, canary.map(Arc::clone)));
    }
}

/// Goes on for ever. What it meets is said when it changes.
async fn watch(
    event: EventId,
    rules: Rules,
    worker: Arc<HttpWorker>,
    health: Arc<Health>,
    canary: Option<Arc<canary::Counters>>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = Failures::default();
    let mut before = None;
    loop {
        ticks.tick().await;
        let percent = canary.as_ref().and_then(|canary| failures.percent(canary.seen()));
        let pulled = match rules.cause(percent, health.lag_seconds(&event)) {
            None => None,
            Some(cause) => Some((cause, worker.brake(&event, cause.as_str()).await)),
        };
        let now = pulled.as_ref().map(|(cause, done)| (*cause, done.is_ok()));
        if let Some((cause, true)) = now {
            health.pulled(cause);
        }
        if now != before {
            match pulled {
                Some((cause, Ok(left))) => {
                    let cause = cause.as_str();
                    warn!(%event, cause, left_percent = left, "brake: pulled, and again every 5 s until it is well");
                }
                Some((cause, Err(failure))) => {
                    warn!(%event, cause = cause.as_str(), %failure, "brake: cannot be pulled");
                }
                None => info!(%event, "brake: no reason any more, the line opens again step by step"),
            }
        }
        before = now;
    }
}

impl Rules {
    fn cause(&self, failures_percent: Option<u64>, lag_seconds: Option<f64>) -> Option<Cause> {
        let reached =
            |limit: Option<u64>, value: Option<u64>| limit.zip(value).is_some_and(|(limit, value)| value >= limit);
        let lags = self.lag_seconds.zip(lag_seconds).is_some_and(|(limit, value)| value >= limit);
        match (reached(self.canary_failures_percent, failures_percent), lags) {
            (true, _) => Some(Cause::Canary),
            (false, true) => Some(Cause::Lag),
            (false, false) => None,
        }
    }
}

/// What the canary had counted at the last looks: failures, requests.
#[derive(Debug, Default)]
struct Failures(VecDeque<(u64, u64)>);

impl Failures {
    /// The share of what failed since the oldest of them; none where there were too few requests to say.
    fn percent(&mut self, (failed, all): (u64, u64)) -> Option<u64> {
        self.0.push_back((failed, all));
        if self.0.len() > LOOKS + 1 {
            self.0.pop_front();
        }
        let (failed_before, all_before) = *self.0.front()?;
        let requests = all - all_before;
        (requests >= FEWEST).then(|| (failed - failed_before) * 100 / requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_half_minute() {
        let mut failures = Failures::default();
        assert_eq!(failures.percent((0, 0)), None);
        assert_eq!(failures.percent((1, 2)), None, "too few to say");
        assert_eq!(failures.percent((1, 4)), Some(25));
        for look in 2..=6 {
            failures.percent((1, 2 + look));
        }
        assert_eq!(failures.percent((1, 12)), Some(0), "the failure is older");
        assert_eq!(failures.percent((11, 24)), Some(50));
    }

    #[test]
    fn a_rule_without_a_limit_is_no_reason_and_a_limit_that_is_reached_is() {
        let rules = |percent, lag| Rules { events: Vec::new(), canary_failures_percent: percent, lag_seconds: lag };
        let (percent, lag) = (Some(20), Some(30.0));
        assert_eq!(rules(percent, lag).cause(Some(19), Some(29.9)), None);
        assert_eq!(rules(percent, lag).cause(Some(20), Some(29.9)), Some(Cause::Canary));
        assert_eq!(rules(percent, lag).cause(Some(19), Some(30.0)), Some(Cause::Lag));
        assert_eq!(rules(None, lag).cause(Some(100), None), None, "off, or unknown");
        assert_eq!(rules(percent, None).cause(None, Some(9_000.0)), None, "off, or unknown");
    }
}
