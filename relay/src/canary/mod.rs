//! The canary: it does what a visitor does, by the public address, every few seconds, and counts what it gets.
//!
//! One round is enter (with `again`, so that it takes a new place when the last one is over), status, leave; so its line stays small. It
//! is a `test` event of its own, made by the operator.
//!
//! Invariants: it shares nothing with the relay's other work, neither connections nor locks; every request opens a connection of its own,
//! as a visitor does who has just come, and is over within its bound; a round never overlaps the next; what it meets is counted, and is
//! no reason for the relay not to be ready.

mod counters;
mod judge;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::config::Secret;
pub use counters::{Counters, Outcome, Step};
use judge::{Judge, Seen};

/// Nothing that a visitor is answered is longer.
const MOST_BYTES: usize = 64 * 1024;

/// What to do, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The public address with the prefix of all routes.
    pub base: String,
    /// The event made for it.
    pub event: String,
    /// The visitor key it uses over and over.
    pub visitor: Secret,
    /// From the beginning of a round to that of the next.
    pub every: Duration,
    /// The bound of one request.
    pub timeout: Duration,
}

/// Goes on for ever, whatever happens.
pub async fn run(plan: Plan, counters: Arc<Counters>) {
    let client = Client::builder()
        .user_agent(concat!("ropeline-canary/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .timeout(plan.timeout)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "canary: cannot set up HTTP, there is none");
            return;
        }
    };
    info!(event = %plan.event, base = %plan.base, "canary started");
    let plan = Arc::new(plan);
    loop {
        // A task of its own: should it panic, it starts again.
        let (plan, client, counters) = (Arc::clone(&plan), client.clone(), Arc::clone(&counters));
        if let Err(error) = tokio::spawn(async move { rounds(&plan, &client, &counters).await }).await {
            warn!(%error, "canary: starts again");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn rounds(plan: &Plan, client: &Client, counters: &Counters) {
    let mut ticks = interval(plan.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut judge = Judge::default();
    let mut last_said = None;
    loop {
        ticks.tick().await;
        let bad = round(plan, client, counters, &mut judge).await;
        counters.round(bad.is_none(), now_seconds());
        // Said when it changes, and not each time.
        let now_said = bad.as_ref().map(|(step, outcome, _)| (*step, *outcome));
        if now_said != last_said {
            match bad {
                None => info!("canary: all is well again"),
                Some((step, outcome, detail)) => {
                    warn!(step = step.as_str(), outcome = outcome.as_str(), %detail, "canary: no good answer");
                }
            }
            last_said = now_said;
        }
    }
}

/// One visit; what was the first to go wrong.
async fn round(
    plan: &Plan,
    client: &Client,
    counters: &Counters,
    judge: &mut Judge,
) -> Option<(Step, Outcome, String)> {
    let Plan { base, event, visitor, .. } = plan;
    let body = json!({"event": event, "visitor": visitor.expose(), "again": true});
    let began = now_seconds();
    let seen = ask(client.post(format!("{base}/enter")).json(&body)).await;
    let half_way = f64::midpoint(began, now_seconds());
    let (outcome, place) = judge.entered(&seen);
    counters.step(Step::Enter, outcome, seen.took);
    let Some(place) = place else { return Some((Step::Enter, outcome, seen.detail())) };
    counters.clock(place.issued_at - half_way);
    let seen = ask(client.get(format!("{base}/status?event={event}")).bearer_auth(&place.ticket)).await;
    let status = Judge::told(&seen, place.number);
    counters.step(Step::Status, status, seen.took);
    let bad = (status != Outcome::Ok).then(|| (Step::Status, status, seen.detail()));
    // Also when it was told nothing good: the line is to stay small.
    let leave = client.post(format!("{base}/leave")).bearer_auth(&place.ticket);
    let seen = ask(leave.header("ropeline-visitor", visitor.expose())).await;
    let left = Judge::left(&seen);
    counters.step(Step::Leave, left, seen.took);
    bad.or_else(|| (left != Outcome::Ok).then(|| (Step::Leave, left, seen.detail())))
}

async fn ask(request: RequestBuilder) -> Seen {
    let began = tokio::time::Instant::now();
    let read = async {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                break;
            }
        }
        Ok((status, body))
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
