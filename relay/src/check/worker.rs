//! The Worker: reachable, the key known, its answer readable, and the clocks in step.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::now;
use super::report::{Level, Line};
use crate::config::{Config, Settings};
use crate::machine::WorkerFailure;
use crate::worker::{Busy, HttpWorker};

const CHECK: &str = "worker";
const CLOCK: &str = "clock";
/// Clocks that differ by more are warned of.
const MOST_MS: i64 = 5_000;

/// Asks once for busy events.
pub async fn check(config: &Config) -> Vec<Line> {
    let settings = &config.settings;
    let limit = Duration::from_millis(settings.worker.request_timeout_ms);
    let worker = HttpWorker::new(settings.worker_base(), &config.key, "check".to_owned(), limit);
    let at = settings.worker_base();
    let worker = match worker {
        Ok(worker) => worker,
        Err(error) => return vec![Line::new(Level::Fail, CHECK, at, error.to_string(), "set worker.key_file anew")],
    };
    let before = now();
    match worker.look().await {
        Err(failure) => vec![refused(settings, &failure)],
        Ok(Busy { events, date }) => {
            let between = before + (now() - before) / 2;
            let line = match events {
                Ok(events) => {
                    let found =
                        format!("reached, the relay key is accepted; events with entries that wait: {}", events.len());
                    Line::ok(CHECK, at, found)
                }
                Err(failure) => refused(settings, &failure),
            };
            vec![line, clock(date.as_deref(), between)]
        }
    }
}

fn refused(settings: &Settings, failure: &WorkerFailure) -> Line {
    let remedy = match failure {
        WorkerFailure::Refused { status: 401, slug, .. } if slug == "unauthorized" => {
            "the Worker does not know this relay key: put its SHA-256 (printf %s \"$KEY\" | sha256sum) under \"relay\" in the \
             Worker's secret ROPELINE_KEYS, or give the relay the key whose hash is there"
        }
        WorkerFailure::Refused { status: 403, slug, .. } if slug == "forbidden" => {
            "this key is one of another role (admin, origin or metrics): give the relay the key of the role \"relay\""
        }
        WorkerFailure::Refused { status: 401 | 403, .. } => {
            "something before the Worker refuses (an access rule, a firewall): let the relay's requests to this path pass"
        }
        WorkerFailure::Refused { status: 300..=399, .. } => {
            "the address leads elsewhere, and the relay key must not travel: set worker.url to the address where it ends"
        }
        WorkerFailure::Refused { status: 404, .. } => {
            "no Worker of Ropeline is at this address and path: check worker.url, worker.prefix (the Worker's \
             ROPELINE_PREFIX) and the route in wrangler.toml"
        }
        WorkerFailure::Refused { .. } | WorkerFailure::BadAnswer { .. } => {
            "what answers is not the Worker, or another version of it: check worker.url and worker.prefix"
        }
        WorkerFailure::Later { cause, .. } => unreachable(cause),
        _ => "try again, and look into the Worker's log",
    };
    Line::new(Level::Fail, CHECK, settings.worker_base(), failure.to_string(), remedy)
}

/// What to do about a request without an answer, by the words of the HTTP library.
fn unreachable(cause: &str) -> &'static str {
    const ADVICE: [(&str, &str); 5] = [
        ("dns error", "check the name in worker.url, and how this machine resolves names"),
        ("invalid peer certificate", "the certificate is not one of public trust for this name: check worker.url"),
        ("InvalidContentType", "this port does not speak TLS: check scheme and port in worker.url"),
        ("Connection refused", "nothing listens there: check host and port in worker.url"),
        ("timed out", "does every firewall let this machine through? Or raise worker.request_timeout_ms"),
    ];
    let found = ADVICE.iter().find(|(said, _)| cause.contains(said));
    found.map_or("the Worker is overloaded or fails: try again, and look into its log", |(_, advice)| advice)
}

/// The Worker's `Date` beside this machine's clock at that moment.
pub fn clock(date: Option<&str>, now: DateTime<Utc>) -> Line {
    const ABOUT: &str = "this machine and the Worker";
    let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        let remedy = "nothing is to be done where this machine's clock is set by NTP";
        return Line::new(Level::Note, CLOCK, ABOUT, "not compared: the answer has no Date", remedy);
    };
    // It has no fraction of a second: on the average half of one is cut off.
    let ms = (now - date.to_utc()).num_milliseconds() - 500;
    let found = format!("{} {} s apart", if ms < 0 { "behind," } else { "ahead," }, ms.abs() / 1_000);
    match ms.abs() > MOST_MS {
        false => Line::ok(CLOCK, ABOUT, format!("at most {} s apart", ms.abs() / 1_000 + 1)),
        true => {
            let remedy = "set this machine's clock (NTP): the lag in seconds is measured with it";
            Line::new(Level::Warn, CLOCK, ABOUT, format!("this machine is {found}"), remedy)
        }
    }
}
