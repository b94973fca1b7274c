//! `ropeline load`: a load scenario against a deployment, by k6.
//!
//! Every visitor of it takes a number: it goes to rehearsals, unless something else is asked for in so many words.

use std::path::PathBuf;

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
    let dir = std::env::temp_dir().join(format!("ropeline-load-{}", std::process::id()));
    let run = Run {
        program: &options.k6,
        scenario: options.scenario,
        url,
        event,
        settings: &options.set,
        dir: dir.clone(),
        report: !global.json,
    };
    let outcome = run.run().map_err(|error| Failure::Failed(format!("{error:#}")));
    // What is left of a run that cannot be removed is in the system's directory for such files.
    let _ = std::fs::remove_dir_all(dir);
    let outcome = outcome?;
    let held = outcome.check();
    if global.json {
        output::json(&json!({
            "scenario": scenario, "event": event, "places": outcome.places.len(), "holds": held.is_ok(), "metrics": outcome.summary["metrics"],
        }))?;
    }
    held.map_err(|error| Failure::Failed(format!("{error:#}")))?;
    if global.json {
        return Ok(());
    }
    output::say(format!("{event}: {} places were given, in order, and no gate was crossed", outcome.places.len()))
}
