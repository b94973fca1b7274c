//! `cargo xtask drill`: what goes wrong in a sale, done on purpose before the real Prometheus and Alertmanager, and when each fault was
//! told and healed.
//!
//! As with [`crate::soak`] the work is in the package of the end-to-end tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::process::{self, Output, Process};
use crate::tools::monitoring::Monitoring;
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{bundle, paths};

/// Options of `cargo xtask drill`.
#[derive(Debug, Args)]
pub struct Options {
    /// Draw the dashboard as it was meanwhile, from its own queries, as SVG
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Builds what is needed and runs it; fails when a fault is not told, or not healed, within a minute.
///
/// # Errors
/// When something cannot be built or started, or a fault took too long.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    let mut drill = program(ui, "drill")?;
    drill.args(&options.picture);
    let status = Process::spawn("drill", &mut drill, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("a fault was not told, or not healed, within a minute: see the table above");
    }
    Ok(())
}

/// A program of the end-to-end tests' package, with all that a sale and what goes around it take.
pub(crate) fn program(ui: &Ui, name: &str) -> Result<Command> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, true)?;
    bundle::worker(ui, &Tools::ensure(ui)?)?;
    tools::ensure_kafka(ui)?;
    Monitoring::ensure(ui)?;
    bundle::programs(ui)?;
    ui.step(format!("build: the {name}"));
    process::run("cargo build", tools::cargo().args(["build", "--quiet", "-p", "ropeline-e2e", "--bin", name]))?;
    Ok(Command::new(paths::target().join("debug").join(name)))
}
