//! Recomputes the draw of an event from its published proof: see [`Proof`], and `README.md` for what it proves.
//!
//! The program `ropeline-draw` is a thin shell around this; `ropeline draw verify` is another.

mod proof;

pub use proof::{Proof, ProofError};
