//! `cargo xtask overload`: the most that is served here in time, five times as much, and connections that only take room.
//!
//! As with [`crate::soak`] the work is in the package of the end-to-end tests.

use anyhow::{Result, bail};

use crate::bundle;
use crate::process::{self, Output, Process};
use crate::tools::{self, Tools};
use crate::ui::Ui;

/// Builds what is needed and runs it; fails when something does not hold.
///
/// # Errors
/// When something cannot be built or started, or does not hold.
pub fn run(ui: &Ui) -> Result<()> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, false)?;
    bundle::worker(ui, &Tools::ensure(ui)?)?;
    let mut overload = std::process::Command::new(bundle::generator(ui, "overload")?);
    crate::bench::raise_descriptors()?;
    let status = Process::spawn("overload", &mut overload, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("something does not hold: see above");
    }
    Ok(())
}
