//! `cargo xtask incident`: 7,600 visitors at once, again and again, while one thing after the other goes wrong; ends with a verdict per promise and a
//! report to look at.
//!
//! As with [`crate::soak`] the work is in the package of the end-to-end tests.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::process::{Output, Process};
use crate::tools::k6;
use crate::tools::proxies::Proxies;
use crate::ui::Ui;
use crate::{drill, paths};

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
    let mut incident = drill::program(ui, "incident")?;
    k6::ensure(ui)?;
    Proxies::ensure(ui)?;
    incident.arg(options.report.clone().unwrap_or_else(|| paths::target().join("incident.html")));
    let status = Process::spawn("incident", &mut incident, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("something does not hold: see above, and the report");
    }
    Ok(())
}
