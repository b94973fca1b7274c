//! `cargo xtask simulate`: many seeds on all cores, or one with a trace.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use ropeline_simulation::Run;

/// Seeds that once failed, with the reason; always run first.
const REGRESSIONS: &str = include_str!("../regressions.txt");

/// Simulates whole systems from seeds and checks every promise after every step.
#[derive(Parser)]
struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens, step by step (with --seed)
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Go on after failures and count them
    #[arg(long)]
    keep_going: bool,
}

fn regressions() -> impl Iterator<Item = u64> {
    let lines = REGRESSIONS.lines().filter_map(|line| line.split_whitespace().next());
    lines.filter_map(|first| first.parse().ok())
}

#[derive(Default)]
struct Total {
    runs: u64,
    steps: u64,
    simulated_ms: u64,
    admitted: u64,
    repeated: u64,
    broken: Vec<Run>,
}

impl Total {
    fn add(&mut self, run: Run) {
        self.runs += 1;
        self.steps += run.steps;
        self.simulated_ms += run.simulated_ms;
        self.admitted += run.admitted;
        self.repeated += run.repeated;
        if run.broken.is_some() {
            self.broken.push(run);
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let seeds: Vec<u64> = match options.seed {
        Some(seed) => vec![seed],
        None => regressions().chain(options.from..options.from.saturating_add(options.seeds)).collect(),
    };
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(seeds.len());
    let work = || loop {
        let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
        let Some(seed) = seeds.get(index) else { return };
        let run = ropeline_simulation::run(*seed, options.trace);
        if let Some(broken) = &run.broken {
            println!("seed {seed}: {broken}\n  again: cargo xtask simulate --seed {seed} --trace");
            if !options.keep_going {
                next.store(u64::MAX / 2, Ordering::Relaxed);
            }
        }
        if let Ok(mut total) = total.lock() {
            total.add(run);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let Ok(total) = total.into_inner() else { return ExitCode::FAILURE };
    println!(
        "{} seeds, {} steps, {:.1} days simulated, {} admissions, {} records repeated, {} seeds failed, in {:.1} s",
        total.runs,
        total.steps,
        total.simulated_ms as f64 / 86_400_000.0,
        total.admitted,
        total.repeated,
        total.broken.len(),
        started.elapsed().as_secs_f64()
    );
    if total.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
