//! Whether the relay is ready, condition by condition: the body of `GET /readyz`.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::{EventReport, Health, Reach, Role, StopLabel, lock};
use crate::types::EventId;

/// So many events are named in one sentence.
const NAMED: usize = 5;

/// One condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `worker`, `broker`, `leases`, `progress`, `stopped`, `stopping` or `alive`.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What is known about it.
    pub detail: String,
}

/// One event in the body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventState {
    /// The event.
    pub event: String,
    /// `leading`, `standby`, `stopped`, `pausing` or `starting`.
    pub role: &'static str,
    /// The last lease this relay had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Admissions not known to be in Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_records: Option<u64>,
    /// Seconds since the oldest of them was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<f64>,
    /// Seconds for which entries have waited without progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_progress_seconds: Option<f64>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Why it is stopped, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<&'static str>,
    /// Why it is stopped, and how to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The body of `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// Whether all conditions hold.
    pub ready: bool,
    /// The version of this program.
    pub version: &'static str,
    /// All of them.
    pub conditions: Vec<Condition>,
    /// Those that need attention first.
    pub events: Vec<EventState>,
    /// Events left out of `events` to keep it short.
    pub events_left_out: usize,
}

impl Health {
    /// Whether the relay is ready, and why not.
    pub fn readiness(&self) -> Readiness {
        let reports = self.reports();
        let hangs = self.hangs();
        let mut conditions = vec![
            self.reached("worker", &self.worker),
            self.reached("broker", &self.broker),
            self.leases(&reports),
            self.progress(&reports),
            stopped(&reports),
            Condition {
                name: "alive",
                ok: hangs.is_none(),
                detail: hangs.unwrap_or_else(|| "every call comes back within its bound".to_owned()),
            },
        ];
        if self.is_stopping() {
            let detail = "the process was told to stop".to_owned();
            conditions.push(Condition { name: "stopping", ok: false, detail });
        }
        let most = self.rules.max_events;
        Readiness {
            ready: conditions.iter().all(|condition| condition.ok),
            version: env!("CARGO_PKG_VERSION"),
            conditions,
            events_left_out: reports.len().saturating_sub(most),
            events: reports.into_iter().take(most).map(|(event, report)| state(event.to_string(), report)).collect(),
        }
    }

    pub(super) fn is_reached(&self, reach: &Mutex<Reach>) -> bool {
        lock(reach).answered.is_some_and(|at| at.elapsed() <= self.rules.answered_within)
    }

    fn reached(&self, name: &'static str, reach: &Mutex<Reach>) -> Condition {
        let ok = self.is_reached(reach);
        let reach = lock(reach);
        let answered = match reach.answered {
            None => "has not answered yet".to_owned(),
            Some(at) => format!("answered {:.1} s ago", at.elapsed().as_secs_f64()),
        };
        let detail = match &reach.failure {
            None => answered,
            Some(failure) => format!("{answered}; now: {failure}"),
        };
        Condition { name, ok, detail }
    }

    fn leases(&self, reports: &[(EventId, EventReport)]) -> Condition {
        let count = |role| reports.iter().filter(|(_, report)| report.role == role).count();
        let waiting = self.waiting.load(Ordering::Relaxed);
        let held = format!("{} held, standing by for {}", count(Role::Leading), count(Role::Standby));
        let detail = match waiting {
            0 => held,
            _ => {
                format!("{held}; {waiting} busy events wait for a place: raise limits.max_events, or run another relay")
            }
        };
        Condition { name: "leases", ok: waiting == 0, detail }
    }

    fn progress(&self, reports: &[(EventId, EventReport)]) -> Condition {
        let bound = self.rules.stalled_after;
        let stalled = |report: &EventReport| {
            report.role != Role::Stopped && report.since_progress.is_some_and(|since| since > bound)
        };
        let stalled: Vec<String> = reports
            .iter()
            .filter(|(_, report)| stalled(report))
            .map(|(event, report)| format!("{event} ({})", report.trouble.as_deref().unwrap_or("no cause known")))
            .collect();
        let detail = match stalled.len() {
            0 => format!("no event has waited longer than {} s without progress", bound.as_secs()),
            _ => format!("without progress for more than {} s: {}", bound.as_secs(), listed(&stalled)),
        };
        Condition { name: "progress", ok: stalled.is_empty(), detail }
    }

    /// One line for people: what `systemctl status` shows.
    pub fn status(&self) -> String {
        let reports = self.reports();
        let count = |role| reports.iter().filter(|(_, report)| report.role == role).count();
        let lag: u64 = reports.iter().filter_map(|(_, report)| report.place).map(|place| place.lag()).sum();
        let (led, stood_by) = (count(Role::Leading), count(Role::Standby));
        let mut line = format!("leads {led}, stands by for {stood_by}; {lag} admissions behind");
        let broken: Vec<&str> = self
            .readiness()
            .conditions
            .iter()
            .filter(|condition| !condition.ok)
            .map(|condition| condition.name)
            .collect();
        if !broken.is_empty() {
            line.push_str(&format!("; not ready: {}", broken.join(", ")));
        }
        line
    }
}

fn stopped(reports: &[(EventId, EventReport)]) -> Condition {
    let stopped: Vec<String> = reports
        .iter()
        .filter_map(|(event, report)| Some(format!("{event} ({})", report.stop.as_ref()?.label.as_str())))
        .collect();
    let detail = match stopped.len() {
        0 => "no event is stopped".to_owned(),
        _ => format!("an operator is needed: {}; see `events` for how to go on", listed(&stopped)),
    };
    Condition { name: "stopped", ok: stopped.is_empty(), detail }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn state(event: String, report: EventReport) -> EventState {
    let stop = report.stop;
    EventState {
        event,
        role: report.role.as_str(),
        epoch: report.epoch.map(|epoch| epoch.0),
        lag_records: report.place.map(|place| place.lag()),
        lag_seconds: report.place.map(|place| rounded(place.lag_seconds)),
        since_progress_seconds: report.since_progress.as_ref().map(Duration::as_secs_f64).map(rounded),
        trouble: report.trouble,
        stopped: stop.as_ref().map(|stop| stop.label).map(StopLabel::as_str),
        detail: stop.map(|stop| stop.detail),
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}
