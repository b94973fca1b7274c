//! Connections that take room and ask for nothing: what they cost the runtime, and whether others are served meanwhile.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit};

use crate::World;

/// Idle ones, where the limit of open files allows for them: workerd takes two for each.
const IDLE: u64 = 10_000;
/// Fewer would show nothing.
const FEWEST_IDLE: u64 = 5_000;
/// Of each other kind.
const EACH: usize = 500;
/// Beyond what any browser sends.
const HEADER: usize = 1_000_000;

const BEGUN: &str =
    "POST /queue/enter HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n{";

/// What was there, and what it did.
#[derive(Debug)]
pub struct Seen {
    /// What takes room.
    pub what: String,
    /// Memory of the runtime, MB.
    pub resident_mb: u64,
    /// The slowest of fifty visitors who entered meanwhile, one after the other.
    pub slowest: Duration,
}

/// Opens more and more of them; what was seen with each, the first time with none and the last time when all are gone.
///
/// # Errors
/// When there are too few open files for that, or a visitor is not served meanwhile.
pub async fn hold(world: &World, event: &str) -> Result<Vec<Seen>> {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let others = 4 * EACH as u64;
    let idle = IDLE.min((limit / 2).saturating_sub(others));
    let wanted = 2 * (FEWEST_IDLE + others);
    ensure!(
        idle >= FEWEST_IDLE,
        "these connections need {wanted} open files, the limit is {limit}: `ulimit -Hn {wanted}` as root"
    );
    let mut seen = vec![look(world, event, "nothing".to_owned()).await?];
    let mut held = Vec::new();
    for _ in 0..idle {
        held.push(open(world)?);
    }
    seen.push(look(world, event, format!("{idle} idle connections")).await?);
    let mut slow = Vec::new();
    for turn in 0..EACH {
        let mut stream = open(world)?;
        // Some in the body, some in the first line.
        let begun = if turn % 2 == 0 { BEGUN } else { "POST /queue/en" };
        stream.write_all(begun.as_bytes())?;
        slow.push(stream);
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        slow.iter_mut().try_for_each(|stream| stream.write_all(b"x"))?;
    }
    seen.push(look(world, event, format!("+ {EACH} that send a byte a second")).await?);
    for _ in 0..EACH {
        let mut stream = open(world)?;
        stream.write_all(BEGUN.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        held.push(stream);
    }
    seen.push(look(world, event, format!("+ {EACH} half open, in the middle of a request")).await?);
    for _ in 0..EACH {
        let mut stream = open(world)?;
        stream.set_write_timeout(Some(Duration::from_millis(100)))?;
        // As much as it takes.
        let _ = stream.write_all(&header(false));
        held.push(stream);
    }
    seen.push(look(world, event, format!("+ {EACH} in the middle of a header of 1 MB")).await?);
    drop((held, slow));
    tokio::time::sleep(Duration::from_secs(1)).await;
    seen.push(look(world, event, "all of them gone".to_owned()).await?);
    Ok(seen)
}

/// The status of the answer to a request with a header of a megabyte.
///
/// # Errors
/// When there is none.
pub fn huge_header(world: &World) -> Result<String> {
    let mut stream = open(world)?;
    // It may answer, and close, before all is written.
    let _ = stream.write_all(&header(true));
    let mut start = [0; 12];
    stream.read_exact(&mut start).context("an answer to a huge header")?;
    Ok(String::from_utf8_lossy(&start).into_owned())
}

fn header(whole: bool) -> Vec<u8> {
    let end = if whole { "\r\n\r\n" } else { "" };
    format!("GET /queue/healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {}{end}", "a".repeat(HEADER)).into_bytes()
}

fn open(world: &World) -> Result<TcpStream> {
    let stream = TcpStream::connect(&world.authority).context("a connection")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

async fn look(world: &World, event: &str, what: String) -> Result<Seen> {
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        let answer = world.visitor(event).enter().await.with_context(|| what.clone())?;
        ensure!(answer.status == 201, "with {what}: {} {}", answer.status, answer.text());
        slowest = slowest.max(began.elapsed());
    }
    Ok(Seen { what, resident_mb: world.resident_kib()? / 1_024, slowest })
}
