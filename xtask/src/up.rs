//! `cargo xtask up`: everything on this machine, with a demo event and a crowd,
//! until Ctrl-C.
//!
//! State is kept under `target/up`: a second start finds yesterday's line.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use hyper::Method;
use serde_json::json;

use crate::api::{Api, Stats};
use crate::crowd::{Crowd, CrowdOptions, Tally};
use crate::keys::write_secret;
use crate::process::{self, StopSignal};
use crate::stack::{Broker, Stack, StackOptions};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::require_port;
use crate::{bundle, paths};

/// The demo event.
const EVENT: &str = "demo";

/// Options of `cargo xtask up`.
#[derive(Debug, Args)]
pub struct Options {
    /// Forget everything first: keys, the line, Kafka's data
    #[arg(long)]
    fresh: bool,
    /// Send no simulated visitors
    #[arg(long)]
    no_crowd: bool,
    /// How many simulated visitors are there at once
    #[arg(long, default_value_t = 300, value_name = "N")]
    visitors: usize,
    /// Use the broker at this address instead of starting one (no Java needed)
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Port of the Worker
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Port of the example shop
    #[arg(long, default_value_t = 8788)]
    shop_port: u16,
    /// Port of Kafka
    #[arg(long, default_value_t = 9092)]
    kafka_port: u16,
    /// Port of Kafka's controller
    #[arg(long, default_value_t = 9093)]
    kafka_controller_port: u16,
}

/// Runs until Ctrl-C, or until a part ends by itself.
///
/// # Errors
/// When something is missing, taken, or does not come up.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    let stop = process::stop_children_on_signals()?;
    check_kafka_address(options)?;
    tools::check_prerequisites(ui, options.kafka.is_none())?;
    let _lock = lock()?;
    require_ports(options)?;
    let tools = Tools::ensure(ui)?;
    bundle::worker(ui, &tools)?;
    bundle::programs(ui)?;
    if options.fresh {
        ui.step("forget: target/up");
        forget()?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(show(ui, &tools, options, &stop))
}

async fn show(ui: &Ui, tools: &Tools, options: &Options, stop: &StopSignal) -> Result<()> {
    let broker = match &options.kafka {
        Some(address) => Broker::At(address.clone()),
        None => Broker::Own { port: options.kafka_port, controller_port: options.kafka_controller_port },
    };
    let stack_options = StackOptions {
        dir: paths::up(),
        worker_port: options.port,
        shop_port: options.shop_port,
        broker,
        event: EVENT.to_owned(),
    };
    // Blocks this thread; nothing else runs yet, and a signal kills all of it.
    let mut stack = Stack::start(ui, tools, &stack_options)?;
    let authority = stack.workerd.authority();
    let mut api = Api::new(&authority, &stack.keys.admin);
    let settings = json!({
        "name": "Ropeline demo",
        "total_active_users": 50,
        "new_users_per_minute": 120,
        "session_duration_seconds": 60,
        "return_url": stack.shop.return_url(),
    });
    if api.create_event(EVENT, &settings).await.context("a purged id is never used again; start with --fresh")? {
        ui.step("event: demo, made now");
    } else {
        // The shop may have moved to another port since.
        let change = json!({ "return_url": stack.shop.return_url() });
        api.call(Method::PATCH, "/queue/admin/events/demo", &change).await?.ok()?;
        ui.step("event: demo, with its line as it was left");
    }
    let keys_file = paths::up().join("crowd.json");
    let crowd = (!options.no_crowd).then(|| {
        ui.step(format!("crowd: {} visitors are on their way", options.visitors));
        let crowd_options = CrowdOptions {
            worker: authority,
            shop: stack.shop.authority(),
            event: EVENT.to_owned(),
            visitors: options.visitors,
            rush: Duration::from_secs(20),
        };
        Crowd::start(&crowd_options, read_keys(&keys_file))
    });
    introduce(&stack);

    let ended = tokio::select! {
        () = stop.asked() => Ok(()),
        ended = watch(&mut stack, &mut api, crowd.as_ref(), &keys_file) => ended,
    };
    eprintln!();
    if let Some(crowd) = &crowd {
        keep_keys(&keys_file, crowd)?;
    }
    ui.step("stop: the crowd, the shop, the relay, the Worker, Kafka");
    drop(crowd);
    stack.stop()?;
    if ended.is_ok() {
        ui.step("stopped; `cargo xtask up` goes on with this line, `--fresh` forgets it");
    }
    ended
}

/// One line of truth a second, until a part ends.
async fn watch(stack: &mut Stack, api: &mut Api, crowd: Option<&Crowd>, keys_file: &Path) -> Result<()> {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        second.tick().await;
        stack.check()?;
        if let Some(crowd) = crowd {
            keep_keys(keys_file, crowd)?;
        }
        match api.stats(EVENT).await {
            Ok(stats) => println!("{}", line(&stats, crowd.map(|crowd| crowd.tally.as_ref()))),
            Err(error) => println!("no stats: {error:#}"),
        }
    }
}

/// The crowd comes back to its places the next time, even after a `kill -9`.
fn keep_keys(file: &Path, crowd: &Crowd) -> Result<()> {
    let new = file.with_extension("new");
    write_secret(&new, &json!(crowd.keys()).to_string())?;
    Ok(std::fs::rename(new, file)?)
}

/// Nobody, when there is no file or not a whole one.
fn read_keys(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn line(stats: &Stats, tally: Option<&Tally>) -> String {
    use std::sync::atomic::Ordering::Relaxed;
    let mut line = format!(
        "waiting {:>5}   called {:>4}   active {:>4}   admitted {:>6}   in Kafka {:>6}",
        stats.waiting, stats.called, stats.active, stats.admitted, stats.acked_seq
    );
    if let Some(tally) = tally {
        line += &format!("   | crowd: {} orders, {} refused", tally.orders.load(Relaxed), tally.refused.load(Relaxed));
    }
    line
}

fn introduce(stack: &Stack) {
    let (worker, shop) = (stack.workerd.url(), stack.shop.url());
    eprintln!(
        "
  waiting room   {worker}/queue/events/{EVENT}/wait      <- open this in a browser
  the console    {worker}/queue/admin/                   <- the admin key opens it
  the shop       {shop}/
  the board      {worker}/queue/events/{EVENT}
  public keys    {worker}/queue/jwks.json
  Kafka          {}, topic {}
  admin key      in {} (\"admin\")
  logs           {}

  Ctrl-C stops all of this and nothing else.
",
        stack.bootstrap,
        crate::stack::TOPIC,
        paths::up().join("keys.json").display(),
        paths::up().display(),
    );
}

fn check_kafka_address(options: &Options) -> Result<()> {
    let Some(address) = &options.kafka else {
        return Ok(());
    };
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
        bail!("--kafka {address}: HOST:PORT is needed, as localhost:9092");
    }
    Ok(())
}

fn require_ports(options: &Options) -> Result<()> {
    let mut wanted = vec![(options.port, "the Worker", "--port"), (options.shop_port, "the shop", "--shop-port")];
    if options.kafka.is_none() {
        wanted.push((options.kafka_port, "Kafka", "--kafka-port"));
        wanted.push((options.kafka_controller_port, "Kafka's controller", "--kafka-controller-port"));
    }
    for (index, (port, who, option)) in wanted.iter().enumerate() {
        require_port(*port, who, option)?;
        if let Some((_, other, _)) = wanted.iter().take(index).find(|(taken, ..)| taken == port) {
            bail!("port {port} is wanted for {other} and for {who}; choose another one: {option} PORT");
        }
    }
    Ok(())
}

/// Two at once would share one line's storage.
fn lock() -> Result<std::fs::File> {
    let dir = paths::target();
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("up.lock");
    let file = std::fs::File::create(&path)?;
    file.try_lock().ok().with_context(|| {
        format!("another `cargo xtask up` runs in this checkout (it holds {}); stop it first", path.display())
    })?;
    Ok(file)
}

fn forget() -> Result<()> {
    let dir = paths::up();
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_truth_names_all_five_counts() {
        let stats = Stats { waiting: 212, called: 8, active: 50, admitted: 123, acked_seq: 120 };
        let line = line(&stats, None);
        for part in ["waiting   212", "called    8", "active   50", "admitted    123", "in Kafka    120"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
