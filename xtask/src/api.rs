//! The operator's calls that the commands make to a running Worker.

use anyhow::{Context, Result, bail};
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::http::{Answer, Client, bearer};

/// A client of the admin API.
#[derive(Debug)]
pub struct Api {
    client: Client,
    admin: String,
}

/// The numbers of one event that `up` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// In the line, not yet called.
    pub waiting: u64,
    /// It is their turn.
    pub called: u64,
    /// Living sessions.
    pub active: u64,
    /// Let in, ever.
    pub admitted: u64,
    /// Up to here the admission log is in Kafka.
    pub acked_seq: u64,
}

impl Api {
    /// A client of the Worker at `authority` with the admin's bearer secret.
    #[must_use]
    pub fn new(authority: &str, admin_secret: &str) -> Self {
        Self { client: Client::new(authority), admin: bearer(admin_secret) }
    }

    /// One call with the admin key.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(&mut self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        let headers = [("authorization", self.admin.as_str())];
        self.client.send_json(method, path, &headers, body).await
    }

    /// Creates an event. `false` when it was there already; it is left as it is.
    ///
    /// # Errors
    /// When the Worker refuses the settings.
    pub async fn create_event(&mut self, event: &str, settings: &Value) -> Result<bool> {
        let headers = [("authorization", self.admin.as_str()), ("if-none-match", "*")];
        let path = format!("/queue/admin/events/{event}");
        let answer = self.client.send_json(Method::PUT, &path, &headers, settings).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::PRECONDITION_FAILED => Ok(false),
            status => bail!("cannot create the event {event}: {status} {}", answer.text()),
        }
    }

    /// The counts of an event.
    ///
    /// # Errors
    /// When there is no answer, or it is not what we know.
    pub async fn stats(&mut self, event: &str) -> Result<Stats> {
        let headers = [("authorization", self.admin.as_str())];
        let path = format!("/queue/admin/events/{event}/stats");
        let stats = self.client.get(&path, &headers).await?.ok()?.json();
        let count = |name: &str| -> Result<u64> {
            stats
                .get(name)
                .and_then(Value::as_u64)
                .with_context(|| format!("the stats of {event} have no {name}: {stats}"))
        };
        Ok(Stats {
            waiting: count("waiting")?,
            called: count("called")?,
            active: count("active")?,
            admitted: count("admitted")?,
            acked_seq: count("acked_seq")?,
        })
    }
}
