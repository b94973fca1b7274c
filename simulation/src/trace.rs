//! A readable trace of one seed.

use crate::plan::Ms;

/// Prints what happens, if asked to.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) on: bool,
}

impl Trace {
    pub(crate) fn note(&self, now: Ms, text: impl FnOnce() -> String) {
        if self.on {
            println!("{:>5}.{:03} {}", now / 1_000, now % 1_000, text());
        }
    }
}
