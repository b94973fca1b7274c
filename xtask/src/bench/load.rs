//! The generator: raw keep-alive HTTP/1.1 on one thread, requests made before
//! they are sent, answers read no further than needed. It must cost a fraction of
//! what a server spends on the same request.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::histogram::Histogram;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

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
}

/// Options of the hidden command `load`.
#[derive(Debug, Args)]
pub struct Options {
    #[arg(long)]
    kind: Kind,
    /// `host:port`
    #[arg(long)]
    server: String,
    #[arg(long, default_value_t = 256)]
    connections: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// So many clients at once, each with a connection of its own and one request
    #[arg(long, default_value_t = 0)]
    at_once: usize,
    /// JSON list of tickets, for `status`
    #[arg(long)]
    tickets: Option<PathBuf>,
}

/// A call of the generator, as the benchmark makes it.
#[derive(Debug, Clone)]
pub struct Load {
    kind: String,
    server: String,
    /// Keep-alive connections.
    pub connections: usize,
    /// How long.
    pub seconds: u64,
    /// Instead: so many clients at once.
    pub at_once: usize,
    /// JSON list of tickets.
    pub tickets: PathBuf,
}

impl Load {
    /// One kind against one server.
    #[must_use]
    pub fn new(kind: &str, server: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            server: server.to_owned(),
            connections: 256,
            seconds: 5,
            at_once: 0,
            tickets: PathBuf::new(),
        }
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        vec![
            format!("--kind={}", self.kind),
            format!("--server={}", self.server),
            format!("--connections={}", self.connections),
            format!("--seconds={}", self.seconds),
            format!("--at-once={}", self.at_once),
            format!("--tickets={}", self.tickets.display()),
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
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.why.get_or_insert(why);
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
pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (seen, seconds) = runtime.block_on(load(options))?;
    let line = json!({
        "latencies": seen.latencies.to_json(),
        "failed": seen.failed,
        "seconds": seconds,
        "why": seen.why,
    });
    println!("{line}");
    Ok(())
}

async fn load(options: &Options) -> Result<(Seen, f64)> {
    let mut clients = JoinSet::new();
    let tickets = tickets(options)?;
    let started = Instant::now();
    let until = started + Duration::from_secs(options.seconds);
    let count = if options.at_once > 0 { options.at_once } else { options.connections };
    for index in 0..count {
        let requests = Requests::new(options, tickets.get(index).map_or("", String::as_str))?;
        let server = options.server.clone();
        if options.at_once > 0 {
            clients.spawn(once(server, requests));
        } else {
            clients.spawn(keep_asking(server, requests, until));
        }
    }
    let mut seen = Seen::default();
    while let Some(client) = clients.join_next().await {
        seen.merge(client?);
    }
    Ok((seen, started.elapsed().as_secs_f64()))
}

fn tickets(options: &Options) -> Result<Vec<String>> {
    if options.kind != Kind::Status {
        return Ok(Vec::new());
    }
    let path = options.tickets.as_ref().context("status needs --tickets")?;
    Ok(serde_json::from_str::<Vec<String>>(&std::fs::read_to_string(path)?)?)
}

/// The requests of one connection.
struct Requests {
    head: String,
    kind: Kind,
    /// Which event new visitors enter.
    event: &'static str,
    visitor: u128,
    buffer: Vec<u8>,
}

impl Requests {
    fn new(options: &Options, ticket: &str) -> Result<Self> {
        let server = &options.server;
        let head = match options.kind {
            Kind::Hello => format!("GET /hello HTTP/1.1\r\nHost: {server}\r\n\r\n"),
            Kind::Hop => format!("POST /hop HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n"),
            Kind::Status => format!(
                "GET /queue/status?event=status&seen=0 HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {ticket}\r\n\r\n"
            ),
            Kind::Enter => {
                format!("POST /queue/enter HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n")
            }
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random).context("the system has no randomness")?;
        let visitor = u128::from_le_bytes(random);
        let event = if options.at_once > 0 { "rush" } else { "enter" };
        Ok(Self { head, kind: options.kind, event, visitor, buffer: Vec::with_capacity(512) })
    }

    /// The next one: every visitor is a new one.
    fn next(&mut self) -> Result<&[u8]> {
        use std::io::Write;
        self.buffer.clear();
        self.buffer.extend_from_slice(self.head.as_bytes());
        if matches!(self.kind, Kind::Hop | Kind::Enter) {
            self.visitor = self.visitor.wrapping_add(1);
            let body = format!("{{\"event\":\"{}\",\"visitor\":\"{:032x}\"}}", self.event, self.visitor);
            write!(self.buffer, "Content-Length: {}\r\n\r\n{body}", body.len())?;
        }
        Ok(&self.buffer)
    }
}

async fn keep_asking(server: String, mut requests: Requests, until: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    while Instant::now() < until {
        let started = Instant::now();
        match ask(&server, &mut connection, &mut requests).await {
            Ok(()) => seen.latencies.record(micros(started)),
            Err(error) => {
                connection = None;
                seen.fail(format!("{error:#}"));
                // A server that is gone shall not be asked a million times.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    seen
}

async fn once(server: String, mut requests: Requests) -> Seen {
    let mut seen = Seen::default();
    let started = Instant::now();
    let mut connection = None;
    match ask(&server, &mut connection, &mut requests).await {
        Ok(()) => seen.latencies.record(micros(started)),
        Err(error) => seen.fail(format!("{error:#}")),
    }
    seen
}

async fn ask(server: &str, connection: &mut Option<Connection>, requests: &mut Requests) -> Result<()> {
    let asked = async {
        if connection.is_none() {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            *connection = Some(Connection { stream, buffer: Vec::with_capacity(4_096) });
        }
        let connection = connection.as_mut().context("no connection")?;
        connection.stream.write_all(requests.next()?).await?;
        let status = connection.answer().await?;
        if !(200..300).contains(&status) {
            bail!("status {status}: {}", String::from_utf8_lossy(&connection.buffer));
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, asked).await.context("no answer in time")?
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Reads one whole answer; its status. The buffer holds it until the next one.
    async fn answer(&mut self) -> Result<u16> {
        self.buffer.clear();
        loop {
            if let Some((status, length)) = parse(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok(status);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}

/// Status and whole length of an answer; `None` while that is not known yet.
fn parse(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(bytes.get(..head_end).unwrap_or_default())?;
    let status = head.get(9..12).and_then(|code| code.parse().ok()).context("no status line")?;
    let body = head_end + 4;
    for line in head.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Some((status, body + value.trim().parse::<usize>()?)));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            let rest = bytes.get(body..).unwrap_or_default();
            // Our answers are JSON: this cannot stand inside one.
            let end =
                if rest.starts_with(b"0\r\n\r\n") { Some(0) } else { find(rest, b"\r\n0\r\n\r\n").map(|at| at + 2) };
            return Ok(end.map(|end| (status, body + end + 5)));
        }
    }
    Ok(Some((status, body)))
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_whole_body_is_there() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(parse(whole).unwrap(), Some((201, whole.len())));
        assert_eq!(parse(&whole[..20]).unwrap(), None);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap(), Some((200, chunked.len())));
        assert_eq!(parse(&chunked[..chunked.len() - 3]).unwrap(), None);
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(empty).unwrap(), Some((204, empty.len())));
    }

    #[test]
    fn every_enter_is_of_a_new_visitor() {
        let options = Options {
            kind: Kind::Enter,
            server: "localhost:1".to_owned(),
            connections: 1,
            seconds: 1,
            at_once: 0,
            tickets: None,
        };
        let mut requests = Requests::new(&options, "").unwrap();
        let first = requests.next().unwrap().to_vec();
        assert_ne!(first, requests.next().unwrap());
    }
}
