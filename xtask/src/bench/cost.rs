//! What the objects say they cost: the lines that a Worker with `ROPELINE_TRACE = "cost"` prints.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

/// Calls and rows of a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls that objects have answered.
    pub calls: u64,
    /// Rows written, by SQLite's own count.
    pub rows: u64,
}

impl Cost {
    /// All since `began_at`, milliseconds since 1970, in the log of a Worker.
    ///
    /// # Errors
    /// When there is no log.
    pub fn since(log: &Path, began_at: u64) -> Result<Self> {
        Ok(Self::of(&std::fs::read_to_string(log)?, began_at))
    }

    fn of(log: &str, began_at: u64) -> Self {
        let mut cost = Self::default();
        for line in log.lines() {
            let Some(at) = line.find(r#"{"trace":"cost""#) else { continue };
            let told: Value = serde_json::from_str(line.get(at..).unwrap_or_default()).unwrap_or_default();
            if told["at"].as_u64().is_some_and(|at| at >= began_at) {
                cost.calls += 1;
                cost.rows += told["rows"].as_u64().unwrap_or(0);
            }
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_since_then_is_counted() {
        let log = "noise\n{\"trace\":\"cost\",\"at\":9,\"object\":\"lane\",\"rows\":5}\n\
                   x {\"trace\":\"cost\",\"at\":10,\"object\":\"lane\",\"rows\":2}\n\
                   {\"trace\":\"cost\",\"at\":11,\"object\":\"line\",\"rows\":3}\n";
        assert_eq!(Cost::of(log, 10), Cost { calls: 2, rows: 5 });
    }
}
