//! The program behind `cargo xtask overload`.

use std::process::ExitCode;
use std::time::Duration;

use ropeline_e2e::overload::knee::Climb;
use ropeline_e2e::overload::{self, ANSWER, Scale, connections};
use xtask::ui::Ui;

/// Thorough enough for figures.
const SCALE: Scale = Scale {
    climb: Climb { step: Duration::from_secs(4), growth: 1.2 },
    burst: Duration::from_secs(10),
    bare: Some(4_000),
};

fn main() -> ExitCode {
    if let Err(error) = xtask::process::stop_children_on_signals() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no threads: {error}"));
    match runtime.block_on(all(&Ui::new())) {
        Ok(misses) if misses.is_empty() => ExitCode::SUCCESS,
        Ok(misses) => {
            misses.iter().for_each(|miss| println!("MISSED  {miss}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What does not hold.
async fn all(ui: &Ui) -> anyhow::Result<Vec<String>> {
    let world = overload::world().await;
    let report = overload::run(&world, SCALE, |line| ui.step(line)).await?;
    println!("\n{report}");
    ui.step("connections that only take room");
    println!("\n| what takes room | the runtime's memory, MB | the slowest of 50 who enter meanwhile |\n|---|---|---|");
    for seen in connections::hold(&world, "overload").await? {
        println!("| {} | {} | {:.0?} |", seen.what, seen.resident_mb, seen.slowest);
    }
    println!("\na header of 1 MB: {}\n", connections::huge_header(&world)?);
    Ok(report.misses(ANSWER))
}
