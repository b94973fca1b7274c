//! Enters and polls beside more and more people who wait, all in one lane: the longest table a lane can have.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use xtask::bench::fixture;

use super::{Scale, ms};
use crate::overload::{self, Arrivals, Asks, Outcome};
use crate::{World, WorldOptions};

/// How many wait already.
const PLACES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Visitors who poll.
const POLLERS: usize = 64;
const EVENT: &str = "waiting";

/// One length of the line.
#[derive(Debug)]
struct Length {
    places: u64,
    enter: (Duration, Duration),
    status: (Duration, Duration),
    /// The lane's storage.
    lane_bytes: u64,
    resident_mb: u64,
}

/// What was measured.
#[derive(Debug)]
pub struct Waiting {
    per_second: u32,
    lengths: Vec<Length>,
}

impl Waiting {
    /// Measures with this rate of enters, and as many polls.
    ///
    /// # Errors
    /// When the line cannot be filled, or a request fails.
    ///
    /// # Panics
    /// When something is missing, with how to get it.
    pub async fn measure(scale: &Scale, per_second: u32, mut say: impl FnMut(&str)) -> Result<Self> {
        let world = WorldOptions::default().var("ROPELINE_TRACE", "").start();
        // One slot that nobody takes: the line hardly moves.
        let settings = json!({"lanes": 1, "total_active_users": 1, "new_users_per_minute": 1});
        world.create(EVENT, &settings).await;
        world.visitor(EVENT).must_enter().await;
        let mut lengths = Vec::new();
        for places in PLACES {
            say(&format!("{places} wait"));
            world.stop();
            fixture::fill(crate::world::tools(), &world.dir.join("state/data"), EVENT, places, 0)?;
            let lane_bytes = largest_file(&world.dir.join("state/data/ropeline-Lane"))?;
            world.restart();
            let [enter, status] = look(&world, scale, per_second).await?;
            lengths.push(Length { places, enter, status, lane_bytes, resident_mb: world.resident_kib()? / 1_024 });
        }
        Ok(Self { per_second, lengths })
    }
}

/// p50 and p99 of enters, and of polls.
async fn look(world: &World, scale: &Scale, per_second: u32) -> Result<[(Duration, Duration); 2]> {
    let enters = overload::arrivals(world, EVENT, per_second, scale.lasts);
    // Nothing is compiled yet.
    run(&Arrivals { lasts: Duration::from_secs(2), ..enters.clone() })?;
    let mut tickets = Vec::new();
    for _ in 0..POLLERS {
        let mut visitor = world.visitor(EVENT);
        visitor.must_enter().await;
        tickets.push(visitor.ticket.context("a place without a ticket")?);
    }
    let tickets: Arc<[String]> = tickets.into();
    let polls = Arrivals { asks: Asks::Status(tickets), ..enters.clone() };
    Ok([run(&enters)?, run(&polls)?].map(|outcome| (outcome.p50(), outcome.p99())))
}

fn run(arrivals: &Arrivals) -> Result<Outcome> {
    let outcome = arrivals.run()?;
    ensure!(outcome.failures().is_empty(), "requests failed: {:?}", outcome.failures());
    Ok(outcome)
}

fn largest_file(dir: &Path) -> Result<u64> {
    let mut largest = 0;
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        largest = largest.max(entry?.metadata()?.len());
    }
    Ok(largest)
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| wait already | `enter`, {0} a second: p50, p99 | `status`, {0} a second: p50, p99 | the lane's storage | a place | memory of the runtime |",
            self.per_second
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for Length { places, enter, status, lane_bytes, resident_mb } in &self.lengths {
            writeln!(
                f,
                "| {places} | {}, {} | {}, {} | {} MB | {} B | {resident_mb} MB |",
                ms(enter.0),
                ms(enter.1),
                ms(status.0),
                ms(status.1),
                lane_bytes.div_ceil(1_000_000),
                lane_bytes / places.max(&1),
            )?;
        }
        Ok(())
    }
}
