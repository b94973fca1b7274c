//! The events that settings name: the canary's is there and a rehearsal, and those that the brake watches over are there.

use std::time::Duration;

use super::report::{Level, Line};
use crate::config::Config;
use crate::machine::WorkerFailure;
use crate::types::EventId;
use crate::worker::HttpWorker;

const CANARY: &str = "canary";
const BRAKE: &str = "brake";

/// Nothing of one for which the Worker gives no answer: that has a line of its own.
pub async fn check(config: &Config) -> Vec<Line> {
    let settings = &config.settings;
    let limit = Duration::from_millis(settings.worker.request_timeout_ms);
    let Ok(worker) = HttpWorker::new(settings.worker_base(), &config.key, "check".to_owned(), limit) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if let Some(plan) = &config.canary {
        lines.extend(canary(&worker, &plan.event).await);
    }
    for event in settings.brake.rules().map(|rules| rules.events).unwrap_or_default() {
        match brake(&worker, &event).await {
            Some(line) => lines.push(line),
            // The others would wait as long for nothing.
            None => break,
        }
    }
    lines
}

async fn canary(worker: &HttpWorker, event: &EventId) -> Option<Line> {
    let wrong = |found: &str| {
        let remedy = "make an event for the canary alone, with \"test\": true, and name it in canary.event";
        Line::new(Level::Fail, CANARY, event.to_string(), found, remedy)
    };
    match worker.log_state(event).await {
        Ok((lease, _)) if lease.test => Some(Line::ok(CANARY, event.to_string(), "a rehearsal: it can be visited")),
        Ok(_) => Some(wrong("no rehearsal: each visit would take a number of a sale, so it is not visited")),
        Err(WorkerFailure::UnknownEvent) => Some(wrong("there is no such event")),
        Err(_) => None,
    }
}

async fn brake(worker: &HttpWorker, event: &EventId) -> Option<Line> {
    match worker.log_state(event).await {
        Ok(_) => Some(Line::ok(BRAKE, event.to_string(), "is slowed down while something is wrong")),
        Err(WorkerFailure::UnknownEvent) => {
            let remedy =
                "name events in brake.events as they are named in the Worker, or make this one before the sale";
            Some(Line::new(
                Level::Warn,
                BRAKE,
                event.to_string(),
                "there is no such event: nothing is slowed down",
                remedy,
            ))
        }
        Err(_) => None,
    }
}
