//! Positions that will never be admitted: given up before their turn came, or voided by a crash of their lane.
//!
//! Ranges, disjoint and merged. `above()` is kept exact for the frontier, which only grows.

use std::collections::BTreeMap;

use crate::types::Position;

/// A set of positions as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gone {
    /// first → last
    ranges: BTreeMap<u64, u64>,
    total: u64,
    above: u64,
    frontier: u64,
}

impl Gone {
    /// Whether this position is gone.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        self.ranges.range(..=position.get()).next_back().is_some_and(|(_, &last)| position.get() <= last)
    }

    /// How many are gone.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many are gone beyond the frontier.
    #[must_use]
    pub const fn above(&self) -> u64 {
        self.above
    }

    /// Adds `first ..= last`, of which none may be in the set already.
    pub fn insert(&mut self, first: Position, last: Position) {
        let (mut first, mut last) = (first.get(), last.get());
        self.total += last - first + 1;
        self.above += last.saturating_sub(self.frontier.max(first - 1));
        if let Some((&before, &end)) = self.ranges.range(..first).next_back()
            && end + 1 == first
        {
            self.ranges.remove(&before);
            first = before;
        }
        if let Some(end) = self.ranges.remove(&(last + 1)) {
            last = end;
        }
        self.ranges.insert(first, last);
    }

    /// Where a frontier comes to that calls up to `want` more living positions, but none beyond `last`: (frontier, called).
    #[must_use]
    pub fn advance(&self, from: Position, want: u64, last: Position) -> (Position, u64) {
        let (mut frontier, mut called) = (from.get(), 0);
        let covering = self.ranges.range(..=frontier).next_back().filter(|(_, end)| **end > frontier);
        let following = self.ranges.range(frontier + 1..);
        for (&first, &end) in covering.into_iter().chain(following) {
            if called == want || frontier >= last.get() {
                break;
            }
            let living = first.saturating_sub(frontier + 1).min(want - called);
            let living = living.min(last.get() - frontier);
            called += living;
            frontier += living;
            if frontier + 1 >= first {
                frontier = end.min(last.get());
            }
        }
        let living = (want - called).min(last.get().saturating_sub(frontier));
        (Position(frontier + living), called + living)
    }

    /// Tells where the frontier is now.
    pub fn frontier_moved(&mut self, to: Position) {
        let (from, to) = (self.frontier, to.get());
        if to <= from {
            return;
        }
        let covering = self.ranges.range(..=from).next_back().filter(|(_, end)| **end > from);
        for (&first, &end) in covering.into_iter().chain(self.ranges.range(from + 1..=to)) {
            self.above -= end.min(to) - first.max(from + 1) + 1;
        }
        self.frontier = to;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_say_what_a_plain_set_says(
            points in proptest::collection::btree_set(1_u64..60, 0..40),
            steps in proptest::collection::vec((0_u64..6, 0_u64..6), 0..20),
            later in proptest::collection::btree_set(1_u64..60, 0..10),
        ) {
            let mut gone = Gone::default();
            let mut plain = points.clone();
            for &p in &points {
                gone.insert(Position(p), Position(p));
            }
            let mut frontier = 0;
            for (want, ahead) in steps {
                let last = frontier + ahead;
                let living = (frontier + 1..=last).filter(|p| !plain.contains(p)).count() as u64;
                let called = living.min(want);
                let (moved, count) = gone.advance(Position(frontier), want, Position(last));
                prop_assert_eq!(count, called);
                prop_assert!(moved.get() >= frontier && moved.get() <= last.max(frontier));
                let living = (frontier + 1..=moved.get()).filter(|p| !plain.contains(p)).count() as u64;
                prop_assert_eq!(living, called);
                frontier = moved.get();
                gone.frontier_moved(moved);
                prop_assert_eq!(gone.above(), plain.iter().filter(|&&p| p > frontier).count() as u64);
            }
            for &p in later.difference(&points) {
                gone.insert(Position(p), Position(p));
                plain.insert(p);
            }
            prop_assert_eq!(gone.total(), plain.len() as u64);
            prop_assert_eq!(gone.above(), plain.iter().filter(|&&p| p > frontier).count() as u64);
            for p in 1..60 {
                prop_assert_eq!(gone.contains(Position(p)), plain.contains(&p));
            }
        }
    }

    #[test]
    fn a_voided_range_costs_the_frontier_nothing() {
        let mut gone = Gone::default();
        gone.insert(Position(3), Position(1_000_000));
        assert_eq!(gone.advance(Position(0), 4, Position(1_000_005)), (Position(1_000_002), 4));
        assert_eq!(gone.above(), 999_998);
        gone.frontier_moved(Position(1_000_002));
        assert_eq!(gone.above(), 0);
    }
}
