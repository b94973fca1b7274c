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
use crate::platform::Use;
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{bundle, process};

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

fn line(step: &Use, what: &str, millions: f64) -> String {
    format!(
        "{what:<34} {:>9.2} {:>9.3} {:>9.2} {:>9.2} {:>12.3}",
        step.requests,
        step.cpu_ms,
        step.calls,
        step.rows,
        step.price() * millions
    )
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
    println!("{}", line(&enter, "enter, 1,000,000", ENTRANTS));
    println!("{}", line(&claim, "claim that admits, 50,000", ADMITTED));
    #[allow(clippy::cast_precision_loss)]
    let polls = line(&poll, &format!("beside it: {POLLS},000,000 polls"), POLLS as f64);
    println!("{polls}");
    let total = enter.price() * ENTRANTS + claim.price() * ADMITTED;
    let goal = Goal::at_most("the sale without polls, dollars", total, GOAL);
    println!("\n{goal}");
    anyhow::ensure!(goal.is_met() || !options.strict, "the goal is missed");
    Ok(())
}
