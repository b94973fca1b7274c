//! Who is present: called places whose holders asked to be let in during the last few seconds.
//!
//! Room is kept for those present, so one that asks and falls silent keeps it from others for as long. That happens once: a
//! place that has fallen silent (a tab in the background asks about once a minute) is let in when there is room as it asks, and
//! is present again, so that others wait for it, once it has asked twice in a row.
//!
//! Soft state: after a crash those present ask again within two seconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Position, UnixMillis};

/// How long after asking a visitor counts as present: who is called is told to ask again within two seconds.
pub const FRESH_MS: u64 = 4_000;

/// So many of those who fell silent are remembered; whom it forgets is believed once more.
const MOST_SILENT: usize = 50_000;

/// Present positions, with the time each last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ready {
    seen: BTreeMap<Position, UnixMillis>,
    by_time: BTreeSet<(UnixMillis, Position)>,
    /// Who asked and fell silent, with the last time.
    silent: BTreeMap<Position, UnixMillis>,
}

impl Ready {
    /// Drops those who have not asked for [`FRESH_MS`].
    pub fn advance(&mut self, clk: UnixMillis) {
        while let Some(&(at, position)) = self.by_time.first() {
            if at.plus(FRESH_MS) >= clk {
                break;
            }
            self.by_time.pop_first();
            self.seen.remove(&position);
            if self.silent.len() >= MOST_SILENT {
                self.silent.clear();
            }
            self.silent.insert(position, at);
        }
    }

    /// Whether others wait for this one, if it asks now and finds no room: not if it has fallen silent since it last asked.
    pub fn is_awaited(&mut self, position: Position, clk: UnixMillis) -> bool {
        match self.silent.get_mut(&position) {
            None => true,
            Some(at) if at.plus(FRESH_MS) >= clk => {
                self.silent.remove(&position);
                true
            }
            Some(at) => {
                *at = clk;
                false
            }
        }
    }

    /// This position asks now. True when it was not known as present.
    pub fn mark(&mut self, position: Position, clk: UnixMillis) -> bool {
        let before = self.seen.insert(position, clk);
        if let Some(before) = before {
            self.by_time.remove(&(before, position));
        }
        self.by_time.insert((clk, position));
        before.is_none()
    }

    /// Admitted, or given up.
    pub fn remove(&mut self, position: Position) {
        self.silent.remove(&position);
        self.pass_over(position);
    }

    /// Others wait for this one no more.
    pub fn pass_over(&mut self, position: Position) {
        if let Some(at) = self.seen.remove(&position) {
            self.by_time.remove(&(at, position));
        }
    }

    /// Whether this position is present.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        self.seen.contains_key(&position)
    }

    /// Present positions, smallest first.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.seen.keys().copied()
    }

    /// How many are present.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.seen.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stops_asking_is_forgotten_after_four_seconds() {
        let mut ready = Ready::default();
        assert!(ready.mark(Position(7), UnixMillis(1_000)));
        assert!(ready.mark(Position(3), UnixMillis(2_000)));
        assert!(!ready.mark(Position(7), UnixMillis(3_000)), "known already");
        ready.advance(UnixMillis(6_000));
        assert_eq!(ready.positions().collect::<Vec<_>>(), [Position(3), Position(7)]);
        ready.advance(UnixMillis(6_001));
        assert_eq!(ready.positions().collect::<Vec<_>>(), [Position(7)]);
        ready.remove(Position(7));
        assert_eq!(ready.count(), 0);
    }

    #[test]
    fn who_has_fallen_silent_is_awaited_again_once_it_asks_twice_in_a_row() {
        let mut ready = Ready::default();
        let mut awaited = |at: u64| {
            ready.advance(UnixMillis(at));
            let awaited = ready.is_awaited(Position(7), UnixMillis(at));
            ready.mark(Position(7), UnixMillis(at));
            if !awaited {
                ready.pass_over(Position(7));
            }
            awaited
        };
        assert_eq!([1_000, 3_000, 7_000].map(&mut awaited), [true; 3], "in time");
        assert_eq!([68_000, 128_000].map(&mut awaited), [false; 2], "once a minute");
        assert_eq!([132_000, 134_000].map(&mut awaited), [true; 2], "it is back");
        ready.remove(Position(7));
        assert_eq!(ready, Ready::default());
    }

    #[test]
    fn all_who_fell_silent_are_remembered_as_far_as_there_is_room() {
        let mut ready = Ready::default();
        let many = MOST_SILENT as u64;
        for position in 1..=many {
            ready.mark(Position(position), UnixMillis(1_000));
        }
        ready.advance(UnixMillis(10_000));
        assert!([1, 2, many].iter().all(|silent| !ready.is_awaited(Position(*silent), UnixMillis(10_000))));
        ready.mark(Position(many + 1), UnixMillis(10_000));
        ready.advance(UnixMillis(20_000));
        assert!(ready.silent.len() <= MOST_SILENT, "{}", ready.silent.len());
        assert!(ready.is_awaited(Position(2), UnixMillis(20_000)), "forgotten, and believed once more");
        assert!(!ready.is_awaited(Position(many + 1), UnixMillis(20_000)));
    }
}
