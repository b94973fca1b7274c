//! The program behind `cargo xtask incident`. Its argument: where to write the report.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use ropeline_e2e::incident::{self, Scale, Trouble};
use ropeline_e2e::program;

fn main() -> ExitCode {
    program::run(async |ui| {
        let path = std::env::args_os().nth(1).map(PathBuf::from).context("where to write the report")?;
        xtask::bench::raise_descriptors()?;
        let scale = Scale { visitors: 7_600, apart: Duration::from_secs(150), troubles: Trouble::ALL.to_vec() };
        let record = incident::run(&scale, |line| ui.step(line)).await;
        print!("\n{record}");
        std::fs::write(&path, record.html())?;
        ui.step(format!("{} is the report", path.display()));
        Ok(record.holds())
    })
}
