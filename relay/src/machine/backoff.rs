//! How long to wait after a failure: exponential, jittered, bounded. Seeded, so that a simulation repeats itself.

/// Counts failures in a row and spreads the waits after them.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    random: u64,
    longest_ms: u64,
}

const FIRST_MS: u64 = 100;
const LONGEST_MS: u64 = 5_000;
/// Towards the Worker: it must be noticed within seconds that it is back, and a relay asks it once a second anyway.
pub(crate) const WORKER_WAIT_MS: u64 = 2_000;

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed, longest_ms: LONGEST_MS }
    }

    /// The same with another longest wait.
    pub(crate) fn at_most(self, longest_ms: u64) -> Self {
        Self { longest_ms, ..self }
    }

    /// It worked: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures in a row there were.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure and says how many milliseconds to wait: half to all of 100 ms, doubled each time, up to 5 s
    /// or what [`Backoff::at_most`] says.
    pub(crate) fn failed(&mut self) -> u64 {
        let full = (FIRST_MS << self.failures.min(10)).min(self.longest_ms);
        self.failures = self.failures.saturating_add(1);
        full / 2 + self.next() % (full / 2 + 1)
    }

    /// splitmix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_never_pass_their_bound() {
        let mut backoff = Backoff::new(7);
        let waits: Vec<u64> = (0..200).map(|_| backoff.failed()).collect();
        assert!((50..=100).contains(&waits[0]));
        assert!((100..=200).contains(&waits[1]));
        assert!(waits.iter().skip(6).all(|w| (2_500..=5_000).contains(w)));
        assert!(waits.iter().skip(10).any(|w| *w != waits[10]), "jittered");
        backoff.reset();
        assert!(backoff.failed() <= 100);
    }
}
