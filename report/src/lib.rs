//! What a `check` found, that of the relay and that of the operator's command line alike: lines, and how they are written.
//!
//! Invariant: a line that is no `ok` says what to do. No line has a secret in it.

use std::fmt;

use serde::Serialize;

/// How good or bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Not looked at, or of no harm.
    Note,
    /// It works, and something may go wrong later.
    Warn,
    /// It keeps the product from its work.
    Fail,
}

impl Level {
    /// As it stands at the beginning of a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// How it is.
    pub level: Level,
    /// What it is, in a word: the same one in every version.
    pub check: &'static str,
    /// Which one: a file, an address, a topic.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do; none where nothing is to be done.
    pub remedy: Option<String>,
}

impl Line {
    /// As it should be.
    #[must_use]
    pub fn ok(check: &'static str, about: impl Into<String>, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, about: about.into(), found: found.into(), remedy: None }
    }

    /// One that needs somebody.
    pub fn new(
        level: Level,
        check: &'static str,
        about: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level, check, about: about.into(), found: found.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, check, about, found, remedy } = self;
        // Names of files, hosts and errors come from elsewhere: a line stays one line.
        let plain = |text: &str| text.replace(char::is_control, " ");
        write!(f, "{:<4} {check} {}: {}", level.as_str(), plain(about), plain(found))?;
        remedy.as_ref().map_or(Ok(()), |remedy| write!(f, ": {}", plain(remedy)))
    }
}

/// All of them, in the order of the things they are about.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How many are as they should be.
    pub ok: usize,
    /// How many are of no harm.
    pub notes: usize,
    /// How many may do harm later.
    pub warnings: usize,
    /// How many are worse than that.
    pub failures: usize,
    /// Each of them.
    pub lines: Vec<Line>,
}

impl Report {
    /// Counts.
    #[must_use]
    pub fn new(lines: Vec<Line>) -> Self {
        let count = |level| lines.iter().filter(|line| line.level == level).count();
        let (ok, notes) = (count(Level::Ok), count(Level::Note));
        Self { ok, notes, warnings: count(Level::Warn), failures: count(Level::Fail), lines }
    }

    /// Whether nothing is in the way.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.failures == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let Self { ok, notes, warnings, failures, .. } = self;
        write!(f, "{ok} ok, {notes} note, {warnings} warn, {failures} FAIL")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_says_what_to_do() {
        let line = Line::new(Level::Fail, "worker", "https://a\nb", "no\tanswer", "look into\rits log");
        assert_eq!(line.to_string(), "FAIL worker https://a b: no answer: look into its log");
        assert_eq!(Line::ok("worker", "a", "answers").to_string(), "ok   worker a: answers");
    }

    #[test]
    fn only_a_failure_is_not_well() {
        let of = |level| Line::new(level, "x", "y", "z", "do");
        let report = Report::new(vec![Line::ok("x", "y", "z"), of(Level::Note), of(Level::Warn)]);
        assert!(report.is_well());
        assert!(report.to_string().ends_with("\n1 ok, 1 note, 1 warn, 0 FAIL"), "{report}");
        assert!(!Report::new(vec![of(Level::Fail)]).is_well());
    }
}
