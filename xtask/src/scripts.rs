//! What is written in TypeScript: the client library in `clients/js`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{paths, process};

/// What the library may weigh in a browser, bytes of gzip.
pub const MOST_CLIENT_GZIP: u64 = 4 * 1_024;

/// What runs as it stands: no newer syntax than old phones know.
const TARGET: &str = "--target=es2020";

/// The client library.
#[must_use]
pub fn client() -> PathBuf {
    paths::root().join("clients/js")
}

/// Checks all types, and compiles the library into `clients/js/dist`.
///
/// # Errors
/// When something does not fit; the compiler has said where.
pub fn compile(ui: &Ui, tools: &Tools) -> Result<()> {
    let compiler = tools::ensure_typescript(ui)?;
    let mut tsc = Command::new(&tools.node);
    tsc.arg(&compiler).args(["--pretty", "false", "-p"]).arg(client());
    process::run("tsc", &mut tsc)
}

/// The library in one piece, as a bundler makes it for a browser.
///
/// # Errors
/// When esbuild fails.
pub fn bundled_client(tools: &Tools) -> Result<String> {
    let mut esbuild = Command::new(&tools.esbuild);
    esbuild.arg(client().join("src/index.ts")).args([
        "--bundle",
        "--minify",
        "--charset=utf8",
        "--log-level=warning",
        "--format=esm",
        TARGET,
    ]);
    process::output("esbuild", &mut esbuild)
}

/// # Errors
/// When the library is heavier than it may be.
pub fn check_client_size(ui: &Ui, tools: &Tools) -> Result<()> {
    let size = crate::bundle::gzip(bundled_client(tools)?.as_bytes())?;
    ui.note(format!("the client library: {size} bytes gzip"));
    if size > MOST_CLIENT_GZIP {
        bail!("the client library has {size} bytes gzip; at most {MOST_CLIENT_GZIP} are allowed");
    }
    Ok(())
}
