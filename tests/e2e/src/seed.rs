//! Randomness that can be had again: `ROPELINE_SEED=… cargo test …` repeats what a failed run printed.

/// `ROPELINE_SEED`, or one by chance.
///
/// # Panics
/// When the variable is no number, or the system has no randomness.
#[must_use]
pub fn seed() -> u64 {
    match std::env::var("ROPELINE_SEED") {
        Ok(text) => text.parse().expect("ROPELINE_SEED must be a number"),
        Err(_) => {
            let bytes = xtask::keys::random().expect("randomness");
            bytes.iter().take(8).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
        }
    }
}

/// SplitMix64: small, and good enough to choose delays and bytes.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From `ROPELINE_SEED`, or by chance; prints which, so that a failure can be repeated.
    ///
    /// # Panics
    /// When the variable is no number, or the system has no randomness.
    #[must_use]
    pub fn seeded() -> Self {
        let seed = seed();
        println!("ROPELINE_SEED={seed}");
        Self(seed)
    }

    /// One of many that a seed gives, each for a purpose of its own.
    #[must_use]
    pub fn stream(seed: u64, index: u64) -> Self {
        let mut random = Self(seed);
        let start = random.next_u64();
        Self(start ^ Self(index).next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `0 … bound − 1`.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }
}
