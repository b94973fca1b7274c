//! Numbers that will never be admitted: given up before they were admitted, or voided by a crash of their lane.
//!
//! Ranges, disjoint and merged: a million places that were given up one after the other are one range.

use std::collections::BTreeMap;

use crate::types::Number;

/// A set of numbers as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gone {
    /// first → last
    ranges: BTreeMap<u64, u64>,
    total: u64,
}

/// How far a walk over the living came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Where it stands now.
    pub to: u64,
    /// Living ones on the way.
    pub living: u64,
}

impl Gone {
    /// Whether this number is gone.
    #[must_use]
    pub fn contains(&self, number: Number) -> bool {
        self.ranges.range(..=number.get()).next_back().is_some_and(|(_, &last)| number.get() <= last)
    }

    /// How many are gone.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many are gone of the numbers up to `last`.
    #[must_use]
    pub fn up_to(&self, last: u64) -> u64 {
        self.ranges.range(..=last).map(|(&first, &end)| end.min(last) - first + 1).sum()
    }

    /// Adds `first ..= last`, of which none may be in the set already.
    pub fn insert(&mut self, first: Number, last: Number) {
        let (mut first, mut last) = (first.get(), last.get());
        self.total += last - first + 1;
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

    /// Walks on from `from` past up to `want` living numbers, but not beyond `last`. What is gone costs nothing.
    #[must_use]
    pub fn walk(&self, from: u64, want: u64, last: u64) -> Walk {
        let (mut to, mut living) = (from, 0);
        let start = self.ranges.range(..=from).next_back().map_or(from, |(&first, _)| first);
        for (&first, &end) in self.ranges.range(start..).take_while(|(first, _)| **first <= last) {
            if living == want {
                break;
            }
            let step = first.saturating_sub(to + 1).min(want - living).min(last.saturating_sub(to));
            living += step;
            to += step;
            if to + 1 >= first {
                to = to.max(end.min(last));
            }
        }
        let rest = (want - living).min(last.saturating_sub(to));
        Walk { to: to + rest, living: living + rest }
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
        ) {
            let mut gone = Gone::default();
            for &p in &points {
                gone.insert(Number(p), Number(p));
            }
            let mut frontier = 0;
            for (want, ahead) in steps {
                let last = frontier + ahead;
                let living = |to: u64| (frontier + 1..=to).filter(|p| !points.contains(p)).count() as u64;
                let walk = gone.walk(frontier, want, last);
                prop_assert_eq!(walk.living, living(last).min(want));
                prop_assert!(walk.to >= frontier && walk.to <= last);
                prop_assert_eq!(living(walk.to), walk.living);
                frontier = walk.to;
                prop_assert_eq!(gone.up_to(frontier), points.iter().filter(|&&p| p <= frontier).count() as u64);
            }
            prop_assert_eq!(gone.total(), points.len() as u64);
            for p in 1..60 {
                prop_assert_eq!(gone.contains(Number(p)), points.contains(&p));
            }
        }
    }

    #[test]
    fn neighbours_are_one_range_in_whatever_order_they_go() {
        let mut whole = Gone::default();
        whole.insert(Number(1), Number(5));
        for order in [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1, 5, 2, 4, 3], [3, 1, 5, 4, 2]] {
            let mut gone = Gone::default();
            for number in order {
                gone.insert(Number(number), Number(number));
            }
            assert_eq!(gone, whole, "{order:?}");
        }
    }

    #[test]
    fn a_voided_range_costs_the_frontier_nothing() {
        let mut gone = Gone::default();
        gone.insert(Number(3), Number(1_000_000));
        assert_eq!(gone.walk(0, 4, 1_000_005), Walk { to: 1_000_002, living: 4 });
        assert_eq!(gone.up_to(1_000_002), 999_998);
    }
}
