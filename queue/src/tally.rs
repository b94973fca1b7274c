//! What lanes count of their own work, and how it is added up.
//!
//! Invariant: a [`Sum`] never falls. A lane counts from the start of its instance, so a sum takes what each has counted since the last look,
//! and an instance that is new from its beginning.

use std::collections::HashMap;

use serde::Serialize;

use crate::from_json;
use crate::types::LaneId;

/// Upper bounds of the buckets of [`LaneTally::enter_buckets`], milliseconds; one more bucket has the rest.
pub const MS_BOUNDS: [u64; 10] = [10, 25, 50, 100, 150, 250, 500, 1_000, 2_500, 5_000];

/// What one instance of a lane has counted since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaneTally {
    /// When the instance started, milliseconds since 1970: tells instances apart.
    pub since: u64,
    /// Who waits for an answer now.
    pub pending: u64,
    /// Enters by which a visitor got its first place.
    pub new: u64,
    /// Enters of visitors with a place.
    pub known: u64,
    /// Enters that got no place, for a reason that the visitor was told.
    pub refused: u64,
    /// Enters that had to be put off: 503.
    pub unavailable: u64,
    /// Milliseconds that all enters took together, in the lane.
    pub enter_ms: u64,
    /// Enters by how long they took, each in one bucket.
    pub enter_buckets: Vec<u64>,
    /// Claims, renewals, leaves, and what the origin asks: answered.
    pub asked: u64,
    /// The same: put off.
    pub asked_unavailable: u64,
    /// Exchanges with the line without an answer.
    pub exchanges_failed: u64,
}

from_json! { struct LaneTally { since, pending, new, known, refused, unavailable, enter_ms, enter_buckets, asked, asked_unavailable, exchanges_failed } }

impl LaneTally {
    /// One of an instance that starts at `since`.
    #[must_use]
    pub fn new(since: u64) -> Self {
        Self { since, enter_buckets: vec![0; MS_BOUNDS.len() + 1], ..Self::default() }
    }

    /// An enter took so many milliseconds.
    pub fn took(&mut self, ms: u64) {
        self.enter_ms += ms;
        let bucket = MS_BOUNDS.iter().position(|bound| ms <= *bound).unwrap_or(MS_BOUNDS.len());
        if let Some(count) = self.enter_buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    /// Adds what an instance has counted from `before` to `now`.
    fn add(&mut self, now: &Self, before: &Self) {
        for (sum, now, before) in [
            (&mut self.new, now.new, before.new),
            (&mut self.known, now.known, before.known),
            (&mut self.refused, now.refused, before.refused),
            (&mut self.unavailable, now.unavailable, before.unavailable),
            (&mut self.enter_ms, now.enter_ms, before.enter_ms),
            (&mut self.asked, now.asked, before.asked),
            (&mut self.asked_unavailable, now.asked_unavailable, before.asked_unavailable),
            (&mut self.exchanges_failed, now.exchanges_failed, before.exchanges_failed),
        ] {
            *sum += now.saturating_sub(before);
        }
        self.enter_buckets.resize(MS_BOUNDS.len() + 1, 0);
        let before = before.enter_buckets.iter().chain(std::iter::repeat(&0));
        for ((sum, now), before) in self.enter_buckets.iter_mut().zip(&now.enter_buckets).zip(before) {
            *sum += now.saturating_sub(*before);
        }
    }
}

/// What the lanes of an event have counted together, since whoever adds them up started.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    last: HashMap<LaneId, LaneTally>,
    total: LaneTally,
}

impl Sum {
    /// Takes note of what a lane says. What it had counted before `started_ms`, when this sum began, nobody knows how much of it was
    /// told before.
    pub fn take(&mut self, lane: LaneId, tally: LaneTally, started_ms: u64) {
        let zero = LaneTally::default();
        let before = match self.last.get(&lane) {
            Some(last) if last.since == tally.since => last,
            None if tally.since <= started_ms => &tally,
            _ => &zero,
        };
        self.total.add(&tally, before);
        self.last.insert(lane, tally);
    }

    /// All together.
    #[must_use]
    pub const fn total(&self) -> &LaneTally {
        &self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(since: u64, new: u64) -> LaneTally {
        let mut tally = LaneTally::new(since);
        tally.new = new;
        (0..new).for_each(|_| tally.took(120));
        tally
    }

    #[test]
    fn a_lane_that_starts_again_takes_nothing_away_and_adds_nothing_twice() {
        let mut sum = Sum::default();
        for (lane, since, new, total) in [
            (0, 50, 7, 0),  // older than the sum: a first look
            (0, 50, 9, 2),  // two more
            (1, 150, 4, 6), // younger than the sum: all of it
            (0, 160, 3, 9), // started again
            (0, 160, 3, 9), // nothing new
            (1, 150, 5, 10),
        ] {
            sum.take(LaneId(lane), tally(since, new), 100);
            assert_eq!((sum.total().new, sum.total().enter_ms), (total, total * 120));
            assert_eq!(sum.total().enter_buckets.iter().sum::<u64>(), total);
        }
    }

    #[test]
    fn enters_that_are_slower_than_every_bound_are_counted_too() {
        let mut slow = LaneTally::new(150);
        slow.took(5_001);
        let mut sum = Sum::default();
        sum.take(LaneId(0), slow.clone(), 100);
        assert_eq!(sum.total().enter_buckets, slow.enter_buckets);
    }

    #[test]
    fn an_enter_is_in_the_first_bucket_that_it_fits() {
        let mut tally = LaneTally::new(0);
        for ms in [0, 10, 11, 150, 5_000, 5_001] {
            tally.took(ms);
        }
        assert_eq!(tally.enter_buckets, [2, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1]);
        assert_eq!(tally.enter_ms, 10_172);
    }
}
