//! How far to move the frontier: call as many as will show up to use the room there is, and no more.
//!
//! A heuristic. It decides how soon room is used, never who may be let in: promises do not depend on it.

use std::collections::{BTreeSet, VecDeque};

use crate::types::{Position, UnixMillis};

/// How long after being called visitors count as still on their way.
const SHOW_UP_MS: u64 = 10_000;
/// The most positions called in one step.
const MAX_STEP: u64 = 5_000;
const SMOOTHING: f64 = 0.3;
const LEAST_SHOW_RATE: f64 = 0.005;

/// Positions called within the same second.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CalledBatch {
    at: UnixMillis,
    /// Called are `after + 1 ..= last`, but for those that are gone.
    after: Position,
    last: Position,
    called: u64,
    shown: BTreeSet<Position>,
}

/// What is known of how called visitors behave.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Share of the called that show up within ten seconds.
    show_rate: f64,
    /// Called in the last ten seconds, oldest first.
    batches: VecDeque<CalledBatch>,
}

impl Default for Controller {
    fn default() -> Self {
        Self { show_rate: 1.0, batches: VecDeque::new() }
    }
}

impl Controller {
    /// After a restart: the share is taken from what was stored of the last minute, so that it need not be learned anew.
    #[must_use]
    pub fn resumed(admitted: u64, called: u64) -> Self {
        if called == 0 {
            return Self::default();
        }
        let share = admitted as f64 / called as f64;
        Self { show_rate: share.clamp(LEAST_SHOW_RATE, 1.0), ..Self::default() }
    }

    /// Learns from batches whose ten seconds are over. One of which less than one visitor was expected counts for less: a place
    /// called alone tells next to nothing, whether its holder comes or not.
    pub fn advance(&mut self, clk: UnixMillis) {
        while let Some(batch) = self.batches.front() {
            if batch.at.plus(SHOW_UP_MS) >= clk {
                break;
            }
            let (called, shown) = (batch.called as f64, batch.shown.len() as f64);
            let share = shown / called.max(1.0);
            let weight = SMOOTHING * (called * self.show_rate).min(1.0);
            self.show_rate = (self.show_rate + weight * (share - self.show_rate)).clamp(LEAST_SHOW_RATE, 1.0);
            self.batches.pop_front();
        }
    }

    /// A called visitor asks to be let in.
    pub fn shown(&mut self, position: Position) {
        if let Some(batch) = self.batches.iter_mut().find(|batch| batch.after < position && position <= batch.last) {
            batch.shown.insert(position);
        }
    }

    /// Nobody waits: everybody has been called. What those were like tells nothing of who comes next, once their time to come is over. A crowd that
    /// went home would else leave a share behind by which far too many of the next one are called at once, and ask again and again for room.
    pub fn nobody_waits(&mut self) {
        if self.batches.is_empty() {
            self.show_rate = 1.0;
        }
    }

    /// How many more to call, so that with those present and those on their way `target` can be let in.
    #[must_use]
    pub fn want(&self, target: u64, present: u64) -> u64 {
        let deficit = target as f64 - present as f64 - self.on_their_way();
        if deficit <= 0.0 {
            return 0;
        }
        ((deficit / self.show_rate).ceil() as u64).min(MAX_STEP)
    }

    /// How many of those called lately will still show up.
    #[must_use]
    pub fn on_their_way(&self) -> f64 {
        self.batches.iter().map(|b| (b.called as f64 * self.show_rate - b.shown.len() as f64).max(0.0)).sum()
    }

    /// The frontier moved from `after` to `last`, by `called` living positions.
    pub fn called(&mut self, clk: UnixMillis, after: Position, last: Position, called: u64) {
        match self.batches.back_mut() {
            Some(batch) if batch.at.second() == clk.second() => {
                batch.last = last;
                batch.called += called;
            }
            _ => self.batches.push_back(CalledBatch { at: clk, after, last, called, shown: BTreeSet::new() }),
        }
    }

    /// Share of the called that show up within ten seconds, 0.005 … 1.
    #[must_use]
    pub const fn show_rate(&self) -> f64 {
        self.show_rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_on_their_way_are_not_called_twice() {
        let mut controller = Controller::default();
        assert_eq!(controller.want(10, 0), 10);
        controller.called(UnixMillis(1_000), Position(0), Position(10), 10);
        assert_eq!(controller.want(10, 0), 0);
        controller.shown(Position(4));
        assert_eq!(controller.want(10, 1), 0);
        assert_eq!(controller.want(10, 0), 1, "one came and was let in: one more");
    }

    #[test]
    fn a_restart_keeps_what_the_last_minute_shows() {
        assert!((Controller::resumed(0, 0).show_rate() - 1.0).abs() < 1e-9);
        assert!((Controller::resumed(5, 100).show_rate() - 0.05).abs() < 1e-9);
        assert!((Controller::resumed(9, 3).show_rate() - 1.0).abs() < 1e-9);
        assert!((Controller::resumed(0, 50).show_rate() - LEAST_SHOW_RATE).abs() < 1e-9);
    }

    #[test]
    fn no_shows_make_it_call_more() {
        let mut controller = Controller::default();
        controller.called(UnixMillis(1_000), Position(0), Position(10), 10);
        controller.advance(UnixMillis(11_001));
        assert!((controller.show_rate() - 0.7).abs() < 1e-9, "{}", controller.show_rate());
        assert_eq!(controller.want(7, 0), 10);
        for round in 0..40 {
            controller.called(UnixMillis(20_000 + round * 20_000), Position(99), Position(1_099), 1_000);
            controller.advance(UnixMillis(31_000 + round * 20_000));
        }
        assert!((controller.show_rate() - LEAST_SHOW_RATE).abs() < 1e-9);
        assert_eq!(controller.want(1_000, 0), MAX_STEP);
    }

    #[test]
    fn who_comes_when_nobody_waits_is_not_taken_for_those_before() {
        let mut controller = Controller { show_rate: 0.05, ..Controller::default() };
        controller.called(UnixMillis(1_000), Position(0), Position(10), 10);
        controller.advance(UnixMillis(11_000));
        controller.nobody_waits();
        assert!((controller.show_rate() - 0.05).abs() < 1e-9, "some may still come");
        controller.advance(UnixMillis(11_001));
        controller.nobody_waits();
        assert!((controller.show_rate() - 1.0).abs() < 1e-9, "{}", controller.show_rate());
    }

    #[test]
    fn one_called_alone_tells_little() {
        let mut controller = Controller { show_rate: 0.05, ..Controller::default() };
        for (number, comes) in [(1, true), (2, false)] {
            controller.called(UnixMillis(number * 20_000), Position(number - 1), Position(number), 1);
            if comes {
                controller.shown(Position(number));
            }
            controller.advance(UnixMillis(number * 20_000 + 10_001));
        }
        assert!((0.05..0.07).contains(&controller.show_rate()), "{}", controller.show_rate());
    }

    #[test]
    fn who_shows_up_counts_for_the_batch_that_called_it() {
        let mut controller = Controller { show_rate: 0.5, ..Controller::default() };
        controller.called(UnixMillis(1_000), Position(0), Position(10), 10);
        controller.called(UnixMillis(2_000), Position(10), Position(30), 20);
        assert_eq!(controller.on_their_way(), 5.0 + 10.0);
        (1..=8).for_each(|position| controller.shown(Position(position)));
        assert_eq!(controller.on_their_way(), 10.0, "of the first more came than were expected");
        controller.shown(Position(10));
        controller.shown(Position(11));
        controller.shown(Position(31));
        assert_eq!(controller.on_their_way(), 9.0);
        // The first is over: nine of ten came.
        controller.advance(UnixMillis(11_001));
        assert!((controller.show_rate() - 0.62).abs() < 1e-9, "{}", controller.show_rate());
        controller.shown(Position(10));
        assert!((controller.on_their_way() - 11.4).abs() < 1e-9, "{}", controller.on_their_way());
    }

    #[test]
    fn what_is_called_within_a_second_is_one_batch() {
        let mut controller = Controller { show_rate: 0.5, ..Controller::default() };
        controller.called(UnixMillis(1_000), Position(0), Position(10), 10);
        controller.called(UnixMillis(1_999), Position(10), Position(15), 5);
        controller.called(UnixMillis(2_000), Position(15), Position(25), 10);
        (1..=7).for_each(|position| controller.shown(Position(position)));
        assert_eq!(controller.on_their_way(), 0.5 + 5.0);
        controller.advance(UnixMillis(11_001));
        assert_eq!(controller.on_their_way().round(), 5.0, "the second one may still come");
    }
}
