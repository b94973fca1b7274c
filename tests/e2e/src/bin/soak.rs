//! The program behind `cargo xtask soak`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ropeline_e2e::{program, seed, soak};

/// The promises against the real runtime, under load, with `kill -9`.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: xtask::soak::Options,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    let outage = options.relay.then(|| Duration::from_secs(options.outage_seconds));
    let options = soak::Options {
        rounds: options.rounds,
        entries: options.entries(),
        clients: options.clients(),
        outage,
        at_most: Duration::from_secs(options.minutes * 60),
        seed: options.seed.unwrap_or_else(seed::seed),
    };
    program::run(async |ui| {
        let report = soak::run(options, |line| ui.step(line)).await;
        let soak::Report { entries, rounds, kills, .. } = &report;
        ui.step(format!(
            "{entries} answered entries, {rounds} rounds, {kills} kills of the runtime, seed {}",
            options.seed
        ));
        print!("{report}");
        Ok(report.holds())
    })
}
