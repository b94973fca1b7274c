//! The canary: it does what a visitor does, by the public address, every few seconds, and counts what it gets.
//!
//! One round is enter (with `again`, so that it takes a new place when the last one is over), status, leave; so its line stays small. It
//! is a `test` event of its own, made by the operator: an event that is none is not visited, for each visit would take a number.
//!
//! Invariants: it shares nothing with the relay's other work, neither connections nor locks; every request opens a connection of its own,
//! with a TLS session of its own in each round, as a visitor does who has just come, and is over within its bound; a round never overlaps
//! the next; what it meets is counted, and is no reason for the relay not to be ready.

mod counters;
mod judge;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::config::Secret;
use crate::machine::WorkerFailure;
use crate::types::EventId;
use crate::worker::HttpWorker;
pub use counters::{Counters, Outcome, Step};
use judge::{Answer, Judge, Seen};

/// Nothing that a visitor is answered is longer.
const MOST_BYTES: usize = 64 * 1024;

/// What to do, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The public address with the prefix of all routes.
    pub base: String,
    /// The event made for it.
    pub event: EventId,
    /// The visitor key it uses over and over.
    pub visitor: Secret,
    /// From the beginning of a round to that of the next.
    pub every: Duration,
    /// The bound of one request.
    pub timeout: Duration,
}

/// Goes on for ever, whatever happens. `worker` tells whether the event is a rehearsal.
pub async fn run(plan: Plan, worker: HttpWorker, counters: Arc<Counters>) {
    info!(event = %plan.event, base = %plan.base, "canary started");
    let (plan, worker) = (Arc::new(plan), Arc::new(worker));
    loop {
        // A task of its own: should it panic, it starts again.
        let (plan, worker, counters) = (Arc::clone(&plan), Arc::clone(&worker), Arc::clone(&counters));
        if let Err(error) = tokio::spawn(async move { rounds(&plan, &worker, &counters).await }).await {
            warn!(%error, "canary: starts again");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn rounds(plan: &Plan, worker: &HttpWorker, counters: &Counters) {
    let mut ticks = interval(plan.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut judge = Judge::default();
    let mut is_test = false;
    let mut last_said = None;
    loop {
        ticks.tick().await;
        let known = match is_test {
            true => Some(true),
            false => is_rehearsal(worker, &plan.event).await,
        };
        is_test = known == Some(true);
        // Where that is not known, the visit tells what is the matter.
        let bad =
            if known == Some(false) { Some(Bad::not_a_test(plan)) } else { round(plan, counters, &mut judge).await };
        counters.round(bad.is_none(), now_seconds());
        // Said when it changes, and not each time.
        if bad != last_said {
            match &bad {
                None => info!("canary: all is well"),
                Some(Bad { step, outcome, detail }) => {
                    warn!(step = step.as_str(), outcome = outcome.as_str(), %detail, "canary: no good answer");
                }
            }
            last_said = bad;
        }
    }
}

/// Whether this event may be visited; none where that cannot be told.
async fn is_rehearsal(worker: &HttpWorker, event: &EventId) -> Option<bool> {
    match worker.log_state(event).await {
        Ok((lease, _)) => Some(lease.test),
        Err(WorkerFailure::UnknownEvent) => Some(false),
        Err(_) => None,
    }
}

/// What was the first to go wrong in a round.
#[derive(Debug, PartialEq)]
struct Bad {
    step: Step,
    outcome: Outcome,
    detail: String,
}

impl Bad {
    fn not_a_test(plan: &Plan) -> Self {
        let detail = format!(
            "there is no event '{}' with \"test\": true, and a sale is not visited; make one, or name another in canary.event",
            plan.event
        );
        Self { step: Step::Enter, outcome: Outcome::Failed, detail }
    }
}

/// One visit.
async fn round(plan: &Plan, counters: &Counters, judge: &mut Judge) -> Option<Bad> {
    let Plan { base, event, visitor, .. } = plan;
    let bad =
        |step, outcome, seen: &Seen| (outcome != Outcome::Ok).then(|| Bad { step, outcome, detail: seen.detail() });
    let client = Client::builder()
        .user_agent(concat!("ropeline-canary/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .timeout(plan.timeout)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            return Some(Bad {
                step: Step::Enter,
                outcome: Outcome::Failed,
                detail: format!("cannot set up HTTP: {error}"),
            });
        }
    };
    let body = json!({"event": event.as_str(), "visitor": visitor.expose(), "again": true});
    let began = now_seconds();
    let seen = ask(client.post(format!("{base}/enter")).json(&body)).await;
    let half_way = f64::midpoint(began, now_seconds());
    let (entered, place) = judge.entered(&seen);
    counters.step(Step::Enter, entered, seen.took);
    counters.clock(place.as_ref().map(|place| place.issued_at - half_way));
    let first = bad(Step::Enter, entered, &seen);
    let Some(place) = place else { return first };
    let seen = ask(client.get(format!("{base}/status?event={event}")).bearer_auth(&place.ticket)).await;
    let told = Judge::told(&seen, place.number);
    counters.step(Step::Status, told, seen.took);
    let second = bad(Step::Status, told, &seen);
    // Also when it was told nothing good: the line is to stay small.
    let leave = client.post(format!("{base}/leave")).bearer_auth(&place.ticket);
    let seen = ask(leave.header("ropeline-visitor", visitor.expose())).await;
    let left = judge.left(&seen, place.number);
    counters.step(Step::Leave, left, seen.took);
    first.or(second).or_else(|| bad(Step::Leave, left, &seen))
}

async fn ask(request: RequestBuilder) -> Seen {
    let began = tokio::time::Instant::now();
    let read = async {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().contains_key(RETRY_AFTER);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                break;
            }
        }
        Ok(Answer { status, retry_after, body })
    };
    let answer = read.await.map_err(|error: reqwest::Error| (error.is_timeout(), chain(&error.without_url())));
    Seen { answer, took: began.elapsed() }
}

/// The error's own text hides the cause ("error sending request"); the chain says "connection refused".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text.chars().take(300).collect()
}

fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
