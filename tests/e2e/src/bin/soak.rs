//! The program behind `cargo xtask soak`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ropeline_e2e::{seed, soak};
use xtask::ui::Ui;

/// The promises against the real runtime, under load, with `kill -9`.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: xtask::soak::Options,
}

fn main() -> ExitCode {
    if let Err(error) = xtask::process::stop_children_on_signals() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no threads: {error}"));
    let ui = Ui::new();
    let report = runtime.block_on(soak::run(options, |line| ui.step(line)));
    let soak::Report { entries, rounds, kills, .. } = &report;
    ui.step(format!(
        "{entries} answered entries, {rounds} rounds, {kills} kills of the runtime, seed {}",
        options.seed
    ));
    print!("{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
