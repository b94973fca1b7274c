//! What a relay says of itself over HTTP.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;
use xtask::http::{Answer, Client};

/// The health listener of one relay.
#[derive(Debug)]
pub struct HealthOf {
    name: String,
    authority: String,
}

impl HealthOf {
    pub(crate) fn new(name: &str, port: u16) -> Self {
        Self { name: name.to_owned(), authority: format!("127.0.0.1:{port}") }
    }

    /// The one on this port.
    #[must_use]
    pub fn at(port: u16) -> Self {
        Self::new("the relay", port)
    }

    /// One answer, if there is one within a second.
    pub async fn get(&self, path: &str) -> Option<Answer> {
        let mut client = Client::new(&self.authority).patience(Duration::from_secs(1));
        client.send(Method::GET, path, &[], None).await.ok()
    }

    /// The body of `/readyz` with its status; `Null` while it does not answer.
    pub async fn ready(&self) -> (u16, Value) {
        match self.get("/readyz").await {
            Some(answer) => (answer.status.as_u16(), answer.json()),
            None => (0, Value::Null),
        }
    }

    /// Whether a condition of `/readyz` holds.
    #[must_use]
    pub fn holds(body: &Value, condition: &str) -> bool {
        let conditions = body["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["name"] == condition && one["ok"] == true))
    }

    /// One event's part of the body of `/readyz`.
    #[must_use]
    pub fn event<'a>(body: &'a Value, event: &str) -> &'a Value {
        static NONE: Value = Value::Null;
        let events = body["events"].as_array();
        events.and_then(|all| all.iter().find(|one| one["event"] == event)).unwrap_or(&NONE)
    }

    /// One sample of `/metrics`, if it is there.
    pub async fn sample(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").await?.text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        value.parse().ok()
    }

    /// Asks until `reached` says so; how long that took.
    ///
    /// # Panics
    /// When it takes longer than `bound`; with the last body.
    pub async fn until(&self, what: &str, bound: Duration, reached: impl Fn(u16, &Value) -> bool) -> Duration {
        let since = Instant::now();
        loop {
            let (status, body) = self.ready().await;
            if reached(status, &body) {
                return since.elapsed();
            }
            assert!(since.elapsed() < bound, "{}: not within {bound:?}: {what}; {status} {body}", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has this role for `event`.
    ///
    /// # Panics
    /// As [`HealthOf::until`].
    pub async fn until_role(&self, event: &str, role: &str, bound: Duration) -> Duration {
        self.until(role, bound, |_, body| Self::event(body, event)["role"] == role).await
    }
}
