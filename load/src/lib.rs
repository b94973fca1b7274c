//! Runs a load scenario by k6: what `ropeline load`, `cargo xtask k6` and the tests have in common.
//!
//! The scenarios of `tests/load` are in the program. k6 judges each visitor by the contract; the order of all of them together is judged
//! here, from the moments of asking and answering that the scenario writes down: whoever asked after another one had been answered has a
//! larger number, and nobody has another's.

mod generator;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

/// k6 ends so when a gate (a threshold) is crossed.
const CROSSED: i32 = 99;

/// As many as in the incident, where `VISITORS` does not say otherwise: as `tests/load/lib/settings.js` has it.
const VISITORS: u64 = 7_600;

/// What is written beside each other for k6.
const SCRIPTS: [(&str, &str); 10] = [
    ("lib/options.js", include_str!("../../tests/load/lib/options.js")),
    ("lib/settings.js", include_str!("../../tests/load/lib/settings.js")),
    ("lib/visitor.js", include_str!("../../tests/load/lib/visitor.js")),
    ("incident.js", include_str!("../../tests/load/incident.js")),
    ("onsale.js", include_str!("../../tests/load/onsale.js")),
    ("steady.js", include_str!("../../tests/load/steady.js")),
    ("bots.js", include_str!("../../tests/load/bots.js")),
    ("soak.js", include_str!("../../tests/load/soak.js")),
    ("spike.js", include_str!("../../tests/load/spike.js")),
    ("waves.js", include_str!("../../tests/load/waves.js")),
];

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
    /// The incident several times, one after the other
    Waves,
}

impl Scenario {
    /// Its name, which is that of its file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Onsale => "onsale",
            Self::Steady => "steady",
            Self::Bots => "bots",
            Self::Soak => "soak",
            Self::Spike => "spike",
            Self::Waves => "waves",
        }
    }
}

/// What to run, and against what.
#[derive(Debug)]
pub struct Run<'a> {
    /// k6, a path or a name.
    pub program: &'a Path,
    /// Which scenario.
    pub scenario: Scenario,
    /// The deployment with its prefix.
    pub url: &'a str,
    /// Its event.
    pub event: &'a str,
    /// (name, value) for the scenario.
    pub settings: &'a [(String, String)],
    /// Where files of this run go: the scripts, k6's summary, what the scenario writes down.
    pub dir: PathBuf,
}

/// A place that was given: which, and when it was asked for and answered, milliseconds since 1970 by k6's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub number: u64,
    /// When the first request for it was sent.
    pub sent: u64,
    /// When the answer was there.
    pub answered: u64,
}

/// A request that got no answer: its connection broke, or there was none to be had. By k6's clock, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// When it was sent.
    pub sent: u64,
    /// When that was known.
    pub ended: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// k6's own summary: `metrics` by name.
    pub summary: Value,
    /// All places that were given.
    pub places: Vec<Place>,
    /// Places that visitors found again by their key alone.
    pub back: Vec<Place>,
    /// Requests whose connection broke.
    pub broken: Vec<Broken>,
    /// Whether no gate was crossed.
    pub within: bool,
}

impl Outcome {
    /// A value of a metric of the summary, 0 where nothing was counted.
    #[must_use]
    pub fn value(&self, metric: &str, of: &str) -> f64 {
        self.summary["metrics"][metric][of].as_f64().unwrap_or_default()
    }

    /// Everything that is to hold: places were given, in order, and no gate was crossed.
    ///
    /// # Errors
    /// With what does not.
    pub fn check(&self) -> Result<()> {
        if self.places.is_empty() {
            bail!("nobody got a place");
        }
        check_order(&self.places)?;
        if !self.within {
            bail!("a gate was crossed: see the thresholds in k6's report");
        }
        Ok(())
    }
}

/// `NAME=value`, as options have it.
///
/// # Errors
/// When it is not.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Run<'_> {
    /// k6 as it is to be run, with its scripts beside it. The caller starts it, and has [`Run::outcome`] judge how it ended.
    ///
    /// # Errors
    /// When the visitors who come at once would need more open files than this machine allows, or a file cannot be written.
    pub fn command(&self) -> Result<Command> {
        if let Some(visitors) = self.at_once() {
            generator::allow_connections(visitors)?;
        }
        for (name, text) in SCRIPTS {
            let file = self.dir.join("scripts").join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(&self.dir))?;
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let (summary, console) = (self.summary(), self.console());
        for old in [&summary, &console] {
            let _ = std::fs::remove_file(old);
        }
        let mut k6 = Command::new(self.program);
        k6.args(["run", "--quiet", "--no-usage-report", "--log-format=raw"])
            .arg(format!("--summary-export={}", summary.display()))
            .arg(format!("--console-output={}", console.display()))
            .arg(self.dir.join("scripts").join(format!("{}.js", self.scenario.name())))
            .envs(generator::collect_late().into_iter().flatten())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("QUEUE_URL", self.url)
            .env("EVENT", self.event)
            .stdin(Stdio::null());
        // The scenarios need no key, so none is handed on.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROPELINE_")) {
            k6.env_remove(name);
        }
        Ok(k6)
    }

    /// How many visitors are certain to come at once; k6 itself refuses a setting that is no number.
    fn at_once(&self) -> Option<u64> {
        let times = match self.scenario {
            Scenario::Incident | Scenario::Waves => 1,
            Scenario::Spike => 2 + 5,
            Scenario::Onsale | Scenario::Steady | Scenario::Bots | Scenario::Soak => return None,
        };
        let set = self.settings.iter().rev().find(|(name, _)| name == "VISITORS").map(|(_, value)| value.clone());
        let visitors: u64 = match set.or_else(|| std::env::var("VISITORS").ok()) {
            Some(text) => text.parse().ok()?,
            None => VISITORS,
        };
        visitors.checked_mul(times)
    }

    /// What the scenario wrote down: every place, and what went wrong.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    fn summary(&self) -> PathBuf {
        self.dir.join("summary.json")
    }

    /// What came of it.
    ///
    /// # Errors
    /// When k6 did not run to its end, or left no summary; a crossed gate is in the outcome.
    pub fn outcome(&self, status: ExitStatus) -> Result<Outcome> {
        let text = std::fs::read_to_string(self.console()).unwrap_or_default();
        if !status.success() && status.code() != Some(CROSSED) {
            let last: Vec<&str> = text
                .lines()
                .rev()
                .filter(|line| !["place ", "back "].iter().any(|kind| line.starts_with(kind)))
                .take(5)
                .collect();
            bail!("k6 failed ({status}) {}", last.join("; "));
        }
        let summary = std::fs::read_to_string(self.summary()).context("k6 left no summary")?;
        let places = text.lines().filter_map(|line| place(line, "place ")).collect();
        let back = text.lines().filter_map(|line| place(line, "back ")).collect();
        let broken = text.lines().filter_map(broken).collect();
        Ok(Outcome { summary: serde_json::from_str(&summary)?, places, back, broken, within: status.success() })
    }
}

/// `place 12 1764200000000 1764200000123`
fn place(line: &str, kind: &str) -> Option<Place> {
    let mut words = line.strip_prefix(kind)?.split(' ').map(str::parse);
    let mut next = || words.next()?.ok();
    Some(Place { number: next()?, sent: next()?, answered: next()? })
}

/// `broken 1764200000000 1764200000123: 0 connection refused …`
fn broken(line: &str) -> Option<Broken> {
    let (sent, rest) = line.strip_prefix("broken ")?.split_once(' ')?;
    let (ended, _) = rest.split_once(':')?;
    Some(Broken { sent: sent.parse().ok()?, ended: ended.parse().ok()? })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: &[(u64, u64, u64)]) -> Vec<Place> {
        all.iter().map(|(number, sent, answered)| Place { number: *number, sent: *sent, answered: *answered }).collect()
    }

    #[test]
    fn lines_of_the_console_are_read_and_others_passed_over() {
        assert_eq!(place("place 12 1000 1010", "place "), Some(Place { number: 12, sent: 1_000, answered: 1_010 }));
        assert_eq!(broken("broken 1000 1010: 0 EOF"), Some(Broken { sent: 1_000, ended: 1_010 }));
        for other in ["", "place", "place 1 2", "failed 1 2: 500", "place a 1 2", "broken", "broken 1", "broken 1 2"] {
            assert_eq!((place(other, "place "), broken(other)), (None, None), "{other}");
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

    fn run<'a>(scenario: Scenario, settings: &'a [(String, String)]) -> Run<'a> {
        Run { program: Path::new("k6"), scenario, url: "", event: "", settings, dir: PathBuf::new() }
    }

    #[test]
    fn who_comes_at_once_is_counted_and_more_than_can_connect_are_refused() {
        let visitors = |text: &str| [("VISITORS".to_owned(), text.to_owned())];
        assert_eq!(run(Scenario::Incident, &[]).at_once(), Some(VISITORS));
        assert!(SCRIPTS.iter().any(|(_, text)| text.contains(&format!("whole(\"VISITORS\", {VISITORS}, 1)"))));
        assert_eq!(run(Scenario::Spike, &visitors("3000")).at_once(), Some(21_000));
        assert_eq!(run(Scenario::Waves, &visitors("many")).at_once(), None);
        assert_eq!(run(Scenario::Steady, &visitors("3000")).at_once(), None, "they come one after the other");
        let error = run(Scenario::Spike, &visitors("9999999999999")).command().unwrap_err().to_string();
        assert!(error.contains("open files"), "{error}");
    }

    #[test]
    fn every_scenario_is_in_the_program() {
        for scenario in Scenario::value_variants() {
            let file = format!("{}.js", scenario.name());
            assert!(SCRIPTS.iter().any(|(name, _)| *name == file), "{file}");
        }
    }

    #[test]
    fn a_run_that_gave_no_place_or_crossed_a_gate_does_not_hold() {
        let outcome = |places: Vec<Place>, within| Outcome {
            summary: Value::Null,
            places,
            back: Vec::new(),
            broken: Vec::new(),
            within,
        };
        let one = places(&[(1, 0, 10)]);
        assert!(outcome(one.clone(), true).check().is_ok());
        assert!(outcome(one, false).check().unwrap_err().to_string().contains("gate"));
        assert!(outcome(Vec::new(), true).check().unwrap_err().to_string().contains("nobody"));
        assert_eq!(setting("RATE=5"), Ok(("RATE".to_owned(), "5".to_owned())));
        assert!(setting("RATE").is_err() && setting("=5").is_err());
    }
}
