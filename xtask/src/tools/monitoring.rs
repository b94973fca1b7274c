//! Prometheus with promtool, and Alertmanager: built by Go from its module proxy, of one version each.

use std::path::PathBuf;

use anyhow::Result;

use super::{Lock, go};
use crate::ui::Ui;

/// Prometheus 3, as its Go module counts.
pub const PROMETHEUS: &str = "v0.316.0";
/// The last whose module has its whole source: later ones want a web page that is built apart.
pub const ALERTMANAGER: &str = "v0.28.1";

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
        go::require()?;
        let _lock = Lock::take(ui)?;
        let prometheus = format!("github.com/prometheus/prometheus/cmd/prometheus@{PROMETHEUS}");
        let promtool = format!("github.com/prometheus/prometheus/cmd/promtool@{PROMETHEUS}");
        let alertmanager = format!("github.com/prometheus/alertmanager/cmd/alertmanager@{ALERTMANAGER}");
        Ok(Self {
            prometheus: go::install(ui, "prometheus", &prometheus)?,
            promtool: go::install(ui, "promtool", &promtool)?,
            alertmanager: go::install(ui, "alertmanager", &alertmanager)?,
        })
    }
}
