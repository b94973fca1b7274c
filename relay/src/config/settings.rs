//! The shape of the file, its defaults, and what each value must satisfy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::file;
use super::kafka::{self, KafkaSettings};
use super::mistakes::{ConfigError, Mistakes};
use crate::brake;
use crate::fleet::FleetRules;
use crate::health::HealthRules;
use crate::machine::Rules;
use crate::telemetry;
use crate::types::EventId;

/// All settings. The sample file documents each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The Worker.
    pub worker: WorkerSettings,
    /// Kafka.
    pub kafka: KafkaSettings,
    /// One batch.
    pub batch: BatchSettings,
    /// Reading the log back.
    pub scan: ScanSettings,
    /// Times.
    pub intervals: IntervalSettings,
    /// Bounds.
    pub limits: LimitSettings,
    /// What probes and Prometheus ask.
    pub health: HealthSettings,
    /// A visitor who comes every few seconds.
    pub canary: CanarySettings,
    /// When events are slowed down.
    pub brake: BrakeSettings,
    /// The log.
    pub log: LogSettings,
}

/// `[worker]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSettings {
    /// Its address; required.
    pub url: String,
    /// The prefix of all its routes.
    pub prefix: String,
    /// The file that holds the relay key.
    pub key_file: Option<PathBuf>,
    /// The limit of one request, in milliseconds.
    pub request_timeout_ms: u64,
}

/// `[batch]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchSettings {
    /// Entries, at most.
    pub max_rows: usize,
    /// Bytes of values, at most.
    pub max_bytes: usize,
}

/// `[scan]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanSettings {
    /// Records, at most.
    pub max_records: u64,
    /// Bytes, at most.
    pub max_bytes: u64,
    /// Seconds, at most.
    pub max_seconds: u64,
}

/// `[intervals]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntervalSettings {
    /// Between two questions for busy events, in milliseconds.
    pub events_ms: u64,
    /// Between two drains of a busy event without news, in milliseconds.
    pub idle_ms: u64,
    /// Until a stopped event is looked at again, in seconds.
    pub stopped_retry_seconds: u64,
    /// What a stop takes at most, in seconds.
    pub stop_seconds: u64,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Events worked on at a time.
    pub max_events: usize,
    /// Failures of one event in a row before it is left to another relay.
    pub max_failures: u32,
}

/// `[health]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// Where `/healthz`, `/readyz` and `/metrics` are, as `address:port`; [`OFF`] for nowhere.
    pub listen: String,
    /// How long entries of an event may wait without progress until the relay is not ready, in seconds.
    pub stalled_after_seconds: u64,
}

/// `[canary]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CanarySettings {
    /// The event it visits; empty: there is no canary.
    pub event: String,
    /// The file with its visitor key.
    pub visitor_key_file: Option<PathBuf>,
    /// Where visitors come, if that is not `worker.url`.
    pub url: Option<String>,
    /// From one visit to the next, in seconds.
    pub interval_seconds: u64,
    /// The limit of one request, in milliseconds.
    pub timeout_ms: u64,
}

/// `[brake]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrakeSettings {
    /// The events that are slowed down; none: nothing is.
    pub events: Vec<String>,
    /// From so many percent of the canary's requests on that fail; 0: not for that.
    pub canary_failures_percent: u64,
    /// From so many seconds on that Kafka is behind; 0: not for that.
    pub lag_seconds: u64,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// One JSON object a line, or text.
    pub format: LogFormat,
    /// From which level on.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For machines.
    Json,
    /// For people.
    Text,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { url: String::new(), prefix: "/queue".to_owned(), key_file: None, request_timeout_ms: 5_000 }
    }
}

impl Default for BatchSettings {
    fn default() -> Self {
        let rules = Rules::default();
        Self { max_rows: rules.batch_rows, max_bytes: rules.batch_bytes }
    }
}

impl Default for ScanSettings {
    fn default() -> Self {
        let rules = Rules::default();
        Self { max_records: rules.scan_records, max_bytes: rules.scan_bytes, max_seconds: rules.scan_ms / 1_000 }
    }
}

impl Default for IntervalSettings {
    fn default() -> Self {
        Self { events_ms: 1_000, idle_ms: Rules::default().idle_ms, stopped_retry_seconds: 30, stop_seconds: 15 }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { max_events: 256, max_failures: Rules::default().max_failures }
    }
}

/// The value of `health.listen` without a listener.
pub const OFF: &str = "off";

impl Default for HealthSettings {
    fn default() -> Self {
        let rules = HealthRules::default();
        Self { listen: OFF.to_owned(), stalled_after_seconds: rules.stalled_after.as_secs() }
    }
}

impl HealthSettings {
    /// Where to listen, if anywhere.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

impl Default for CanarySettings {
    fn default() -> Self {
        Self { event: String::new(), visitor_key_file: None, url: None, interval_seconds: 5, timeout_ms: 5_000 }
    }
}

impl CanarySettings {
    /// Whether there is one.
    pub const fn is_on(&self) -> bool {
        !self.event.is_empty()
    }

    fn check(&self, mistakes: &mut Mistakes) {
        if self.is_on() && EventId::new(&self.event).is_none() {
            mistakes.text("canary.event", &self.event, "is no id of an event: 1 to 64 characters of a-z, 0-9 and -");
        }
        if let Some(url) = &self.url {
            check_url("canary.url", url, mistakes);
        }
        mistakes.within("canary.interval_seconds", self.interval_seconds, 1, 60);
        mistakes.within("canary.timeout_ms", self.timeout_ms, 100, 30_000);
    }
}

impl Default for BrakeSettings {
    fn default() -> Self {
        Self { events: Vec::new(), canary_failures_percent: 20, lag_seconds: 30 }
    }
}

/// Each is looked at every five seconds by a task of its own.
const MOST_BRAKED: usize = 100;

impl BrakeSettings {
    /// When to slow whom down; none where nobody is to be.
    pub fn rules(&self) -> Option<brake::Rules> {
        let rules = brake::Rules {
            events: self.events.iter().filter_map(EventId::new).collect(),
            canary_failures_percent: Some(self.canary_failures_percent).filter(|percent| *percent > 0),
            lag_seconds: Some(self.lag_seconds).filter(|seconds| *seconds > 0).map(|seconds| seconds as f64),
        };
        (!rules.events.is_empty()).then_some(rules)
    }

    fn check(&self, mistakes: &mut Mistakes) {
        for event in self.events.iter().filter(|event| EventId::new(*event).is_none()) {
            mistakes.text("brake.events", event, "is no id of an event: 1 to 64 characters of a-z, 0-9 and -");
        }
        if self.events.len() > MOST_BRAKED {
            let what = format!("names {} events: at most {MOST_BRAKED}", self.events.len());
            mistakes.add("brake.events", None, what);
        }
        mistakes.within("brake.canary_failures_percent", self.canary_failures_percent, 0, 100);
        mistakes.within("brake.lag_seconds", self.lag_seconds, 0, 3_600);
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".to_owned() }
    }
}

impl Settings {
    /// Reads a file's text. Values are checked by [`Settings::check`].
    ///
    /// # Errors
    /// With all that is no TOML, or every unknown name and wrong type.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut mistakes = Mistakes::default();
        let settings = file::read(text, &mut mistakes);
        mistakes.finish()?;
        Ok(settings.unwrap_or_default())
    }

    /// Whether every value can be used. Files that settings name are not looked at.
    ///
    /// # Errors
    /// With every value that cannot, and what to do.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut mistakes = Mistakes::default();
        self.find_mistakes(&mut mistakes);
        mistakes.finish()
    }

    pub(super) fn find_mistakes(&self, mistakes: &mut Mistakes) {
        self.worker.check(mistakes);
        self.kafka.check(mistakes);
        mistakes.within("batch.max_rows", self.batch.max_rows, 1, 500);
        mistakes.within("batch.max_bytes", self.batch.max_bytes, 1_024, 512 * 1024);
        mistakes.within("scan.max_records", self.scan.max_records, 1_000, 10_000_000);
        mistakes.within("scan.max_bytes", self.scan.max_bytes, 1024 * 1024, 4 * 1024 * 1024 * 1024);
        mistakes.within("scan.max_seconds", self.scan.max_seconds, 1, 600);
        let intervals = &self.intervals;
        mistakes.within("intervals.events_ms", intervals.events_ms, 100, 60_000);
        mistakes.within("intervals.idle_ms", intervals.idle_ms, 20, 5_000);
        mistakes.within("intervals.stopped_retry_seconds", intervals.stopped_retry_seconds, 1, 3_600);
        mistakes.within("intervals.stop_seconds", intervals.stop_seconds, 1, 15);
        mistakes.within("limits.max_events", self.limits.max_events, 1, 10_000);
        mistakes.within("limits.max_failures", self.limits.max_failures, 1, 1_000);
        let listen = &self.health.listen;
        if listen != OFF && self.health.address().is_none() {
            let what = "is not address:port, like 127.0.0.1:9464 or [::1]:9464, nor \"off\"".to_owned();
            mistakes.text("health.listen", listen, what);
        }
        mistakes.within("health.stalled_after_seconds", self.health.stalled_after_seconds, 5, 3_600);
        self.canary.check(mistakes);
        self.brake.check(mistakes);
        if let Err(error) = telemetry::filter(&self.log.level) {
            let what = format!("is no filter ({error}): use error, warn, info, debug or trace");
            mistakes.text("log.level", &self.log.level, what);
        }
    }

    /// The Worker's address with the prefix.
    pub fn worker_base(&self) -> String {
        let url = self.worker.url.trim_end_matches('/');
        format!("{url}{}", self.worker.prefix)
    }

    /// Whether the relay key would cross a network in the clear.
    pub fn key_in_the_clear(&self) -> bool {
        let Ok(url) = reqwest::Url::parse(&self.worker.url) else {
            return false;
        };
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "http" && !kafka::is_here(host.trim_matches(['[', ']']))
    }

    /// The numbers of the state machine.
    pub fn rules(&self) -> Rules {
        Rules {
            topic: self.kafka.topic.clone(),
            batch_rows: self.batch.max_rows,
            batch_bytes: self.batch.max_bytes,
            scan_records: self.scan.max_records,
            scan_bytes: self.scan.max_bytes,
            scan_ms: self.scan.max_seconds.saturating_mul(1_000),
            idle_ms: self.intervals.idle_ms,
            max_failures: self.limits.max_failures,
            ..Rules::default()
        }
    }

    /// What counts as ready.
    pub fn health_rules(&self) -> HealthRules {
        let rules = HealthRules::default();
        HealthRules {
            stalled_after: Duration::from_secs(self.health.stalled_after_seconds),
            answered_within: rules.answered_within + Duration::from_millis(self.intervals.events_ms),
            max_events: self.limits.max_events,
        }
    }

    /// The numbers of the fleet.
    pub fn fleet_rules(&self) -> FleetRules {
        FleetRules {
            poll: Duration::from_millis(self.intervals.events_ms),
            max_events: self.limits.max_events,
            stopped_retry: Duration::from_secs(self.intervals.stopped_retry_seconds),
            stop_within: Duration::from_secs(self.intervals.stop_seconds),
        }
    }
}

impl WorkerSettings {
    fn check(&self, mistakes: &mut Mistakes) {
        self.check_url(mistakes);
        let prefix = &self.prefix;
        let plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'));
        if !prefix.starts_with('/') || prefix.ends_with('/') || !plain {
            mistakes.text("worker.prefix", prefix, "must start with / and not end with it, like /queue");
        }
        mistakes.within("worker.request_timeout_ms", self.request_timeout_ms, 100, 10_000);
    }

    fn check_url(&self, mistakes: &mut Mistakes) {
        if self.url.is_empty() {
            let what = format!(
                "is missing: set it, or {}, to the Worker's address, like https://queue.example.com",
                super::WORKER_URL
            );
            return mistakes.add("worker.url", None, what);
        }
        check_url("worker.url", &self.url, mistakes);
    }
}

fn check_url(key: &str, url: &str, mistakes: &mut Mistakes) {
    if url.contains('@') {
        // Not shown: what stands before it may be a password.
        return mistakes.add(key, None, "must not hold a user or password; the key goes into worker.key_file");
    }
    let parsed = match reqwest::Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => {
            let what = format!("is no address ({error}): must be like https://queue.example.com");
            return mistakes.text(key, url, what);
        }
    };
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return mistakes.text(key, url, "must start with https:// (or http://)");
    }
    if parsed.path() != "/" || parsed.query().is_some() || parsed.fragment().is_some() {
        mistakes.text(key, url, "must end after host and port; the path goes into worker.prefix");
    }
}
