//! The program behind `cargo xtask capacity`.

use std::process::ExitCode;

use clap::Parser;
use ropeline_e2e::capacity::{Lanes, Scale, Waiting};
use ropeline_e2e::program;

/// How much this machine carries.
#[derive(Debug, Parser)]
struct Options {
    /// Short steps: some three minutes in all
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let scale = if Options::parse().quick { Scale::QUICK } else { Scale::WHOLE };
    program::run(async |ui| {
        let lanes = Lanes::measure(&scale, |line| ui.step(line)).await?;
        println!("\n{lanes}");
        // Far enough below the knee that a wait is of the line's length, not of the load.
        let rate = (lanes.best() / 4.0) as u32;
        let waiting = Waiting::measure(&scale, rate, |line| ui.step(line)).await?;
        println!("\n{waiting}");
        Ok(true)
    })
}
