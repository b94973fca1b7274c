//! Chromium for the tests in `tests/browser`: out of an npm package, which also has the libraries that it needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Lock, npm};
use crate::ui::Ui;
use crate::{paths, process};

/// Where it is, and what drives it.
#[derive(Debug)]
pub struct Chromium {
    /// The program.
    pub program: PathBuf,
    /// `LD_LIBRARY_PATH` for it: nothing of it need be installed.
    pub libraries: PathBuf,
    /// The tests' `node_modules`.
    pub modules: PathBuf,
}

impl Chromium {
    /// Installs and unpacks it, if it is not there; or takes the one that `ROPELINE_CHROMIUM` names.
    ///
    /// # Errors
    /// When it cannot be installed, or does not start: with what to do.
    pub fn ensure(ui: &Ui, node: &Path) -> Result<Self> {
        let _lock = Lock::take(ui)?;
        let modules = npm::install(ui, "browser", &paths::root().join("tests/browser"))?;
        let own = std::env::var_os("ROPELINE_CHROMIUM").filter(|path| !path.is_empty());
        // Goes with the packages when they are installed anew.
        let home = modules.join(".chromium");
        if own.is_none() {
            unpack(ui, node, &modules, &home)?;
        }
        let program = own.map_or_else(|| home.join("chromium"), PathBuf::from);
        let libraries = home.join("al2023/lib");
        let mut version = Command::new(&program);
        version.args(["--no-sandbox", "--version"]).env("LD_LIBRARY_PATH", &libraries);
        process::output("chromium", &mut version).with_context(|| {
            format!(
                "{} does not start; set ROPELINE_CHROMIUM to the program of an installed Chromium or Chrome",
                program.display()
            )
        })?;
        Ok(Self { program, libraries, modules })
    }
}

/// The package unpacks into the directory for temporary files; its libraries, too, where it takes this for the machine they are for.
fn unpack(ui: &Ui, node: &Path, modules: &Path, home: &Path) -> Result<()> {
    const UNPACK: &str = "const { createRequire } = await import('node:module'); \
        const { default: chromium } = await import(createRequire(process.argv[1]).resolve('@sparticuz/chromium')); \
        await chromium.executablePath();";
    if home.is_dir() {
        return Ok(());
    }
    ui.step("tools: Chromium");
    let half = modules.join(".chromium.half");
    let _ = std::fs::remove_dir_all(&half);
    std::fs::create_dir_all(&half)?;
    let mut command = Command::new(node);
    command
        .args(["--input-type=module", "--eval", UNPACK])
        .arg(modules.join("here.js"))
        .env("TMPDIR", &half)
        .env("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs24.x");
    process::output("unpacking Chromium", &mut command)?;
    std::fs::rename(&half, home)?;
    Ok(())
}
