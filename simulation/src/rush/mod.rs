//! One great sale, without faults: up to ten million visitors over the real lanes and the real line, in simulated time.
//!
//! Arrivals fall evenly from twice their average to nothing at the end of the rush. Everybody polls as the engine tells, one by one; one
//! in five never comes back, one in a hundred gives up; whoever is called claims. The books of the seeds' checkers are kept of all of them:
//! order, places, limits, turns, sessions, what is shown; and at the end everybody who stayed is in, and the limits were used.
//!
//! * `sale`: lanes, line and relay, with the Worker's pace of exchanges. `crowd`: the visitors. `timers`: when they ask again.
//! * `rates`: what each object was asked.

mod crowd;
mod rates;
mod sale;
mod timers;

use std::fmt;

use self::rates::{Rate, Waits};
use self::sale::Sale;
use crate::plan::{Ms, SECOND};

/// The sale to play.
#[derive(Clone, Copy, Debug)]
pub struct Rush {
    /// How many enter.
    pub visitors: usize,
    /// Within so many seconds.
    pub seconds: u64,
    /// The event's `lanes`.
    pub lanes: u16,
    /// The event's `new_users_per_minute`.
    pub per_minute: u64,
    /// Who does what.
    pub seed: u64,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many were let in.
    pub admitted: u64,
    /// How long it took until everybody who stayed was in, milliseconds of simulated time.
    pub lasted_ms: Ms,
    /// Exchanges, polls, claims and whatever else happened.
    pub steps: u64,
    put_off: u64,
    polls: Rate,
    line: Rate,
    /// The busiest of them.
    lane: Rate,
    largest_batch: u64,
    waits: Waits,
}

impl Rush {
    /// Plays it to its end.
    ///
    /// # Errors
    /// The promise that was broken, and how.
    pub fn play(&self) -> Result<Outcome, String> {
        let mut sale = Sale::new(self);
        sale.run();
        sale.outcome()
    }
}

impl Outcome {
    /// Requests in its busiest second: (of all polls, of the line, of the busiest lane).
    #[must_use]
    pub fn peaks(&self) -> (u64, u64, u64) {
        (self.polls.peak, self.line.peak, self.lane.peak)
    }

    /// How long enters waited for their number, from the first request on, milliseconds: (half of them at most, 99 of 100).
    #[must_use]
    pub fn waits_ms(&self) -> (u64, u64) {
        (self.waits.quantile(500), self.waits.quantile(990))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most) = self.waits_ms();
        writeln!(f, "| simulated | {} s |", self.lasted_ms / SECOND)?;
        writeln!(f, "| steps | {} |", self.steps)?;
        writeln!(f, "| let in | {} |", self.admitted)?;
        writeln!(f, "| calls to the line, and the most in a second | {}; {} |", self.line.total, self.line.peak)?;
        writeln!(
            f,
            "| requests to the busiest lane, and the most in a second | {}; {} |",
            self.lane.total, self.lane.peak
        )?;
        writeln!(f, "| largest batch of places | {} |", self.largest_batch)?;
        writeln!(f, "| requests put off by a full lane | {} |", self.put_off)?;
        writeln!(f, "| polls, and the most in a second | {}; {} |", self.polls.total, self.polls.peak)?;
        writeln!(f, "| an enter waits for its batch, p50 and p99 | {half} and {most} ms |")
    }
}
