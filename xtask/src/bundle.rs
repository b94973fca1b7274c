//! Builds what runs: the Worker bundles with `worker-build`, the native programs
//! with cargo. Cargo decides what to compile; the steps after it are skipped
//! while the compiled module and the tools are the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{paths, process};

/// The most that the upload of the Worker may weigh, bytes of gzip: start-up and deploys stay quick.
pub const MOST_GZIP: u64 = 468 * 1_024;

/// One package that becomes a Worker.
struct Target {
    /// For the person who waits.
    what: &'static str,
    /// Where its `Cargo.toml` is, from the root.
    dir: &'static str,
    /// The compiled module's name.
    module: &'static str,
    /// The module that the runtime calls, which imports that of worker-build as `worker-build`; else the latter.
    entry: Option<&'static str>,
    /// Where the bundle goes.
    bundle: PathBuf,
}

/// Builds the product's Worker, for release, into `build/`.
///
/// # Errors
/// When a step fails; its output has been shown.
pub fn worker(ui: &Ui, tools: &Tools) -> Result<PathBuf> {
    build(
        ui,
        tools,
        &Target {
            what: "the Worker",
            dir: "",
            module: "ropeline_edge.wasm",
            entry: Some("src/entry.js"),
            bundle: paths::worker_bundle(),
        },
    )
}

/// Builds the two ceilings in `tests/bench`, as the product is built.
///
/// # Errors
/// As [`worker`].
pub fn ceilings(ui: &Ui, tools: &Tools) -> Result<PathBuf> {
    build(
        ui,
        tools,
        &Target {
            what: "the ceilings of the benchmark",
            dir: "tests/bench",
            module: "ropeline_bench.wasm",
            entry: None,
            bundle: paths::bench_bundle(),
        },
    )
}

/// The native programs that `up` and the end-to-end tests start.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `ropeline-relay`.
    pub relay: PathBuf,
    /// `ropeline-shop`.
    pub shop: PathBuf,
    /// `ropeline-consumer`, the worked consumer in Rust.
    pub consumer: PathBuf,
    /// `ropeline-verify-axum`, the worked verifier in axum.
    pub verifier: PathBuf,
    /// `ropeline`, the operator's command line.
    pub cli: PathBuf,
}

impl Programs {
    /// Where cargo puts them, whether they are built or not.
    #[must_use]
    pub fn built() -> Self {
        let dir = paths::target().join("debug");
        Self {
            relay: dir.join("ropeline-relay"),
            shop: dir.join("ropeline-shop"),
            consumer: dir.join("ropeline-consumer"),
            verifier: dir.join("ropeline-verify-axum"),
            cli: dir.join("ropeline"),
        }
    }
}

/// Builds the relay, the shop, the consumer, the verifier and the command line.
///
/// # Errors
/// When cargo fails; its output has been shown.
pub fn programs(ui: &Ui) -> Result<Programs> {
    ui.step("build: the relay, the shop, the consumer, the verifier and the command line");
    process::run(
        "cargo build",
        tools::cargo().args(["build", "--quiet", "--bins"]).args([
            "-p",
            "ropeline-relay",
            "-p",
            "ropeline-shop",
            "-p",
            "ropeline-consumer",
            "-p",
            "ropeline-verify-axum",
            "-p",
            "ropeline",
        ]),
    )?;
    Ok(Programs::built())
}

/// Builds a program of `tests/e2e` that generates load. As fast as it can be: it shares the machine with what it measures.
///
/// # Errors
/// When cargo fails; its output has been shown.
pub fn generator(ui: &Ui, name: &str) -> Result<PathBuf> {
    ui.step("build: the generator");
    let build = ["build", "--quiet", "--profile", "native", "-p", "ropeline-e2e", "--bin", name];
    process::run("cargo build", tools::cargo().args(build))?;
    Ok(paths::target().join("native").join(name))
}

fn build(ui: &Ui, tools: &Tools, target: &Target) -> Result<PathBuf> {
    let dir = paths::root().join(target.dir);
    ui.step(format!("build: {}", target.what));
    process::run(
        "cargo build",
        tools::cargo()
            .args(["build", "--quiet", "--lib", "--release"])
            .args(["--target", tools::WASM])
            // As worker-build sets it, or the two would compile past each other.
            .env("WASM_BINDGEN_USE_JS_SYS", "1")
            .current_dir(&dir),
    )?;
    let module = paths::target().join(tools::WASM).join("release").join(target.module);
    let entry = target.entry.map(|entry| dir.join(entry));
    let made_from = fingerprint(&module, entry.as_deref(), tools)?;
    // Beside what it speaks of: the tools may be shared by checkouts, the bundle is not.
    let stamp = paths::target().join(target.module).with_extension("stamp");
    let is_there = ["index.js", "index_bg.wasm"].iter().all(|file| target.bundle.join(file).is_file());
    if is_there && std::fs::read_to_string(&stamp).is_ok_and(|found| found == made_from) {
        return Ok(target.bundle.clone());
    }

    let mut command = Command::new(&tools.worker_build);
    command.arg("--release").arg("--out-dir").arg(&target.bundle).env("PATH", tools.path()).current_dir(&dir);
    // With these worker-build downloads nothing. What the user has set wins.
    for (name, path) in
        [("WASM_BINDGEN_BIN", &tools.wasm_bindgen), ("WASM_OPT_BIN", &tools.wasm_opt), ("ESBUILD_BIN", &tools.esbuild)]
    {
        if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
            command.env(name, path);
        }
    }
    let log = paths::tools().join("logs/worker-build.log");
    process::run_logged("worker-build", &mut command, &log)?;
    if let Some(entry) = &entry {
        put_before(entry, &target.bundle.join("index.js"), tools)?;
    }
    strip(&target.bundle.join("index_bg.wasm"), target.module, tools)?;
    // Compiled again by worker-build, with the same outcome; hash what it used.
    std::fs::write(&stamp, fingerprint(&module, entry.as_deref(), tools)?)?;
    ui.note(format!("{}: {}", relative(&target.bundle), size(&target.bundle)?));
    Ok(target.bundle.clone())
}

/// Makes one module of an entry and what worker-build made.
fn put_before(entry: &Path, made: &Path, tools: &Tools) -> Result<()> {
    let mut command = Command::new(&tools.esbuild);
    command
        .arg(entry)
        .args(["--bundle", "--minify", "--format=esm", "--log-level=warning", "--allow-overwrite"])
        .args(["--external:*.wasm", "--external:cloudflare:*"])
        .arg(format!("--alias:worker-build={}", made.display()))
        .arg(format!("--outfile={}", made.display()));
    process::run("esbuild", command.env("PATH", tools.path()))
}

/// What worker-build enables, and no more: nothing newer may get into the module.
const WASM_FEATURES: [&str; 7] = [
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-exception-handling",
];

/// Takes the names of functions out of a module: a fifth of what is uploaded, and the runtime has no use for them. A copy with
/// names stays in `target/named/`, for profiles and for traces that show function indexes: they are the same in both.
fn strip(module: &Path, name: &str, tools: &Tools) -> Result<()> {
    let dir = paths::target().join("named");
    std::fs::create_dir_all(&dir)?;
    let named = dir.join(name);
    std::fs::copy(module, &named)?;
    let mut command = Command::new(&tools.wasm_opt);
    command.args(WASM_FEATURES).args(["--strip-debug", "--strip-producers"]).arg(&named).arg("-o").arg(module);
    process::run("wasm-opt", command.env("PATH", tools.path()))
}

/// What an upload of a Worker weighs.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The module, bytes.
    pub wasm: u64,
    /// All of it as `gzip` makes it, bytes: what the platform's limits and `wrangler` count.
    pub gzip: u64,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} KB wasm, {} KB gzip in all", self.wasm / 1_024, self.gzip.div_ceil(1_024))
    }
}

/// Weighs a bundle.
///
/// # Errors
/// When there is none.
pub fn size(bundle: &Path) -> Result<Size> {
    let mut size = Size { wasm: 0, gzip: 0 };
    for file in ["index.js", "index_bg.wasm"] {
        let path = bundle.join(file);
        let bytes = std::fs::read(&path).with_context(|| format!("no bundle at {}", path.display()))?;
        size.gzip += gzip(&bytes)?;
        if file.ends_with(".wasm") {
            size.wasm = bytes.len() as u64;
        }
    }
    Ok(size)
}

/// What something weighs as `gzip` makes it, bytes.
///
/// # Errors
/// Not in memory.
pub fn gzip(bytes: &[u8]) -> Result<u64> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, bytes)?;
    Ok(gzip.finish()?.len() as u64)
}

/// The module and the tools that make a bundle of it. A tool's version is in
/// the stamps of [`Tools`]; one of the user's own counts by its path.
fn fingerprint(module: &Path, entry: Option<&Path>, tools: &Tools) -> Result<String> {
    let mut hash = Sha256::new();
    for file in std::iter::once(module).chain(entry) {
        hash.update(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    // It says what wasm-opt is told.
    hash.update(std::fs::read(paths::root().join("Cargo.toml"))?);
    for name in ["WASM_BINDGEN_BIN", "WASM_OPT_BIN", "ESBUILD_BIN"] {
        hash.update(std::env::var(name).unwrap_or_default());
        hash.update([0]);
    }
    let stamps = paths::tools().join("stamps");
    for name in ["wasm-bindgen-cli", "worker-build", "npm"] {
        hash.update(std::fs::read(stamps.join(name)).unwrap_or_default());
        hash.update([0]);
    }
    hash.update(tools.worker_build.as_os_str().as_encoded_bytes());
    Ok(tools::hex(&hash.finalize()))
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(paths::root()).unwrap_or(path);
    path.display().to_string()
}
