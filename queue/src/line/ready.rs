//! Who is present: called places whose holders asked to be let in during the last few seconds.
//!
//! Soft state: after a crash those present ask again within two seconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Position, UnixMillis};

/// How long after asking a visitor counts as present.
pub const FRESH_MS: u64 = 5_000;

/// Present positions, with the time each last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ready {
    seen: BTreeMap<Position, UnixMillis>,
    by_time: BTreeSet<(UnixMillis, Position)>,
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
    fn who_stops_asking_is_forgotten_after_five_seconds() {
        let mut ready = Ready::default();
        assert!(ready.mark(Position(7), UnixMillis(1_000)));
        assert!(ready.mark(Position(3), UnixMillis(2_000)));
        assert!(!ready.mark(Position(7), UnixMillis(3_000)), "known already");
        ready.advance(UnixMillis(7_000));
        assert_eq!(ready.positions().collect::<Vec<_>>(), [Position(3), Position(7)]);
        ready.advance(UnixMillis(7_001));
        assert_eq!(ready.positions().collect::<Vec<_>>(), [Position(7)]);
        ready.remove(Position(7));
        assert_eq!(ready.count(), 0);
    }
}
