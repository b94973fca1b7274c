//! Network namespaces, which the tests of isolation make: as root, or in a user namespace, where anybody is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{paths, process};

/// Whether they can be made; where there are none, those tests say so themselves.
pub(super) fn require() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    if process::find_program("ip").is_none() {
        bail!("iproute2: Debian/Ubuntu `apt install iproute2`");
    }
    let mut make = Command::new("unshare");
    make.args(["--user", "--map-root-user", "--net", "--mount", "true"]);
    if !rustix::process::geteuid().is_root() && process::output("unshare", &mut make).is_err() {
        bail!(
            "network namespaces: user namespaces that anybody may make (Ubuntu: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`), or root"
        );
    }
    Ok(())
}

/// What is to run the programs of the end-to-end tests.
#[must_use]
pub fn runner() -> PathBuf {
    paths::root().join("tests/e2e/runner")
}
