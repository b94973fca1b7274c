//! A visitor as the waiting page is one: makes a key, enters, polls when told, claims when called.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hyper::Method;
use serde_json::{Value, json};
use xtask::http::{Answer, Client, bearer};

/// A visitor key that nobody else has.
///
/// # Panics
/// When the system has no randomness.
#[must_use]
pub fn new_key() -> String {
    let bytes = xtask::keys::random().expect("randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an admitted visitor was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Place in the line.
    pub number: u64,
    /// Place in the admission log.
    pub seq: u64,
    /// The pass, as text.
    pub pass: String,
    /// `session_expires_at`.
    pub session_expires_at: String,
}

impl Admission {
    /// What an answer says, if it admits.
    #[must_use]
    pub fn of(place: &Value) -> Option<Self> {
        (place.get("state")? == "admitted").then_some(())?;
        Some(Self {
            number: place.get("number")?.as_u64()?,
            seq: place.get("seq")?.as_u64()?,
            pass: place.get("pass")?.as_str()?.to_owned(),
            session_expires_at: place.get("session_expires_at")?.as_str()?.to_owned(),
        })
    }
}

/// A client with a key, and the ticket and pass it was given. No request is ever repeated unless a method says so.
pub struct Visitor {
    /// The event it is a visitor of.
    pub event: String,
    /// Its secret.
    pub key: String,
    /// The last ticket.
    pub ticket: Option<String>,
    /// The last pass.
    pub pass: Option<String>,
    /// The last answer that was a place.
    pub place: Value,
    client: Client,
}

impl Visitor {
    /// A visitor with a fresh key. Nothing is sent yet.
    #[must_use]
    pub fn new(authority: &str, event: &str) -> Self {
        Self::with_key(authority, event, &new_key())
    }

    /// The same visitor again: another tab, or a browser that was restarted.
    #[must_use]
    pub fn with_key(authority: &str, event: &str, key: &str) -> Self {
        Self {
            event: event.to_owned(),
            key: key.to_owned(),
            ticket: None,
            pass: None,
            place: Value::Null,
            client: Client::new(authority),
        }
    }

    /// The number of the last place it was told.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.place["number"].as_u64().unwrap_or_else(|| panic!("no number in {}", self.place))
    }

    /// One request with ticket and key; `Value::Null` is no body. Remembers what the answer gives.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&mut self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        let authorization = self.ticket.as_deref().map(bearer);
        let mut headers = vec![("ropeline-visitor", self.key.as_str())];
        if let Some(authorization) = &authorization {
            headers.push(("authorization", authorization));
        }
        let answer = if body.is_null() {
            self.client.send(method, path, &headers, None).await?
        } else {
            self.client.send_json(method, path, &headers, body).await?
        };
        let place = answer.json();
        if place.get("number").is_some() {
            for (slot, name) in [(&mut self.ticket, "ticket"), (&mut self.pass, "pass")] {
                if let Some(token) = place.get(name).and_then(Value::as_str) {
                    *slot = Some(token.to_owned());
                }
            }
            self.place = place;
        }
        Ok(answer)
    }

    /// `POST /queue/enter` with `more` fields beside event and visitor.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn enter_with(&mut self, more: &Value) -> Result<Answer> {
        let mut body = json!({"event": self.event, "visitor": self.key});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        self.send(Method::POST, "/queue/enter", &body).await
    }

    /// `POST /queue/enter`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn enter(&mut self) -> Result<Answer> {
        self.enter_with(&Value::Null).await
    }

    /// `POST /queue/enter` that must give a place; its number.
    ///
    /// # Panics
    /// When it does not.
    pub async fn must_enter(&mut self) -> u64 {
        let answer = self.enter().await.unwrap_or_else(|error| panic!("enter: {error:#}"));
        assert!(answer.status.is_success(), "enter: {} {}", answer.status, answer.text());
        self.number()
    }

    /// `GET /queue/status`, with the frontier it has been told last.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn status(&mut self) -> Result<Answer> {
        let seen = self.place.get("frontier").and_then(Value::as_u64).unwrap_or(0);
        let path = format!("/queue/status?event={}&seen={seen}", self.event);
        self.send(Method::GET, &path, &Value::Null).await
    }

    /// `POST /queue/claim`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn claim(&mut self) -> Result<Answer> {
        let body = json!({"event": self.event});
        self.send(Method::POST, "/queue/claim", &body).await
    }

    /// `POST /queue/renew`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn renew(&mut self) -> Result<Answer> {
        let body = json!({"event": self.event});
        self.send(Method::POST, "/queue/renew", &body).await
    }

    /// `POST /queue/leave`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn leave(&mut self) -> Result<Answer> {
        let body = json!({"event": self.event});
        self.send(Method::POST, "/queue/leave", &body).await
    }

    /// `poll_after_seconds` of the last place.
    ///
    /// # Panics
    /// When the last answer did not say.
    #[must_use]
    pub fn told(&self) -> Duration {
        let seconds = self.place["poll_after_seconds"].as_f64();
        let seconds = seconds.unwrap_or_else(|| panic!("no poll_after_seconds in {}", self.place));
        assert!((0.1..=72.0).contains(&seconds), "told to wait {seconds} s");
        Duration::from_secs_f64(seconds)
    }

    /// Waits as told, claims when called, until admitted. The place must have been entered.
    ///
    /// # Errors
    /// When an answer is none of the expected ones, or `bound` is over.
    pub async fn go_in(&mut self, bound: Duration) -> Result<Admission> {
        let until = Instant::now() + bound;
        loop {
            let number = self.number();
            match self.place["state"].as_str() {
                Some("admitted") => {
                    return Admission::of(&self.place).with_context(|| format!("admitted, but {}", self.place));
                }
                Some("called") => {
                    let answer = self.claim().await?;
                    match answer.status.as_u16() {
                        200 => continue,
                        202 => tokio::time::sleep(self.told()).await,
                        // Called by a newer board than the line's answer: wait as before.
                        409 => {
                            anyhow::ensure!(
                                answer.json()["type"] == "urn:ropeline:problem:not-your-turn",
                                "{}",
                                answer.text()
                            );
                            tokio::time::sleep(Duration::from_secs(2)).await;
                        }
                        status => bail!("claim of {number}: {status} {}", answer.text()),
                    }
                }
                Some("waiting") => {
                    tokio::time::sleep(self.told()).await;
                    let answer = self.status().await?;
                    anyhow::ensure!(answer.status.as_u16() == 200, "status of {number}: {}", answer.text());
                }
                _ => bail!("the place became {}", self.place),
            }
            anyhow::ensure!(Instant::now() < until, "{number} is not in after {} s: {}", bound.as_secs(), self.place);
        }
    }
}
