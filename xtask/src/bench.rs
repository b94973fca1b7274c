//! `cargo xtask bench`: speed and cost, beside the ceilings of the platform, measured in one run on this machine.
//!
//! The ceilings are two tiny Workers of `tests/bench`, the ordinary way of the `worker` crate: `hello` (no object) and `hop` (one
//! object call in memory). Between them and the product lies the floor: what the promises require, with nothing of ours. Rounds are
//! interleaved, so that a machine that gets slower or faster does so for all. CPU time is that of the server's process, which other
//! programs disturb less than rates.

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::Workerd;
use crate::{bundle, process};

pub mod bill;
pub mod connection;
mod cost;
pub mod fixture;
mod floor;
pub mod histogram;
pub mod load;
mod profile;
mod relay;
mod scrape;
mod station;
mod table;
mod weight;

use floor::Reach;
use histogram::Histogram;
use load::Kind;
use scrape::Scrapers;
use station::{Yard, load, measure, measure_cost};
use table::{Goal, Row};

/// The incident that started this project.
const AT_ONCE: usize = 7_600;
/// Descriptors that one process needs for it, and some.
const DESCRIPTORS: u64 = 8_400;
/// Enough for five times as many.
const MANY_DESCRIPTORS: u64 = 65_536;
/// The long line and the large registry.
const PLACES: u64 = 1_000_000;
const EVENTS: u64 = 10_000;
/// Enters a second while scrapers come, far from what the Worker can do: there a wait is of the scraper's making.
const CALM: u64 = 200;
/// What the upload should weigh at most, KB of gzip.
const GOAL_GZIP_KB: f64 = 250.0;

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// hello, hop, status, enter, claim and whole visits, beside the floor of what the promises require
    Speed,
    /// 7,600 clients enter at the same time
    Rush,
    /// enter with 1,000,000 places taken, and with 10,000 events
    Long,
    /// Rows written by the burst and by admissions; polls that ask no object
    Cost,
    /// How long enters take while nobody scrapes, while some do each second, and while others hang
    Scrape,
    /// The first answer of a new Worker; what the Worker weighs
    Start,
}

/// What is measured instead of the Worker.
#[derive(Debug, Subcommand)]
enum What {
    /// The relay, with a real broker: beside raw rskafka, from full logs, the way of one admission, memory, fairness
    Relay(relay::Options),
    /// Where the CPU time of a route goes, beside its floor (needs `perf`)
    Profile(profile::Options),
    /// What the Worker's upload consists of
    Weight,
}

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Rounds of what is compared
    #[arg(long, default_value_t = 4, value_name = "N")]
    rounds: u32,
    /// Seconds of each kind in a round
    #[arg(long, default_value_t = 3, value_name = "N")]
    seconds: u64,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64, value_name = "N")]
    connections: usize,
    /// Fail when a goal is missed; otherwise only failed requests are an error, for rates are noise on a busy machine
    #[arg(long)]
    strict: bool,
}

/// Measures and prints.
///
/// # Errors
/// When something cannot be started or a request failed; with `--strict`, when a goal is missed.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    if let Some(What::Relay(options)) = &options.what {
        return relay::run(ui, options);
    }
    tools::check_prerequisites(ui, false)?;
    raise_descriptors()?;
    let tools = Tools::ensure(ui)?;
    let worker = bundle::worker(ui, &tools)?;
    if let Some(What::Weight) = &options.what {
        return weight::run(&worker);
    }
    bundle::ceilings(ui, &tools)?;
    if let Some(What::Profile(options)) = &options.what {
        return profile::run(ui, options, &Yard::new(&tools)?);
    }
    let mut bench =
        Bench { ui, options, yard: Yard::new(&tools)?, rows: Vec::new(), goals: Vec::new(), reached: Vec::new() };
    for part in Part::value_variants() {
        if options.only.is_empty() || options.only.contains(part) {
            match part {
                Part::Speed => bench.speed()?,
                Part::Rush => bench.rush()?,
                Part::Long => bench.long()?,
                Part::Cost => bench.cost()?,
                Part::Scrape => bench.scrape()?,
                Part::Start => bench.start()?,
            }
        }
    }
    print!("{}", table::print(&bench.rows));
    println!();
    for goal in &bench.goals {
        println!("{goal}");
    }
    for reach in &bench.reached {
        println!("{reach}");
    }
    let failed: u64 = bench.rows.iter().map(Row::failed).sum();
    if failed > 0 {
        bail!("{failed} requests failed");
    }
    if options.strict && !bench.goals.iter().all(Goal::is_met) {
        bail!("a goal is missed");
    }
    Ok(())
}

struct Bench<'a> {
    ui: &'a Ui,
    options: &'a Options,
    yard: Yard<'a>,
    rows: Vec<Row>,
    goals: Vec<Goal>,
    /// What the floor says of them.
    reached: Vec<String>,
}

impl Bench<'_> {
    /// Rounds of several loads, interleaved.
    fn rounds(&mut self, runs: &[(&str, load::Load)]) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = runs.iter().map(|(name, _)| Row::new(name)).collect();
        for (_, load) in runs {
            let mut warm_up = load.clone();
            (warm_up.seconds, warm_up.count) = (1, load.count / 4);
            measure(&warm_up)?;
        }
        let names: Vec<&str> = runs.iter().map(|(name, _)| *name).collect();
        for round in 1..=self.options.rounds {
            self.ui.step(format!("round {round} of {}: {}", self.options.rounds, names.join(", ")));
            for ((_, load), row) in runs.iter().zip(&mut rows) {
                row.add(&measure(load)?);
            }
        }
        self.rows.extend(rows.iter().cloned());
        Ok(rows)
    }

    fn load(&self, kind: Kind, server: &Workerd) -> load::Load {
        let mut load = load(kind, server);
        (load.connections, load.seconds) = (self.options.connections, self.options.seconds);
        // Those need visitors who have entered before: so many instead of so long.
        match kind {
            Kind::Claim => load.count = self.options.connections * 40,
            Kind::Visit => load.count = self.options.connections * 5,
            _ => {}
        }
        load
    }

    fn speed(&mut self) -> Result<()> {
        let (ceilings, product) = (self.yard.ceilings()?, self.yard.product("product", true)?);
        let floor = self.yard.floor()?;
        let mut runs = vec![
            ("hello", self.load(Kind::Hello, &ceilings)),
            ("hop", self.load(Kind::Hop, &ceilings)),
            ("status", self.load(Kind::Status, &product)),
            ("enter", self.load(Kind::Enter, &product)),
            ("claim", self.load(Kind::Claim, &product)),
            ("visit", self.load(Kind::Visit, &product)),
            ("floor of status", self.load(Kind::Status, &floor)),
            ("floor of enter", self.load(Kind::Enter, &floor)),
            ("floor of claim", self.load(Kind::Claim, &floor)),
        ];
        let steps = floor::STEPS.map(|(name, path)| (name, floor::step(self.load(Kind::Hop, &floor), path)));
        runs.extend(steps);
        let rows = self.rounds(&runs)?;
        let [hello, hop, status, enter, claim, visit, least_status, least_enter, least_claim, ..] = rows.as_slice()
        else {
            bail!("a row is missing")
        };
        self.goals.extend([
            Goal::at_least("enter / hop", enter.rate() / hop.rate(), 0.75),
            Goal::at_least("enter, per second", enter.rate(), 2_000.0),
            Goal::at_most("enter, CPU µs", enter.cpu_us(), 400.0),
            Goal::at_most("enter, p99 ms", enter.p99_ms(), 150.0),
            Goal::at_least("status / hello", status.rate() / hello.rate(), 0.8),
            Goal::at_most("status, CPU µs", status.cpu_us(), 120.0),
            Goal::at_least("claim / hop", claim.rate() / hop.rate(), 0.6),
            Goal::at_most("visit (1 enter, 20 polls, 1 claim), CPU ms", visit.cpu_us() / 1_000.0, 3.0),
        ]);
        let reach = |product, floor, ceiling| Reach { product, floor, ceiling }.to_string();
        self.reached =
            vec![reach(status, least_status, hello), reach(enter, least_enter, hop), reach(claim, least_claim, hop)];
        Ok(())
    }

    fn rush(&mut self) -> Result<()> {
        let product = self.yard.product("rush", false)?;
        self.ui.step(format!("{AT_ONCE} clients enter at once, one connection each"));
        let mut rush = load(Kind::Enter, &product);
        "rush".clone_into(&mut rush.event);
        rush.at_once = AT_ONCE;
        let mut row = Row::new("7,600 at once");
        row.add(&measure(&rush)?);
        self.goals.push(Goal::at_most("7,600 at once, slowest s", row.max_ms() / 1_000.0, 5.0));
        self.rows.push(row);
        Ok(())
    }

    fn long(&mut self) -> Result<()> {
        self.ui.step(format!("storage with {PLACES} places and {EVENTS} events"));
        let (product, full) = (self.yard.product("empty", true)?, self.yard.full(PLACES, EVENTS)?);
        let mut long = self.load(Kind::Enter, &full);
        "long".clone_into(&mut long.event);
        let runs = [
            ("enter, empty", self.load(Kind::Enter, &product)),
            ("enter, 10,000 events", self.load(Kind::Enter, &full)),
            ("enter, 1,000,000 places", long),
        ];
        let rows = self.rounds(&runs)?;
        let [empty, events, places] = rows.as_slice() else { bail!("a row is missing") };
        self.goals.extend([
            Goal::at_least("enter with 10,000 events / with few", events.rate() / empty.rate(), 0.9),
            Goal::at_least("enter with 1,000,000 places / an empty line", places.rate() / empty.rate(), 0.9),
        ]);
        Ok(())
    }

    fn cost(&mut self) -> Result<()> {
        let measured = Measured::take(self.ui, &self.yard)?;
        self.rows.extend(measured.rows.iter().cloned());
        self.goals.extend([
            Goal::at_most("rows per entrant in the burst", measured.rows_per_entrant, 1.1),
            Goal::at_most("rows per admitted visitor, enter and claim", measured.rows_per_admitted, 4.0),
            Goal::at_least("polls that ask no object, %", measured.polls_alone * 100.0, 99.0),
        ]);
        Ok(())
    }

    /// The same calm load in turn: alone, with a scraper each second, with that and 20 that never read.
    fn scrape(&mut self) -> Result<()> {
        let product = self.yard.product("scraped", false)?;
        let mut calm = self.load(Kind::Enter, &product);
        (calm.per_second, calm.seconds) = (CALM, self.options.seconds * 2);
        measure(&calm)?;
        let crowds = [("200 enters/s", 0, 0), ("…, scraped each second", 1, 0), ("…, and 20 scrapers hang", 1, 20)];
        let mut rows = crowds.map(|(name, ..)| Row::new(name));
        let mut p95s = [const { Vec::new() }; 3];
        // One commit that the disk holds up is the slowest hundredth of its round: so the twentieth is told, its median over many rounds.
        let rounds = self.options.rounds * 2;
        for round in 1..=rounds {
            self.ui.step(format!("round {round} of {rounds}: enters beside scrapers"));
            for (((_, asking, hanging), row), p95s) in crowds.iter().zip(&mut rows).zip(&mut p95s) {
                let scrapers = Scrapers::start(&product.authority(), self.yard.metrics_key(), *asking, *hanging)?;
                let run = measure(&calm)?;
                p95s.push(Histogram::from_json(&run["latencies"]).quantile_ms(0.95));
                row.add(&run);
                let least = calm.seconds / 2 * *asking as u64;
                if scrapers.answers() < least {
                    bail!("the scrapers got {} answers, {least} at least were to be expected", scrapers.answers());
                }
            }
        }
        let [alone, scraped, hung] = p95s.map(median);
        self.goals.extend([
            Goal::at_most("enter, p95, scraped each second / alone", scraped / alone, 1.25),
            Goal::at_most("enter, p95, and 20 scrapers hang / alone", hung / alone, 1.25),
        ]);
        self.rows.extend(rows);
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        self.ui.step("first answers of new Workers");
        let mut later = Vec::new();
        for turn in 0..5 {
            let (first, warm) = self.yard.first_answer(turn)?;
            later.push(first - warm);
        }
        let median = median(later);
        let size = Yard::size()?;
        #[allow(clippy::cast_precision_loss)]
        let gzip_kb = size.gzip as f64 / 1_024.0;
        self.goals.extend([
            Goal::at_most("first answer later than a warm one, ms", median, 50.0),
            Goal::at_most("the Worker, KB gzip", gzip_kb, GOAL_GZIP_KB),
        ]);
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// What the objects cost: calls and rows, by a Worker that tells them.
struct Measured {
    rows: Vec<Row>,
    calls_per_entrant: f64,
    rows_per_entrant: f64,
    calls_per_admitted: f64,
    rows_per_admitted: f64,
    polls_alone: f64,
}

impl Measured {
    #[allow(clippy::cast_precision_loss)]
    fn take(ui: &Ui, yard: &Yard<'_>) -> Result<Self> {
        ui.step("rows and calls: the burst, admissions, polls");
        let server = yard.counted()?;
        let per = |what: u64, of: u64| what as f64 / of.max(1) as f64;
        let mut rows = Vec::new();
        let mut add = |name: &str, run: &serde_json::Value| {
            let mut row = Row::new(name);
            row.add(run);
            let count = row.count();
            rows.push(row);
            count
        };
        let mut rush = load(Kind::Enter, &server);
        "rush".clone_into(&mut rush.event);
        rush.at_once = AT_ONCE;
        let (run, burst) = measure_cost(&server, &rush, true)?;
        let entrants = add("burst, counted", &run);
        let mut claims = load(Kind::Claim, &server);
        claims.count = claims.connections * 40;
        let (run, admissions) = measure_cost(&server, &claims, true)?;
        let admitted = add("claims, counted", &run);
        let mut polls = load(Kind::Status, &server);
        (polls.per_second, polls.seconds) = (250, 6);
        let (run, polling) = measure_cost(&server, &polls, false)?;
        let polled = add("250 polls/s, counted", &run);
        Ok(Self {
            rows,
            calls_per_entrant: per(burst.calls, entrants),
            rows_per_entrant: per(burst.rows, entrants),
            calls_per_admitted: per(admissions.calls, admitted),
            rows_per_admitted: per(admissions.rows, admitted),
            polls_alone: 1.0 - per(polling.calls, polled),
        })
    }
}

/// `ulimit -n` of this process and of all that it starts, as far as we may and need for 7,600 connections.
///
/// # Errors
/// When that is less than they need: how to raise it.
pub fn raise_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if most < DESCRIPTORS {
        bail!(
            "{AT_ONCE} connections need {DESCRIPTORS} open files, the limit here is {most}: \
             `ulimit -Hn {DESCRIPTORS}` as root, or LimitNOFILE= / limits.conf"
        );
    }
    let wanted = most.min(MANY_DESCRIPTORS);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    }
    Ok(())
}
