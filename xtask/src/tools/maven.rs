//! Java programs, compiled by Maven in a copy, with their jars beside them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Stamp, log};
use crate::ui::Ui;
use crate::{paths, process};

/// The class path of the program in `source`, whose pom copies its dependencies into `target/lib`.
pub(super) fn classpath(ui: &Ui, name: &str, what: &str, source: &Path) -> Result<OsString> {
    let home = paths::tools().join(name);
    let mut files = vec![PathBuf::from("pom.xml")];
    collect(source, Path::new("src"), &mut files)?;
    files.sort();
    let sources: Vec<PathBuf> = files.iter().map(|file| source.join(file)).collect();
    let stamp = Stamp::of_files(name, &sources.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let built = home.join("target");
    let mut classpath = built.join("classes").into_os_string();
    classpath.push(":");
    classpath.push(built.join("lib/*"));
    if stamp.is_current() && built.is_dir() {
        return Ok(classpath);
    }
    let mvn = process::find_program("mvn")
        .context("Maven is missing: Debian/Ubuntu `apt install maven`, macOS `brew install maven`")?;
    ui.step(format!("tools: {what}, by Maven"));
    let _ = std::fs::remove_dir_all(&home);
    for (file, source) in files.iter().zip(&sources) {
        let copy = home.join(file);
        std::fs::create_dir_all(copy.parent().unwrap_or(&home))?;
        std::fs::copy(source, copy)?;
    }
    process::run_logged(
        "mvn compile",
        Command::new(mvn).args(["-B", "-q", "compile"]).current_dir(&home),
        &log(&format!("maven-{name}")),
    )?;
    stamp.set()?;
    Ok(classpath)
}

/// All files under `dir`, which is named from `root`.
fn collect(root: &Path, dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(dir))? {
        let entry = entry?;
        let path = dir.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
