//! The relay routes over HTTP.
//!
//! Every request has a time limit and every body a bound; redirects are refused, for the relay key must not travel.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;

use super::WorkerApi;
use super::wire::{self, AckBody, BrakeBody, DrainBody, LeaseBody, Problem, ReplayBody, TakeBody};
use crate::config::Secret;
use crate::machine::{DrainRequest, Drained, Lease, Mark, Pin, WorkerFailure};
use crate::types::{Epoch, EventId, Seq};

/// 500 entries of some 300 bytes come to 150 KB; nothing we ask for is longer than this.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// When the Worker does not say how long another relay's lease lasts.
const HELD_MS: u64 = 2_000;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The key has characters that no header can carry.
    #[error("the relay key has characters that an HTTP header cannot carry")]
    Key,
    /// The HTTP library refused.
    #[error("cannot set up HTTP: {source}")]
    Client {
        /// What it says.
        source: reqwest::Error,
    },
}

/// Any answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What an answer says beside its own: for those who look at the way there.
#[derive(Debug)]
pub struct Busy {
    /// Which events have entries that are not acked.
    pub events: Result<Vec<EventId>, WorkerFailure>,
    /// `Date`, as it was sent.
    pub date: Option<String>,
}

/// The Worker, reached over HTTP with the relay key.
#[derive(Debug)]
pub struct HttpWorker {
    client: Client,
    base: String,
    relay: String,
}

impl HttpWorker {
    /// `base` is the Worker's address with its prefix (`https://queue.example.com/queue`), `relay` this process's random
    /// name, `timeout` the limit of one request.
    ///
    /// # Errors
    /// When the key cannot be a header, or TLS cannot be set up.
    pub fn new(base: String, key: &Secret, relay: String, timeout: Duration) -> Result<Self, BuildError> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| BuildError::Key)?;
        bearer.set_sensitive(true);
        let client = Client::builder()
            .user_agent(concat!("ropeline-relay/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout)
            .timeout(timeout)
            .build()
            .map_err(|source| BuildError::Client { source })?;
        Ok(Self { client, base, relay })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Vec<u8>, WorkerFailure> {
        let Answer { status, headers, body } = self.answer(method, path, body).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(refusal(path, status, retry_after_ms(&headers), &body))
    }

    /// What comes back, whatever it says.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Answer, WorkerFailure> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|e| later(path, &e))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| later(path, &e))? {
            if bytes.len().saturating_add(chunk.len()) > MOST_BYTES {
                return Err(WorkerFailure::BadAnswer { detail: format!("{path}: more than {MOST_BYTES} bytes") });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: bytes })
    }

    async fn post(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<Vec<u8>, WorkerFailure> {
        self.call(Method::POST, path, Some(body)).await
    }
}

/// What operators ask for, beside what a relay does.
impl HttpWorker {
    /// [`WorkerApi::busy_events`], and when the Worker says it was answered.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn look(&self) -> Result<Busy, WorkerFailure> {
        let path = "/relay/events";
        let Answer { status, headers, body } = self.answer(Method::GET, path, None::<&()>).await?;
        let date = headers.get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let events = match status.is_success() {
            true => wire::events(&body),
            false => Err(refusal(path, status, retry_after_ms(&headers), &body)),
        };
        Ok(Busy { events, date })
    }

    /// How far the relay of `event` is, and its name while it holds the lease. Changes nothing.
    ///
    /// # Errors
    /// As every call.
    pub async fn log_state(&self, event: &EventId) -> Result<(Lease, Option<String>), WorkerFailure> {
        wire::log_state(&self.call(Method::GET, &format!("/relay/events/{event}"), None::<&()>).await?)
    }

    /// Takes the lease of `event`, and has its entries begin anew at `from`, where `pin` says.
    ///
    /// # Errors
    /// As every call; [`WorkerFailure::Held`] while a relay works on the event.
    pub async fn replay(&self, event: &EventId, from: Seq, pin: &Pin) -> Result<Lease, WorkerFailure> {
        let body = ReplayBody {
            event: event.as_str(),
            relay: &self.relay,
            replay_from: from,
            topic: &pin.topic,
            partition: pin.partition,
            next_offset: pin.next_offset,
        };
        wire::lease(&self.post("/relay/lease", &body).await?)
    }
}

/// What the brake asks for.
impl HttpWorker {
    /// Slows `event` down; what is left of its limit, percent.
    ///
    /// # Errors
    /// As every call.
    pub async fn brake(&self, event: &EventId, cause: &str) -> Result<u64, WorkerFailure> {
        wire::braked(&self.post("/relay/brake", &BrakeBody { event: event.as_str(), cause }).await?)
    }
}

/// Seconds only: the Worker sends no dates.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}

fn later(path: &str, error: &reqwest::Error) -> WorkerFailure {
    // The error's own text hides the cause ("error sending request"); the chain says "connection refused".
    let mut cause = format!("{path}: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        cause = format!("{cause}: {inner}");
        source = inner.source();
    }
    WorkerFailure::Later { cause: cause.chars().take(400).collect(), retry_after_ms: None }
}

fn refusal(path: &str, status: StatusCode, retry_after_ms: Option<u64>, body: &[u8]) -> WorkerFailure {
    let problem = Problem::read(body);
    let detail: String = problem.detail.chars().take(300).collect();
    match (status.as_u16(), problem.slug()) {
        (409, "stale-epoch") => WorkerFailure::Stale,
        (409, "lease-held") => WorkerFailure::Held { retry_after_ms: retry_after_ms.unwrap_or(HELD_MS) },
        (404, "unknown-event") => WorkerFailure::UnknownEvent,
        (408 | 429 | 500..=599, slug) => {
            WorkerFailure::Later { cause: format!("{path}: {status} {slug} {detail}"), retry_after_ms }
        }
        (code, slug) => WorkerFailure::Refused {
            status: code,
            slug: slug.chars().take(60).collect(),
            detail: format!("{path}: {detail}"),
        },
    }
}

impl WorkerApi for HttpWorker {
    async fn busy_events(&self) -> Result<Vec<EventId>, WorkerFailure> {
        self.look().await?.events
    }

    async fn take(&self, event: &EventId) -> Result<Lease, WorkerFailure> {
        let body = TakeBody { event: event.as_str(), relay: &self.relay };
        wire::lease(&self.post("/relay/lease", &body).await?)
    }

    async fn renew(&self, event: &EventId, epoch: Epoch) -> Result<u64, WorkerFailure> {
        let body = LeaseBody { event: event.as_str(), epoch };
        wire::renewed(&self.post("/relay/lease/renew", &body).await?)
    }

    async fn release(&self, event: &EventId, epoch: Epoch) -> Result<(), WorkerFailure> {
        let body = LeaseBody { event: event.as_str(), epoch };
        self.post("/relay/lease/release", &body).await.map(drop)
    }

    async fn drain(&self, event: &EventId, request: &DrainRequest) -> Result<Drained, WorkerFailure> {
        let body = DrainBody::new(event, request);
        wire::drained(event, &self.post("/relay/drain", &body).await?)
    }

    async fn ack(&self, event: &EventId, epoch: Epoch, mark: Mark) -> Result<(), WorkerFailure> {
        let body = AckBody::new(event, epoch, mark);
        self.post("/relay/ack", &body).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, slug: &str) -> WorkerFailure {
        let body = format!(r#"{{"type":"urn:ropeline:problem:{slug}","detail":"d"}}"#);
        let status = StatusCode::from_u16(status).unwrap();
        refusal("/relay/drain", status, Some(3_000), body.as_bytes())
    }

    #[test]
    fn each_problem_leads_to_its_own_action() {
        assert_eq!(answer(409, "stale-epoch"), WorkerFailure::Stale);
        assert_eq!(answer(409, "lease-held"), WorkerFailure::Held { retry_after_ms: 3_000 });
        assert_eq!(answer(404, "unknown-event"), WorkerFailure::UnknownEvent);
        for status in [408, 429, 500, 503] {
            assert!(matches!(answer(status, "overloaded"), WorkerFailure::Later { retry_after_ms: Some(3_000), .. }));
        }
        for (status, slug) in [(401, "unauthorized"), (403, "forbidden"), (404, "not-found"), (302, "")] {
            assert!(matches!(answer(status, slug), WorkerFailure::Refused { .. }), "{status}");
        }
    }

    #[test]
    fn the_key_never_shows_in_debug_output() {
        let key = Secret::new("very-secret-key");
        let worker =
            HttpWorker::new("http://127.0.0.1:1/queue".into(), &key, "r".into(), Duration::from_secs(1)).unwrap();
        assert!(!format!("{worker:?} {key:?}").contains("very-secret"));
    }
}
