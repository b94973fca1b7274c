//! Counts per second of the last minute, exactly.
//!
//! 61 buckets, `b − 60 … b`: any real 60 seconds lie within them, so a limit on their sum holds for every minute, wherever it
//! begins. (A token bucket lets up to twice the limit through.)

use std::collections::VecDeque;

const BUCKETS_BEHIND: u64 = 60;

/// What was counted in the current second and the 60 before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// (second, count), oldest first; only seconds in which something was counted.
    buckets: VecDeque<(u64, u64)>,
    total: u64,
    now: u64,
}

impl Window {
    /// Moves on to `second` and forgets what is too old. Never moves back.
    pub fn advance(&mut self, second: u64) {
        self.now = self.now.max(second);
        while let Some(&(oldest, count)) = self.buckets.front() {
            if oldest + BUCKETS_BEHIND >= self.now {
                break;
            }
            self.buckets.pop_front();
            self.total -= count;
        }
    }

    /// Counts `count` in the current second.
    pub fn add(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        self.total += count;
        match self.buckets.back_mut() {
            Some((second, sum)) if *second == self.now => *sum += count,
            _ => self.buckets.push_back((self.now, count)),
        }
    }

    /// The sum over all 61 buckets.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// (in how many seconds, how many) leave the window.
    pub fn leaving(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets.iter().map(|(second, count)| (second + BUCKETS_BEHIND + 1 - self.now, *count))
    }

    /// The count of the current second.
    #[must_use]
    pub fn this_second(&self) -> u64 {
        self.buckets.back().filter(|(second, _)| *second == self.now).map_or(0, |(_, count)| *count)
    }

    /// What was counted, per minute, measured since the oldest bucket, over 5 seconds at least. `None`: nothing was.
    #[must_use]
    pub fn per_minute(&self) -> Option<u64> {
        let &(oldest, _) = self.buckets.front()?;
        let seconds = (self.now - oldest + 1).clamp(5, 60);
        Some((self.total * 60).div_ceil(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_real_minute_lies_within_the_window() {
        let mut window = Window::default();
        window.advance(100);
        window.add(3);
        window.advance(160);
        assert_eq!(window.total(), 3, "second 100 may end within 60 seconds of the start of second 160");
        window.add(2);
        window.advance(161);
        assert_eq!((window.total(), window.this_second()), (2, 0));
        window.advance(159);
        assert_eq!(window.total(), 2, "time does not run back");
        window.advance(1_000);
        assert_eq!((window.total(), window.per_minute()), (0, None));
    }

    #[test]
    fn the_pace_is_measured_since_it_began() {
        let mut window = Window::default();
        window.advance(10);
        window.add(50);
        assert_eq!(window.per_minute(), Some(600), "one second is too short to tell: five are assumed");
        window.advance(39);
        window.add(50);
        assert_eq!(window.per_minute(), Some(200));
    }
}
