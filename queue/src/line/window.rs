//! Counts of the last minute, exactly.
//!
//! 601 buckets of a tenth of a second: any real 60 seconds lie within them, so a limit on their sum holds for every minute, wherever
//! it begins. (A token bucket lets up to twice the limit through.) What is counted is free again after 60.1 seconds at the latest:
//! with buckets of a second it was 61, and the difference was idle time in every minute.

use std::collections::VecDeque;

use crate::types::UnixMillis;

const BUCKET_MS: u64 = 100;
const BUCKETS_BEHIND: u64 = 60_000 / BUCKET_MS;

/// What was counted in the last 60 to 60.1 seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// (bucket, count), oldest first; only buckets in which something was counted.
    buckets: VecDeque<(u64, u64)>,
    total: u64,
    clk: UnixMillis,
}

impl Window {
    /// Moves on to `clk` and forgets what is too old. Never moves back.
    pub fn advance(&mut self, clk: UnixMillis) {
        self.clk = self.clk.max(clk);
        while let Some(&(oldest, count)) = self.buckets.front() {
            if oldest + BUCKETS_BEHIND >= self.now() {
                break;
            }
            self.buckets.pop_front();
            self.total -= count;
        }
    }

    /// Counts `count` now.
    pub fn add(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        self.total += count;
        let now = self.now();
        match self.buckets.back_mut() {
            Some((bucket, sum)) if *bucket == now => *sum += count,
            _ => self.buckets.push_back((now, count)),
        }
    }

    /// The current bucket.
    const fn now(&self) -> u64 {
        self.clk.get() / BUCKET_MS
    }

    /// The sum over all buckets.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// (in how many milliseconds, how many) leave the window, the next first.
    pub fn leaving(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.leave_after(BUCKETS_BEHIND + 1)
    }

    /// The same of what is counted in the last `seconds`.
    pub fn leaving_last(&self, seconds: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.leave_after(seconds * 1_000 / BUCKET_MS)
    }

    fn leave_after(&self, buckets: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let left = move |bucket: u64| ((bucket + buckets) * BUCKET_MS).saturating_sub(self.clk.get());
        self.buckets.iter().map(move |(bucket, count)| (left(*bucket), *count)).filter(|(in_ms, _)| *in_ms > 0)
    }

    /// The sum over the last `seconds`, the current bucket among them.
    #[must_use]
    pub fn last(&self, seconds: u64) -> u64 {
        let buckets = seconds * 1_000 / BUCKET_MS;
        self.buckets.iter().rev().take_while(|(bucket, _)| bucket + buckets > self.now()).map(|(_, count)| count).sum()
    }

    /// What was counted, per minute, measured since the oldest bucket, over 5 seconds at least. `None`: nothing was.
    #[must_use]
    pub fn per_minute(&self) -> Option<u64> {
        let &(oldest, _) = self.buckets.front()?;
        let milliseconds = ((self.now() - oldest + 1) * BUCKET_MS).clamp(5_000, 60_000);
        Some((self.total * 60_000).div_ceil(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(window: &mut Window, millis: u64) -> u64 {
        window.advance(UnixMillis(millis));
        window.total()
    }

    #[test]
    fn every_real_minute_lies_within_the_window() {
        let mut window = Window::default();
        at(&mut window, 100_099);
        window.add(3);
        assert_eq!(at(&mut window, 160_099), 3, "to the millisecond");
        window.add(2);
        assert_eq!(at(&mut window, 160_100), 2);
        assert_eq!(at(&mut window, 159_000), 2, "time does not run back");
        assert_eq!(at(&mut window, 1_000_000), 0);
        assert_eq!(window.per_minute(), None);
    }

    #[test]
    fn the_last_seconds_are_counted_apart() {
        let mut window = Window::default();
        for (millis, count) in [(10_000, 1), (15_000, 2), (19_950, 4)] {
            at(&mut window, millis);
            window.add(count);
        }
        at(&mut window, 20_000);
        assert_eq!((window.last(1), window.last(5), window.last(10)), (4, 4, 6));
        assert_eq!(window.leaving().collect::<Vec<_>>(), [(50_100, 1), (55_100, 2), (60_000, 4)]);
        assert_eq!(window.leaving_last(6).collect::<Vec<_>>(), [(1_000, 2), (5_900, 4)]);
        at(&mut window, 20_999);
        assert_eq!((window.last(6), window.leaving_last(6).next()), (6, Some((1, 2))), "to the millisecond");
        at(&mut window, 21_000);
        assert_eq!(window.last(6), 4);
    }

    #[test]
    fn what_is_counted_in_the_same_tenth_of_a_second_leaves_as_one() {
        let mut window = Window::default();
        for millis in [10_000, 10_099] {
            at(&mut window, millis);
            window.add(3);
            window.add(2);
        }
        at(&mut window, 10_100);
        window.add(1);
        assert_eq!(window.leaving().collect::<Vec<_>>(), [(60_000, 10), (60_100, 1)]);
    }

    #[test]
    fn the_pace_is_measured_since_it_began() {
        let mut window = Window::default();
        at(&mut window, 10_000);
        window.add(50);
        assert_eq!(window.per_minute(), Some(600), "one moment is too short to tell: five seconds are assumed");
        at(&mut window, 39_900);
        window.add(50);
        assert_eq!(window.per_minute(), Some(200));
    }
}
