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
        if self.why.is_none() {
            self.why = run["why"].as_str().map(str::to_owned);
        }
    }

    /// Good answers per second over all rounds.
    #[allow(clippy::cast_precision_loss)]
    fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.latencies.count() as f64 / self.seconds } else { 0.0 }
    }
}

/// A goal with what was reached.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    pub(super) is_met: bool,
    text: String,
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
        "\n{:<14} {:>9} {:>17} {:>9} {:>9} {:>9} {:>9} {:>8}\n",
        "", "per s", "rounds", "p50 ms", "p95 ms", "p99 ms", "max ms", "failed"
    );
    for row in rows {
        let least = row.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = row.rates.iter().copied().fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "{:<14} {:>9.0} {:>17} {:>9.2} {:>9.2} {:>9.2} {:>9.1} {:>8}",
            row.name,
            row.rate(),
            format!("{least:.0} … {most:.0}"),
            row.latencies.quantile_ms(0.5),
            row.latencies.quantile_ms(0.95),
            row.latencies.quantile_ms(0.99),
            row.latencies.max_ms(),
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

/// What issue and documentation promise.
pub(super) fn goals(rows: &[Row]) -> Vec<Goal> {
    let find = |name: &str| rows.iter().find(|row| row.name == name);
    let ratio = |name: &str, ceiling: &str, least: f64| {
        let rate = |name| find(name).map_or(0.0, Row::rate);
        let reached = if rate(ceiling) > 0.0 { rate(name) / rate(ceiling) } else { 0.0 };
        Goal {
            is_met: reached >= least,
            text: format!("{name} / {ceiling} = {reached:.2}   (goal: at least {least:.2})"),
        }
    };
    let mut goals = vec![ratio("enter", "hop", 0.5), ratio("status", "hello", 0.65)];
    if let Some(rush) = find("7,600 at once") {
        let slowest = rush.latencies.max_ms() / 1_000.0;
        goals.push(Goal {
            is_met: rush.failed == 0 && rush.latencies.count() > 0 && slowest <= 5.0,
            text: format!("7,600 at once: {} failed, slowest {slowest:.2} s   (goal: none, at most 5 s)", rush.failed),
        });
    }
    let failed: u64 = rows.iter().filter(|row| row.name != "7,600 at once").map(|row| row.failed).sum();
    goals.push(Goal { is_met: failed == 0, text: format!("{failed} failed in the rounds   (goal: none)") });
    goals
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(name: &str, per_second: u64, failed: u64) -> Row {
        let mut latencies = Histogram::default();
        for _ in 0..per_second {
            latencies.record(1_000);
        }
        let mut row = Row::new(name);
        row.add(&json!({"latencies": latencies.to_json(), "seconds": 1.0, "failed": failed}));
        row
    }

    fn met(rows: &[Row]) -> Vec<bool> {
        goals(rows).iter().map(|goal| goal.is_met).collect()
    }

    #[test]
    fn a_goal_is_met_by_the_ratio_to_its_ceiling_and_by_no_failure() {
        let ceilings = [row("hello", 1_000, 0), row("hop", 500, 0)];
        let good = [row("status", 650, 0), row("enter", 250, 0), row("7,600 at once", 7_600, 0)];
        assert_eq!(met(&[&ceilings[..], &good].concat()), [true, true, true, true]);
        let bad = [row("status", 640, 1), row("enter", 240, 0), row("7,600 at once", 7_599, 1)];
        assert_eq!(met(&[&ceilings[..], &bad].concat()), [false, false, false, false]);
    }
}
