//! `cargo xtask bench relay`: how fast the relay is, on the real runtime and a real broker, and what it takes.
//!
//! The produce stage alone is measured beside raw rskafka (`relay/benches/produce.rs`), all else with the program as it is deployed,
//! compiled with the profile `native`. What is in Kafka afterwards is read back whole each time: a record that is missing, repeated or
//! out of order is an error, not a figure.

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::load::Kind;
use super::station::load;
use super::table::Goal;
use crate::process;
use crate::tools::{self, Tools};
use crate::ui::Ui;

mod scene;
mod topic;

use scene::{Full, Scene};

/// Partitions of the topics that several events go to, as docs/kafka.md has it.
const PARTITIONS: u16 = 12;
/// What is written to the log of each of four events.
const SHARE: u64 = 150_000;
const PER_SECOND: u64 = 1_000;
const SECONDS: u64 = 10;
const EVENTS: usize = 100;
/// Admissions of each of them, two a second: each is an exchange of its own, so more is what one thread for all objects cannot do.
const EACH: usize = 20;
const ALL_PER_SECOND: u64 = 200;

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The produce stage fed from memory, beside raw rskafka with the same batches
    Produce,
    /// Full logs of four events, through workerd
    Four,
    /// One full log, through workerd, and the memory that takes
    One,
    /// From the admission until a consumer has the record, at 1,000 admissions/s
    Wait,
    /// 100 events with admissions at once, beside one with a full log
    Fair,
}

/// Options of `cargo xtask bench relay`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Rounds of what is compared
    #[arg(long, default_value_t = 6, value_name = "N")]
    rounds: u32,
    /// Entries of the one full log
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    backlog: u64,
    /// Fail when a goal is missed; otherwise only a record that is lost, repeated or out of order is an error
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(ui: &Ui, options: &Options) -> Result<()> {
    tools::check_prerequisites(ui, true)?;
    let tools = Tools::ensure(ui)?;
    let mut bench = Bench { ui, options, scene: Scene::start(ui, &tools)?, lines: Vec::new(), goals: Vec::new() };
    for part in Part::value_variants() {
        if options.only.is_empty() || options.only.contains(part) {
            match part {
                Part::Produce => bench.produce()?,
                Part::Four => bench.four()?,
                Part::One => bench.one()?,
                Part::Wait => bench.wait()?,
                Part::Fair => bench.fair()?,
            }
        }
    }
    println!();
    for line in &bench.lines {
        println!("{line}");
    }
    println!();
    for goal in &bench.goals {
        println!("{goal}");
    }
    if options.strict && !bench.goals.iter().all(Goal::is_met) {
        bail!("a goal is missed");
    }
    Ok(())
}

struct Bench<'a> {
    ui: &'a Ui,
    options: &'a Options,
    scene: Scene<'a>,
    lines: Vec<String>,
    goals: Vec<Goal>,
}

impl Bench<'_> {
    fn produce(&mut self) -> Result<()> {
        self.ui.step(format!("the produce stage beside raw rskafka, {} rounds of each", self.options.rounds));
        for topic in ["bench.raw", "bench.produce"] {
            self.scene.kafka.create_topic(topic, 1)?;
        }
        let mut bench = tools::cargo();
        bench
            .args(["bench", "--quiet", "--profile", "native", "-p", "ropeline-relay", "--bench", "produce", "--"])
            .args(["--bootstrap", &self.scene.kafka.bootstrap(), "--raw", "bench.raw", "--relay", "bench.produce"])
            .args(["--rounds", &self.options.rounds.to_string()]);
        let text = process::output("the produce bench", &mut bench)?;
        let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
            .with_context(|| format!("the produce bench said {text:?}"))?;
        let records = told["records"].as_f64().unwrap_or(0.0);
        let rate = |kind: &str| -> Vec<f64> {
            let seconds = told["rounds"].as_array().into_iter().flatten().filter_map(|round| round[kind].as_f64());
            seconds.map(|seconds| records / seconds).collect()
        };
        let (raw, relay) = (rate("raw"), rate("relay"));
        let shares = raw.iter().zip(&relay).map(|(raw, relay)| relay / raw).collect();
        for (name, rates) in [("raw rskafka", &raw), ("produce stage", &relay)] {
            let (least, most) =
                (rates.iter().copied().fold(f64::INFINITY, f64::min), rates.iter().copied().fold(0.0, f64::max));
            self.lines
                .push(format!("{name:<24} {:>9.0} records/s   rounds {least:.0} … {most:.0}", median(rates.clone())));
        }
        self.goals.push(Goal::at_least("produce stage / raw rskafka, median of rounds", median(shares), 0.8));
        Ok(())
    }

    fn four(&mut self) -> Result<()> {
        let full = self.full(4, SHARE)?;
        self.goals.push(Goal::at_least("four full logs, records/s", full.rate, 50_000.0));
        Ok(())
    }

    fn one(&mut self) -> Result<()> {
        let full = self.full(1, self.options.backlog)?;
        self.goals.extend([
            Goal::at_least("one full log, records/s", full.rate, 20_000.0),
            Goal::at_most(&format!("resident memory, a log of {}, MB", self.options.backlog), full.resident_mb, 64.0),
        ]);
        Ok(())
    }

    fn full(&mut self, events: usize, entries: u64) -> Result<Full> {
        self.ui.step(format!("{events} full logs of {entries} entries"));
        let full = self.scene.full(events, entries)?;
        self.lines.push(format!(
            "{:<24} {:>9.0} records/s   CPU µs a record: relay {:.1}, workerd {:.1}, broker {:.1}",
            format!("{events} full logs"),
            full.rate,
            full.relay_us,
            full.worker_us,
            full.broker_us
        ));
        Ok(full)
    }

    fn wait(&mut self) -> Result<()> {
        self.ui.step(format!("{PER_SECOND} admissions/s for {SECONDS} s"));
        let worker = self.scene.worker("wait", &["claim".to_owned()])?;
        let topic = "bench.wait";
        self.scene.kafka.create_topic(topic, PARTITIONS)?;
        let _relay = self.scene.relay(&worker, topic)?;
        let mut claims = load(Kind::Claim, &worker);
        (claims.count, claims.per_second) = (usize::try_from(PER_SECOND * SECONDS)?, PER_SECOND);
        let (waits, rate) = self.scene.watched(topic, &claims)?;
        let busy = waits.after_first_second();
        self.note("admission to consumer", &busy, rate);
        self.goals.extend([
            Goal::at_most("admission → readable, p50 ms", busy.quantile_ms(0.5), 300.0),
            Goal::at_most("admission → readable, p99 ms", busy.quantile_ms(0.99), 1_000.0),
        ]);
        Ok(())
    }

    fn fair(&mut self) -> Result<()> {
        self.ui.step(format!("{EVENTS} events with admissions at once, beside one with a full log"));
        let worker = self.scene.fair(EVENTS, self.options.backlog / 4)?;
        let topic = "bench.fair";
        self.scene.kafka.create_topic(topic, PARTITIONS)?;
        let _relay = self.scene.relay(&worker, topic)?;
        let mut claims = load(Kind::Claim, &worker);
        (claims.events, claims.connections, claims.count, claims.per_second) =
            (EVENTS, EVENTS, EVENTS * EACH, ALL_PER_SECOND);
        let (waits, rate) = self.scene.watched(topic, &claims)?;
        let all = waits.all();
        self.note(&format!("{EVENTS} events"), &all, rate);
        self.lines.push(format!("{:<24} {}", "the slowest event", waits.slowest_event()));
        self.goals.push(Goal::at_most(
            &format!("{EVENTS} events, the longest wait of any, s"),
            all.max_ms() / 1_000.0,
            2.0,
        ));
        Ok(())
    }

    fn note(&mut self, name: &str, waits: &super::histogram::Histogram, rate: f64) {
        self.lines.push(format!(
            "{name:<24} {rate:>9.0} admissions/s   p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms",
            waits.quantile_ms(0.5),
            waits.quantile_ms(0.99),
            waits.max_ms()
        ));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
