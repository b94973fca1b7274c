//! `cargo xtask soak`: the promises against the real runtime for as long as you like, with `kill -9` at random.
//!
//! The work is in the package of the end-to-end tests, which has the clients and the checks; here it is built and run.

use anyhow::{Result, bail};
use clap::Args;

use crate::process::{self, Output, Process};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{bundle, paths};

/// Options of `cargo xtask soak`.
#[derive(Debug, Args)]
pub struct Options {
    /// Kills of the runtime, at least
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub rounds: u32,
    /// Answered entries, at least
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub entries: usize,
    /// Clients at once
    #[arg(long, default_value_t = 48, value_name = "N")]
    pub clients: u64,
    /// Ends after so many minutes at most; what was seen by then is checked
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub minutes: u64,
    /// Who does what, and when the kills come [default: ROPELINE_SEED, or by chance]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

/// Builds what is needed and runs it; fails when a promise is broken.
///
/// # Errors
/// When something cannot be built or started, or a promise is broken.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, false)?;
    bundle::worker(ui, &Tools::ensure(ui)?)?;
    ui.step("build: the clients and the checks");
    process::run("cargo build", tools::cargo().args(["build", "--quiet", "-p", "ropeline-e2e", "--bin", "soak"]))?;
    let mut soak = std::process::Command::new(paths::target().join("debug/soak"));
    soak.args([
        format!("--rounds={}", options.rounds),
        format!("--entries={}", options.entries),
        format!("--clients={}", options.clients),
        format!("--minutes={}", options.minutes),
    ]);
    soak.args(options.seed.map(|seed| format!("--seed={seed}")));
    let status = Process::spawn("soak", &mut soak, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("a promise is broken, or could not be checked ({status})");
    }
    Ok(())
}
