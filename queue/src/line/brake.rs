//! The brake: who watches a sale (a relay, by how far Kafka is behind and by what its canary meets) slows it down by itself.
//!
//! Each pull halves how many may be let in, until nobody is. Without another pull the brake opens again by itself, step by step; no
//! message opens it, so a watcher that dies leaves nobody outside. It is kept in memory alone: a line that starts again has none,
//! and is told again within seconds if there is still a reason.
//!
//! Invariant: it only ever lowers a limit.

use super::store::{Audit, Change};
use super::{Line, Step};
use crate::json;
use crate::types::UnixMillis;
use crate::wire::{BrakeCause, Braked};

/// Pulls that come sooner after one another count as one: several relays may watch the same sale.
const APART_MS: u64 = 4_000;
/// A pull holds for this long: three of the relay's looks.
const HOLD_MS: u64 = 15_000;
/// Then it opens by [`STEP`] points, and again after each of these: all in a minute.
const STEP_MS: u64 = 6_000;
const STEP: u64 = 10;
/// What would be less is nothing. Percent.
const LEAST: u64 = 5;

/// The last pull.
#[derive(Clone, Copy, Debug)]
struct Pull {
    at: UnixMillis,
    /// What it left, percent.
    left: u64,
    cause: BrakeCause,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brake(Option<Pull>);

impl Brake {
    /// How much of the limit is left, and why; none while nothing is taken from it.
    pub(super) fn in_force(self, clk: UnixMillis) -> Option<Braked> {
        let Pull { at, left, cause } = self.0?;
        let opened = match clk.since(at) {
            held if held < HOLD_MS => 0,
            since => (1 + (since - HOLD_MS) / STEP_MS) * STEP,
        };
        let percent = left + opened;
        (percent < 100).then_some(Braked { percent, cause })
    }

    fn percent(self, clk: UnixMillis) -> u64 {
        self.in_force(clk).map_or(100, |braked| braked.percent)
    }

    /// What is left of a limit, at least one unless it is closed.
    pub(super) fn slow(self, clk: UnixMillis, limit: u64) -> u64 {
        (limit * self.percent(clk)).div_ceil(100)
    }

    /// Whether nobody is let in.
    pub(super) fn is_closed(self, clk: UnixMillis) -> bool {
        self.percent(clk) == 0
    }

    fn pull(&mut self, clk: UnixMillis, cause: BrakeCause) {
        if self.0.is_some_and(|pull| clk.since(pull.at) < APART_MS) {
            return;
        }
        let half = self.percent(clk) / 2;
        self.0 = Some(Pull { at: clk, left: if half < LEAST { 0 } else { half }, cause });
    }
}

impl Line {
    /// Pulls the brake. How much of the limit is left then, percent. `by`: whose key.
    pub fn brake(&mut self, now: UnixMillis, cause: BrakeCause, by: &str) -> Step<u64> {
        self.catch_up(now);
        let mut changes = Vec::new();
        self.turn(&mut changes);
        let clk = self.head.clk;
        // Once for as long as it is pulled: the audit is for people, and its rows are few.
        if self.brake.in_force(clk).is_none() {
            let detail = json::object(&[("cause", &cause)]);
            changes.push(Change::Audit(Audit { at: clk, by: by.to_owned(), action: "brake", detail }));
        }
        self.brake.pull(clk, cause);
        self.seal(&mut changes);
        Step { answer: self.brake.percent(clk), changes }
    }
}
