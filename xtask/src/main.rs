//! `cargo xtask`: the developer's commands.
#![allow(missing_docs)]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::bundle;
use xtask::tools::{self, Tools};
use xtask::ui::Ui;

/// Developer commands of Ropeline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the Worker's release bundle into build/, installing what that needs under target/tools
    Build,
    /// Make the scripts of the waiting page and of the console anew of their sources
    Page,
    /// Start everything (Kafka, Worker, relay, shop) with a demo event and a crowd; Ctrl-C stops it
    Up(xtask::up::Options),
    /// Run all tests, or one part of them, and count them
    Test(xtask::test::Options),
    /// Break queue/ and ticket/ in every small way, one at a time, and see whether a test fails
    Mutants(xtask::mutants::Options),
    /// Throw mutated input at everything that reads what anybody may send
    Fuzz(xtask::fuzz::Options),
    /// Measure speed and cost beside the ceilings of the platform, on this machine
    Bench(xtask::bench::Options),
    /// Hold the promises against the real runtime, under load, with `kill -9` at random
    Soak(xtask::soak::Options),
    /// Stop, hang and break parts of a running sale, and see each told by the real Prometheus and Alertmanager, and healed
    Drill(xtask::drill::Options),
    /// Replay the incident: 7,600 at once, again and again, while one thing after the other goes wrong; a verdict per promise, and a report
    Incident(xtask::incident::Options),
    /// Run a load scenario of tests/load by k6, against the real runtime here or against a deployment
    K6(xtask::k6::Options),
    /// Bring five times what this machine serves, and connections that only take room; a table says what became of them
    Overload,
    /// Measure how much this machine carries, by lanes and by how many wait; `plan` reckons what a sale asks of the platform
    Capacity(xtask::capacity::Options),
    /// Price a sale (a million enter, 50,000 are let in) from what is measured on this machine
    Bill(xtask::bench::bill::Options),
    /// Play simulated sales and hold the estimates of waiting times to the waits
    Calibrate(xtask::calibrate::Options),
    /// Simulate whole systems from seeds and check every promise after every step
    Simulate(xtask::simulate::Options),
    /// Print fresh secrets for a deployment (wrangler secret put)
    Keys,
    /// Generate load; `bench` runs it in a process of its own
    #[command(hide = true)]
    Load(xtask::bench::load::Load),
}

fn main() -> ExitCode {
    match run(&Ui::new()) {
        Ok(()) => ExitCode::SUCCESS,
        // Without a backtrace, whatever RUST_BACKTRACE says: the text is for the person who called.
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(ui: &Ui) -> Result<()> {
    match Arguments::parse().command {
        Command::Build => {
            xtask::process::stop_children_on_signals()?;
            tools::check_prerequisites(ui, false)?;
            let tools = Tools::ensure(ui)?;
            bundle::worker(ui, &tools)?;
            ui.step("build/ is ready");
            Ok(())
        }
        Command::Page => xtask::scripts::make_pages(ui),
        Command::Up(options) => xtask::up::run(ui, &options),
        Command::Test(options) => xtask::test::run(ui, &options),
        Command::Mutants(options) => xtask::mutants::run(ui, &options),
        Command::Fuzz(options) => xtask::fuzz::run(ui, &options),
        Command::Bench(options) => xtask::bench::run(ui, &options),
        Command::Soak(options) => xtask::soak::run(ui, &options),
        Command::Drill(options) => xtask::drill::run(ui, &options),
        Command::Incident(options) => xtask::incident::run(ui, &options),
        Command::K6(options) => xtask::k6::run(ui, &options),
        Command::Overload => xtask::overload::run(ui),
        Command::Capacity(options) => xtask::capacity::run(ui, &options),
        Command::Bill(options) => xtask::bench::bill::run(ui, &options),
        Command::Calibrate(options) => xtask::calibrate::run(ui, &options),
        Command::Simulate(options) => xtask::simulate::run(&options),
        Command::Keys => xtask::keys::print(),
        Command::Load(options) => xtask::bench::load::run(&options),
    }
}
