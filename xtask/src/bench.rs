//! `cargo xtask bench`: how fast `enter` and `status` are, beside the ceilings
//! of the platform, measured in one run with one generator on this machine.
//!
//! The ceilings are two tiny Workers of `tests/bench`, the ordinary way of the
//! `worker` crate: `hello` (no object) and `hop` (one object call in memory).
//! Rounds of all four are interleaved, so that a machine that gets slower or
//! faster does so for all. Then 7,600 clients enter at the same time.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::api::Api;
use crate::http::Client;
use crate::keys::Keys;
use crate::process::{self, free_port};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::{Workerd, WorkerdOptions};
use crate::{bundle, paths};

mod histogram;
pub mod load;
mod table;

use load::Load;
use table::Row;

/// The incident that started this project.
const AT_ONCE: usize = 7_600;
/// Descriptors that one process needs for it, and some.
const DESCRIPTORS: u64 = 8_400;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct Options {
    /// Rounds of all four
    #[arg(long, default_value_t = 4, value_name = "N")]
    rounds: u32,
    /// Seconds of each of the four in a round
    #[arg(long, default_value_t = 5, value_name = "N")]
    seconds: u64,
    /// Keep-alive connections
    #[arg(long, default_value_t = 256, value_name = "N")]
    connections: usize,
}

/// Measures and prints; fails when a goal is missed.
///
/// # Errors
/// When something cannot be started, or a goal is missed.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    process::stop_children_on_signals()?;
    tools::check_prerequisites(false)?;
    raise_descriptors()?;
    let tools = Tools::ensure(ui)?;
    bundle::worker(ui, &tools)?;
    bundle::ceilings(ui, &tools)?;
    let dir = paths::target().join("bench");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;

    ui.step("start: the ceilings and the Worker, a workerd each");
    let keys = Keys::generate()?;
    let ceilings = Workerd::start(&tools, &WorkerdOptions::ceilings(free_port()?, dir.join("ceilings")))?;
    let product = Workerd::start(&tools, &WorkerdOptions::product(free_port()?, dir.join("product"), &keys))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(prepare(&product, &keys))?;
    let tickets = runtime.block_on(wait_in_line(&product, options.connections))?;
    let tickets_file = dir.join("tickets.json");
    crate::keys::write_secret(&tickets_file, &json!(tickets).to_string())?;

    let load = |kind: &str, server: &Workerd| {
        let mut load = Load::new(kind, &server.authority());
        load.connections = options.connections;
        load.seconds = options.seconds;
        load.tickets = tickets_file.clone();
        load
    };
    let kinds = [("hello", &ceilings), ("hop", &ceilings), ("status", &product), ("enter", &product)];
    ui.step("warm up");
    for (kind, server) in kinds {
        let mut load = load(kind, server);
        load.seconds = 1;
        measure(&load)?;
    }
    let mut rows: Vec<Row> = kinds.iter().map(|(kind, _)| Row::new(kind)).collect();
    for round in 1..=options.rounds {
        ui.step(format!("round {round} of {}: hello, hop, status, enter", options.rounds));
        for ((kind, server), row) in kinds.iter().zip(&mut rows) {
            row.add(&measure(&load(kind, server))?);
        }
    }
    ui.step(format!("{AT_ONCE} clients enter at once, one connection each"));
    let mut rush = load("enter", &product);
    rush.at_once = AT_ONCE;
    let mut rush_row = Row::new("7,600 at once");
    rush_row.add(&measure(&rush)?);
    rows.push(rush_row);

    print!("{}", table::print(&rows));
    let goals = table::goals(&rows);
    println!();
    for goal in &goals {
        println!("{goal}");
    }
    if goals.iter().any(|goal| !goal.is_met) {
        bail!("a goal is missed");
    }
    Ok(())
}

/// Three events: two where everybody gets in, one where everybody waits.
///
/// `enter` has one lane: here all lanes share one thread with everything else, so that more of them would only split the batches.
/// `rush` has the default number: one lane takes in at most 4,000 at a time.
async fn prepare(product: &Workerd, keys: &Keys) -> Result<()> {
    let mut api = Api::new(&product.authority(), &keys.admin);
    api.create_event("enter", &json!({"total_active_users": 1_000_000, "new_users_per_minute": 1_000_000, "lanes": 1}))
        .await?;
    api.create_event("rush", &json!({"total_active_users": 1_000_000, "new_users_per_minute": 1_000_000})).await?;
    api.create_event("status", &json!({"total_active_users": 1, "new_users_per_minute": 1})).await?;
    Ok(())
}

/// One visitor for each connection that will poll.
async fn wait_in_line(product: &Workerd, visitors: usize) -> Result<Vec<String>> {
    let mut client = Client::new(product.authority());
    let mut tickets = Vec::new();
    for visitor in 0..visitors {
        let body = json!({"event": "status", "visitor": format!("bench-visitor-of-status-{visitor:06}")});
        let place = client.post("/queue/enter", &[], &body).await?.ok()?.json();
        let ticket = place.get("ticket").and_then(Value::as_str);
        tickets.push(ticket.context("enter gave no ticket")?.to_owned());
    }
    Ok(tickets)
}

/// Runs the generator in a process of its own.
fn measure(load: &Load) -> Result<Value> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("load").args(load.arguments());
    let text = process::output("the generator", &mut command)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("the generator said {text:?}"))
}

/// `ulimit -n`, as far as we may.
fn raise_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if most < DESCRIPTORS {
        bail!(
            "{AT_ONCE} connections need {DESCRIPTORS} open files, the limit here is {most}: \
             `ulimit -Hn {DESCRIPTORS}` as root, or LimitNOFILE= / limits.conf"
        );
    }
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: limit.maximum })?;
    }
    Ok(())
}
