//! What is wrong with a configuration: everything at once, each with its key, its value and what to do.
//!
//! Invariant: one mistake per key, and none below a key that is wrong itself. Values are those of settings that are no
//! secrets.

use std::fmt;

/// A value longer than this is cut.
const SHOWN: usize = 120;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, like `batch.max_rows`; `line 7` where the file is no TOML; `--config` where it cannot be read.
    pub key: String,
    /// What it is set to, as a file would say it. None: it is missing, or must not be shown.
    pub value: Option<String>,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "{}: {}", self.key, self.what),
            Some(value) => {
                let cut: String = value.chars().take(SHOWN).collect();
                let dots = if cut.len() < value.len() { "…" } else { "" };
                write!(f, "{} = {cut}{dots}: {}", self.key, self.what)
            }
        }
    }
}

/// Why there is no configuration: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(mistakes))]
pub struct ConfigError {
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    match lines.as_slice() {
        [line] => format!("the configuration is wrong: {line}"),
        lines => format!("the configuration is wrong in {} places:\n  {}", lines.len(), lines.join("\n  ")),
    }
}

/// Collects them.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Notes one, unless this key, or one above it, was wrong already: what was not read looks missing.
    pub fn add(&mut self, key: impl Into<String>, value: Option<String>, what: impl Into<String>) {
        let key = key.into();
        if !self.has(&key) {
            self.0.push(Mistake { key, value, what: what.into() });
        }
    }

    /// Whether `key`, or one above it, is known to be wrong.
    pub fn has(&self, key: &str) -> bool {
        let wrong = |mistake: &Mistake| {
            key.strip_prefix(&mistake.key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.iter().any(wrong)
    }

    /// Notes a number that is not within its bounds.
    pub fn within<N: PartialOrd + fmt::Display>(&mut self, key: &str, value: N, least: N, most: N) {
        if value < least || value > most {
            self.add(key, Some(value.to_string()), format!("must be within {least} … {most}"));
        }
    }

    /// Notes text that cannot be used.
    pub fn text(&mut self, key: &str, value: &str, what: impl Into<String>) {
        self.add(key, Some(format!("{value:?}")), what);
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An error if there was one.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.is_empty() { Ok(()) } else { Err(self.into()) }
    }
}

impl From<Mistakes> for ConfigError {
    fn from(mistakes: Mistakes) -> Self {
        Self { mistakes: mistakes.0 }
    }
}
