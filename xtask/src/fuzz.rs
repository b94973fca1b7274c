//! `cargo xtask fuzz`: throws mutated input at everything that reads what anybody may send, see `fuzz/`.
//!
//! [cargo-fuzz](https://rust-fuzz.github.io/book/) with libFuzzer, on the stable toolchain: coverage guides it, and no sanitizer is
//! needed where no code is unsafe. What it has found interesting stays in `target/fuzz/corpus` and is where the next run begins.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::ui::Ui;
use crate::{paths, process, tools};

/// All targets, as in `fuzz/Cargo.toml`.
pub const TARGETS: [&str; 6] = ["token", "jwks", "headers", "paths", "settings", "names"];

/// Seconds in `cargo xtask test`, for all targets together.
const TEST_SECONDS: u64 = 60;

/// Options of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub struct Options {
    /// Only this target: token, jwks, headers, paths, settings or names
    target: Option<String>,
    /// Seconds per target
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Only this input, which failed before
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// Fuzzes; ends at the first input that breaks a promise.
///
/// # Errors
/// When something is missing, or an input fails: how to run it again has been printed.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    let wanted = |target: &&&str| options.target.as_deref().is_none_or(|wanted| wanted == **target);
    let targets: Vec<&str> = TARGETS.iter().filter(wanted).copied().collect();
    if targets.is_empty() {
        bail!("there is no such target; there are {}", TARGETS.join(", "));
    }
    let programs = build(ui)?;
    if let (Some(input), [target]) = (&options.input, targets.as_slice()) {
        return process::run(target, Command::new(programs.join(target)).arg(input));
    }
    targets.iter().try_for_each(|target| fuzz(ui, &programs, target, options.seconds))
}

/// As a step of the tests; answers how many targets there are.
///
/// # Errors
/// As [`run`].
pub fn test(ui: &Ui) -> Result<usize> {
    let programs = build(ui)?;
    let each = TEST_SECONDS / u64::try_from(TARGETS.len())?;
    TARGETS.iter().try_for_each(|target| fuzz(ui, &programs, target, each))?;
    Ok(TARGETS.len())
}

/// Where everything of fuzzing is made.
fn home() -> PathBuf {
    paths::target().join("fuzz")
}

/// Builds the targets; answers where they are.
fn build(ui: &Ui) -> Result<PathBuf> {
    let cargo_fuzz = tools::ensure_cargo_fuzz(ui)?;
    ui.step("build: the fuzz targets");
    let mut command = Command::new(cargo_fuzz);
    command
        .args(["fuzz", "build", "--fuzz-dir"])
        .arg(paths::root().join("fuzz"))
        .args(["--sanitizer", "none", "--target-dir"])
        .arg(home())
        .current_dir(paths::root())
        // The Worker's profile is made for size and ends at once on a panic; here a failed assertion shows where.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_PANIC", "unwind");
    process::run_logged("cargo fuzz build", &mut command, &paths::tools().join("logs/cargo-fuzz-build.log"))?;
    let found = std::fs::read_dir(home())?.filter_map(|entry| Some(entry.ok()?.path().join("release")));
    found.into_iter().find(|dir| dir.join(TARGETS[0]).is_file()).context("cargo fuzz built no targets")
}

fn fuzz(ui: &Ui, programs: &Path, target: &str, seconds: u64) -> Result<()> {
    ui.step(format!("fuzz: {target}, {seconds} s"));
    let corpus = home().join("corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    seed(target, &corpus)?;
    let artifacts = home().join("artifacts").join(target);
    std::fs::create_dir_all(&artifacts)?;
    let log = home().join(format!("{target}.log"));
    let mut command = Command::new(programs.join(target));
    command
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-max_len=8192", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()));
    process::run_logged(target, &mut command, &log)
        .with_context(|| format!("an input fails; again: cargo xtask fuzz {target} --input {}/…", artifacts.display()))
}

/// What a target begins with: the files of `fuzz/seeds`, and what `tests/vectors` have for it.
fn seed(target: &str, corpus: &Path) -> Result<()> {
    let seeds = paths::root().join("fuzz/seeds").join(target);
    for entry in std::fs::read_dir(&seeds).into_iter().flatten() {
        let entry = entry?;
        std::fs::copy(entry.path(), corpus.join(entry.file_name()))?;
    }
    let vectors = paths::root().join("tests/vectors");
    let read = |path: &Path| -> Result<Value> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    let write = |name: String, text: &str| std::fs::write(corpus.join(name), text);
    match target {
        "token" => {
            for entry in std::fs::read_dir(&vectors)? {
                let path = entry?.path();
                if path.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let vectors = read(&path)?;
                for (index, vector) in vectors["vectors"].as_array().into_iter().flatten().enumerate() {
                    write(format!("{file}-{index}"), vector["token"].as_str().unwrap_or_default())?;
                }
            }
        }
        "jwks" => {
            let keys = read(&vectors.join("keys.json"))?;
            for set in ["jwks", "private"] {
                write(set.to_owned(), &keys[set].to_string())?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_manifest_is_run_and_has_something_to_begin_with() {
        let manifest = std::fs::read_to_string(paths::root().join("fuzz/Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for target in TARGETS {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
            let corpus = std::env::temp_dir().join(format!("xtask-fuzz-{target}-{}", std::process::id()));
            std::fs::create_dir_all(&corpus).unwrap();
            seed(target, &corpus).unwrap();
            assert!(std::fs::read_dir(&corpus).unwrap().count() > 1, "{target}");
            std::fs::remove_dir_all(corpus).unwrap();
        }
    }
}
