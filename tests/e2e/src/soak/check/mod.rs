//! The checks: each goes through a whole history and gives a [`Verdict`]. None of them knows the product's code.
//!
//! An outcome that nobody was told (no answer, hung up, 503) counts as what it is: the call may or may not have had its effect, once,
//! at any time after it was sent. So a check complains only of what no such effect explains.

mod limits;
mod line;
mod manners;
mod places;
#[cfg(test)]
mod scene;

pub use limits::{Entry, limits, trace};
pub use line::{Counts, line};
pub use manners::manners;
pub use places::places;

use std::fmt;

/// How many broken cases a verdict prints.
const SHOWN: usize = 10;

/// What a check found.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The promise.
    pub promise: &'static str,
    /// What was looked at, and how many of it.
    pub looked_at: Vec<(usize, &'static str)>,
    /// What breaks the promise.
    pub broken: Vec<String>,
}

impl Verdict {
    /// A verdict on a promise, nothing looked at yet.
    #[must_use]
    pub const fn new(promise: &'static str) -> Self {
        Self { promise, looked_at: Vec::new(), broken: Vec::new() }
    }

    /// Whether nothing was found, and there was something to look at.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.looked_at.iter().any(|(count, _)| *count > 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looked: Vec<String> = self.looked_at.iter().map(|(count, what)| format!("{count} {what}")).collect();
        let verdict = if self.holds() { "holds".to_owned() } else { format!("BROKEN {} times", self.broken.len()) };
        write!(f, "{:<45} {verdict}: {}", self.promise, looked.join(", "))?;
        for broken in self.broken.iter().take(SHOWN) {
            write!(f, "\n  {broken}")?;
        }
        Ok(())
    }
}
