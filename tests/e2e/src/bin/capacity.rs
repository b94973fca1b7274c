//! The program behind `cargo xtask capacity`.

use std::process::ExitCode;

use clap::Parser;
use ropeline_e2e::capacity::{Lanes, Scale, Waiting};
use xtask::ui::Ui;

/// How much this machine carries.
#[derive(Debug, Parser)]
struct Options {
    /// Short steps: some three minutes in all
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(error) = xtask::process::stop_children_on_signals() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no threads: {error}"));
    match runtime.block_on(all(&Ui::new(), &options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn all(ui: &Ui, options: &Options) -> anyhow::Result<()> {
    let scale = if options.quick { Scale::QUICK } else { Scale::WHOLE };
    let lanes = Lanes::measure(&scale, |line| ui.step(line)).await?;
    println!("\n{lanes}");
    // Far enough below the knee that a wait is of the line's length, not of the load.
    let rate = (lanes.best() / 4.0) as u32;
    let waiting = Waiting::measure(&scale, rate, |line| ui.step(line)).await?;
    println!("\n{waiting}");
    Ok(())
}
