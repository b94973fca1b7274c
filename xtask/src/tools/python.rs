//! Virtual environments: packages of PyPI, pinned by hashes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Stamp, log};
use crate::ui::Ui;
use crate::{paths, process};

/// Whether there is a Python that can make virtual environments.
pub(super) fn require() -> Result<()> {
    let check = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))";
    if process::output("python3", Command::new("python3").args(["-c", check])).is_err() {
        bail!(
            "Python 3.10 or newer with venv: Debian/Ubuntu `apt install python3 python3-venv`, macOS `brew install python`"
        );
    }
    Ok(())
}

/// The programs of an environment `name` with what is in `requirements`: wheels only, nothing is built.
pub(super) fn environment(ui: &Ui, name: &str, what: &str, requirements: &Path) -> Result<PathBuf> {
    let home = paths::tools().join(name);
    let bin = home.join("bin");
    let program = bin.join("python");
    let stamp = Stamp::of_files(name, &[requirements])?;
    // Its programs have its own path in them: where the repository was moved, it is made anew.
    let activate = std::fs::read_to_string(bin.join("activate")).unwrap_or_default();
    let is_here = activate.contains(&*home.to_string_lossy());
    if stamp.is_current() && program.is_file() && is_here {
        return Ok(bin);
    }
    ui.step(format!("tools: a virtual environment for {what}"));
    let _ = std::fs::remove_dir_all(&home);
    let log_of = |tool: &str| log(&format!("{tool}-{name}"));
    process::run_logged("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&home), &log_of("venv"))?;
    process::run_logged(
        "pip install",
        Command::new(&program)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(requirements),
        &log_of("pip"),
    )?;
    stamp.set()?;
    Ok(bin)
}
