//! Prometheus with promtool, and Alertmanager: built by Go from its module proxy, of one version each.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Lock, Stamp, log, verifiers};
use crate::ui::Ui;
use crate::{paths, process};

/// Prometheus 3, as its Go module counts.
const PROMETHEUS: &str = "v0.316.0";
/// The last whose module has its whole source: later ones want a web page that is built apart.
const ALERTMANAGER: &str = "v0.28.1";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Monitoring {
    /// `prometheus`.
    pub prometheus: PathBuf,
    /// `promtool`.
    pub promtool: PathBuf,
    /// `alertmanager`.
    pub alertmanager: PathBuf,
}

impl Monitoring {
    /// Builds what is not there yet.
    ///
    /// # Errors
    /// When Go is missing (and how to get it), or a build fails.
    pub fn ensure(ui: &Ui) -> Result<Self> {
        verifiers::require_go()?;
        let _lock = Lock::take(ui)?;
        // Without the discovery of targets at cloud providers, which is most of it and not used here.
        let prometheus = format!("github.com/prometheus/prometheus/cmd/prometheus@{PROMETHEUS}");
        let promtool = format!("github.com/prometheus/prometheus/cmd/promtool@{PROMETHEUS}");
        let alertmanager = format!("github.com/prometheus/alertmanager/cmd/alertmanager@{ALERTMANAGER}");
        Ok(Self {
            prometheus: go_install(ui, "prometheus", &prometheus)?,
            promtool: go_install(ui, "promtool", &promtool)?,
            alertmanager: go_install(ui, "alertmanager", &alertmanager)?,
        })
    }
}

fn go_install(ui: &Ui, name: &str, package: &str) -> Result<PathBuf> {
    let bin = paths::tools().join("bin");
    let program = bin.join(name);
    let stamp = Stamp::new(name, package);
    if stamp.is_current() && program.is_file() {
        return Ok(program);
    }
    ui.step(format!("tools: {name} by Go (a minute or two, once)"));
    let mut go = Command::new("go");
    go.args(["install", "-tags", "remove_all_sd,netgo", "-ldflags=-s -w", package])
        .env("GOBIN", &bin)
        .env("CGO_ENABLED", "0");
    process::run_logged(&format!("go install {name}"), &mut go, &log(name))?;
    stamp.set()?;
    Ok(program)
}
