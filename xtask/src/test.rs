//! `cargo xtask test`: all tests, counted.
//!
//! Parts run one after the other; a part that fails does not keep the later ones
//! from running. What is missing on the machine is a failure with the way to get
//! it, never a test that was left out.

use std::io::BufRead;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::process::{self, Output, Process};
use crate::tools::consumers::Consumers;
use crate::tools::monitoring::Monitoring;
use crate::tools::namespaces;
use crate::tools::proxies::Proxies;
use crate::tools::verifiers::Verifiers;
use crate::tools::{self, Tools, WASM};
use crate::ui::{Ui, seconds};
use crate::{bundle, paths};

mod count;
mod scripts;
use count::{Count, Why};

/// A step that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(55 * 60);

/// The packages with tests that need WebAssembly and a JavaScript runtime.
const WASM_TESTS: [&[&str]; 1] = [&["-p", "ropeline-ticket", "--features", "webcrypto", "--lib", "--test", "web"]];

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub struct Options {
    /// Run only this part
    part: Option<Part>,
}

/// A part of all tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Formatting, clippy (native and wasm32), docs, the deployment's dry run, dependency rules
    Lint,
    /// Unit, property and documentation tests, native
    Unit,
    /// Whole systems from 10,000 seeds
    Simulate,
    /// Mutated input, a minute for all targets together
    Fuzz,
    /// Tests in WebAssembly, under Node
    Wasm,
    /// The client library and the pages' scripts, under Node
    Js,
    /// The waiting page and the console in Chromium, before the real runtime and the example shop
    Browser,
    /// The real runtime and a real broker
    E2e,
}

/// One step: its name for the person who waits, its part, what it does.
struct Step {
    name: &'static str,
    part: Part,
    run: fn(&Ui) -> Result<Count>,
}

/// In this order: what fails fast comes first.
const STEPS: [Step; 14] = [
    Step { name: "fmt", part: Part::Lint, run: fmt },
    Step { name: "clippy, native", part: Part::Lint, run: clippy_native },
    Step { name: "clippy, wasm32", part: Part::Lint, run: clippy_wasm },
    Step { name: "docs", part: Part::Lint, run: docs },
    Step { name: "cargo deny", part: Part::Lint, run: deny },
    Step { name: "unit and documentation tests", part: Part::Unit, run: unit },
    Step { name: "simulation, 10,000 seeds", part: Part::Simulate, run: simulate },
    Step { name: "fuzzing, a minute", part: Part::Fuzz, run: fuzz },
    Step { name: "wasm tests", part: Part::Wasm, run: wasm },
    Step { name: "client library and page scripts", part: Part::Js, run: scripts::js },
    Step { name: "build of the Worker", part: Part::Lint, run: build },
    Step { name: "wrangler deploy --dry-run", part: Part::Lint, run: dry_run },
    Step { name: "the pages in a browser", part: Part::Browser, run: scripts::browser },
    Step { name: "end-to-end tests", part: Part::E2e, run: e2e },
];

/// Runs the steps and ends with `N passed, N failed`.
///
/// # Errors
/// When anything failed.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    let mut total = Count::default();
    let mut failed = Vec::new();
    for step in STEPS.iter().filter(|step| options.part.is_none_or(|part| part == step.part)) {
        ui.step(format!("test: {}", step.name));
        let started = Instant::now();
        let mut count = (step.run)(ui).unwrap_or_else(|error| failure(&error));
        let took = seconds(started.elapsed());
        if count.failed > 0 {
            ui.step(format!("FAILED: {} ({} failed, {took})", step.name, count.failed));
            failed.push((step.name, std::mem::take(&mut count.why)));
        } else {
            ui.step(format!("ok: {} ({} passed, {took})", step.name, count.passed));
        }
        total = total + count;
    }
    // Once more at the end, which is what a reader of a long log sees.
    for (step, why) in &failed {
        eprintln!("\nfailed: {step}");
        why.iter().for_each(|why| eprintln!("{why}"));
    }
    eprintln!();
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn failure(error: &anyhow::Error) -> Count {
    let why = format!("{error:#}");
    eprintln!("{why}");
    Count::failed(why)
}

fn fmt(_: &Ui) -> Result<Count> {
    check("cargo fmt", tools::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy_native(_: &Ui) -> Result<Count> {
    check("cargo clippy", cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

fn clippy_wasm(ui: &Ui) -> Result<Count> {
    tools::ensure_wasm_target(ui)?;
    let of = |package: &[&str]| -> Count {
        let arguments = [&["clippy", "--quiet", "--target", WASM], package, &["--", "-D", "warnings"]].concat();
        check(&format!("cargo clippy {}", package.join(" ")), cargo(&arguments)).unwrap_or_else(|error| failure(&error))
    };
    Ok(of(&["-p", "ropeline-edge"])
        + of(&["-p", "ropeline-queue"])
        + of(&["-p", "ropeline-ticket", "--no-default-features", "--features", "webcrypto"])
        + of(WASM_TESTS[0])
        + of(&["-p", "ropeline-bench"]))
}

fn docs(_: &Ui) -> Result<Count> {
    let mut cargo = tools::cargo();
    cargo.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    check("cargo doc", &mut cargo)
}

/// Advisories are left to a scheduled workflow: they change while the code does not.
fn deny(ui: &Ui) -> Result<Count> {
    let program = tools::ensure_cargo_deny(ui)?;
    let mut deny = Command::new(program);
    deny.args(["--log-level", "error", "check", "bans", "licenses", "sources"]).current_dir(paths::root());
    check("cargo deny", &mut deny)
}

fn unit(_: &Ui) -> Result<Count> {
    tests("cargo test", cargo(&["test", "--quiet", "--workspace", "--exclude", "ropeline-e2e", "--no-fail-fast"]))
}

fn simulate(_: &Ui) -> Result<Count> {
    crate::simulate::test()?;
    Ok(Count::passed(1))
}

fn fuzz(ui: &Ui) -> Result<Count> {
    let passed = crate::fuzz::test(ui)?;
    Ok(Count::passed(u64::try_from(passed)?))
}

fn wasm(ui: &Ui) -> Result<Count> {
    let tools = Tools::ensure(ui)?;
    let mut total = Count::default();
    for package in WASM_TESTS {
        let mut cargo = tools::cargo();
        cargo
            // Not --quiet: cargo hands that on to the runner, which does not know it.
            .args(["test", "--no-fail-fast", "--target", WASM])
            .args(package)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &tools.wasm_bindgen_test_runner)
            .env("PATH", tools.path());
        total = total + tests(&format!("cargo test {}", package.join(" ")), &mut cargo)?;
    }
    Ok(total)
}

fn build(ui: &Ui) -> Result<Count> {
    tools::check_prerequisites(ui, false)?;
    let size = bundle::size(&bundle::worker(ui, &Tools::ensure(ui)?)?)?;
    ui.note(format!("the Worker: {size}"));
    if size.gzip > bundle::MOST_GZIP {
        bail!("the Worker has {size}; at most {} KB gzip are allowed", bundle::MOST_GZIP / 1_024);
    }
    Ok(Count::passed(1))
}

fn dry_run(ui: &Ui) -> Result<Count> {
    let tools = Tools::ensure(ui)?;
    let out = paths::target().join("dry-run");
    let mut wrangler = tools.wrangler();
    wrangler.args(["deploy", "--dry-run", "--outdir"]).arg(out);
    check("wrangler deploy --dry-run", &mut wrangler)
}

fn e2e(ui: &Ui) -> Result<Count> {
    tools::check_prerequisites_of_tests(ui)?;
    let tools = Tools::ensure(ui)?;
    tools::ensure_kafka(ui)?;
    Consumers::ensure(ui)?;
    Verifiers::ensure(ui)?;
    Proxies::ensure(ui)?;
    Monitoring::ensure(ui)?;
    tools::k6::ensure(ui)?;
    tools::compose::ensure(ui)?;
    bundle::worker(ui, &tools)?;
    bundle::programs(ui)?;
    // Each test has a Worker of its own; more at once than cores only adds noise.
    let runner = format!("target.'cfg(all())'.runner = {:?}", namespaces::runner());
    tests(
        "cargo test -p ropeline-e2e",
        cargo(&[
            "test",
            "--config",
            &runner,
            "--quiet",
            "-p",
            "ropeline-e2e",
            "--no-fail-fast",
            "--",
            "--test-threads=2",
        ]),
    )
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = tools::cargo();
    cargo.args(arguments);
    cargo
}

/// A program that succeeds or fails as a whole. What it says is of interest when it fails, and then also at the end.
fn check(name: &str, mut command: impl AsCommand) -> Result<Count> {
    let log = paths::tools().join(format!("logs/{}.log", name.replace(' ', "-")));
    process::run_logged(name, command.as_command(), &log)?;
    Ok(Count::passed(1))
}

/// A program that runs tests: its output is shown and counted.
fn tests(name: &str, mut command: impl AsCommand) -> Result<Count> {
    let mut process = Process::spawn(name, command.as_command(), Output::Piped)?;
    let Some(stdout) = process.take_stdout() else {
        bail!("{name}: no output");
    };
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let until = Instant::now() + LIMIT;
    let mut count = Count::default();
    let mut why = Why::default();
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                count = count + Count::of_line(&line);
                why.line(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                process.kill9();
                bail!("{name}: not done after {}", seconds(LIMIT));
            }
        }
    }
    let status = process.wait()?;
    count.why = why.kept();
    Ok(count.and_ended(name, status.success()))
}

/// Lets a step pass a command it made in place or one it built up.
trait AsCommand {
    fn as_command(&mut self) -> &mut Command;
}

impl AsCommand for Command {
    fn as_command(&mut self) -> &mut Command {
        self
    }
}

impl AsCommand for &mut Command {
    fn as_command(&mut self) -> &mut Command {
        self
    }
}
