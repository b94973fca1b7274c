//! The shape of the file, its defaults, and what each value must satisfy.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use crate::fleet::FleetRules;
use crate::machine::Rules;
use crate::telemetry;

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

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// Addresses to start from, `host:port`; required.
    pub bootstrap: Vec<String>,
    /// The topic of events that have no `topic` of their own.
    pub topic: String,
    /// The name in the broker's logs and quotas.
    pub client_id: String,
    /// The limit of one call, in milliseconds.
    pub call_timeout_ms: u64,
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

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            topic: Rules::default().topic,
            client_id: "ropeline-relay".to_owned(),
            call_timeout_ms: 10_000,
        }
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

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".to_owned() }
    }
}

fn wrong(field: &'static str, what: impl Into<String>) -> ConfigError {
    ConfigError::Value { field, what: what.into() }
}

fn within<N: PartialOrd + std::fmt::Display + Copy>(
    field: &'static str,
    value: N,
    least: N,
    most: N,
) -> Result<(), ConfigError> {
    if least <= value && value <= most {
        return Ok(());
    }
    Err(wrong(field, format!("{value} is not within {least} … {most}")))
}

impl Settings {
    /// Reads a file's text. Values are checked by [`Settings::check`].
    ///
    /// # Errors
    /// With line and column, for bad TOML, an unknown field or a wrong type.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Whether every value can be used.
    ///
    /// # Errors
    /// With the first field that cannot, and what to do.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_worker()?;
        self.check_kafka()?;
        within("batch.max_rows", self.batch.max_rows, 1, 500)?;
        within("batch.max_bytes", self.batch.max_bytes, 1_024, 512 * 1024)?;
        within("scan.max_records", self.scan.max_records, 1_000, 10_000_000)?;
        let (least, most) = (1024 * 1024, 4 * 1024 * 1024 * 1024);
        within("scan.max_bytes", self.scan.max_bytes, least, most)?;
        within("scan.max_seconds", self.scan.max_seconds, 1, 600)?;
        let intervals = &self.intervals;
        within("intervals.events_ms", intervals.events_ms, 100, 60_000)?;
        within("intervals.idle_ms", intervals.idle_ms, 20, 5_000)?;
        let retry = intervals.stopped_retry_seconds;
        within("intervals.stopped_retry_seconds", retry, 1, 3_600)?;
        within("intervals.stop_seconds", intervals.stop_seconds, 1, 15)?;
        within("limits.max_events", self.limits.max_events, 1, 10_000)?;
        within("limits.max_failures", self.limits.max_failures, 1, 1_000)?;
        telemetry::filter(&self.log.level)
            .map_err(|error| wrong("log.level", format!("{error}; use error, warn, info, debug or trace")))?;
        Ok(())
    }

    fn check_worker(&self) -> Result<(), ConfigError> {
        let worker = &self.worker;
        let field = "worker.url";
        if worker.url.is_empty() {
            return Err(wrong(
                field,
                format!(
                    "is missing: set it, or {}, to the Worker's address, like https://queue.example.com",
                    super::WORKER_URL
                ),
            ));
        }
        let url = reqwest::Url::parse(&worker.url).map_err(|error| wrong(field, format!("is no address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong(field, "must start with https:// (or http://)"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(field, "must not hold a user or password; the key goes into worker.key_file"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(field, "must end after host and port; the path goes into worker.prefix"));
        }
        let prefix = &worker.prefix;
        let plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'));
        if !prefix.starts_with('/') || prefix.ends_with('/') || !plain {
            return Err(wrong("worker.prefix", "must start with / and not end with it, like /queue"));
        }
        let limit = worker.request_timeout_ms;
        within("worker.request_timeout_ms", limit, 100, 10_000)
    }

    fn check_kafka(&self) -> Result<(), ConfigError> {
        let kafka = &self.kafka;
        let field = "kafka.bootstrap";
        if kafka.bootstrap.is_empty() {
            return Err(wrong(
                field,
                format!("is missing: set it, or {}, to one or more host:port", super::KAFKA_BOOTSTRAP),
            ));
        }
        for address in &kafka.bootstrap {
            let port = address
                .rsplit_once(':')
                .filter(|(host, _)| !host.is_empty())
                .and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                return Err(wrong(field, format!("{address:?} is not host:port")));
            }
        }
        let topic = kafka.topic.as_str();
        let plain = topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !(1..=249).contains(&topic.len()) || !plain || matches!(topic, "." | "..") {
            return Err(wrong("kafka.topic", "must be 1 to 249 characters of A-Z, a-z, 0-9, '.', '_' and '-'"));
        }
        if !(1..=249).contains(&kafka.client_id.len()) {
            return Err(wrong("kafka.client_id", "must be 1 to 249 characters"));
        }
        within("kafka.call_timeout_ms", kafka.call_timeout_ms, 1_000, 10_000)
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
        url.scheme() == "http" && !matches!(host, "localhost" | "127.0.0.1" | "[::1]")
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
