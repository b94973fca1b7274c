//! `cargo xtask simulate`: many seeds on all cores, or one with a trace.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use ropeline_simulation::Run;
use ropeline_simulation::rush::Rush;

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
    /// Instead: one great sale without faults, with so many visitors
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "keep_going"])]
    visitors: Option<usize>,
    /// With --visitors: they come within so many seconds
    #[arg(long, default_value_t = 60, requires = "visitors")]
    rush_seconds: u64,
    /// With --visitors: the event's lanes
    #[arg(long, default_value_t = 64, requires = "visitors", value_parser = lanes)]
    lanes: u16,
    /// With --visitors: the event's `new_users_per_minute` [default: as many as are in after 40 minutes]
    #[arg(long, requires = "visitors")]
    per_minute: Option<u64>,
}

/// What the setting `lanes` may be.
fn lanes(text: &str) -> Result<u16, String> {
    let lanes = text.parse().ok().filter(|lanes: &u16| lanes.is_power_of_two() && *lanes <= 256);
    lanes.ok_or_else(|| "1, 2, 4, 8 … 256".to_owned())
}

fn rush(options: &Options, visitors: usize) -> ExitCode {
    let started = Instant::now();
    let per_minute = options.per_minute.unwrap_or((visitors as u64 / 40).clamp(20, 1_000_000));
    let rush = Rush { visitors, seconds: options.rush_seconds.max(1), lanes: options.lanes, per_minute, seed: 1 };
    println!("{visitors} visitors within {} s, {} lanes, {per_minute} a minute\n", rush.seconds, rush.lanes);
    match rush.play() {
        Ok(outcome) => {
            println!("| | |\n|---|---|\n{outcome}| memory of this program, at most | {} |", peak_memory());
            println!("| wall time, one thread | {:.0} s |", started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}

/// As Linux counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    kib.map_or("unknown".to_owned(), |kib: u64| format!("{} MB", kib / 1_024))
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
    if let Some(visitors) = options.visitors {
        return rush(&options, visitors);
    }
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
