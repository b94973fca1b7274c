//! The shuffle at the start: who came before opening is put in an order that nobody could choose and everybody can check.
//!
//! The line makes a 32-byte seed when the event is created and publishes only its [`commitment`]. At the cut the numbers
//! 1 … N are given positions by a permutation that depends on the seed, the event and N alone; then the seed is published,
//! and with it anybody recomputes every position. Whoever comes later keeps position = number.
//!
//! ```text
//! commitment  = SHA-256("ropeline-commit-v1" 00 event 00 seed)
//! K           = HMAC-SHA-256(seed, "ropeline-shuffle-v1" 00 event 00 u64be(N) beacon)
//! F(i, R)     = u32be(first 4 bytes of HMAC-SHA-256(K, u8(i) u32be(R))) AND (2^a − 1)       a = smallest a ≥ 1 with 4^a ≥ N
//! position(n) = cycle walk over 12 Feistel rounds (L, R) → (R, L XOR F(i, R)) on 2a bits, starting at n − 1, until it is < N
//! ```
//!
//! Invariant: for n ≤ N, `1 ≤ position(n) ≤ N` and `number(position(n)) = n`; for n > N both are the identity. Twelve
//! rounds, because fewer are visibly unfair when N is small.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::subject::keyed;
use crate::{EventId, Number, Position};

/// The name of this algorithm in the published proof.
pub const ALGORITHM: &str = "ropeline-shuffle-v1";

/// The most numbers one shuffle can hold: halves of a place are at most 16 bits wide.
pub const MAX_COUNT: u64 = u32::MAX as u64;

/// Randomness from outside that can be mixed in: this version of the algorithm commits to none, so it is zero.
pub const BEACON: [u8; 32] = [0; 32];

const COMMIT_LABEL: &[u8] = b"ropeline-commit-v1";
const ROUNDS: u8 = 12;

/// The secret that orders an event's early visitors; published at the cut.
pub type Seed = [u8; 32];

/// More places than a shuffle can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a shuffle holds at most {MAX_COUNT} places, not {count}")]
pub struct TooMany {
    /// How many were asked for.
    pub count: u64,
}

/// What is published before the cut, so that the seed cannot be chosen afterwards.
#[must_use]
pub fn commitment(event: &EventId, seed: &Seed) -> [u8; 32] {
    let hash = Sha256::new().chain_update(COMMIT_LABEL).chain_update([0]);
    hash.chain_update(event.as_str()).chain_update([0]).chain_update(seed).finalize().into()
}

/// The drawn order of one event: a permutation of 1 … `count`, computed place by place and never stored.
///
/// Making one costs two HMACs, a position 12 to about 50 of them (it walks until it falls below `count`).
#[derive(Clone)]
pub struct Draw {
    /// HMAC with K already taken in: each round starts from a copy.
    keyed: Hmac<Sha256>,
    count: u64,
    half_bits: u32,
}

impl Draw {
    /// The order that `seed` gives to the numbers 1 … `count` of `event`. With `count` 0 everybody keeps their number.
    ///
    /// # Errors
    /// [`TooMany`] above [`MAX_COUNT`].
    pub fn new(event: &EventId, seed: &Seed, count: u64) -> Result<Self, TooMany> {
        if count > MAX_COUNT {
            return Err(TooMany { count });
        }
        let half_bits = (1..16).find(|bits| 1 << (2 * bits) >= count).unwrap_or(16);
        Ok(Self { keyed: keyed(&key(event, seed, count)), count, half_bits })
    }

    /// How many numbers were shuffled: N.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Where this number stands.
    #[must_use]
    pub fn position(&self, number: Number) -> Position {
        Position(self.walk(number.get(), |place| self.forwards(place)))
    }

    /// Who stands there: the inverse of [`Draw::position`].
    #[must_use]
    pub fn number(&self, position: Position) -> Number {
        Number(self.walk(position.get(), |place| self.backwards(place)))
    }

    /// Ends, because `step` permutes a finite set: from a place below `count` it leads back below `count`.
    fn walk(&self, one_based: u64, step: impl Fn(u64) -> u64) -> u64 {
        if one_based == 0 || one_based > self.count {
            return one_based;
        }
        let mut place = one_based - 1;
        loop {
            place = step(place);
            if place < self.count {
                return place + 1;
            }
        }
    }

    fn forwards(&self, place: u64) -> u64 {
        let (left, right) = self.split(place);
        self.join((0..ROUNDS).fold((left, right), |(l, r), round| (r, l ^ self.round(round, r))))
    }

    fn backwards(&self, place: u64) -> u64 {
        let (left, right) = self.split(place);
        self.join((0..ROUNDS).rev().fold((left, right), |(l, r), round| (r ^ self.round(round, l), l)))
    }

    fn split(&self, place: u64) -> (u32, u32) {
        ((place >> self.half_bits) as u32, place as u32 & self.mask())
    }

    fn join(&self, (left, right): (u32, u32)) -> u64 {
        (u64::from(left) << self.half_bits) + u64::from(right)
    }

    const fn mask(&self) -> u32 {
        (1 << self.half_bits) - 1
    }

    fn round(&self, round: u8, half: u32) -> u32 {
        let mut hmac = self.keyed.clone();
        hmac.update(&[round]);
        hmac.update(&half.to_be_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hmac.finalize().into_bytes());
        u32::from_be_bytes([a, b, c, d]) & self.mask()
    }
}

impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draw").field("count", &self.count).finish_non_exhaustive()
    }
}

fn key(event: &EventId, seed: &Seed, count: u64) -> [u8; 32] {
    let mut hmac = keyed(seed);
    for part in [ALGORITHM.as_bytes(), &[0], event.as_str().as_bytes(), &[0], &count.to_be_bytes(), &BEACON] {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    #[test]
    fn the_key_is_the_one_that_independent_programs_compute() {
        let event = EventId::parse("demo").unwrap();
        let seed: Seed = core::array::from_fn(|at| at as u8);
        for (count, begins) in [
            (5, "7f008567d7745d7f"),
            (10, "826b687112985ce5"),
            (1_000, "691a845807a1bd99"),
            (1_000_000, "932535720d1446dc"),
        ] {
            assert_eq!(hex::encode(&key(&event, &seed, count)[..8]), begins, "N = {count}");
        }
    }

    #[test]
    fn halves_are_just_wide_enough() {
        let event = EventId::parse("demo").unwrap();
        let bits = |count| Draw::new(&event, &[0; 32], count).unwrap().half_bits;
        let of =
            [(0, 1), (1, 1), (4, 1), (5, 2), (16, 2), (17, 3), (1 << 30, 15), ((1 << 30) + 1, 16), (MAX_COUNT, 16)];
        for (count, expected) in of {
            assert_eq!(bits(count), expected, "N = {count}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let draw = Draw::new(&EventId::parse("demo").unwrap(), &[7; 32], 5).unwrap();
        assert_eq!(format!("{draw:?}"), "Draw { count: 5, .. }");
    }
}
