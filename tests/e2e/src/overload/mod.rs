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
mod burst;
pub mod connections;
pub mod knee;

pub use arrivals::{Answered, Arrivals, Asks, Outcome, Visit};
pub use burst::Burst;
use knee::{Climb, KEEPS_UP};

use crate::{Visitor, World, WorldOptions, order};

/// Connections of the front.
pub const FRONT: usize = 256;
/// By how much more than the knee.
const TIMES: u32 = 5;
/// Of the knee, how much must be served while so much more comes.
pub const SHARE: f64 = 0.8;
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
    /// What became of five times as many, each time it was tried; the last one counts.
    pub bursts: Vec<Burst>,
    /// Without a front.
    pub bare: Option<Burst>,
    /// From the last answer of the last burst until half the knee is served in time again.
    pub recovery: Duration,
    /// Who lost their place, or was overtaken; with the numbers.
    pub broken: Vec<String>,
}

impl Report {
    /// The burst that counts.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn burst(&self) -> &Burst {
        self.bursts.last().expect("a burst")
    }

    /// What does not hold, if whoever asks must have an answer within `answer`.
    #[must_use]
    pub fn misses(&self, answer: Duration) -> Vec<String> {
        let mut misses = self.broken.clone();
        for burst in self.bursts.iter().chain(&self.bare) {
            misses.extend(burst.outcome.failures().iter().map(|(why, count)| format!("{count} failed: {why}")));
        }
        let burst = self.burst();
        let mut must = |holds: bool, what: String| {
            if !holds {
                misses.push(what);
            }
        };
        must(burst.share() >= SHARE, format!("only {:.2} of the knee was served", burst.share()));
        must(
            burst.share() <= burst::TOO_LOW,
            format!("{:.2} of the knee was served: it is another one", burst.share()),
        );
        must(burst.outcome.p99_asked() <= answer, format!("an answer took {:.1?}", burst.outcome.p99_asked()));
        must(self.recovery <= RECOVERY, format!("it took {:.0?} until all was as before", self.recovery));
        misses
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| five times | came | places | put off (429, 503) | turned away before | failed | places a second, of the knee | answer, p99 |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for burst in &self.bursts {
            burst.row(f, &format!("over {FRONT} connections"))?;
        }
        if let Some(bare) = &self.bare {
            bare.row(f, "no front")?;
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
pub async fn run(world: &World, scale: Scale, say: impl Fn(&str)) -> Result<Report> {
    let flood = |knee: f64| arrivals(world, EVENT, knee as u32 * TIMES, scale.burst);
    let find = || {
        say("the knee");
        Ok(knee::find(&arrivals(world, EVENT, 0, Duration::ZERO), scale.climb, &say)?.per_second)
    };
    let bursts = burst::settle(find, |knee| {
        say(&format!("five times {knee:.0} a second, over {FRONT} connections"));
        flood(knee).run()
    })?;
    let knee = bursts[bursts.len() - 1].knee;
    let recovery = recovery(world, knee, Instant::now())?;
    let mut broken = Vec::new();
    for burst in &bursts {
        broken.extend(overtaken(&burst.outcome));
        broken.extend(lost(world, &burst.outcome).await);
    }
    let bare = match scale.bare {
        Some(connections) => {
            say(&format!("the same over {connections} connections, with nobody turned away before"));
            let outcome = Arrivals { connections, patience: Duration::from_secs(60), ..flood(knee) }.run()?;
            broken.extend(overtaken(&outcome));
            Some(Burst { knee, outcome })
        }
        None => None,
    };
    Ok(Report { bursts, bare, recovery, broken })
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

/// Who has a number behind one who came later.
fn overtaken(outcome: &Outcome) -> Vec<String> {
    order::breaks(&outcome.places().map(|(_, entry)| entry).collect::<Vec<_>>())
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
