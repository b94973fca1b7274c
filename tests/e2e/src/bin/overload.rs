//! The program behind `cargo xtask overload`.

use std::process::ExitCode;
use std::time::Duration;

use ropeline_e2e::overload::knee::Climb;
use ropeline_e2e::overload::{self, ANSWER, Scale, connections};
use ropeline_e2e::program;

/// Thorough enough for figures.
const SCALE: Scale = Scale {
    climb: Climb { step: Duration::from_secs(4), growth: 1.2 },
    burst: Duration::from_secs(10),
    bare: Some(4_000),
};

fn main() -> ExitCode {
    program::run(async |ui| {
        let world = overload::world().await;
        let report = overload::run(&world, SCALE, |line| ui.step(line)).await?;
        println!("\n{report}");
        ui.step("connections that only take room");
        println!(
            "\n| what takes room | the runtime's memory, MB | the slowest of 50 who enter meanwhile |\n|---|---|---|"
        );
        for seen in connections::hold(&world, "overload").await? {
            println!("| {} | {} | {:.0?} |", seen.what, seen.resident_mb, seen.slowest);
        }
        println!("\na header of 1 MB: {}\n", connections::huge_header(&world)?);
        let misses = report.misses(ANSWER);
        misses.iter().for_each(|miss| println!("MISSED  {miss}"));
        Ok(misses.is_empty())
    })
}
