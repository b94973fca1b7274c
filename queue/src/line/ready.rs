//! Who is present: called places whose holders asked to be let in during the last few seconds.
//!
//! Room is kept for those present, so one that asks and falls silent keeps it from others for as long. That happens once, and
//! is shorter for who has asked only once: a place that has fallen silent (a tab in the background asks about once a minute) is
//! let in when there is room as it asks, and is present again, so that others wait for it, once it has asked twice in a row.
//!
//! Soft state: after a crash those present ask again within two seconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Position, UnixMillis};

/// How long after asking for the first time a visitor counts as present: who is called is told to ask again within two seconds.
const ONCE_MS: u64 = 3_000;
/// The same of one that asked twice in a row, each time within as long: its network may be slow.
const FRESH_MS: u64 = 4_000;

/// So many of those who fell silent are remembered; whom it forgets is believed once more.
const MOST_SILENT: usize = 50_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    at: UnixMillis,
    /// Present until then.
    until: UnixMillis,
}

/// How a position stands that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// It was not known as present.
    pub is_new: bool,
    /// Others wait for it, if it finds no room: not if it has fallen silent since it last asked.
    pub is_awaited: bool,
}

/// Present positions, with the time each last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ready {
    seen: BTreeMap<Position, Seen>,
    by_time: BTreeSet<(UnixMillis, Position)>,
    /// Who asked and fell silent, with the last time.
    silent: BTreeMap<Position, UnixMillis>,
}

impl Ready {
    /// Drops those who have not asked for too long.
    pub fn advance(&mut self, clk: UnixMillis) {
        while let Some(&(until, position)) = self.by_time.first() {
            if until >= clk {
                break;
            }
            self.by_time.pop_first();
            if self.silent.len() >= MOST_SILENT {
                self.silent.clear();
            }
            if let Some(seen) = self.seen.remove(&position) {
                self.silent.insert(position, seen.at);
            }
        }
    }

    /// This position asks now.
    pub fn mark(&mut self, position: Position, clk: UnixMillis) -> Asks {
        let before = self.seen.get(&position).copied();
        self.pass_over(position);
        let last = before.map(|seen| seen.at).or_else(|| self.silent.get(&position).copied());
        let present_for = match last {
            None => Some(ONCE_MS),
            Some(last) if last.plus(FRESH_MS) >= clk => Some(FRESH_MS),
            Some(_) => None,
        };
        if present_for.is_some() {
            self.silent.remove(&position);
        } else {
            self.silent.insert(position, clk);
        }
        let until = clk.plus(present_for.unwrap_or(0));
        self.seen.insert(position, Seen { at: clk, until });
        self.by_time.insert((until, position));
        Asks { is_new: before.is_none(), is_awaited: present_for.is_some() }
    }

    /// Admitted, or given up.
    pub fn remove(&mut self, position: Position) {
        self.silent.remove(&position);
        self.pass_over(position);
    }

    /// Others wait for this one no more.
    pub fn pass_over(&mut self, position: Position) {
        if let Some(seen) = self.seen.remove(&position) {
            self.by_time.remove(&(seen.until, position));
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
    fn who_stops_asking_is_forgotten_after_three_seconds_or_four() {
        let mut ready = Ready::default();
        assert!(ready.mark(Position(7), UnixMillis(1_000)).is_new);
        assert!(ready.mark(Position(3), UnixMillis(2_000)).is_new);
        assert!(!ready.mark(Position(7), UnixMillis(3_000)).is_new, "known already");
        let mut present = |at| {
            ready.advance(UnixMillis(at));
            ready.positions().map(Position::get).collect::<Vec<_>>()
        };
        assert_eq!(present(5_000), [3, 7]);
        assert_eq!(present(5_001), [7], "it asked once");
        assert_eq!(present(7_000), [7]);
        assert_eq!(present(7_001), [0; 0]);
    }

    #[test]
    fn who_has_fallen_silent_is_awaited_again_once_it_asks_twice_in_a_row() {
        let mut ready = Ready::default();
        let mut awaited = |at: u64| {
            ready.advance(UnixMillis(at));
            let asks = ready.mark(Position(7), UnixMillis(at));
            if !asks.is_awaited {
                ready.pass_over(Position(7));
            }
            asks.is_awaited
        };
        assert_eq!([1_000, 5_000, 9_000].map(&mut awaited), [true; 3], "in time");
        assert_eq!([68_000, 128_000].map(&mut awaited), [false; 2], "once a minute");
        assert_eq!([132_000, 136_000].map(&mut awaited), [true; 2], "it is back");
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
        assert!([1, 2, many].iter().all(|silent| !ready.mark(Position(*silent), UnixMillis(10_000)).is_awaited));
        for silent in [1, 2, many] {
            ready.pass_over(Position(silent));
        }
        ready.mark(Position(many + 1), UnixMillis(10_000));
        ready.advance(UnixMillis(20_000));
        assert!(ready.silent.len() <= MOST_SILENT, "{}", ready.silent.len());
        assert!(ready.mark(Position(2), UnixMillis(20_000)).is_awaited, "forgotten, and believed once more");
        assert!(!ready.mark(Position(many + 1), UnixMillis(20_000)).is_awaited);
    }
}
