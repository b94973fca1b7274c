//! `cargo xtask k6`: the scenarios of `tests/load`, by the real k6, against the real runtime here, with nginx before it, or against a deployment.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Args;
use ropeline_load::{Outcome, Run, Scenario};
use ropeline_queue::UnixMillis;
use serde_json::json;

use crate::api::Api;
use crate::bench::raise_descriptors;
use crate::front::Front;
use crate::keys::Keys;
use crate::process::{self, Output, Process, free_port};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::{Workerd, WorkerdOptions};
use crate::{bundle, paths};

/// The event of a run here.
const EVENT: &str = "load";

/// Options of `cargo xtask k6`.
#[derive(Debug, Args)]
pub struct Options {
    /// Which scenario
    scenario: Scenario,
    /// Against this deployment, its prefix included (`https://queue.example.com/queue`), instead of one that is started here
    #[arg(long, value_name = "URL", requires = "event")]
    url: Option<String>,
    /// The deployment's event
    #[arg(long, value_name = "ID", requires = "url")]
    event: Option<String>,
    /// NAME=value for the scenario, see tests/load/README.md
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = ropeline_load::setting)]
    set: Vec<(String, String)>,
    /// The event's limit of admissions per minute, of one that is made here
    #[arg(long, default_value_t = 6_000, value_name = "N")]
    per_minute: u64,
}

/// The command.
///
/// # Errors
/// When it cannot run, a gate is crossed or the order is broken.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    let program = tools::k6::ensure(ui)?;
    let dir = paths::target().join("k6");
    let here = match &options.url {
        Some(_) => None,
        None => Some(start(ui, &dir, options)?),
    };
    let own = here.as_ref().map(|(front, _)| format!("http://{}/queue", front.authority));
    let url = options.url.as_deref().or(own.as_deref()).unwrap_or_default();
    let event = options.event.as_deref().unwrap_or(EVENT);
    ui.step(format!("k6: {} against {url}, event {event}", options.scenario.name()));
    let run = Run { program: &program, scenario: options.scenario, url, event, settings: &options.set, dir };
    let outcome = play(&run)?;
    outcome.check().with_context(|| format!("{} has what visitors met", run.console().display()))?;
    ui.step(format!("{} places were given, in order, and no gate was crossed", outcome.places.len()));
    Ok(())
}

/// Runs k6 to its end, its report on this terminal; ended with this program.
///
/// # Errors
/// As [`Run::outcome`].
pub fn play(run: &Run<'_>) -> Result<Outcome> {
    raise_descriptors()?;
    let status = Process::spawn("k6", &mut run.command()?, Output::Inherit)?.wait()?;
    run.outcome(status)
}

/// A Worker on this machine with the event, one that opens when the scenario has come so far, and what stands before it.
fn start(ui: &Ui, dir: &Path, options: &Options) -> Result<(Front, Workerd)> {
    tools::check_prerequisites(ui, false)?;
    let tools = Tools::ensure(ui)?;
    bundle::worker(ui, &tools)?;
    raise_descriptors()?;
    let _ = std::fs::remove_dir_all(dir);
    let keys = Keys::generate()?;
    let worker = Workerd::start(&tools, &WorkerdOptions::product(free_port()?, dir.join("state"), &keys))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let per_minute = options.per_minute;
    // Who leaves keeps the slot until the session, five minutes and a half, is over. No event has more than a million.
    let slots = per_minute.saturating_mul(6).min(1_000_000);
    let mut settings = json!({"total_active_users": slots, "new_users_per_minute": per_minute});
    if options.scenario == Scenario::Onsale {
        let seconds = options.set.iter().find(|(name, _)| name == "SECONDS").and_then(|(_, value)| value.parse().ok());
        let now = UnixMillis(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?);
        settings["prequeue_start_time"] = json!(now.rfc3339());
        settings["event_start_time"] = json!(now.plus(seconds.unwrap_or(300_u64) * 1_000 / 3).rfc3339());
    }
    runtime.block_on(Api::new(&worker.authority(), &keys.admin).create_event(EVENT, &settings))?;
    Ok((Front::start(ui, &worker.authority(), dir)?, worker))
}
