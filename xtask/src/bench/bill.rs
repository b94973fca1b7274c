//! `cargo xtask bill`: what a sale costs on Cloudflare Workers, from requests, rows and CPU time measured on this machine.
//!
//! A million enter, 50,000 of them are let in. Polls are priced beside it, since their number is the operator's choice. Left out
//! are the plan's monthly fee, with all that it includes, and the duration of objects, which one busy event shares among all.

use anyhow::Result;
use clap::Args;

use super::load::{Kind, POLLS};
use super::station::{Yard, load, measure};
use super::table::{Goal, Row};
use super::{Measured, raise_descriptors};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{bundle, process};

/// Prices in US dollars for a million, Workers Paid plan, beyond what the plan includes:
/// <https://developers.cloudflare.com/workers/platform/pricing/> and
/// <https://developers.cloudflare.com/durable-objects/platform/pricing/>, November 2026.
mod price {
    /// Requests to a Worker.
    pub const REQUESTS: f64 = 0.30;
    /// Milliseconds of a Worker's CPU.
    pub const CPU_MS: f64 = 0.02;
    /// Requests to Durable Objects.
    pub const OBJECT_REQUESTS: f64 = 0.15;
    /// Rows written to SQLite.
    pub const ROWS_WRITTEN: f64 = 1.00;
}

/// The sale, in millions.
const ENTRANTS: f64 = 1.0;
const ADMITTED: f64 = 0.05;
/// The goal, dollars, without polls.
const GOAL: f64 = 5.0;

/// Options of `cargo xtask bill`.
#[derive(Debug, Args)]
pub struct Options {
    /// Fail when it is more than the goal
    #[arg(long)]
    strict: bool,
}

/// What one visitor's step uses.
struct Use {
    requests: f64,
    cpu_ms: f64,
    calls: f64,
    rows: f64,
}

impl Use {
    /// Dollars for a million of them.
    fn price(&self) -> f64 {
        self.requests * price::REQUESTS
            + self.cpu_ms * price::CPU_MS
            + self.calls * price::OBJECT_REQUESTS
            + self.rows * price::ROWS_WRITTEN
    }

    fn line(&self, what: &str, millions: f64) -> String {
        format!(
            "{what:<34} {:>9.2} {:>9.3} {:>9.2} {:>9.2} {:>12.3}",
            self.requests,
            self.cpu_ms,
            self.calls,
            self.rows,
            self.price() * millions
        )
    }
}

/// Measures and prices.
///
/// # Errors
/// When something cannot be measured; with `--strict`, when the goal is missed.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, false)?;
    raise_descriptors()?;
    let tools = Tools::ensure(ui)?;
    bundle::worker(ui, &tools)?;
    let yard = Yard::new(&tools)?;
    let measured = Measured::take(ui, &yard)?;
    ui.step("CPU time: enter, status, claim");
    let server = yard.product("product", true)?;
    let cpu_ms = |kind: Kind| -> Result<f64> {
        let mut load = load(kind, &server);
        load.count = if kind == Kind::Claim { load.connections * 40 } else { 0 };
        let mut row = Row::new(kind.name());
        row.add(&measure(&load)?);
        Ok(row.cpu_us() / 1_000.0)
    };
    // All of the process counts, objects and runtime, though the platform bills the Worker's alone.
    let enter = Use {
        requests: 1.0,
        cpu_ms: cpu_ms(Kind::Enter)?,
        calls: measured.calls_per_entrant,
        rows: measured.rows_per_entrant,
    };
    // The counted claims have entered, too.
    let claim = Use {
        requests: 1.0,
        cpu_ms: cpu_ms(Kind::Claim)?,
        calls: (measured.calls_per_admitted - measured.calls_per_entrant).max(0.0),
        rows: (measured.rows_per_admitted - measured.rows_per_entrant).max(0.0),
    };
    let poll = Use { requests: 1.0, cpu_ms: cpu_ms(Kind::Status)?, calls: 1.0 - measured.polls_alone, rows: 0.0 };

    println!("\n{:<34} {:>9} {:>9} {:>9} {:>9} {:>12}", "for each", "requests", "CPU ms", "calls", "rows", "dollars");
    println!("{}", enter.line("enter, 1,000,000", ENTRANTS));
    println!("{}", claim.line("claim that admits, 50,000", ADMITTED));
    #[allow(clippy::cast_precision_loss)]
    let polls = poll.line(&format!("beside it: {POLLS},000,000 polls"), POLLS as f64);
    println!("{polls}");
    let total = enter.price() * ENTRANTS + claim.price() * ADMITTED;
    let goal = Goal::at_most("the sale without polls, dollars", total, GOAL);
    println!("\n{goal}");
    anyhow::ensure!(goal.is_met() || !options.strict, "the goal is missed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_of_everything_costs_the_sum_of_the_prices() {
        let one = Use { requests: 1.0, cpu_ms: 1.0, calls: 1.0, rows: 1.0 };
        assert!((one.price() - 1.47).abs() < 1e-9);
    }
}
