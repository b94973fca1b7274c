//! What the commands say while they work: one line per step, with the time
//! that has passed, on stderr. The same with and without a terminal.

use std::time::{Duration, Instant};

/// Says what is going on. Cheap to copy; the clock starts when it is made.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    started: Instant,
    quiet: bool,
}

impl Ui {
    /// Speaks to stderr.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now(), quiet: false }
    }

    /// Says nothing; for tests that print on failure only.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::new() }
    }

    /// One line: what is being done now.
    pub fn step(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("[{:>7}] {}", seconds(self.started.elapsed()), text.as_ref());
        }
    }

    /// A line that belongs to the step above it.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{:>9} {}", "", text.as_ref());
        }
    }

    /// Time since this was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Default for Ui {
    fn default() -> Self {
        Self::new()
    }
}

/// `4.2 s`, or `3:05 min` from two minutes on.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 120 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{}:{:02} min", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_like_a_clock() {
        assert_eq!(seconds(Duration::from_millis(4_240)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3:05 min");
    }
}
