//! The table and the goals of the benchmark.

use std::fmt;
use std::fmt::Write;

use serde_json::Value;

use super::histogram::Histogram;

/// What was measured of one kind, over all rounds.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: String,
    latencies: Histogram,
    failed: u64,
    seconds: f64,
    cpu_seconds: f64,
    rates: Vec<f64>,
    why: Option<String>,
}

impl Row {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            latencies: Histogram::default(),
            failed: 0,
            seconds: 0.0,
            cpu_seconds: 0.0,
            rates: Vec::new(),
            why: None,
        }
    }

    /// Adds one run of the generator.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn add(&mut self, run: &Value) {
        let latencies = Histogram::from_json(&run["latencies"]);
        let seconds = run["seconds"].as_f64().unwrap_or(0.0);
        if seconds > 0.0 {
            self.rates.push(latencies.count() as f64 / seconds);
        }
        self.latencies.merge(&latencies);
        self.failed += run["failed"].as_u64().unwrap_or(0);
        self.seconds += seconds;
        self.cpu_seconds += run["cpu_seconds"].as_f64().unwrap_or(0.0);
        if self.why.is_none() {
            self.why = run["why"].as_str().map(str::to_owned);
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Good answers.
    pub(super) fn count(&self) -> u64 {
        self.latencies.count()
    }

    /// Good answers per second over all rounds.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.count() as f64 / self.seconds } else { 0.0 }
    }

    /// CPU time of the server for each good answer, microseconds.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1_000_000.0 / (self.count().max(1) as f64)
    }

    pub(super) fn p99_ms(&self) -> f64 {
        self.latencies.quantile_ms(0.99)
    }

    pub(super) fn max_ms(&self) -> f64 {
        self.latencies.max_ms()
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }
}

/// A goal with what was reached.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    is_met: bool,
    text: String,
}

impl Goal {
    /// `reached` must be `goal` or more.
    pub(super) fn at_least(what: &str, reached: f64, goal: f64) -> Self {
        Self { is_met: reached >= goal, text: format!("{what}: {reached:.2}   (goal: at least {goal})") }
    }

    /// `reached` must be `goal` or less.
    pub(super) fn at_most(what: &str, reached: f64, goal: f64) -> Self {
        Self { is_met: reached <= goal, text: format!("{what}: {reached:.2}   (goal: at most {goal})") }
    }

    pub(super) fn is_met(&self) -> bool {
        self.is_met
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met { "met   " } else { "MISSED" };
        write!(f, "{verdict}  {}", self.text)
    }
}

/// The table; failures are named below it.
pub(super) fn print(rows: &[Row]) -> String {
    let mut text = format!(
        "\n{:<24} {:>8} {:>15} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}\n",
        "", "per s", "rounds", "CPU µs", "p50 ms", "p95 ms", "p99 ms", "max ms", "failed"
    );
    for row in rows {
        let least = row.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = row.rates.iter().copied().fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "{:<24} {:>8.0} {:>15} {:>8.0} {:>8.2} {:>8.2} {:>8.2} {:>8.1} {:>7}",
            row.name,
            row.rate(),
            format!("{least:.0} … {most:.0}"),
            row.cpu_us(),
            row.latencies.quantile_ms(0.5),
            row.latencies.quantile_ms(0.95),
            row.p99_ms(),
            row.max_ms(),
            row.failed
        );
    }
    for row in rows {
        if let Some(why) = &row.why {
            let _ = writeln!(text, "first failure of {}: {why}", row.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_adds_up_its_rounds_and_a_goal_says_whether_it_is_met() {
        let mut latencies = Histogram::default();
        (0..500).for_each(|_| latencies.record(1_000));
        let run = json!({"latencies": latencies.to_json(), "seconds": 0.5, "cpu_seconds": 0.2, "failed": 1});
        let mut row = Row::new("enter");
        row.add(&run);
        row.add(&run);
        assert_eq!((row.count(), row.failed()), (1_000, 2));
        assert!((row.rate() - 1_000.0).abs() < 1e-9 && (row.cpu_us() - 400.0).abs() < 1e-9);
        assert!(Goal::at_most("CPU", row.cpu_us(), 400.5).is_met());
        assert!(!Goal::at_most("CPU", row.cpu_us(), 399.5).is_met());
        assert!(Goal::at_least("rate", row.rate(), 999.0).is_met());
        assert!(!Goal::at_least("rate", row.rate(), 1_001.0).is_met());
    }
}
