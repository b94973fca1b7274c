//! The canary's event: there, and a rehearsal.

use std::time::Duration;

use super::report::{Level, Line};
use crate::config::Config;
use crate::machine::WorkerFailure;
use crate::worker::HttpWorker;

const CHECK: &str = "canary";

/// Nothing where there is none, or where the Worker gives no answer: that has a line of its own.
pub async fn check(config: &Config) -> Option<Line> {
    let event = &config.canary.as_ref()?.event;
    let settings = &config.settings;
    let limit = Duration::from_millis(settings.worker.request_timeout_ms);
    let worker = HttpWorker::new(settings.worker_base(), &config.key, "check".to_owned(), limit).ok()?;
    let wrong = |found: &str| {
        let remedy = "make an event for the canary alone, with \"test\": true, and name it in canary.event";
        Line::new(Level::Fail, CHECK, event.to_string(), found, remedy)
    };
    match worker.log_state(event).await {
        Ok((lease, _)) if lease.test => Some(Line::ok(CHECK, event.to_string(), "a rehearsal: it can be visited")),
        Ok(_) => Some(wrong("no rehearsal: each visit would take a number of a sale, so it is not visited")),
        Err(WorkerFailure::UnknownEvent) => Some(wrong("there is no such event")),
        Err(_) => None,
    }
}
