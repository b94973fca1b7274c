//! `cargo xtask mutants`: breaks the engine and the tickets in every small way, one at a time, and sees whether a test fails.
//!
//! [cargo-mutants](https://mutants.rs) works on a copy of the sources. Every mutant meets a few quick tests first; what they miss
//! meets the others, too. `.cargo/mutants.toml` says what is left out, each with its reason. A mutant that no test notices is a
//! failure of this command: it needs a test, simpler code, or a reason.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::process::{Output, Process};
use crate::ui::Ui;
use crate::{paths, process, tools};

/// Options of `cargo xtask mutants`.
#[derive(Debug, Args)]
pub struct Options {
    /// Whose code to break
    #[arg(long, value_enum, default_value = "all")]
    package: Package,
    /// Only files that match, from the repository's root: `queue/src/line/*.rs`; may be given more than once
    #[arg(long, value_name = "GLOB")]
    file: Vec<String>,
    /// Only every n-th mutant: `0/4` to `3/4` together are all of them
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Package {
    Queue,
    Ticket,
    All,
}

/// A package, and which of its tests a mutant meets.
struct Part {
    name: &'static str,
    package: &'static str,
    /// First, for every mutant: few programs that compile and run within seconds.
    quick: &'static [&'static str],
    /// Then, for what those missed: whatever else ends within a minute.
    thorough: &'static [&'static str],
}

const QUEUE: Part = Part {
    name: "queue",
    package: "ropeline-queue",
    quick: &[
        "--lib",
        "--test=phases",
        "--test=visits",
        "--test=numbering",
        "--test=forecast",
        "--test=operator",
        "--test=lane",
        "--test=log",
        "--test=replays",
        "--test=brake",
        "--test=turns",
    ],
    thorough: &["--test=admission", "--test=liveness", "--test=numbering_model", "--test=shuffle"],
};
const TICKET: Part = Part {
    name: "ticket",
    package: "ropeline-ticket",
    quick: &["--lib", "--test=refusals"],
    thorough: &["--test=properties", "--test=rotation"],
};

/// So many random histories are played for each mutant.
const CASES: &str = "200";

/// Dependencies are compiled once, mutants each time; and cryptography that is slow would be most of what one costs.
const PROFILE: [&str; 2] = [r#"profile.dev.package."*".opt-level=2"#, "profile.dev.package.ropeline-queue.opt-level=1"];

/// How mutants ended, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Outcome {
    caught: BTreeSet<String>,
    missed: BTreeSet<String>,
    /// A test that never ended caught it.
    timed_out: BTreeSet<String>,
    /// Does not compile.
    unviable: BTreeSet<String>,
}

impl Outcome {
    /// What was missed got a second look; of others that had one as well, the first counts.
    fn after(mut self, second: &Self) -> Self {
        self.caught.extend(self.missed.intersection(&second.caught).cloned());
        self.timed_out.extend(self.missed.intersection(&second.timed_out).cloned());
        self.missed.retain(|name| second.missed.contains(name));
        self
    }
}

/// Runs the mutants and prints how they ended.
///
/// # Errors
/// When a mutant was missed, or the tests fail without any.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    let program = tools::ensure_cargo_mutants(ui)?;
    let parts: &[Part] = match options.package {
        Package::Queue => &[QUEUE],
        Package::Ticket => &[TICKET],
        Package::All => &[TICKET, QUEUE],
    };
    let mut missed = 0;
    for part in parts {
        let outcome = part.run(ui, &program, options)?;
        println!(
            "{}: {} caught, {} missed, {} timed out, {} do not compile",
            part.name,
            outcome.caught.len(),
            outcome.missed.len(),
            outcome.timed_out.len(),
            outcome.unviable.len()
        );
        missed += outcome.missed.len();
    }
    if missed > 0 {
        bail!("no test notices {missed} of the mutants");
    }
    Ok(())
}

impl Part {
    /// All tests get to see what the quick ones missed.
    fn run(&self, ui: &Ui, program: &Path, options: &Options) -> Result<Outcome> {
        ui.step(format!("mutants: {}, quick tests", self.name));
        let mut quick: Vec<String> = options.file.iter().map(|glob| format!("--file={glob}")).collect();
        quick.extend(options.shard.iter().map(|shard| format!("--shard={shard}")));
        let first = self.round(program, "quick", self.quick, &quick)?;
        if first.missed.is_empty() {
            return Ok(first);
        }
        ui.step(format!("mutants: {}, all other tests for {} that were missed", self.name, first.missed.len()));
        // cargo-mutants takes deleted fields of structs along, whatever they are called: those of the same files.
        let files: BTreeSet<&str> = first.missed.iter().filter_map(|name| name.split(':').next()).collect();
        let mut survivors: Vec<String> = files.iter().map(|file| format!("--file={file}")).collect();
        survivors.extend(first.missed.iter().map(|name| format!("--re=^{}$", literally(name))));
        let second = self.round(program, "thorough", self.thorough, &survivors)?;
        let outcome = first.after(&second);
        for name in &outcome.missed {
            ui.note(format!("missed: {name}"));
        }
        Ok(outcome)
    }

    fn round(&self, program: &Path, name: &str, tests: &[&str], which: &[String]) -> Result<Outcome> {
        let output = self.output(name);
        std::fs::create_dir_all(&output)?;
        let mut command = Command::new(program);
        command
            .args(["mutants", "--jobs=1", "--package", self.package, "--output"])
            .arg(&output)
            .args(PROFILE.map(|setting| format!("--cargo-arg=--config={setting}")))
            .args(tests.iter().map(|test| format!("--cargo-arg={test}")))
            .args(which)
            .current_dir(paths::root())
            // The copy has another path each time; what it depends on is compiled once.
            .env("CARGO_TARGET_DIR", paths::target().join("mutants").join(self.name).join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("ROPELINE_CASES", CASES);
        let status = Process::spawn("cargo-mutants", &mut command, Output::Inherit)?.wait()?;
        // 0: all caught; 2: some missed; 3: some timed out. Anything else is no result.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            bail!("cargo-mutants failed ({status})");
        }
        let lists = self.lists(name);
        Ok(Outcome {
            caught: names(&lists.join("caught.txt"))?,
            missed: names(&lists.join("missed.txt"))?,
            timed_out: names(&lists.join("timeout.txt"))?,
            unviable: names(&lists.join("unviable.txt"))?,
        })
    }

    fn output(&self, round: &str) -> PathBuf {
        paths::target().join("mutants").join(self.name).join(round)
    }

    /// Where cargo-mutants leaves its lists, and the log of every mutant.
    fn lists(&self, round: &str) -> PathBuf {
        self.output(round).join("mutants.out")
    }
}

fn names(list: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(list).with_context(|| format!("{}", list.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A regular expression that matches this text only.
fn literally(text: &str) -> String {
    text.chars().fold(String::new(), |mut expression, c| {
        if r"\.+*?()|[]{}^$".contains(c) {
            expression.push('\\');
        }
        expression.push(c);
        expression
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_look_counts_for_what_was_missed_only() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let first = Outcome { caught: names(&["a"]), missed: names(&["b", "c", "d"]), ..Outcome::default() };
        let second =
            Outcome { caught: names(&["b"]), missed: names(&["a", "c"]), timed_out: names(&["d"]), ..first.clone() };
        let expected = Outcome {
            caught: names(&["a", "b"]),
            missed: names(&["c"]),
            timed_out: names(&["d"]),
            unviable: names(&[]),
        };
        assert_eq!(first.after(&second), expected);
    }

    #[test]
    fn a_mutant_is_named_literally() {
        assert_eq!(literally("src/a.rs:1:2: replace || with && in f"), r"src/a\.rs:1:2: replace \|\| with && in f");
        assert_eq!(literally("Ok([0; 32])"), r"Ok\(\[0; 32\]\)");
    }
}
