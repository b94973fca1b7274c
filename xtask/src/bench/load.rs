//! The generator: one thread, a process of its own. It must cost a fraction of what a server spends on the same request.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::histogram::Histogram;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Polls of one visit.
pub const POLLS: u64 = 20;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `GET /hello`
    Hello,
    /// `POST /hop` with a body as long as that of `enter`
    Hop,
    /// `GET /queue/status` with a ticket
    Status,
    /// `POST /queue/enter` of a new visitor
    Enter,
    /// `POST /queue/claim` of a visitor who has entered and is let in
    Claim,
    /// A whole visit: one `enter`, [`POLLS`] times `status`, one `claim`
    Visit,
}

impl Kind {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Hop => "hop",
            Self::Status => "status",
            Self::Enter => "enter",
            Self::Claim => "claim",
            Self::Visit => "visit",
        }
    }
}

/// Options of the hidden command `load`.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// What is asked for
    #[arg(long)]
    pub kind: Kind,
    /// `host:port`
    #[arg(long)]
    pub server: String,
    /// Where `hop` posts to
    #[arg(long, default_value = "/hop")]
    pub path: String,
    /// The event that visitors enter
    #[arg(long, default_value = "enter")]
    pub event: String,
    /// Instead: so many events, `{event}-0` and on, each with its share of the connections
    #[arg(long, default_value_t = 0)]
    pub events: usize,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long
    #[arg(long, default_value_t = 4)]
    pub seconds: u64,
    /// Instead: so many clients at once, each with a connection of its own and one request
    #[arg(long, default_value_t = 0)]
    pub at_once: usize,
    /// Instead: so many, all connections together
    #[arg(long, default_value_t = 0)]
    pub count: usize,
    /// No more than so many a second, all connections together
    #[arg(long, default_value_t = 0)]
    pub per_second: u64,
    /// Process id of the server, whose CPU time is told
    #[arg(long, default_value_t = 0)]
    pub pid: u32,
}

impl Load {
    /// One kind against one server.
    #[must_use]
    pub fn new(kind: Kind, server: String, pid: u32) -> Self {
        Self {
            kind,
            server,
            path: "/hop".to_owned(),
            event: kind.name().to_owned(),
            events: 0,
            connections: 64,
            seconds: 4,
            at_once: 0,
            count: 0,
            per_second: 0,
            pid,
        }
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        vec![
            format!("--kind={}", self.kind.name()),
            format!("--server={}", self.server),
            format!("--path={}", self.path),
            format!("--event={}", self.event),
            format!("--events={}", self.events),
            format!("--connections={}", self.connections),
            format!("--seconds={}", self.seconds),
            format!("--at-once={}", self.at_once),
            format!("--count={}", self.count),
            format!("--per-second={}", self.per_second),
            format!("--pid={}", self.pid),
        ]
    }
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    latencies: Histogram,
    failed: u64,
    why: Option<String>,
}

impl Seen {
    fn note(&mut self, started: Instant, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.latencies.record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)),
            Err(error) => {
                self.failed += 1;
                self.why.get_or_insert(format!("{error:#}"));
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.latencies.merge(&other.latencies);
        self.failed += other.failed;
        if self.why.is_none() {
            self.why = other.why;
        }
    }
}

/// Generates load and prints one line of JSON.
///
/// # Errors
/// When it cannot begin; failed requests are counted, not returned.
pub fn run(load: &Load) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let line = runtime.block_on(generate(load))?;
    println!("{line}");
    Ok(())
}

async fn generate(load: &Load) -> Result<serde_json::Value> {
    let count = if load.at_once > 0 { load.at_once } else { load.connections };
    // Nothing of this is measured: visitors enter who will poll or claim.
    let mut preparing = JoinSet::new();
    for index in 0..count {
        let mut load = load.clone();
        if let Some(event) = index.checked_rem(load.events) {
            load.event = format!("{}-{event}", load.event);
        }
        let mut client = Client::new(load)?;
        preparing.spawn(async move { client.prepare().await.map(|()| client) });
    }
    let mut clients = Vec::new();
    while let Some(client) = preparing.join_next().await {
        clients.push(client??);
    }
    if load.kind == Kind::Claim {
        // The frontier moves on within a second.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let began_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let cpu = cpu_seconds(load.pid)?;
    let started = Instant::now();
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.run(started));
    }
    let mut seen = Seen::default();
    while let Some(client) = running.join_next().await {
        seen.merge(client?);
    }
    Ok(json!({
        "latencies": seen.latencies.to_json(),
        "failed": seen.failed,
        "seconds": started.elapsed().as_secs_f64(),
        "cpu_seconds": cpu_seconds(load.pid)? - cpu,
        "began_at": u64::try_from(began_at)?,
        "why": seen.why,
    }))
}

/// CPU time that a process and its threads have used, user and system, seconds; 0 for no process (proc(5), `stat`).
#[allow(clippy::cast_precision_loss)]
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    if pid == 0 {
        return Ok(0.0);
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the server's CPU time")?;
    // The name may have spaces; what follows its parenthesis has none.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok((ticks(11) + ticks(12)) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// A visitor that has entered.
struct Visitor {
    key: String,
    ticket: String,
}

/// One connection with its visitors.
struct Client {
    load: Load,
    connection: Option<Connection>,
    next_key: u128,
    entered: Vec<Visitor>,
}

impl Client {
    fn new(load: Load) -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).context("the system has no randomness")?;
        Ok(Self { load, connection: None, next_key: u128::from_le_bytes(random), entered: Vec::new() })
    }

    async fn prepare(&mut self) -> Result<()> {
        let visitors = match self.load.kind {
            Kind::Status => 1,
            Kind::Claim => self.load.count / self.load.connections.max(1),
            _ => 0,
        };
        for _ in 0..visitors {
            let visitor = self.enter().await?;
            self.entered.push(visitor);
        }
        Ok(())
    }

    async fn run(mut self, started: Instant) -> Seen {
        let mut seen = Seen::default();
        let until = started + Duration::from_secs(self.load.seconds);
        let share = match (self.load.at_once, self.load.count) {
            (0, 0) => usize::MAX,
            (0, count) => count / self.load.connections.max(1),
            _ => 1,
        };
        let pause = match self.load.per_second {
            0 => Duration::ZERO,
            rate => Duration::from_secs(1) * u32::try_from(self.load.connections).unwrap_or(1) / rate as u32,
        };
        for turn in 0..share {
            let began = Instant::now();
            if share == usize::MAX && began >= until {
                break;
            }
            let outcome = tokio::time::timeout(PATIENCE, self.once(turn)).await.context("no answer in time");
            let failed = !matches!(outcome, Ok(Ok(())));
            seen.note(began, outcome.and_then(|outcome| outcome));
            if failed {
                self.connection = None;
                // A server that is gone shall not be asked a million times.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
            }
        }
        seen
    }

    async fn once(&mut self, turn: usize) -> Result<()> {
        let server = &self.load.server;
        match self.load.kind {
            Kind::Hello => {
                let request = format!("GET /hello HTTP/1.1\r\nHost: {server}\r\n\r\n");
                self.ask(&request).await.map(drop)
            }
            Kind::Hop => {
                let body = self.enter_body();
                let request = post(&self.load.path, &self.load.server, "", &body);
                self.ask(&request).await.map(drop)
            }
            Kind::Enter => {
                let body = self.enter_body();
                let request = post("/queue/enter", &self.load.server, "", &body);
                self.ask(&request).await.map(drop)
            }
            Kind::Status => {
                let ticket = self.entered.first().context("nobody has entered")?.ticket.clone();
                self.poll(&ticket).await
            }
            Kind::Claim => {
                let Visitor { key, ticket } = self.entered.get(turn).context("nobody has entered")?;
                let (key, ticket) = (key.clone(), ticket.clone());
                self.claim(&key, &ticket).await
            }
            Kind::Visit => {
                let Visitor { key, ticket } = self.enter().await?;
                for _ in 0..POLLS {
                    self.poll(&ticket).await?;
                }
                self.claim(&key, &ticket).await
            }
        }
    }

    fn new_key(&mut self) -> String {
        self.next_key = self.next_key.wrapping_add(1);
        format!("{:032x}", self.next_key)
    }

    /// Of a new visitor each time.
    fn enter_body(&mut self) -> String {
        let key = self.new_key();
        format!("{{\"event\":\"{}\",\"visitor\":\"{key}\"}}", self.load.event)
    }

    async fn enter(&mut self) -> Result<Visitor> {
        let key = self.new_key();
        let body = format!("{{\"event\":\"{}\",\"visitor\":\"{key}\"}}", self.load.event);
        let request = post("/queue/enter", &self.load.server, "", &body);
        let answer = self.ask(&request).await?;
        let ticket = answer.split("\"ticket\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok(Visitor { key, ticket: ticket.context("enter gave no ticket")?.to_owned() })
    }

    async fn poll(&mut self, ticket: &str) -> Result<()> {
        let Load { server, event, .. } = &self.load;
        let request = format!(
            "GET /queue/status?event={event}&seen=0 HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {ticket}\r\n\r\n"
        );
        self.ask(&request).await.map(drop)
    }

    /// Until it is let in: a claim that comes before its turn asks again.
    async fn claim(&mut self, key: &str, ticket: &str) -> Result<()> {
        let headers = format!("Authorization: Bearer {ticket}\r\nRopeline-Visitor: {key}\r\n");
        let request =
            post("/queue/claim", &self.load.server, &headers, &format!("{{\"event\":\"{}\"}}", self.load.event));
        loop {
            let (status, answer) = self.answer(&request).await?;
            match status {
                200 => return Ok(()),
                202 | 409 => tokio::time::sleep(Duration::from_millis(200)).await,
                _ => bail!("status {status}: {answer}"),
            }
        }
    }

    async fn ask(&mut self, request: &str) -> Result<String> {
        let (status, answer) = self.answer(request).await?;
        if !(200..300).contains(&status) {
            bail!("status {status}: {answer}");
        }
        Ok(answer)
    }

    async fn answer(&mut self, request: &str) -> Result<(u16, String)> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&self.load.server).await?),
        };
        let (status, answer) = connection.ask(request.as_bytes()).await?;
        Ok((status, String::from_utf8_lossy(answer).into_owned()))
    }
}

fn post(path: &str, server: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_enter_is_of_a_new_visitor() {
        let mut client = Client::new(Load::new(Kind::Enter, "localhost:1".to_owned(), 0)).unwrap();
        assert_ne!(client.enter_body(), client.enter_body());
    }

    #[test]
    fn the_cpu_time_of_a_process_grows_as_it_works() {
        let pid = std::process::id();
        let before = cpu_seconds(pid).unwrap();
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {}
        assert!(cpu_seconds(pid).unwrap() > before);
        assert!(cpu_seconds(u32::MAX).is_err());
    }
}
