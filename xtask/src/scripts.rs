//! What is written in TypeScript: the client library in `clients/js`, and the waiting page's script, which has it inside.
//!
//! `src/page/made/wait.js` is committed, so that the Worker builds without Node: `cargo xtask page` makes it, and a test says when it
//! is not what its sources make.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

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

fn page_script() -> PathBuf {
    paths::root().join("src/page/script")
}

/// Where the page's script is kept.
#[must_use]
pub fn made() -> PathBuf {
    paths::root().join("src/page/made/wait.js")
}

/// Checks all types, and compiles the library into `clients/js/dist`.
///
/// # Errors
/// When something does not fit; the compiler has said where.
pub fn compile(ui: &Ui, tools: &Tools) -> Result<()> {
    let compiler = tools::ensure_typescript(ui)?;
    for project in [client(), page_script()] {
        let mut tsc = Command::new(&tools.node);
        tsc.arg(&compiler).args(["--pretty", "false", "-p"]).arg(&project);
        process::run(&format!("tsc -p {}", project.display()), &mut tsc)?;
    }
    Ok(())
}

/// The library in one piece, as a bundler makes it for a browser.
///
/// # Errors
/// When esbuild fails.
pub fn bundled_client(tools: &Tools) -> Result<String> {
    bundle(tools, &client().join("src/index.ts"), &["--format=esm"])
}

/// The page's script, made of its sources as they are now.
///
/// # Errors
/// When esbuild fails.
pub fn bundled_page(tools: &Tools) -> Result<String> {
    let head = "--banner:js=// Made of src/page/script and clients/js by `cargo xtask page`.";
    bundle(tools, &page_script().join("main.ts"), &["--format=iife", head])
}

fn bundle(tools: &Tools, entry: &PathBuf, options: &[&str]) -> Result<String> {
    let mut esbuild = Command::new(&tools.esbuild);
    esbuild.arg(entry).args(["--bundle", "--minify", "--charset=utf8", "--log-level=warning", TARGET]).args(options);
    process::output("esbuild", &mut esbuild)
}

/// `cargo xtask page`: makes the page's script anew.
///
/// # Errors
/// When the sources do not compile.
pub fn make_page(ui: &Ui) -> Result<()> {
    let tools = Tools::ensure(ui)?;
    compile(ui, &tools)?;
    let path = made();
    std::fs::write(&path, bundled_page(&tools)?).with_context(|| format!("cannot write {}", path.display()))?;
    ui.step("src/page/made/wait.js is what src/page/script and clients/js make");
    Ok(())
}

/// # Errors
/// When the committed script is not what its sources make.
pub fn check_page(tools: &Tools) -> Result<()> {
    let path = made();
    let kept = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if kept != bundled_page(tools)? {
        bail!(
            "src/page/made/wait.js is not what src/page/script and clients/js make: run `cargo xtask page` and commit it"
        );
    }
    Ok(())
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
