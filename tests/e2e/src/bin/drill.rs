//! The program behind `cargo xtask drill`. Its argument, if there is one: where to draw the dashboard.

use std::path::PathBuf;
use std::process::ExitCode;

use ropeline_e2e::drill::{self, Fault};
use xtask::ui::Ui;

fn main() -> ExitCode {
    if let Err(error) = xtask::process::stop_children_on_signals() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no threads: {error}"));
    let ui = Ui::new();
    let picture = std::env::args_os().nth(1).map(PathBuf::from);
    let report = runtime.block_on(drill::run(&Fault::ALL, picture.as_deref(), |line| ui.step(line)));
    print!("{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
