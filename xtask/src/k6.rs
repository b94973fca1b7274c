//! `cargo xtask k6`: the scenarios of `tests/load`, by the real k6, against the real runtime here or against a deployment.
//!
//! k6 judges each visitor by the contract; the order of all of them together is judged here, from the moments of asking and answering that
//! the scenario writes down: whoever asked after another one had been answered has a larger number, and nobody has another's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ropeline_queue::UnixMillis;
use serde_json::{Value, json};

use crate::api::Api;
use crate::bench::raise_descriptors;
use crate::keys::Keys;
use crate::process::{self, Output, Process, free_port};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::{Workerd, WorkerdOptions};
use crate::{bundle, paths};

/// k6 ends so when a threshold is crossed.
const CROSSED: i32 = 99;
/// The event of a run here.
const EVENT: &str = "load";

/// A file of `tests/load`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// 7,600 enter at once, wait, visit and leave
    Incident,
    /// A pre-queue, a burst at the opening, a long tail; with reloads, second thoughts and time offline
    Onsale,
    /// So many a second
    Steady,
    /// Nineteen of twenty never come back
    Bots,
    /// Hours of steady
    Soak,
    /// The incident two and five times over
    Spike,
}

impl Scenario {
    const fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Onsale => "onsale",
            Self::Steady => "steady",
            Self::Bots => "bots",
            Self::Soak => "soak",
            Self::Spike => "spike",
        }
    }
}

/// Options of `cargo xtask k6`.
#[derive(Debug, Args)]
pub struct Options {
    /// Which scenario
    scenario: Scenario,
    /// Against this deployment, its prefix included (`https://queue.example.com/queue`), instead of one that is started here
    #[arg(long, value_name = "URL", requires = "event")]
    url: Option<String>,
    /// The deployment's event
    #[arg(long, value_name = "ID", requires = "url")]
    event: Option<String>,
    /// NAME=value for the scenario, see tests/load/README.md
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The event's limit of admissions per minute, of one that is made here
    #[arg(long, default_value_t = 6_000, value_name = "N")]
    per_minute: u64,
}

/// What to run, and against what.
#[derive(Debug)]
pub struct Run<'a> {
    /// k6.
    pub program: &'a Path,
    /// Which scenario.
    pub scenario: Scenario,
    /// The deployment with its prefix.
    pub url: &'a str,
    /// Its event.
    pub event: &'a str,
    /// (name, value) for the scenario.
    pub settings: &'a [(String, String)],
    /// Where files of this run go.
    pub dir: PathBuf,
}

/// A place that was given: which, and when it was asked for and answered, milliseconds since 1970 by k6's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub number: u64,
    /// When the first request was sent.
    pub sent: u64,
    /// When the answer was there.
    pub answered: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// k6's own summary: `metrics` by name.
    pub summary: Value,
    /// All places that were given.
    pub places: Vec<Place>,
    /// Whether no threshold was crossed.
    pub within: bool,
}

impl Outcome {
    /// A value of a metric of the summary, 0 where nothing was counted.
    #[must_use]
    pub fn value(&self, metric: &str, of: &str) -> f64 {
        self.summary["metrics"][metric][of].as_f64().unwrap_or_default()
    }
}

impl Run<'_> {
    /// Runs k6 to its end with its own report on this terminal.
    ///
    /// # Errors
    /// When it cannot run, or left no summary; a crossed threshold is in the outcome.
    pub fn run(&self) -> Result<Outcome> {
        raise_descriptors()?;
        std::fs::create_dir_all(&self.dir)?;
        let (summary, console) = (self.dir.join("summary.json"), self.dir.join("console.log"));
        for old in [&summary, &console] {
            let _ = std::fs::remove_file(old);
        }
        let script = paths::root().join(format!("tests/load/{}.js", self.scenario.name()));
        let mut k6 = Command::new(self.program);
        k6.args(["run", "--quiet", "--no-usage-report", "--log-format=raw"])
            .arg(format!("--summary-export={}", summary.display()))
            .arg(format!("--console-output={}", console.display()))
            .arg(script)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("QUEUE_URL", self.url)
            .env("EVENT", self.event);
        let status = Process::spawn("k6", &mut k6, Output::Inherit)?.wait()?;
        let text = std::fs::read_to_string(&console).unwrap_or_default();
        if !status.success() && status.code() != Some(CROSSED) {
            let last: Vec<&str> = text.lines().rev().filter(|line| !line.starts_with("place ")).take(5).collect();
            bail!("k6 failed ({status}); {}", last.join("; "));
        }
        let summary = std::fs::read_to_string(&summary).context("k6 left no summary")?;
        let places = text.lines().filter_map(place).collect();
        Ok(Outcome { summary: serde_json::from_str(&summary)?, places, within: status.success() })
    }
}

/// `place 12 1764200000000 1764200000123`
fn place(line: &str) -> Option<Place> {
    let mut words = line.strip_prefix("place ")?.split(' ').map(str::parse);
    let mut next = || words.next()?.ok();
    Some(Place { number: next()?, sent: next()?, answered: next()? })
}

/// The order of all: no number twice, and nobody who asked after another one had been answered stands before them. The first two that
/// break it are named.
///
/// # Errors
/// With them.
pub fn check_order(places: &[Place]) -> Result<()> {
    let mut by_number = places.to_vec();
    by_number.sort_unstable_by_key(|place| place.number);
    if let Some([a, b]) = by_number.array_windows().find(|[a, b]| a.number == b.number) {
        bail!("number {} was given twice: {a:?}, {b:?}", a.number);
    }
    // From the last number down: whoever was answered earliest of those behind must not have been answered before this one asked.
    let mut earliest: Option<Place> = None;
    for place in by_number.into_iter().rev() {
        if let Some(behind) = earliest.filter(|behind| behind.answered < place.sent) {
            bail!("{place:?} asked after {behind:?} was answered, and stands before it");
        }
        if earliest.is_none_or(|behind| place.answered < behind.answered) {
            earliest = Some(place);
        }
    }
    Ok(())
}

/// The command.
///
/// # Errors
/// When it cannot run, a threshold is crossed or the order is broken.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    let program = tools::k6::ensure(ui)?;
    let settings = options.set.iter().map(|set| {
        let (name, value) = set.split_once('=').with_context(|| format!("--set {set}: must be NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let settings = settings.collect::<Result<Vec<_>>>()?;
    let dir = paths::target().join("k6");
    let worker = match &options.url {
        Some(_) => None,
        None => Some(here(ui, &dir, options, &settings)?),
    };
    let own = worker.as_ref().map(|worker| format!("{}/queue", worker.url()));
    let url = options.url.as_deref().or(own.as_deref()).unwrap_or_default();
    let event = options.event.as_deref().unwrap_or(EVENT);
    ui.step(format!("k6: {} against {url}, event {event}", options.scenario.name()));
    let run = Run { program: &program, scenario: options.scenario, url, event, settings: &settings, dir };
    let outcome = run.run()?;
    if outcome.places.is_empty() {
        bail!("nobody got a place");
    }
    check_order(&outcome.places)?;
    ui.step(format!("{} places were given, in order", outcome.places.len()));
    if !outcome.within {
        bail!("a threshold was crossed: see k6's report above");
    }
    Ok(())
}

/// A Worker on this machine with the event; one that opens when the scenario has come so far.
fn here(ui: &Ui, dir: &Path, options: &Options, set: &[(String, String)]) -> Result<Workerd> {
    tools::check_prerequisites(ui, false)?;
    let tools = Tools::ensure(ui)?;
    bundle::worker(ui, &tools)?;
    raise_descriptors()?;
    let _ = std::fs::remove_dir_all(dir);
    let keys = Keys::generate()?;
    let worker = Workerd::start(&tools, &WorkerdOptions::product(free_port()?, dir.join("state"), &keys))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let per_minute = options.per_minute;
    let mut settings = json!({"total_active_users": per_minute, "new_users_per_minute": per_minute});
    if options.scenario == Scenario::Onsale {
        let seconds = set.iter().find(|(name, _)| name == "SECONDS").and_then(|(_, value)| value.parse().ok());
        let now = UnixMillis(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?);
        settings["prequeue_start_time"] = json!(now.rfc3339());
        settings["event_start_time"] = json!(now.plus(seconds.unwrap_or(300_u64) * 1_000 / 3).rfc3339());
    }
    runtime.block_on(Api::new(&worker.authority(), &keys.admin).create_event(EVENT, &settings))?;
    Ok(worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: &[(u64, u64, u64)]) -> Vec<Place> {
        all.iter().map(|(number, sent, answered)| Place { number: *number, sent: *sent, answered: *answered }).collect()
    }

    #[test]
    fn lines_of_the_console_are_read_and_others_passed_over() {
        assert_eq!(place("place 12 1000 1010"), Some(Place { number: 12, sent: 1_000, answered: 1_010 }));
        for other in ["", "place", "place 1 2", "failed: 500", "place a 1 2"] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn who_asked_after_anothers_answer_stands_behind() {
        check_order(&places(&[(1, 0, 10), (2, 0, 5), (3, 6, 20), (4, 11, 12)])).unwrap();
        check_order(&[]).unwrap();
        let error = |all| check_order(&places(all)).unwrap_err().to_string();
        assert!(error(&[(1, 6, 9), (2, 0, 5)]).contains("stands before"), "2 was answered before 1 asked");
        assert!(error(&[(1, 0, 5), (2, 0, 5), (2, 0, 6)]).contains("twice"));
        assert!(error(&[(7, 100, 110), (8, 50, 200), (9, 20, 30)]).contains("number: 8"), "however far apart");
    }
}
