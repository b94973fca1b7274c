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
    /// Instead: one great sale without faults, with so many visitors
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "keep_going"])]
    visitors: Option<usize>,
    /// With --visitors: they come within so many seconds [default: 60]
    #[arg(long, requires = "visitors")]
    rush_seconds: Option<u64>,
    /// With --visitors: the event's lanes [default: 64]
    #[arg(long, requires = "visitors")]
    lanes: Option<u16>,
    /// With --visitors: the event's `new_users_per_minute` [default: a fortieth of the visitors]
    #[arg(long, requires = "visitors")]
    per_minute: Option<u64>,
}

impl Options {
    fn arguments(&self) -> Vec<String> {
        let value = |name: &str, value: u64| format!("--{name}={value}");
        if let Some(visitors) = self.visitors {
            let mut arguments = vec![format!("--visitors={visitors}")];
            arguments.extend(self.rush_seconds.map(|seconds| value("rush-seconds", seconds)));
            arguments.extend(self.lanes.map(|lanes| value("lanes", lanes.into())));
            arguments.extend(self.per_minute.map(|per_minute| value("per-minute", per_minute)));
            return arguments;
        }
        let mut arguments = match self.seed {
            Some(seed) => vec![value("seed", seed)],
            None => vec![value("seeds", self.seeds), value("from", self.from)],
        };
        arguments.extend(self.trace.then(|| "--trace".to_owned()));
        arguments.extend(self.keep_going.then(|| "--keep-going".to_owned()));
        arguments
    }
}

/// Runs the seeds, or the great sale; the last line says how many steps, and how much time that was.
///
/// # Errors
/// When a promise was broken; how to run that seed again has been printed.
pub fn run(options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    process::run("simulate", command().args(options.arguments()))
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
