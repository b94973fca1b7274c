//! Are the estimates worth trusting? Simulated sales of many shapes over the real line; every answer is held to the wait that
//! came of it.
//!
//! * [`shapes`]: what happens in a sale. [`sale`]: plays one.
//! * [`judge`](mod@judge): holds answers to waits. [`table`]: what of that is published in `docs/estimates.md`.

pub mod judge;
mod random;
mod rows;
pub mod sale;
pub mod shapes;
pub mod table;

/// The seeds of what is published.
pub const SEEDS: [u64; 2] = [1, 2];
