//! What the canary tells Prometheus. Every combination of labels is there from the start.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::health::label;

label! {
    /// A step of a visit.
    Step {
        /// Takes a place.
        Enter = "enter",
        /// Asks where it stands.
        Status = "status",
        /// Gives the place up.
        Leave = "leave",
    }
}

label! {
    /// What became of a request.
    Outcome {
        /// As it should be.
        Ok = "ok",
        /// Put off: 429 or 503.
        Refused = "refused",
        /// Another status than it should be.
        Failed = "failed",
        /// No connection, or one that broke.
        Unreachable = "unreachable",
        /// No answer in time.
        Timeout = "timeout",
        /// An answer that cannot be.
        Wrong = "wrong",
    }
}

/// Seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    step: Step,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStep {
    step: Step,
}

/// The counters.
#[derive(Debug)]
pub struct Counters {
    requests: Family<ByOutcome, Counter>,
    took: Family<ByStep, Histogram>,
    rounds: Counter,
    up: Gauge<i64, AtomicI64>,
    last_success: Gauge<f64, AtomicU64>,
    clock: Gauge<f64, AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        let clock = Gauge::<f64, AtomicU64>::default();
        clock.set(f64::NAN);
        Self {
            requests: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            rounds: Counter::default(),
            up: Gauge::default(),
            last_success: Gauge::default(),
            clock,
        }
    }
}

impl Counters {
    /// Names them, with their help texts.
    pub fn register(&self, registry: &mut Registry) {
        for step in Step::ALL {
            drop(self.took.get_or_create(&ByStep { step: *step }));
            for outcome in Outcome::ALL {
                drop(self.requests.get_or_create(&ByOutcome { step: *step, outcome: *outcome }));
            }
        }
        registry.register("requests", "What became of the canary's requests", self.requests.clone());
        let help = "How long the canary's requests took, connection and all";
        registry.register_with_unit("duration", help, Unit::Seconds, self.took.clone());
        registry.register("rounds", "Visits of the canary: enter, status, leave", self.rounds.clone());
        registry.register("up", "1 if all was well in the last visit, else 0", self.up.clone());
        let help = "When all was last well, seconds since 1970; 0 for never";
        registry.register_with_unit("last_success_timestamp", help, Unit::Seconds, self.last_success.clone());
        let help = "The clock of whoever signs tickets minus this machine's, to about a second; NaN while unknown";
        registry.register_with_unit("clock_offset", help, Unit::Seconds, self.clock.clone());
    }

    /// How many requests were no success, and how many there were.
    pub fn seen(&self) -> (u64, u64) {
        let count = |step: &Step, outcome: &Outcome| {
            self.requests.get_or_create(&ByOutcome { step: *step, outcome: *outcome }).get()
        };
        let of = |outcome: &Outcome| Step::ALL.iter().map(|step| count(step, outcome)).sum::<u64>();
        let all: u64 = Outcome::ALL.iter().map(of).sum();
        (all - of(&Outcome::Ok), all)
    }

    /// One request is over.
    pub fn step(&self, step: Step, outcome: Outcome, took: Duration) {
        self.requests.get_or_create(&ByOutcome { step, outcome }).inc();
        // What ends at once, since nobody is there, was not quick.
        if outcome != Outcome::Unreachable {
            self.took.get_or_create(&ByStep { step }).observe(took.as_secs_f64());
        }
    }

    /// One visit is over.
    pub fn round(&self, well: bool, now: f64) {
        self.rounds.inc();
        self.up.set(well.into());
        if well {
            self.last_success.set(now);
        }
    }

    /// What the Worker's clock says beyond ours; none while it says nothing.
    pub fn clock(&self, offset: Option<f64>) {
        self.clock.set(offset.unwrap_or(f64::NAN));
    }
}
