//! `GET /metrics`: OpenMetrics text, or Prometheus' older text format for who does not ask for it.
//!
//! Invariant: every metric is named here, in `counters.rs` or in the canary's, with `ropeline_relay_` or `ropeline_canary_` in front, base units and a help text;
//! `docs/metrics.md` lists them all, and a test holds the two together.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::{EventReport, Health, Role, StopLabel};
use crate::types::EventId;

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Text,
}

impl Format {
    /// What an `Accept` header asks for.
    pub fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Everything that is exposed, with its names.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The metrics of this process.
    pub fn new(health: &Arc<Health>) -> Self {
        let mut registry = Registry::with_prefix("ropeline");
        let relay = registry.sub_registry_with_prefix("relay");
        health.counters.register(relay);
        relay.register_collector(Box::new(Gauges(Arc::clone(health))));
        if let Some(canary) = &health.canary {
            canary.register(registry.sub_registry_with_prefix("canary"));
        }
        Self { registry }
    }

    /// The text of one scrape.
    pub fn encode(&self, format: Format) -> String {
        let mut openmetrics = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut openmetrics, &self.registry);
        match format {
            Format::OpenMetrics => openmetrics,
            Format::Text => plain(&openmetrics),
        }
    }
}

/// OpenMetrics names a counter's family without `_total`, knows units and an end; the older format does not.
fn plain(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, text)) = help.take() {
                out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
            }
            out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// What is asked for at each scrape.
#[derive(Debug)]
struct Gauges(Arc<Health>);

type Labels<'a> = [(&'static str, &'a str); 1];

fn family<'a, N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    samples: impl Iterator<Item = (Labels<'a>, N)>,
) -> fmt::Result {
    let mut samples = samples.peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, &sentence(help), unit, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn single(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?)
}

/// The library ends the help texts that it registers itself so.
fn sentence(help: &str) -> String {
    format!("{help}.")
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn amount(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let health = &self.0;
        let reports = health.reports();
        let encoder = &mut encoder;
        events(encoder, reports.get(..health.rules.max_events).unwrap_or(&reports))?;
        let in_role = |role| reports.iter().filter(|(_, report)| report.role == role).count();
        let help = "Busy events known to this process, by what it does with them";
        let roles = Role::ALL.iter().map(|role| ([("role", role.as_str())], amount(in_role(*role))));
        family(encoder, ("events", help, None), roles)?;
        let stopped = |label: StopLabel| {
            reports.iter().filter(|(_, report)| report.stop.as_ref().is_some_and(|stop| stop.label == label)).count()
        };
        let help = "Events that are stopped until an operator has acted, by cause";
        let causes = StopLabel::ALL.iter().map(|label| ([("cause", label.as_str())], amount(stopped(*label))));
        family(encoder, ("stopped_events", help, None), causes)?;
        let waiting = health.waiting.load(std::sync::atomic::Ordering::Relaxed);
        single(
            encoder,
            "waiting_events",
            "Busy events without a task, for limits.max_events is reached",
            amount(waiting),
        )?;
        let readiness = health.readiness();
        let flag =
            |name| i64::from(readiness.conditions.iter().any(|condition| condition.name == name && condition.ok));
        let help = "Whether the Worker told recently which events are busy: within 15 seconds and intervals.events_ms";
        single(encoder, "worker_reachable", help, flag("worker"))?;
        let help = "Whether Kafka answered anything recently: within 15 seconds and intervals.events_ms";
        single(encoder, "broker_reachable", help, flag("broker"))?;
        single(
            encoder,
            "alive",
            "Whether every call comes back within its bound, as GET /healthz says",
            flag("alive"),
        )?;
        single(encoder, "ready", "Whether all conditions of GET /readyz hold", i64::from(readiness.ready))?;
        let help = "Always 1; the version of the program is in the label";
        family(encoder, ("build_info", help, None), std::iter::once(([("version", readiness.version)], 1_i64)))
    }
}

fn events(encoder: &mut DescriptorEncoder<'_>, reports: &[(EventId, EventReport)]) -> fmt::Result {
    let each = || reports.iter().map(|(event, report)| ([("event", event.as_str())], report));
    let placed = || each().filter_map(|(labels, report)| Some((labels, report.place?)));
    let help = "Admissions not known to be in Kafka, by the last answer of the Worker: with every drain, and while Kafka \
                fails with every new lease";
    family(encoder, ("lag_records", help, None), placed().map(|(labels, place)| (labels, number(place.lag()))))?;
    let help = "Time since the oldest admission was made that is not known to be in Kafka, by this machine's clock; 0 \
                when there is none. Where the Worker did not say when that was, the time since this process knows of it";
    let seconds = placed().map(|(labels, place)| (labels, place.lag_seconds));
    family(encoder, ("lag", help, Some(&Unit::Seconds)), seconds)?;
    let help = "The last admission of the event that the Worker told of: its seq";
    family(encoder, ("head_seq", help, None), placed().map(|(labels, place)| (labels, number(place.head.0))))?;
    let help = "The last admission of the event that the Worker knows to be in Kafka: its seq, which never falls";
    family(encoder, ("acked_seq", help, None), placed().map(|(labels, place)| (labels, number(place.acked.0))))?;
    let help =
        "Time for which entries have waited without any of them becoming known to be in Kafka; 0 when none waits";
    let since = each().filter_map(|(labels, report)| Some((labels, report.since_progress?.as_secs_f64())));
    family(encoder, ("since_progress", help, Some(&Unit::Seconds)), since)?;
    let help = "Whether this process works on the event (1), or stands by, pauses or has stopped (0)";
    let held = each().map(|(labels, report)| (labels, i64::from(report.role == Role::Leading)));
    family(encoder, ("lease_held", help, None), held)?;
    let help = "The number of the last lease this process had on the event";
    let epochs = each().filter_map(|(labels, report)| Some((labels, number(report.epoch?.0))));
    family(encoder, ("epoch", help, None), epochs)
}
