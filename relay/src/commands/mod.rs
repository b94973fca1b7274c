//! The subcommands of `ropeline-relay`, one file each, and what they share.

pub mod check;
pub mod replay;
pub mod run;
pub mod status;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ropeline_relay::config::Config;

/// The settings are wrong: nothing was tried.
const WRONG_SETTINGS: u8 = 2;

/// Which settings.
#[derive(Args)]
pub struct File {
    /// The settings, in TOML; see ropeline-relay.sample.toml. Without it: the defaults and the environment
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl File {
    /// The settings, or how the program ends without them.
    fn load(&self) -> Result<Config, ExitCode> {
        Config::load(self.config.as_deref(), |name| std::env::var(name).ok()).map_err(|error| {
            eprintln!("ropeline-relay: {error}");
            ExitCode::from(WRONG_SETTINGS)
        })
    }
}

/// Runs a command that looks or changes something once.
fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let done = runtime.block_on(work);
    // A lookup of a name that hangs must not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

/// What this process calls itself towards the Worker.
fn random_name() -> Result<String, String> {
    let name = getrandom::u64().map_err(|error| format!("no randomness: {error}"))?;
    Ok(format!("{name:016x}"))
}
