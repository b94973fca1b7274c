//! A crowd of simulated visitors who use the public API as the waiting page
//! does: enter, poll when told to, claim when called, then order at the shop,
//! give the place up, or just vanish.
//!
//! Each visitor has a key of its own and one connection. Who is done is followed
//! by somebody new after a while, so that the line never runs dry. The keys of
//! those who are still in the line can be kept: with them the same visitors come
//! back to their places after a restart.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::{Answer, Client, bearer};

/// Where the crowd goes.
#[derive(Debug, Clone)]
pub struct CrowdOptions {
    /// `host:port` of the Worker.
    pub worker: String,
    /// `host:port` of the shop.
    pub shop: String,
    /// The event.
    pub event: String,
    /// How many are there at once.
    pub visitors: usize,
    /// The first ones come within this time.
    pub rush: Duration,
}

/// What the crowd met so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Orders that the shop took.
    pub orders: AtomicU64,
    /// Answers that were neither as hoped for nor "later, please".
    pub refused: AtomicU64,
}

/// A crowd at work. Dropped, everybody is gone at once.
#[derive(Debug)]
pub struct Crowd {
    /// What it met so far.
    pub tally: Arc<Tally>,
    keys: Arc<Keys>,
    _visitors: JoinSet<()>,
}

/// Who is in the line, and who is still to come back to it.
#[derive(Debug, Default)]
struct Keys {
    present: Mutex<BTreeSet<String>>,
    returning: Mutex<Vec<String>>,
}

impl Keys {
    /// The next visitor's: of one who was here before, or a new one.
    fn arrive(&self) -> Result<String> {
        let returning = self.returning.lock().ok().and_then(|mut keys| keys.pop());
        let key = returning.map_or_else(visitor_key, Ok)?;
        if let Ok(mut present) = self.present.lock() {
            present.insert(key.clone());
        }
        Ok(key)
    }

    fn go(&self, key: &str) {
        if let Ok(mut present) = self.present.lock() {
            present.remove(key);
        }
    }
}

/// How a visit goes, out of a hundred.
const LEAVES_WHILE_WAITING: u64 = 4;
const VANISHES_WHILE_WAITING: u64 = 4;
const LEAVES_THE_SHOP: u64 = 10;
const VANISHES_IN_THE_SHOP: u64 = 10;

impl Crowd {
    /// Sends them off; those with a key in `returning` come first. Must be called
    /// in a runtime.
    #[must_use]
    pub fn start(options: &CrowdOptions, returning: Vec<String>) -> Self {
        let tally = Arc::new(Tally::default());
        let keys = Arc::new(Keys { returning: Mutex::new(returning), ..Keys::default() });
        let mut visitors = JoinSet::new();
        for _ in 0..options.visitors {
            let (options, tally, keys) = (options.clone(), Arc::clone(&tally), Arc::clone(&keys));
            visitors.spawn(async move {
                tokio::time::sleep(options.rush.mul_f64(chance())).await;
                loop {
                    let Ok(key) = keys.arrive() else { return };
                    let visit = visit(&options, &tally, &key).await;
                    keys.go(&key);
                    // A visit that failed is one that ended: the next one comes.
                    if visit.is_err() {
                        tally.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    pause(5.0, 40.0).await;
                }
            });
        }
        Self { tally, keys, _visitors: visitors }
    }

    /// The keys of all who have a place now, or had one and are yet to come back.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        if let Ok(returning) = self.keys.returning.lock() {
            keys.extend(returning.iter().cloned());
        }
        if let Ok(present) = self.keys.present.lock() {
            keys.extend(present.iter().cloned());
        }
        keys
    }
}

/// A visitor with a place in the line.
struct Visitor<'a> {
    options: &'a CrowdOptions,
    client: Client,
    key: String,
    ticket: String,
}

async fn visit(options: &CrowdOptions, tally: &Tally, key: &str) -> Result<()> {
    let client = Client::new(&options.worker);
    let mut visitor = Visitor { options, client, key: key.to_owned(), ticket: String::new() };
    // A session may have run out while nobody was here; or the event is sold out, or over.
    let Some(mut place) = visitor.enter().await? else { return Ok(()) };
    let gives_up = percent();
    let mut polls = 0;
    loop {
        let state = place.get("state").and_then(Value::as_str).unwrap_or("");
        match state {
            // No queue is in force.
            "passthrough" => {
                let pass = place.get("pass").and_then(Value::as_str).context("passthrough without a pass")?.to_owned();
                return visitor.shop(&pass, tally).await;
            }
            // Admitted already: a claim gives the same session's pass again.
            "called" | "admitted" => match visitor.claim().await? {
                Claimed::Admitted(pass) => return visitor.shop(&pass, tally).await,
                Claimed::Later(later) => place = later,
                Claimed::Over => return Ok(()),
            },
            "left" | "ended" => return Ok(()),
            _ => {}
        }
        tokio::time::sleep(told(&place)).await;
        polls += 1;
        if polls > 2 && gives_up < LEAVES_WHILE_WAITING {
            return visitor.leave().await;
        }
        if polls > 2 && gives_up < LEAVES_WHILE_WAITING + VANISHES_WHILE_WAITING {
            return Ok(());
        }
        if place.get("state").and_then(Value::as_str) != Some("called") {
            place = visitor.status(&place).await?;
        }
    }
}

enum Claimed {
    Admitted(String),
    Later(Value),
    Over,
}

impl Visitor<'_> {
    async fn enter(&mut self) -> Result<Option<Value>> {
        let body = json!({"event": self.options.event, "visitor": self.key});
        let answer = loop {
            let answer = self.patiently("POST", "/queue/enter", Some(&body)).await?;
            if answer.status.as_u16() != 409 {
                break answer;
            }
            // Not open yet: it may be moved, so look again in between.
            let opens_in = answer.header("retry-after").and_then(|text| text.parse().ok());
            let opens_in = opens_in.unwrap_or(2.0_f64).clamp(0.5, 30.0);
            pause(opens_in, opens_in + 1.0).await;
        };
        if answer.status.as_u16() == 410 {
            return Ok(None);
        }
        let place = answer.ok()?.json();
        let ticket = place.get("ticket").and_then(Value::as_str);
        // Who passes without a queue has none.
        self.ticket = ticket.map(bearer).unwrap_or_default();
        Ok(Some(place))
    }

    async fn status(&mut self, place: &Value) -> Result<Value> {
        let seen = place.get("frontier").and_then(Value::as_u64).unwrap_or(0);
        let path = format!("/queue/status?event={}&seen={seen}", self.options.event);
        Ok(self.patiently("GET", &path, None).await?.ok()?.json())
    }

    async fn claim(&mut self) -> Result<Claimed> {
        let body = json!({"event": self.options.event});
        let answer = self.patiently("POST", "/queue/claim", Some(&body)).await?;
        // Called a moment too early on an older board: wait as before.
        if answer.status.as_u16() == 409 {
            return Ok(Claimed::Later(json!({"state": "waiting"})));
        }
        // Sold out: the place is kept, and something may come back. Or the event, or this place in it, is over.
        if answer.status.as_u16() == 410 {
            let sold_out = answer.json().get("type") == Some(&json!("urn:ropeline:problem:sold-out"));
            let later = || Claimed::Later(json!({"state": "waiting", "poll_after_seconds": 30.0}));
            return Ok(if sold_out { later() } else { Claimed::Over });
        }
        let place = answer.ok()?.json();
        let pass = place.get("pass").and_then(Value::as_str);
        Ok(match pass {
            Some(pass) => Claimed::Admitted(pass.to_owned()),
            None => Claimed::Later(place),
        })
    }

    async fn leave(&mut self) -> Result<()> {
        let body = json!({"event": self.options.event});
        let answer = self.patiently("POST", "/queue/leave", Some(&body)).await?;
        answer.ok()?;
        Ok(())
    }

    /// Looks around, then buys, or goes, or forgets the open tab.
    async fn shop(&mut self, pass: &str, tally: &Tally) -> Result<()> {
        let mut shop = Client::new(&self.options.shop);
        let headers = [("ropeline-pass", pass)];
        shop.get("/tickets", &headers).await?.ok()?;
        pause(4.0, 25.0).await;
        match percent() {
            roll if roll < LEAVES_THE_SHOP && !self.ticket.is_empty() => self.leave().await,
            roll if roll < LEAVES_THE_SHOP + VANISHES_IN_THE_SHOP => Ok(()),
            _ => {
                shop.post("/order", &headers, &json!({})).await?.ok()?;
                tally.orders.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Asks again after `Retry-After`, and after a connection that broke.
    async fn patiently(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let method: hyper::Method = method.parse()?;
        let mut failures = 0;
        loop {
            let mut headers = vec![("ropeline-visitor", self.key.as_str())];
            if !self.ticket.is_empty() {
                headers.push(("authorization", self.ticket.as_str()));
            }
            let answer = match body {
                Some(body) => self.client.send_json(method.clone(), path, &headers, body).await,
                None => self.client.get(path, &headers).await,
            };
            match answer {
                Ok(answer) if matches!(answer.status.as_u16(), 429 | 503) => {
                    let after = answer.header("retry-after").and_then(|text| text.parse().ok());
                    let after = after.unwrap_or(2.0_f64).clamp(0.5, 30.0);
                    pause(after, after * 1.2).await;
                }
                Ok(answer) => return Ok(answer),
                Err(error) if failures >= 20 => return Err(error),
                Err(_) => {
                    failures += 1;
                    pause(1.0, 3.0).await;
                }
            }
        }
    }
}

/// `poll_after_seconds`, as the Worker said.
fn told(place: &Value) -> Duration {
    let seconds = place.get("poll_after_seconds").and_then(Value::as_f64);
    Duration::from_secs_f64(seconds.unwrap_or(2.0).clamp(0.1, 120.0))
}

/// A random UUID: what a client is told to use.
fn visitor_key() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).context("the system has no randomness")?;
    let value = u128::from_be_bytes(bytes);
    let value = value & !(0xf << 76) | (4 << 76);
    let value = value & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{value:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

fn percent() -> u64 {
    getrandom::u64().unwrap_or(50) % 100
}

/// Evenly from 0 to 1.
fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX)
}

async fn pause(from_seconds: f64, to_seconds: f64) {
    let seconds = from_seconds + (to_seconds - from_seconds) * chance();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_key_is_a_random_uuid() {
        let (one, two) = (visitor_key().unwrap(), visitor_key().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn those_who_were_here_before_come_back_first() {
        let keys = Keys { returning: Mutex::new(vec!["before".to_owned()]), ..Keys::default() };
        assert_eq!(keys.arrive().unwrap(), "before");
        let new = keys.arrive().unwrap();
        assert_ne!(new, "before");
        keys.go("before");
        assert_eq!(keys.present.lock().unwrap().iter().collect::<Vec<_>>(), [&new]);
    }

    #[test]
    fn a_visitor_polls_when_told() {
        assert_eq!(told(&json!({"poll_after_seconds": 7.5})), Duration::from_millis(7_500));
    }
}
