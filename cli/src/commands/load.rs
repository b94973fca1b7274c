//! `ropeline load`: a load scenario against a deployment, by k6.
//!
//! Every visitor of it takes a number: it goes to rehearsals, unless something else is asked for in so many words.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;
use ropeline_load::{Run, Scenario, setting};
use serde_json::json;

use super::confirm::confirm;
use crate::client::Client;
use crate::failure::Failure;
use crate::options::{Global, Sure};
use crate::output;

/// Which scenario, and where.
#[derive(Debug, Args)]
pub struct Load {
    /// Which scenario
    scenario: Scenario,
    /// Which event
    #[command(flatten)]
    sure: Sure,
    /// NAME=value for the scenario, such as VISITORS=1000; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Also when the event is no rehearsal: its numbers are used up
    #[arg(long)]
    not_a_rehearsal: bool,
    /// The k6 to run
    #[arg(long, default_value = "k6", value_name = "PROGRAM")]
    k6: PathBuf,
}

/// Runs it, when that is meant.
pub async fn load(global: &Global, options: &Load) -> Result<(), Failure> {
    let client = Client::admin(global)?;
    let event = options.sure.event.as_str();
    let settings = client.event(&options.sure.event).await?.body;
    if settings["test"] != true && !options.not_a_rehearsal {
        return Err(Failure::usage(format!(
            "'{event}' is no rehearsal, and every visitor would take one of its numbers: make an event with \"test\": true, or give --not-a-rehearsal"
        )));
    }
    let scenario = options.scenario.name();
    let url = client.base();
    confirm(&options.sure, &format!("'{scenario}' lets visitors loose on '{event}' at {url}"))?;
    let dir = private_dir()?;
    let run =
        Run { program: &options.k6, scenario: options.scenario, url, event, settings: &options.set, dir: dir.clone() };
    let failed = |error: anyhow::Error| Failure::Failed(format!("{error:#}"));
    let mut k6 = run.command().map_err(failed)?;
    if global.json {
        k6.stdout(Stdio::null());
    }
    let status = k6.status().map_err(|error| {
        Failure::Failed(format!(
            "cannot start {}: {error}; k6 1.8 is at https://grafana.com/docs/k6/latest/set-up/install-k6, or `go install go.k6.io/k6@v1.8.1`",
            options.k6.display()
        ))
    })?;
    let outcome = run.outcome(status).map_err(failed)?;
    let held = outcome
        .check()
        .map_err(|error| failed(error.context(format!("{} has what visitors met", run.console().display()))));
    if global.json {
        output::json(&json!({
            "scenario": scenario, "event": event, "places": outcome.places.len(), "holds": held.is_ok(), "metrics": outcome.summary["metrics"],
        }))?;
    }
    // What did not hold is kept: it says which visitor met what.
    held?;
    let _ = std::fs::remove_dir_all(dir);
    if global.json {
        return Ok(());
    }
    output::say(format!("{event}: {} places were given, in order, and no gate was crossed", outcome.places.len()))
}

/// A new directory for this user alone: what is in it is run.
fn private_dir() -> Result<PathBuf, Failure> {
    let dir = std::env::temp_dir().join(format!("ropeline-load-{}", std::process::id()));
    let made = DirBuilder::new().mode(0o700).create(&dir);
    made.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", dir.display())))?;
    Ok(dir)
}
