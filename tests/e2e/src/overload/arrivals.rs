//! Visitors who come at a rate, whatever becomes of those before them: an open model, as a sale is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use xtask::bench::connection::Connection;
use xtask::bench::histogram::Histogram;

use crate::order::Entry;
use crate::{lock, new_key};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What everybody asks who comes.
#[derive(Debug, Clone)]
pub enum Asks {
    /// `POST /queue/enter`, each with a key of its own.
    Enter,
    /// `GET /queue/status`, with these tickets in turn.
    Status(Arc<[String]>),
}

/// What comes.
#[derive(Debug, Clone)]
pub struct Arrivals {
    /// `host:port` of the Worker.
    pub server: String,
    /// The event they ask about.
    pub event: String,
    /// What they ask.
    pub asks: Asks,
    /// So many a second.
    pub per_second: u32,
    /// For so long.
    pub lasts: Duration,
    /// Connections at most, as what stands before a Worker has.
    pub connections: usize,
    /// Who finds none of them free for so long is turned away there, and never asks the Worker.
    pub patience: Duration,
}

/// One answer to one visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// A place, with its number.
    Place(u64),
    /// Put off, honestly: 429 or 503 with `Retry-After`.
    PutOff,
    /// Turned away before the Worker.
    NotAsked,
    /// Anything else.
    Failed(String),
}

/// What became of one visitor.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Its key; none where it has a ticket.
    pub key: String,
    /// When the Worker was asked.
    pub sent: Instant,
    /// When there was an answer.
    pub done: Instant,
    /// From its coming to the answer, waiting for a connection included.
    pub took: Duration,
    /// What it was told.
    pub answered: Answered,
}

/// What became of all.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// In no order.
    pub visits: Vec<Visit>,
    /// From the first arrival to the last answer.
    pub took: Duration,
}

impl Outcome {
    /// Those with a place, as the line's order is held against them.
    pub fn places(&self) -> impl Iterator<Item = (&Visit, Entry)> {
        self.visits.iter().filter_map(|visit| match visit.answered {
            Answered::Place(number) => Some((visit, Entry { first_sent: visit.sent, answered: visit.done, number })),
            _ => None,
        })
    }

    /// How many were told this.
    #[must_use]
    pub fn count(&self, answered: &Answered) -> usize {
        self.visits.iter().filter(|visit| visit.answered == *answered).count()
    }

    /// Why others failed, and how many.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<&str, usize> {
        let mut why = BTreeMap::new();
        for visit in &self.visits {
            if let Answered::Failed(text) = &visit.answered {
                *why.entry(text.as_str()).or_default() += 1;
            }
        }
        why
    }

    /// Places a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn good_rate(&self) -> f64 {
        self.places().count() as f64 / self.took.as_secs_f64().max(0.001)
    }

    /// What half of the visitors waited at most, from their coming on.
    #[must_use]
    pub fn p50(&self) -> Duration {
        quantile(self.visits.iter().map(|visit| visit.took), 0.5)
    }

    /// What 99 of 100 visitors waited at most, from their coming on.
    #[must_use]
    pub fn p99(&self) -> Duration {
        quantile(self.visits.iter().map(|visit| visit.took), 0.99)
    }

    /// What 99 of 100 who asked the Worker waited at most for its answer.
    #[must_use]
    pub fn p99_asked(&self) -> Duration {
        let asked = self.visits.iter().filter(|visit| visit.answered != Answered::NotAsked);
        quantile(asked.map(|visit| visit.done - visit.sent), 0.99)
    }
}

fn quantile(all: impl Iterator<Item = Duration>, part: f64) -> Duration {
    let mut latencies = Histogram::default();
    all.for_each(|took| latencies.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)));
    Duration::from_secs_f64(latencies.quantile_ms(part) / 1_000.0)
}

impl Arrivals {
    /// Lets them come, from a thread that gives way to the server. Blocks.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn run(&self) -> Result<Outcome> {
        let generator = std::thread::scope(|scope| scope.spawn(|| self.generate()).join());
        generator.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The key of who comes at this turn, and what it sends.
    fn request(&self, turn: u32) -> (String, String) {
        let Self { server, event, .. } = self;
        match &self.asks {
            Asks::Enter => {
                let key = new_key();
                let body = format!("{{\"event\":\"{event}\",\"visitor\":\"{key}\"}}");
                let length = body.len();
                let head = format!("POST /queue/enter HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json");
                (key, format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}"))
            }
            Asks::Status(tickets) => {
                let ticket = tickets.get(turn as usize % tickets.len().max(1)).map_or("", String::as_str);
                let head = format!("GET /queue/status?event={event}&seen=0 HTTP/1.1\r\nHost: {server}");
                (String::new(), format!("{head}\r\nAuthorization: Bearer {ticket}\r\n\r\n"))
            }
        }
    }

    fn generate(&self) -> Result<Outcome> {
        // On Linux each thread has a priority of its own.
        rustix::process::setpriority_process(None, 10).context("a lower priority")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let came = self.per_second * u32::try_from(self.lasts.as_millis())? / 1_000;
        runtime.block_on(async {
            let free = Arc::new(Semaphore::new(self.connections));
            let idle = Arc::<Mutex<Vec<Connection>>>::default();
            let mut visits = JoinSet::new();
            let began = Instant::now();
            for turn in 0..came {
                let comes = began + Duration::from_secs(1) * turn / self.per_second;
                // The clock here ticks once a millisecond: who comes in between comes together.
                if comes > Instant::now() {
                    tokio::time::sleep_until(comes.into()).await;
                }
                visits.spawn(visit(self.clone(), turn, comes, Arc::clone(&free), Arc::clone(&idle)));
            }
            let visits = visits.join_all().await;
            Ok(Outcome { visits, took: began.elapsed() })
        })
    }
}

async fn visit(
    plan: Arrivals,
    turn: u32,
    comes: Instant,
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
) -> Visit {
    let (key, request) = plan.request(turn);
    let place = tokio::time::timeout(plan.patience, free.acquire()).await;
    let sent = Instant::now();
    let answered = match place {
        Err(_) | Ok(Err(_)) => Answered::NotAsked,
        Ok(Ok(_place)) => {
            let mut connection = lock(&idle).pop();
            let asked = ask(&mut connection, &plan.server, &request);
            let answered = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(answered)) => answered,
                Ok(Err(error)) => Answered::Failed(format!("{error:#}")),
                Err(_) => Answered::Failed("no answer in time".to_owned()),
            };
            if !matches!(answered, Answered::Failed(_)) {
                lock(&idle).extend(connection);
            }
            answered
        }
    };
    let done = Instant::now();
    Visit { key, sent, done, took: done - comes, answered }
}

async fn ask(connection: &mut Option<Connection>, server: &str, request: &str) -> Result<Answered> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(Connection::open(server).await?),
    };
    let (status, answer) = connection.ask(request.as_bytes()).await?;
    let text = String::from_utf8_lossy(answer);
    Ok(match status {
        200 | 201 => Answered::Place(number(&text).context("a place without a number")?),
        429 | 503 if text.to_ascii_lowercase().contains("\r\nretry-after:") => Answered::PutOff,
        _ => Answered::Failed(format!("{status}")),
    })
}

fn number(text: &str) -> Option<u64> {
    let rest = text.split("\"number\":").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
