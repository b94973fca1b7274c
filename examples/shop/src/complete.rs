//! Tells the line that a visit is over: `POST {queue}/complete` with the origin key, in the
//! background; the visitor does not wait for it.
//!
//! The slot goes to the next visitor at once instead of when the session would have run out. It is
//! an optimisation, so it may fail: tries, time and connections are bounded, and nothing is lost
//! but that time. Called only after [`Orders`] has taken the `jti`: from then on this shop honours
//! it no more, which is what `complete` promises to the line.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::now_seconds;
use crate::orders::Orders;

/// Calls at the same time; the others wait for their turn.
const CONCURRENT: u32 = 32;
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub(crate) struct Completer {
    turns: Arc<Semaphore>,
    call: Option<Arc<Call>>,
}

struct Call {
    client: reqwest::Client,
    url: String,
    event: String,
    origin_key: String,
    orders: Arc<Orders>,
}

enum Outcome {
    Done,
    Refused(StatusCode),
    Later { why: String, told: Option<Duration> },
}

impl Completer {
    pub(crate) fn new(client: reqwest::Client, config: &Config, orders: Arc<Orders>) -> Self {
        let call = config.origin_key.clone().map(|origin_key| {
            let url = format!("{}/complete", config.queue_url);
            Arc::new(Call { client, url, event: config.event.clone(), origin_key, orders })
        });
        Self { turns: Arc::new(Semaphore::new(CONCURRENT as usize)), call }
    }

    /// Whether there is an origin key to call with.
    pub(crate) fn is_able(&self) -> bool {
        self.call.is_some()
    }

    /// Starts telling the line that the visit `jti` is over.
    pub(crate) fn complete(&self, jti: String) {
        let Some(call) = self.call.clone() else { return };
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move {
            if let Ok(_turn) = turns.acquire_owned().await {
                call.until_done(&jti).await;
            }
        });
    }

    /// Waits for the calls under way, at most `limit`.
    pub(crate) async fn finish(&self, limit: Duration) {
        // Turns are given in order: all of them are free only when everybody before has finished.
        if tokio::time::timeout(limit, self.turns.acquire_many(CONCURRENT)).await.is_err() {
            tracing::warn!("stopped before all finished visits were told to the line");
        }
    }
}

impl Call {
    async fn until_done(&self, jti: &str) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            match self.once(jti).await {
                Outcome::Done => return self.orders.no_more_passes(jti, now_seconds()),
                Outcome::Refused(status) => {
                    // Wrong key, wrong event: the same call gets the same answer.
                    return tracing::error!(jti, %status, "the line refuses complete");
                }
                Outcome::Later { why, told } => {
                    tracing::warn!(jti, attempt, why, "complete did not get through");
                    if attempt < TRIES {
                        tokio::time::sleep(told.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                        pause *= 2;
                    }
                }
            }
        }
        tracing::error!(jti, "gave up on complete: the slot is free when the session runs out");
    }

    async fn once(&self, jti: &str) -> Outcome {
        let body = json!({ "event": self.event, "jti": jti });
        let sent = self.client.post(&self.url).bearer_auth(&self.origin_key).json(&body).send().await;
        match sent {
            Ok(answer) if answer.status().is_success() => Outcome::Done,
            Ok(answer) => match answer.status() {
                status if status.is_server_error() => {
                    Outcome::Later { why: status.to_string(), told: retry_after(&answer) }
                }
                status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
                    Outcome::Later { why: status.to_string(), told: retry_after(&answer) }
                }
                status => Outcome::Refused(status),
            },
            Err(error) => Outcome::Later { why: error.to_string(), told: None },
        }
    }
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let value = answer.headers().get(reqwest::header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
