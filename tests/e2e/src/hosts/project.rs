//! `ops/compose.yaml` as `docker compose` reads it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xtask::ui::Ui;
use xtask::{paths, tools};

use crate::world::HOW_TO_GET_IT;

/// What the file at `path` says, with every reference resolved; or what is wrong with it.
///
/// # Errors
/// With what `docker compose` would say of it.
///
/// # Panics
/// When the reader cannot be built.
pub fn read(path: &Path) -> Result<Value, String> {
    let program = tools::compose::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}; {HOW_TO_GET_IT}"));
    // Of the environment nothing: it is the file that is read.
    let output = Command::new(program).arg(path).env_clear().env("HOME", "/").output().expect("the reader");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// `ops/compose.yaml`.
///
/// # Panics
/// When something is wrong with it.
#[must_use]
pub fn ours() -> Value {
    let path = paths::root().join("ops/compose.yaml");
    read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Which networks each service is on. `worker` is on all that lead outside.
///
/// # Panics
/// When the file has no services or networks.
#[must_use]
pub fn plan(project: &Value) -> BTreeMap<String, Vec<String>> {
    let names = |of: &Value| of.as_object().expect("names").keys().cloned().collect::<Vec<_>>();
    let services = project["services"].as_object().expect("services");
    let mut plan: BTreeMap<_, _> =
        services.iter().map(|(name, service)| (name.clone(), names(&service["networks"]))).collect();
    let outside = names(&project["networks"]).into_iter().filter(|name| project["networks"][name]["internal"] != true);
    plan.insert("worker".to_owned(), outside.collect());
    plan
}
