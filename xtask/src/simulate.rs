//! `cargo xtask simulate`: whole systems from seeds, see `simulation/` and `docs/simulation.md`.
//!
//! A program of its own, so that the other commands need not be built with it.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::tools;

/// Seeds in `cargo xtask test`.
pub const SEEDS: u64 = 10_000;

/// Options of `cargo xtask simulate`.
#[derive(Debug, Args)]
pub struct Options {
    /// How many seeds
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens, step by step (with --seed)
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Go on after failures and count them
    #[arg(long)]
    keep_going: bool,
}

/// Runs the seeds; the last line says how many seeds, steps and how much time that was.
///
/// # Errors
/// When a promise was broken; how to run that seed again has been printed.
pub fn run(options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    let mut arguments =
        vec!["--seeds".to_owned(), options.seeds.to_string(), "--from".to_owned(), options.from.to_string()];
    if let Some(seed) = options.seed {
        arguments = vec!["--seed".to_owned(), seed.to_string()];
    }
    arguments.extend(options.trace.then(|| "--trace".to_owned()));
    arguments.extend(options.keep_going.then(|| "--keep-going".to_owned()));
    process::run("simulate", command().args(arguments))
}

/// The program, built if need be.
fn command() -> Command {
    let mut cargo = tools::cargo();
    cargo.args(["run", "--quiet", "--package", "ropeline-simulation", "--bin", "simulate", "--"]);
    cargo
}

/// As a step of the tests.
///
/// # Errors
/// When a promise was broken.
pub fn test() -> Result<()> {
    process::run("simulate", command().args(["--seeds", &SEEDS.to_string()]))
}
