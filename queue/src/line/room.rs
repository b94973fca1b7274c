//! How much room there is, by every limit, and when there will be more.
//!
//! Invariant: nobody is admitted beyond [`Line::room`]. When there will be more is a hint: told to those present whose turn is
//! near, so that what becomes free does not wait until the smallest of them happens to ask.

use std::collections::BTreeMap;

use super::Line;
use crate::types::Position;
use crate::wire::{Op, OpAnswer, Turn};

/// As far ahead anybody is told; all others ask within this time anyway.
const SOON_MS: u64 = 2_000;
/// So many of those present are told at most. Where more are let in within [`SOON_MS`], somebody asks at any time.
const MOST_TOLD: usize = 200;

/// One limit, how much of it is used, and by what that becomes free.
struct Limit {
    most: u64,
    used: u64,
    frees: Frees,
}

#[derive(Clone, Copy)]
enum Frees {
    Sessions,
    Minute,
    Seconds(u64),
    /// By a relay: nobody knows when.
    Acks,
}

impl Line {
    /// Slots free for admission right now, by every limit there is.
    pub(super) fn room(&self) -> u64 {
        if !self.moves() {
            return 0;
        }
        let room = |limit: Limit| limit.most.saturating_sub(limit.used);
        self.limits().into_iter().map(room).min().unwrap_or(0)
    }

    fn limits(&self) -> [Limit; 6] {
        let settings = &self.configured.settings;
        let unacked = self.head.seq.since(self.relay.acked);
        let [second, five, twenty] = self.shorter_than_a_minute().map(|(seconds, most)| {
            let used = self.admitted.last(seconds);
            Limit { most, used, frees: Frees::Seconds(seconds) }
        });
        [
            Limit { most: settings.total_active_users, used: self.sessions.used(), frees: Frees::Sessions },
            Limit { most: self.per_minute(), used: self.admitted.total(), frees: Frees::Minute },
            second,
            five,
            twenty,
            Limit { most: settings.max_unacked, used: unacked, frees: Frees::Acks },
        ]
    }

    /// (seconds, how many may be let in within as many): a fresh minute must not send everybody in its first seconds, and a minute that
    /// is used flatly loses the least when nobody asks for a moment (docs/architecture.md). In twenty seconds a twelfth more than
    /// on average, while within five half as much again may make up for what was missed.
    pub(super) fn shorter_than_a_minute(&self) -> [(u64, u64); 3] {
        let per_minute = self.per_minute();
        [(1, per_minute.div_ceil(20)), (5, per_minute.div_ceil(8)), (20, (per_minute * 9).div_ceil(25))]
    }

    /// For those of the claims that are called and present: when there will be room for them, where that is soon.
    pub(super) fn turns(&self, ops: &[Op], answers: &[OpAnswer]) -> Vec<Turn> {
        if !self.moves() {
            return Vec::new();
        }
        let mut asked: BTreeMap<Position, u64> = BTreeMap::new();
        for (op, (asks, answer)) in (0..).zip(ops.iter().zip(answers)) {
            if let (Op::Claim { number, .. }, OpAnswer::Called) = (asks, answer)
                && let Some(position) = self.order.position(*number)
            {
                asked.insert(position, op);
            }
        }
        if asked.is_empty() {
            return Vec::new();
        }
        let held = self.hold_until.since(self.head.clk);
        let waits = self.waits().into_iter().map(|in_ms| in_ms.max(held)).take_while(|in_ms| *in_ms <= SOON_MS);
        let turn = |(position, in_ms)| asked.get(&position).map(|op| Turn { op: *op, in_ms });
        self.ready.positions().zip(waits).filter_map(turn).collect()
    }

    /// In how many milliseconds there will be room for the first, the second … of those present.
    fn waits(&self) -> Vec<u64> {
        let mut waits = vec![0; MOST_TOLD];
        for limit in self.limits() {
            let room = usize::try_from(limit.most.saturating_sub(limit.used)).unwrap_or(MOST_TOLD);
            // What is used beyond a limit that was lowered makes no room when it becomes free.
            let beyond = usize::try_from(limit.used.saturating_sub(limit.most)).unwrap_or(usize::MAX);
            let soon = self.freed(limit.frees).take_while(|(in_ms, _)| *in_ms <= SOON_MS);
            let freed = soon.flat_map(|(in_ms, count)| (0..count).map(move |_| in_ms)).skip(beyond);
            let mut known = room.min(MOST_TOLD);
            for (wait, in_ms) in waits.iter_mut().skip(known).zip(freed) {
                *wait = in_ms.max(*wait);
                known += 1;
            }
            waits.truncate(known);
        }
        waits
    }

    /// (in how many milliseconds, how many): what becomes free, the next first.
    fn freed(&self, by: Frees) -> Box<dyn Iterator<Item = (u64, u64)> + '_> {
        match by {
            Frees::Sessions => Box::new(self.sessions.releases().map(|(at, count)| (at.since(self.head.clk), count))),
            Frees::Minute => Box::new(self.admitted.leaving()),
            Frees::Seconds(seconds) => Box::new(self.admitted.leaving_last(seconds)),
            Frees::Acks => Box::new(core::iter::empty()),
        }
    }
}
