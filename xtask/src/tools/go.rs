//! Programs that Go builds from its module proxy, each of one version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Stamp, log};
use crate::ui::Ui;
use crate::{paths, process};

/// The oldest Go that builds them all.
const GO: (u32, u32) = (1, 22);

/// Fails when Go is missing or too old, with how to get it.
pub(super) fn require() -> Result<()> {
    let how = format!(
        "Go {}.{} or newer: https://go.dev/dl, Debian/Ubuntu `apt install golang`, macOS `brew install go`",
        GO.0, GO.1
    );
    let Ok(text) = process::output("go version", Command::new("go").args(["env", "GOVERSION"])) else {
        bail!(how);
    };
    let mut parts = text.trim().trim_start_matches("go").split('.').map_while(|part| part.parse::<u32>().ok());
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) if (major, minor) < GO => bail!("{how} (found {})", text.trim()),
        _ => Ok(()),
    }
}

/// Builds `package` (with `@version`) as `name` unless it is there.
pub(super) fn install(ui: &Ui, name: &str, package: &str) -> Result<PathBuf> {
    let bin = paths::tools().join("bin");
    let program = bin.join(name);
    let stamp = Stamp::new(name, package);
    if stamp.is_current() && program.is_file() {
        return Ok(program);
    }
    ui.step(format!("tools: {name} by Go (a minute or two, once)"));
    let mut go = Command::new("go");
    // Prometheus without the discovery of targets at cloud providers, which is most of it and not used here.
    go.args(["install", "-tags", "remove_all_sd,netgo", "-ldflags=-s -w", package])
        .env("GOBIN", &bin)
        .env("CGO_ENABLED", "0");
    process::run_logged(&format!("go install {name}"), &mut go, &log(name))?;
    stamp.set()?;
    Ok(program)
}

/// Builds the program in `source`, of the modules that its `go.sum` names, unless it is there.
pub(super) fn build(ui: &Ui, name: &str, what: &str, source: &Path) -> Result<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(source)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| {
        file.extension().is_some_and(|extension| ["go", "mod", "sum"].iter().any(|known| extension == *known))
    });
    files.sort();
    let program = paths::tools().join(name).join("program");
    let stamp = Stamp::of_files(name, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    if stamp.is_current() && program.is_file() {
        return Ok(program);
    }
    ui.step(format!("tools: {what}"));
    process::run_logged(
        "go build",
        Command::new("go")
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .arg(".")
            .env("CGO_ENABLED", "0")
            .current_dir(source),
        &log(name),
    )?;
    stamp.set()?;
    Ok(program)
}
