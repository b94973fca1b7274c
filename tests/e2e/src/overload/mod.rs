//! More than can be served: how much that is, and what becomes of five times as much. Behind `cargo xtask overload`; its short form is a test.
//!
//! Generator and server share this machine. The generator is one thread that gives way to the server (nice 10), speaks raw HTTP over few
//! connections, and finds the knee itself, so that "five times the knee" is of what this machine serves beside this generator.
//!
//! In production a CDN stands before the Worker: it ends the visitors' connections and asks over a few of its own. Here the
//! generator does that: over [`FRONT`] connections, and who finds none free for a second is turned away without the Worker's
//! doing. Without such a front the runtime reads what it is sent and lets it wait before any code of the Worker runs: that is measured, too.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

mod arrivals;
pub mod connections;
pub mod knee;

pub use arrivals::{Answered, Arrivals, Asks, Outcome, Visit};
use knee::{Climb, KEEPS_UP};

use crate::{Visitor, World, WorldOptions, order};

/// Connections of the front.
pub const FRONT: usize = 256;
/// By how much more than the knee.
const TIMES: u32 = 5;
/// Of the knee, how much must be served while so much more comes.
pub const SHARE: f64 = 0.8;
/// Whoever serves so much more than the knee has a higher one.
const KNEE_IS_OFF: f64 = 1.25;
/// After the burst all is as before within this.
pub const RECOVERY: Duration = Duration::from_secs(10);
/// Who asks has an answer within this.
pub const ANSWER: Duration = Duration::from_secs(1);
const EVENT: &str = "overload";

/// How thoroughly.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The way to the knee.
    pub climb: Climb,
    /// Five times the knee for so long.
    pub burst: Duration,
    /// Without a front, too: over so many connections.
    pub bare: Option<usize>,
}

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// Places a second that the machine keeps up with.
    pub knee: f64,
    /// What became of five times as many.
    pub burst: Outcome,
    /// Without a front.
    pub bare: Option<Outcome>,
    /// From the last answer of the burst until half the knee is served in time again.
    pub recovery: Duration,
    /// Who lost their place, or was overtaken; with the numbers.
    pub broken: Vec<String>,
}

impl Report {
    /// Of the knee, how much was served during the burst.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.burst.good_rate() / self.knee
    }

    /// What does not hold, if whoever asks must have an answer within `answer`.
    #[must_use]
    pub fn misses(&self, answer: Duration) -> Vec<String> {
        let mut misses = self.broken.clone();
        for outcome in [Some(&self.burst), self.bare.as_ref()].into_iter().flatten() {
            misses.extend(outcome.failures().iter().map(|(why, count)| format!("{count} failed: {why}")));
        }
        let mut must = |holds: bool, what: String| {
            if !holds {
                misses.push(what);
            }
        };
        must(self.share() >= SHARE, format!("only {:.2} of the knee was served", self.share()));
        must(self.burst.p99_asked() <= answer, format!("an answer took {:.1?}", self.burst.p99_asked()));
        must(self.recovery <= RECOVERY, format!("it took {:.0?} until all was as before", self.recovery));
        misses
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the knee: {:.0} places a second\n", self.knee)?;
        writeln!(
            f,
            "| five times that | came | places | put off (429, 503) | turned away before | failed | places a second, of the knee | answer, p99 |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        let rows =
            [(format!("over {FRONT} connections"), Some(&self.burst)), ("no front".to_owned(), self.bare.as_ref())];
        for (name, outcome) in rows {
            let Some(outcome) = outcome else { continue };
            let failed: usize = outcome.failures().values().sum();
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} | {failed} | {:.0}, {:.2} | {:.2?} |",
                outcome.visits.len(),
                outcome.places().count(),
                outcome.count(&Answered::PutOff),
                outcome.count(&Answered::NotAsked),
                outcome.good_rate(),
                outcome.good_rate() / self.knee,
                outcome.p99_asked(),
            )?;
        }
        let recovery = self.recovery.as_secs_f64();
        writeln!(f, "\nas before after {recovery:.1} s; places lost or overtaken: {}", self.broken.len())
    }
}

/// A Worker with an event, and no log of what its line does.
///
/// # Panics
/// When something is missing, with how to get it.
pub async fn world() -> World {
    let world = WorldOptions::default().var("ROPELINE_TRACE", "").start();
    world.create(EVENT, &json!({})).await;
    world
}

/// Finds the knee, and brings five times as much.
///
/// # Errors
/// When the generator cannot begin, or the machine serves nobody in time.
pub async fn run(world: &World, scale: Scale, mut say: impl FnMut(&str)) -> Result<Report> {
    say("the knee");
    let mut knee = knee::find(&arrivals(world, EVENT, 0, Duration::ZERO), scale.climb, &mut say)?.per_second;
    let burst = loop {
        say(&format!("five times {knee:.0} a second, over {FRONT} connections"));
        let burst = arrivals(world, EVENT, knee as u32 * TIMES, scale.burst).run()?;
        if burst.good_rate() <= KNEE_IS_OFF * knee {
            break burst;
        }
        // The machine had other work while the knee was looked for: this was less than five times as much.
        knee = burst.good_rate();
    };
    let ended = Instant::now();
    let recovery = recovery(world, knee, ended)?;
    let mut broken = order::breaks(&burst.places().map(|(_, entry)| entry).collect::<Vec<_>>());
    broken.extend(lost(world, &burst).await);
    let bare = match scale.bare {
        Some(connections) => {
            say(&format!("the same over {connections} connections, with nobody turned away before"));
            let plan = Arrivals {
                connections,
                patience: Duration::from_secs(60),
                ..arrivals(world, EVENT, knee as u32 * TIMES, scale.burst)
            };
            let outcome = plan.run()?;
            broken.extend(order::breaks(&outcome.places().map(|(_, entry)| entry).collect::<Vec<_>>()));
            Some(outcome)
        }
        None => None,
    };
    Ok(Report { knee, burst, bare, recovery, broken })
}

/// Visitors who enter this event through the front.
#[must_use]
pub fn arrivals(world: &World, event: &str, per_second: u32, lasts: Duration) -> Arrivals {
    Arrivals {
        server: world.authority.clone(),
        event: event.to_owned(),
        asks: Asks::Enter,
        per_second,
        lasts,
        connections: FRONT,
        patience: ANSWER,
    }
}

/// From `ended` until a second of half the knee is served in time.
fn recovery(world: &World, knee: f64, ended: Instant) -> Result<Duration> {
    loop {
        let began = ended.elapsed();
        let outcome = arrivals(world, EVENT, (knee / 2.0) as u32, Duration::from_secs(1)).run()?;
        if outcome.failures().is_empty() && outcome.p99() <= KEEPS_UP {
            return Ok(began);
        }
        ensure!(ended.elapsed() < 6 * RECOVERY, "it does not come back: {:?}, {:?}", outcome.p99(), outcome.failures());
    }
}

/// Whoever was given a place has it still: some hundred of them ask again.
async fn lost(world: &World, outcome: &Outcome) -> Vec<String> {
    let places: Vec<_> = outcome.places().collect();
    let mut lost = Vec::new();
    for (visit, entry) in places.iter().step_by(places.len() / 200 + 1) {
        let mut again = Visitor::with_key(&world.authority, EVENT, &visit.key);
        let number = again.must_enter().await;
        if number != entry.number {
            lost.push(format!("{} became {number}", entry.number));
        }
    }
    lost
}
