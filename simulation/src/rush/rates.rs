//! What objects and Workers are asked: sums, and the most in one second.

/// Requests that are counted by the second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    pub(super) total: u64,
    pub(super) peak: u64,
    second: u64,
}

impl Rate {
    pub(super) fn count(&mut self) {
        self.total += 1;
        self.second += 1;
    }

    /// A second is over.
    pub(super) fn next_second(&mut self) {
        self.peak = self.peak.max(std::mem::take(&mut self.second));
    }
}

/// Waits in whole milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    counts: Vec<u64>,
    total: u64,
}

impl Waits {
    pub(super) fn count(&mut self, ms: u64) {
        let ms = usize::try_from(ms).unwrap_or(usize::MAX);
        if self.counts.len() <= ms {
            self.counts.resize(ms + 1, 0);
        }
        self.counts[ms] += 1;
        self.total += 1;
    }

    /// The wait that so many of 1,000 did not exceed, milliseconds.
    pub(super) fn quantile(&self, permille: u64) -> u64 {
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen * 1_000 >= self.total * permille
        });
        at.unwrap_or(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_counts() {
        let mut rate = Rate::default();
        for requests in [1, 3, 2] {
            (0..requests).for_each(|_| rate.count());
            rate.next_second();
        }
        assert_eq!((rate.total, rate.peak), (6, 3));
    }

    #[test]
    fn a_quantile_is_the_wait_that_as_many_did_not_exceed() {
        let mut waits = Waits::default();
        (1..=100).for_each(|ms| waits.count(ms));
        assert_eq!([500, 990, 1_000].map(|permille| waits.quantile(permille)), [50, 99, 100]);
    }
}
