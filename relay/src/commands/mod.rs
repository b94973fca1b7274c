//! The subcommands of `ropeline-relay`, one file each, and what they share.

pub mod check;
pub mod run;

use std::path::PathBuf;
use std::process::ExitCode;

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
