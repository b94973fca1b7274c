//! What the line says about every exchange when the Worker runs with `ROPELINE_TRACE`: one JSON line each, in its order.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// All exchanges of one event in the order in which the line worked on them.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Oldest first.
    pub exchanges: Vec<Exchange>,
}

/// One exchange.
#[derive(Debug, Clone, Deserialize)]
pub struct Exchange {
    /// The line's clock, milliseconds since 1970.
    pub clk: u64,
    /// Which lane asked.
    pub lane: u64,
    /// What became of the places wanted.
    pub numbering: Value,
    /// What was asked, and the answer.
    pub ops: Vec<Answered>,
    /// The frontier after it.
    pub frontier: u64,
    /// Slots in use after it.
    pub active: u64,
}

/// One op of an exchange.
#[derive(Debug, Clone, Deserialize)]
pub struct Answered {
    /// `{"claim": {"number", …}}`, `{"complete": {"seq"}}` …
    pub op: Value,
    /// `"called"`, `{"admitted": {"seq", "session_expires_at"}}` …
    pub answer: Value,
}

impl Answered {
    /// The number of a claim.
    #[must_use]
    pub fn claim(&self) -> Option<u64> {
        self.op.get("claim")?.get("number")?.as_u64()
    }

    /// The number of a renewal.
    #[must_use]
    pub fn renew(&self) -> Option<u64> {
        self.op.get("renew")?.get("number")?.as_u64()
    }

    /// The number of a leave.
    #[must_use]
    pub fn leave(&self) -> Option<u64> {
        self.op.get("leave")?.get("number")?.as_u64()
    }

    /// The `seq` of a completion.
    #[must_use]
    pub fn complete(&self) -> Option<u64> {
        self.op.get("complete")?.get("seq")?.as_u64()
    }

    /// The `seq` of an admission and the end of its session, in milliseconds.
    #[must_use]
    pub fn admitted(&self) -> Option<(u64, u64)> {
        let admitted = self.answer.get("admitted")?;
        Some((admitted.get("seq")?.as_u64()?, admitted.get("session_expires_at")?.as_u64()?))
    }
}

impl Trace {
    /// Reads the runtime's log.
    ///
    /// # Panics
    /// When it cannot be read, or a line is not what we know.
    #[must_use]
    pub fn read(log: &Path, event: &str) -> Self {
        let bytes = std::fs::read(log).unwrap_or_else(|error| panic!("no log at {}: {error}", log.display()));
        let text = String::from_utf8_lossy(&bytes);
        let mut exchanges = Vec::new();
        for line in text.lines() {
            let Some(from) = line.find('{') else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&line[from..]) else { continue };
            if value.get("trace").is_none_or(|kind| kind != "exchange")
                || value.get("event").is_none_or(|of| of != event)
            {
                continue;
            }
            let exchange = serde_json::from_value(value);
            exchanges.push(exchange.unwrap_or_else(|error| panic!("cannot read the trace {line:?}: {error}")));
        }
        Self { exchanges }
    }
}
