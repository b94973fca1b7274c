//! `cargo xtask soak`: the promises against the real runtime for as long as you like, with `kill -9` at random. With `--relay` also
//! against a real broker and two relays, which are killed like the runtime, until the last admission is in Kafka.
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
    /// With Kafka and two relays: kills go to broker, relays and runtime
    #[arg(long)]
    pub relay: bool,
    /// With --relay: so many seconds the broker stays away, once, in the middle of the run
    #[arg(long, default_value_t = 180, value_name = "N", requires = "relay")]
    pub outage_seconds: u64,
    /// Kills, at least
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub rounds: u32,
    /// Answered entries, at least [default: 100000, with --relay 20000]
    #[arg(long, value_name = "N")]
    pub entries: Option<usize>,
    /// Clients at once [default: 48, with --relay 8]
    #[arg(long, value_name = "N")]
    pub clients: Option<u64>,
    /// Ends after so many minutes at most; what was seen by then is checked
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub minutes: u64,
    /// Who does what, and when the kills come [default: ROPELINE_SEED, or by chance]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

impl Options {
    /// Answered entries, at least.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.unwrap_or(if self.relay { 20_000 } else { 100_000 })
    }

    /// Clients at once: with broker and relays the machine has other work, too.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients.unwrap_or(if self.relay { 8 } else { 48 })
    }
}

/// Builds what is needed and runs it; fails when a promise is broken.
///
/// # Errors
/// When something cannot be built or started, or a promise is broken.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, options.relay)?;
    bundle::worker(ui, &Tools::ensure(ui)?)?;
    if options.relay {
        tools::ensure_kafka(ui)?;
        bundle::programs(ui)?;
    }
    ui.step("build: the clients and the checks");
    process::run("cargo build", tools::cargo().args(["build", "--quiet", "-p", "ropeline-e2e", "--bin", "soak"]))?;
    let mut soak = std::process::Command::new(paths::target().join("debug/soak"));
    soak.args([
        format!("--rounds={}", options.rounds),
        format!("--entries={}", options.entries()),
        format!("--clients={}", options.clients()),
        format!("--minutes={}", options.minutes),
    ]);
    if options.relay {
        soak.arg("--relay").arg(format!("--outage-seconds={}", options.outage_seconds));
    }
    soak.args(options.seed.map(|seed| format!("--seed={seed}")));
    let status = Process::spawn("soak", &mut soak, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("a promise is broken, or could not be checked ({status})");
    }
    Ok(())
}
