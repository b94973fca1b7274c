//! The program behind `cargo xtask drill`. Its argument, if there is one: where to draw the dashboard.

use std::path::PathBuf;
use std::process::ExitCode;

use ropeline_e2e::drill::{self, Fault};
use ropeline_e2e::program;

fn main() -> ExitCode {
    program::run(async |ui| {
        let picture = std::env::args_os().nth(1).map(PathBuf::from);
        let report = drill::run(&Fault::ALL, picture.as_deref(), |line| ui.step(line)).await;
        print!("{report}");
        Ok(report.holds())
    })
}
