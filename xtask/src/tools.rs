//! What a build needs beyond Rust, under `target/tools`: two programs from
//! crates.io, npm packages, the jars of Kafka.
//!
//! Every tool has a stamp with what it was made from, so that a second look
//! costs a file read. Versions are pinned: cargo tools here, npm packages in the
//! lockfiles, jars in `ops/kafka/pom.xml`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::ui::Ui;
use crate::{paths, process};

pub mod chromium;
pub mod compose;
pub mod consumers;
mod go;
pub mod k6;
mod maven;
pub mod monitoring;
pub mod namespaces;
mod npm;
pub mod proxies;
mod python;
pub mod verifiers;

/// `worker-build` and the crate `worker` are of one version.
const WORKER_BUILD: &str = "0.8.7";
/// As in the root `Cargo.toml`; the two must be equal.
const WASM_BINDGEN: &str = "0.2.130";
/// Dependency rules: licences, sources, bans.
const CARGO_DENY: &str = "0.20.2";
/// What the Worker is compiled for.
pub const WASM: &str = "wasm32-unknown-unknown";
/// Breaks the code on purpose, for `cargo xtask mutants`.
const CARGO_MUTANTS: &str = "27.1.0";
/// Builds the fuzz targets.
const CARGO_FUZZ: &str = "0.13.2";

/// The installed tools that a build of the Worker and a run of it need.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `worker-build`.
    pub worker_build: PathBuf,
    /// `wasm-bindgen`.
    pub wasm_bindgen: PathBuf,
    /// Runs wasm tests (`cargo test --target wasm32-unknown-unknown`).
    pub wasm_bindgen_test_runner: PathBuf,
    /// `wasm-opt` of Binaryen.
    pub wasm_opt: PathBuf,
    /// `esbuild`.
    pub esbuild: PathBuf,
    /// The Workers runtime.
    pub workerd: PathBuf,
    /// A Node that is new enough for wrangler.
    pub node: PathBuf,
    /// wrangler's program, to be run with `node`.
    pub wrangler_js: PathBuf,
}

impl Tools {
    /// Installs what is not there yet, and says where everything is.
    ///
    /// # Errors
    /// When a prerequisite is missing (and how to get it), or an installation fails.
    pub fn ensure(ui: &Ui) -> Result<Self> {
        let _lock = Lock::take(ui)?;
        ensure_wasm_target(ui)?;
        cargo_tool(ui, "wasm-bindgen-cli", WASM_BINDGEN, false)?;
        cargo_tool(ui, "worker-build", WORKER_BUILD, true)?;
        forget_objects();
        let node = npm::node(ui)?;
        let modules = npm::modules(ui)?;
        let bin = paths::tools().join("bin");
        let tools = Self {
            worker_build: bin.join("worker-build"),
            wasm_bindgen: bin.join("wasm-bindgen"),
            wasm_bindgen_test_runner: bin.join("wasm-bindgen-test-runner"),
            wasm_opt: modules.join("binaryen/bin/wasm-opt"),
            esbuild: npm::esbuild(&modules)?,
            workerd: npm::workerd(&modules)?,
            wrangler_js: modules.join("wrangler/bin/wrangler.js"),
            node,
        };
        for path in [&tools.wasm_opt, &tools.esbuild, &tools.workerd, &tools.node] {
            if !path.is_file() {
                bail!("{} is missing; delete {} and run again", path.display(), paths::tools().display());
            }
        }
        Ok(tools)
    }

    /// A PATH on which our Node and the cargo tools come first.
    #[must_use]
    pub fn path(&self) -> std::ffi::OsString {
        let own = [self.node.parent(), self.worker_build.parent()];
        let own = own.into_iter().flatten().map(Path::to_path_buf);
        let rest = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(own.chain(std::env::split_paths(&rest))).unwrap_or(rest)
    }

    /// A wrangler command, without its telemetry and its question for an update.
    #[must_use]
    pub fn wrangler(&self) -> Command {
        let mut command = Command::new(&self.node);
        command
            .arg(&self.wrangler_js)
            .env("PATH", self.path())
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CI", "true")
            .current_dir(paths::root());
        command
    }
}

/// The jars of Kafka, by Maven.
///
/// # Errors
/// When Java or Maven is missing, or Maven fails.
pub fn ensure_kafka(ui: &Ui) -> Result<PathBuf> {
    require_java()?;
    let _lock = Lock::take(ui)?;
    let pom = paths::root().join("ops/kafka/pom.xml");
    let home = paths::tools().join("kafka");
    let lib = home.join("lib");
    let stamp = Stamp::of_files("kafka", &[&pom])?;
    if stamp.is_current() && lib.is_dir() {
        return Ok(lib);
    }
    let mvn = process::find_program("mvn").context(
        "Maven is missing: it fetches Apache Kafka. Install it (Debian: apt install maven), \
         or use a broker that is there: cargo xtask up --kafka HOST:PORT",
    )?;
    ui.step("tools: Apache Kafka by Maven (54 MB, once)");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home)?;
    std::fs::copy(&pom, home.join("pom.xml"))?;
    process::run_logged(
        "mvn dependency:copy-dependencies",
        Command::new(mvn)
            .args(["-B", "-q", "dependency:copy-dependencies"])
            .args(["-DincludeScope=runtime", "-DoutputDirectory=lib"])
            .current_dir(&home),
        &log("maven"),
    )?;
    stamp.set()?;
    Ok(lib)
}

/// The program of the TypeScript compiler, to be run with [`Tools::node`].
///
/// # Errors
/// When it cannot be installed.
pub fn ensure_typescript(ui: &Ui) -> Result<PathBuf> {
    let _lock = Lock::take(ui)?;
    let modules = npm::install(ui, "client-js", &crate::scripts::client())?;
    Ok(modules.join("typescript/bin/tsc"))
}

/// `cargo-deny`, for `cargo xtask test`.
///
/// # Errors
/// When it cannot be installed.
pub fn ensure_cargo_deny(ui: &Ui) -> Result<PathBuf> {
    let _lock = Lock::take(ui)?;
    cargo_tool(ui, "cargo-deny", CARGO_DENY, true)?;
    forget_objects();
    Ok(paths::tools().join("bin/cargo-deny"))
}

/// `cargo-mutants`, for `cargo xtask mutants`.
///
/// # Errors
/// When it cannot be installed.
pub fn ensure_cargo_mutants(ui: &Ui) -> Result<PathBuf> {
    let _lock = Lock::take(ui)?;
    cargo_tool(ui, "cargo-mutants", CARGO_MUTANTS, true)?;
    forget_objects();
    Ok(paths::tools().join("bin/cargo-mutants"))
}

/// `cargo-fuzz`, for `cargo xtask fuzz`.
///
/// # Errors
/// When it cannot be installed.
pub fn ensure_cargo_fuzz(ui: &Ui) -> Result<PathBuf> {
    let _lock = Lock::take(ui)?;
    cargo_tool(ui, "cargo-fuzz", CARGO_FUZZ, true)?;
    forget_objects();
    Ok(paths::tools().join("bin/cargo-fuzz"))
}

/// [`check_prerequisites`], and what only the tests need: the stacks of the examples.
///
/// # Errors
/// When something is missing.
pub fn check_prerequisites_of_tests(ui: &Ui) -> Result<()> {
    let checks = [check_prerequisites(ui, true), python::require(), go::require(), namespaces::require()];
    let missing: Vec<String> = checks.into_iter().filter_map(|check| Some(format!("{:#}", check.err()?))).collect();
    if missing.is_empty() { Ok(()) } else { bail!("{}", missing.join("\n  - ")) }
}

/// What the commands need that we cannot install: said all at once, each with
/// the way to get it.
///
/// # Errors
/// When something is missing.
pub fn check_prerequisites(ui: &Ui, kafka: bool) -> Result<()> {
    let mut missing = Vec::new();
    if let Err(error) = ensure_wasm_target(ui) {
        missing.push(format!("{error:#}"));
    }
    if let Err(error) = require_openssl() {
        missing.push(format!("{error:#}"));
    }
    if let Err(error) = npm::require() {
        missing.push(format!("{error:#}"));
    }
    if kafka {
        if let Err(error) = require_java() {
            missing.push(format!("{error:#}"));
        }
        if process::find_program("mvn").is_none() {
            missing.push(
                "Maven: Debian/Ubuntu `apt install maven`, macOS `brew install maven`; \
                 or use a broker that is there with --kafka HOST:PORT"
                    .to_owned(),
            );
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("missing on this machine:\n  - {}", missing.join("\n  - "))
}

fn require_java() -> Result<()> {
    const HOW: &str = "Java 17 or newer (a JDK): Debian/Ubuntu `apt install openjdk-17-jdk-headless`, \
         macOS `brew install openjdk`; or use a broker that is there with --kafka HOST:PORT";
    let Ok(text) = process::output("java -version", Command::new("java").arg("-version")) else {
        bail!(HOW);
    };
    let version = text
        .split('"')
        .nth(1)
        .and_then(|version| version.split(['.', '-', '+']).next())
        .and_then(|major| major.parse::<u32>().ok());
    match version {
        Some(major) if major < 17 => bail!("{HOW} (found Java {major})"),
        _ => Ok(()),
    }
}

/// `worker-build` links the system's OpenSSL; without its headers cargo fails after minutes.
fn require_openssl() -> Result<()> {
    if !cfg!(target_os = "linux") || Stamp::new("worker-build", WORKER_BUILD).is_current() {
        return Ok(());
    }
    let by_variable = std::env::var_os("OPENSSL_DIR").is_some();
    let found = Command::new("pkg-config").args(["--exists", "openssl"]).status();
    if by_variable || found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!(
        "pkg-config and the headers of OpenSSL, to build worker-build: Debian/Ubuntu \
         `apt install pkg-config libssl-dev`, Fedora `dnf install pkgconf openssl-devel`"
    )
}

/// The standard library for WebAssembly. rustup adds it by itself only where it installs the toolchain itself: not to one that
/// is there already, and not where its automatic installation is switched off.
///
/// # Errors
/// When it is not there and rustup cannot add it.
pub fn ensure_wasm_target(ui: &Ui) -> Result<()> {
    let sysroot = process::output(
        "rustc --print sysroot",
        Command::new(rustc()).args(["--print", "sysroot"]).current_dir(paths::root()),
    )?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).is_dir() {
        return Ok(());
    }
    ui.step(format!("tools: rustup target add {WASM} (20 MB, once)"));
    process::run_logged(
        "rustup target add",
        Command::new("rustup").args(["target", "add", WASM]).current_dir(paths::root()),
        &log("rustup"),
    )
    .with_context(|| format!("the target {WASM} of this Rust: `rustup target add {WASM}` (in the repository) adds it"))
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The cargo that runs us.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    // Ours, set by `cargo run`; a nested cargo must not take them for its own.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Installs with the dev profile: minutes faster to build, no slower to use.
fn cargo_tool(ui: &Ui, package: &str, version: &str, locked: bool) -> Result<()> {
    let home = paths::tools();
    let stamp = Stamp::new(package, version);
    if stamp.is_current() {
        return Ok(());
    }
    // One that was installed by hand counts too.
    let listed = std::fs::read_to_string(home.join(".crates.toml")).unwrap_or_default();
    if !listed.contains(&format!("\"{package} {version} ")) {
        ui.step(format!("tools: cargo install {package} {version} (a minute or two, once)"));
        std::fs::create_dir_all(&home)?;
        let mut command = cargo();
        command
            .args(["install", "--quiet", "--profile", "dev"])
            .args([package, "--version", version, "--root"])
            .arg(&home)
            // All tools share what they have in common, and nothing with the project.
            .env("CARGO_TARGET_DIR", objects())
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env_remove("RUSTFLAGS");
        if locked {
            command.arg("--locked");
        }
        process::run(&format!("cargo install {package}"), &mut command)?;
    }
    stamp.set()
}

/// Where cargo tools are compiled; a gigabyte that nobody needs afterwards.
fn objects() -> PathBuf {
    paths::tools().join("cargo-target")
}

fn forget_objects() {
    let _ = std::fs::remove_dir_all(objects());
}

fn log(name: &str) -> PathBuf {
    paths::tools().join("logs").join(format!("{name}.log"))
}

/// What a tool was made from.
struct Stamp {
    path: PathBuf,
    content: String,
}

impl Stamp {
    fn new(name: &str, content: &str) -> Self {
        Self { path: paths::tools().join("stamps").join(name), content: content.to_owned() }
    }

    fn of_files(name: &str, files: &[&Path]) -> Result<Self> {
        let mut hash = Sha256::new();
        for file in files {
            let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
            hash.update(bytes);
        }
        Ok(Self::new(name, &hex(&hash.finalize())))
    }

    fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|found| found == self.content)
    }

    fn set(&self) -> Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        Ok(std::fs::write(&self.path, &self.content)?)
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One installation at a time, also between processes.
struct Lock {
    _file: std::fs::File,
}

impl Lock {
    fn take(ui: &Ui) -> Result<Self> {
        let path = paths::tools().join(".lock");
        std::fs::create_dir_all(paths::tools())?;
        let file = std::fs::File::create(&path)?;
        if file.try_lock().is_err() {
            ui.step("tools: waiting for another command that installs them");
            let until = std::time::Instant::now() + Duration::from_secs(900);
            while file.try_lock().is_err() {
                if std::time::Instant::now() > until {
                    bail!("{} has been locked for 15 minutes", path.display());
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wasm_bindgen_that_is_installed_is_the_one_the_workspace_pins() {
        let manifest = std::fs::read_to_string(paths::root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("wasm-bindgen = \"={WASM_BINDGEN}\"")));
        assert!(manifest.contains(&format!("worker = \"={WORKER_BUILD}\"")));
    }

    #[test]
    fn lockfiles_of_npm_hold_versions_and_no_addresses() {
        for file in [
            "package-lock.json",
            "xtask/node/package-lock.json",
            "examples/verify/node/package-lock.json",
            "clients/js/package-lock.json",
            "tests/browser/package-lock.json",
        ] {
            let text = std::fs::read_to_string(paths::root().join(file)).unwrap();
            assert!(text.contains("\"integrity\": \"sha512-"), "{file}");
            assert!(!text.contains("\"resolved\""), "{file}");
            assert!(!text.contains(".tgz"), "{file}");
        }
    }
}
