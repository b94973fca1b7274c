//! One connection to the Worker: sends calls for anybody, takes them down, and holds each answer to its form.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use xtask::http::{Answer, Client, bearer};

use super::history::{Call, Outcome, Person, Recorder, State, What};
use crate::tokens::pass_claims;

/// No call may take longer (that is checked); this is when we stop waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// The runtime closes a connection that has been idle for five seconds, and who sends at that very moment finds it closed. That is how
/// HTTP is; so none is used again that has been idle for as long as this.
const IDLE: Duration = Duration::from_secs(3);

/// What a call is made with.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    /// The ticket's text.
    pub text: String,
    /// Its number.
    pub number: u64,
}

/// Where calls go, and with whose keys.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port` of the Worker.
    pub authority: String,
    /// The ids of the events.
    pub events: Vec<&'static str>,
    /// The origin's bearer secret.
    pub origin: String,
    /// What visitor keys are made from.
    pub seed: u64,
}

impl Target {
    /// A visitor's key.
    #[must_use]
    pub fn key(&self, person: Person) -> String {
        format!("soak-{:016x}-{}-{:08}", self.seed, person.event, person.id)
    }

    fn event(&self, person: Person) -> &'static str {
        self.events.get(person.event).copied().unwrap_or_default()
    }
}

/// A client with one connection.
#[derive(Debug)]
pub struct Caller {
    target: Arc<Target>,
    recorder: Arc<Recorder>,
    client: Client,
    used: Instant,
    /// The ticket that the last answer gave.
    pub given: Option<Ticket>,
}

#[derive(Deserialize)]
struct Place {
    number: u64,
    frontier: u64,
    state: String,
    ticket: Option<String>,
    pass: Option<String>,
    seq: Option<u64>,
    session_expires_at: Option<String>,
}

impl Caller {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(target: &Arc<Target>, recorder: &Arc<Recorder>) -> Self {
        let (client, used) = (Client::new(&target.authority).patience(PATIENCE), Instant::now());
        Self { target: Arc::clone(target), recorder: Arc::clone(recorder), client, used, given: None }
    }

    /// A call by a visitor. `patience`: hang up after that.
    pub async fn call(
        &mut self,
        person: Person,
        what: What,
        ticket: Option<&Ticket>,
        patience: Option<Duration>,
    ) -> Outcome {
        let event = self.target.event(person);
        let key = self.target.key(person);
        let authorization = bearer(ticket.map_or("", |ticket| &ticket.text));
        let headers = [("authorization", authorization.as_str()), ("ropeline-visitor", key.as_str())];
        let about_event = json!({ "event": event });
        let (method, path, body) = match what {
            What::Enter { claim, again } => {
                let body = json!({"event": event, "visitor": key, "claim": claim, "again": again});
                (Method::POST, "/queue/enter".to_owned(), Some(body))
            }
            What::Status => (Method::GET, format!("/queue/status?event={event}"), None),
            What::Claim => (Method::POST, "/queue/claim".to_owned(), Some(about_event)),
            What::Renew => (Method::POST, "/queue/renew".to_owned(), Some(about_event)),
            What::Leave => (Method::POST, "/queue/leave".to_owned(), Some(about_event)),
            What::Complete => return Outcome::Wrong("the shop completes, not a visitor".to_owned()),
        };
        let headers = if ticket.is_some() { &headers[..] } else { &[] };
        let about = ticket.map(|ticket| ticket.number);
        self.send(person, what, about, (method, &path, headers, body), patience).await
    }

    /// The shop is done with the admission `seq` of this visitor's place `number`.
    pub async fn complete(&mut self, person: Person, number: u64, seq: u64) -> Outcome {
        let event = self.target.event(person);
        let authorization = bearer(&self.target.origin);
        let headers = [("authorization", authorization.as_str())];
        let body = json!({"event": event, "jti": format!("{event}/{seq}")});
        let request = (Method::POST, "/queue/complete", &headers[..], Some(body));
        self.send(person, What::Complete, Some(number), request, None).await
    }

    async fn send(
        &mut self,
        person: Person,
        what: What,
        about: Option<u64>,
        (method, path, headers, body): (Method, &str, &[(&str, &str)], Option<serde_json::Value>),
        patience: Option<Duration>,
    ) -> Outcome {
        self.given = None;
        if self.used.elapsed() > IDLE {
            self.client = Client::new(&self.target.authority).patience(PATIENCE);
        }
        let sent = Instant::now();
        let sending = async {
            match &body {
                Some(body) => self.client.send_json(method, path, headers, body).await,
                None => self.client.send(method, path, headers, None).await,
            }
        };
        let answer = match patience {
            None => Some(sending.await),
            Some(patience) => tokio::time::timeout(patience, sending).await.ok(),
        };
        let ended = Instant::now();
        self.used = ended;
        let outcome = match answer {
            Some(Ok(answer)) => self.read(person, &answer),
            Some(Err(error)) => Outcome::Broken(format!("{error:#}")),
            None => {
                self.client = Client::new(&self.target.authority).patience(PATIENCE);
                Outcome::HungUp
            }
        };
        self.recorder.record(Call { person, what, about, sent, ended, outcome: outcome.clone() });
        outcome
    }

    fn read(&mut self, person: Person, answer: &Answer) -> Outcome {
        let wrong = |why: &str| Outcome::Wrong(format!("{why}: {} {}", answer.status, answer.text()));
        let problem = || answer.json()["type"].as_str().unwrap_or_default().to_owned();
        match answer.status.as_u16() {
            200..=202 => self.place(person, answer).unwrap_or_else(|why| wrong(&why)),
            204 => Outcome::Done,
            409 if problem() == "urn:ropeline:problem:not-your-turn" => Outcome::NotYourTurn,
            410 if problem() == "urn:ropeline:problem:place-left" => Outcome::PlaceLeft,
            410 if problem() == "urn:ropeline:problem:session-ended" => Outcome::SessionEnded,
            503 if problem() == "urn:ropeline:problem:overloaded" => {
                let after = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
                if after.is_some_and(|seconds| seconds > 0) { Outcome::Later } else { wrong("no Retry-After") }
            }
            _ => wrong("unexpected"),
        }
    }

    fn place(&mut self, person: Person, answer: &Answer) -> Result<Outcome, String> {
        let place: Place = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let number = place.number;
        if number == 0 {
            return Err("a place without a number".to_owned());
        }
        let state = match place.state.as_str() {
            "waiting" => State::Waiting,
            "called" => State::Called,
            "left" => State::Left,
            "ended" => State::Ended,
            "admitted" => {
                let (Some(pass), Some(seq), Some(expires)) = (place.pass, place.seq, place.session_expires_at) else {
                    return Err("admitted without pass, seq or end".to_owned());
                };
                let claims = pass_claims(&pass);
                let jti = format!("{}/{seq}", self.target.event(person));
                if (claims.num, claims.seq, claims.jti.as_str()) != (Some(number), Some(seq), jti.as_str()) {
                    return Err(format!("the pass is for {} of {:?}", claims.jti, claims.num));
                }
                let expires = DateTime::parse_from_rfc3339(&expires).map_err(|error| error.to_string())?;
                let expires = u64::try_from(expires.timestamp_millis()).map_err(|error| error.to_string())?;
                State::Admitted { seq, expires }
            }
            other => return Err(format!("a state that is none: {other}")),
        };
        self.given = place.ticket.map(|text| Ticket { text, number });
        Ok(Outcome::Place { new: answer.status.as_u16() == 201, number, frontier: place.frontier, state })
    }
}
