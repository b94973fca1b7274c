//! The program behind `cargo xtask incident`. Its argument: where to write the report.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ropeline_e2e::incident::{self, Scale, Trouble};
use xtask::ui::Ui;

fn main() -> ExitCode {
    match run(&Ui::new()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all holds.
fn run(ui: &Ui) -> anyhow::Result<bool> {
    xtask::process::stop_children_on_signals()?;
    xtask::bench::raise_descriptors()?;
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("incident.html"), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let scale = Scale { visitors: 7_600, apart: Duration::from_secs(150), troubles: Trouble::ALL.to_vec() };
    let record = runtime.block_on(incident::run(&scale, |line| ui.step(line)));
    print!("\n{record}");
    std::fs::write(&path, record.html())?;
    ui.step(format!("{} is the report", path.display()));
    Ok(record.holds())
}
