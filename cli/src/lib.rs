//! `ropeline`: the operator's command line. A sale is set up, watched and steered from a terminal or a script.
//!
//! * [`options`] is the command line; `commands` has one file for each command; [`failure`] says how it ends when it does not go well.
//! * [`client`] is the one way to the Worker, at an [`address`] that was looked at; [`secret`] keeps keys from being shown.
//! * [`event_file`] reads what `events apply` applies, and [`diff`] says what that changes; [`switch`] knows which settings suspend,
//!   open or end an event.
//! * [`snapshot`] is one look at an event, with rates between two of them; [`screen`] and [`alerts`] show it.
//! * [`check`] looks at a deployment from outside.
//!
//! Invariants: nothing is changed that was not shown; every change carries the version it was shown for; no secret stands on a
//! command line, in an error or in `Debug`. `docs/cli.md` has every command, and a test holds it to the program.

pub mod address;
pub mod alerts;
pub mod check;
pub mod client;
mod commands;
pub mod diff;
pub mod event_file;
pub mod failure;
pub mod options;
pub mod output;
pub mod screen;
pub mod secret;
pub mod snapshot;
pub mod switch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::failure::Failure;
use crate::options::Cli;

/// Runs the command that the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("no runtime: {error}")))
        .and_then(|runtime| {
            let done = runtime.block_on(commands::run(&cli));
            // A lookup of a name that hangs must not hold the process.
            runtime.shutdown_timeout(Duration::from_millis(200));
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(cli.global.json);
            ExitCode::from(failure.exit_code())
        }
    }
}
