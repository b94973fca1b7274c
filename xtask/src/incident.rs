//! `cargo xtask incident`: 7,600 visitors at once, again and again, while one thing after the other goes wrong; ends with a verdict per promise and a
//! report to look at.
//!
//! As with [`crate::soak`] the work is in the package of the end-to-end tests.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::process::{self, Output, Process};
use crate::tools::monitoring::Monitoring;
use crate::tools::proxies::Proxies;
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{bundle, paths};

/// Options of `cargo xtask incident`.
#[derive(Debug, Args)]
pub struct Options {
    /// Where to write the report, one HTML page [default: target/incident.html]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Builds what is needed and runs it; fails when something does not hold.
///
/// # Errors
/// When something cannot be built or started, or does not hold.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, true)?;
    bundle::worker(ui, &Tools::ensure(ui)?)?;
    tools::ensure_kafka(ui)?;
    Monitoring::ensure(ui)?;
    tools::k6::ensure(ui)?;
    Proxies::ensure(ui)?;
    bundle::programs(ui)?;
    ui.step("build: the incident");
    process::run("cargo build", tools::cargo().args(["build", "--quiet", "-p", "ropeline-e2e", "--bin", "incident"]))?;
    let mut incident = std::process::Command::new(paths::target().join("debug/incident"));
    incident.arg(options.report.clone().unwrap_or_else(|| paths::target().join("incident.html")));
    let status = Process::spawn("incident", &mut incident, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("something does not hold: see above, and the report");
    }
    Ok(())
}
