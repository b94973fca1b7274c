//! What is measured: Workers on the real runtime, each in a process of its own, and the generator beside them.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::cost::Cost;
use super::fixture;
use super::load::{Kind, Load};
use crate::api::Api;
use crate::http::Client;
use crate::keys::Keys;
use crate::process::{self, free_port};
use crate::tools::Tools;
use crate::workerd::{Workerd, WorkerdOptions};
use crate::{bundle, paths};

/// Starts Workers in a directory of their own.
pub(super) struct Yard<'a> {
    tools: &'a Tools,
    keys: Keys,
    dir: PathBuf,
    runtime: Runtime,
}

impl<'a> Yard<'a> {
    pub(super) fn new(tools: &'a Tools) -> Result<Self> {
        let dir = paths::target().join("bench");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { tools, keys: Keys::generate()?, dir, runtime })
    }

    /// The two tiny Workers that do nothing.
    pub(super) fn ceilings(&self) -> Result<Workerd> {
        Workerd::start(self.tools, &WorkerdOptions::ceilings(free_port()?, self.dir.join("ceilings")))
    }

    /// What keeping the promises costs with nothing of ours.
    pub(super) fn floor(&self) -> Result<Workerd> {
        Workerd::start(self.tools, &WorkerdOptions::floor(free_port()?, self.dir.join("floor")))
    }

    /// The product with names of compiled functions for `perf`.
    pub(super) fn profiled_product(&self) -> Result<Workerd> {
        let product = Workerd::start(self.tools, &self.options("profiled")?.v8_flag("--perf-basic-prof"))?;
        self.events(&product, true)?;
        Ok(product)
    }

    /// The floor with them.
    pub(super) fn profiled_floor(&self) -> Result<Workerd> {
        let options = WorkerdOptions::floor(free_port()?, self.dir.join("profiled-floor"));
        Workerd::start(self.tools, &options.v8_flag("--perf-basic-prof"))
    }

    /// The secret of who scrapes.
    pub(super) fn metrics_key(&self) -> &str {
        &self.keys.metrics
    }

    /// A file of this run.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn options(&self, name: &str) -> Result<WorkerdOptions> {
        Ok(WorkerdOptions::product(free_port()?, self.dir.join(name), &self.keys))
    }

    /// The product, with an event for each kind of load. `one_lane`: all lanes share one thread here, so that more of them only
    /// split the batches.
    pub(super) fn product(&self, name: &str, one_lane: bool) -> Result<Workerd> {
        let product = Workerd::start(self.tools, &self.options(name)?)?;
        self.events(&product, one_lane)?;
        Ok(product)
    }

    /// The same, telling what its objects cost; lanes as by default.
    pub(super) fn counted(&self) -> Result<Workerd> {
        let product = Workerd::start(self.tools, &self.options("counted")?.var("ROPELINE_TRACE", "cost"))?;
        self.events(&product, false)?;
        Ok(product)
    }

    /// The same with a million places taken in the event `long`, and ten thousand events.
    pub(super) fn full(&self, places: u64, events: u64) -> Result<Workerd> {
        let mut product = self.product("full", true)?;
        self.runtime.block_on(async {
            let body = json!({"event": "long", "visitor": "the-first-visitor-of-the-bench"});
            Client::new(product.authority()).post("/queue/enter", &[], &body).await?.ok().map(drop)
        })?;
        product.stop()?;
        fixture::fill(self.tools, &self.dir.join("full/data"), "long", places, events)?;
        product.restart()?;
        Ok(product)
    }

    /// (first answer of a Worker that nobody has asked yet, median of the next twenty), milliseconds.
    pub(super) fn first_answer(&self, turn: usize) -> Result<(f64, f64)> {
        let product = Workerd::start_cold(self.tools, &self.options(&format!("cold-{turn}"))?)?;
        self.runtime.block_on(async {
            let mut took = Vec::new();
            for _ in 0..21 {
                let began = Instant::now();
                Client::new(product.authority()).get("/queue/jwks.json", &[]).await?.ok()?;
                took.push(began.elapsed().as_secs_f64() * 1_000.0);
            }
            let mut warm = took.split_off(1);
            warm.sort_by(f64::total_cmp);
            Ok((took.first().copied().unwrap_or(0.0), warm.get(10).copied().unwrap_or(0.0)))
        })
    }

    /// The bundle's weight.
    pub(super) fn size() -> Result<bundle::Size> {
        bundle::size(&paths::worker_bundle())
    }

    fn events(&self, product: &Workerd, one_lane: bool) -> Result<()> {
        self.runtime.block_on(async {
            let mut api = Api::new(&product.authority(), &self.keys.admin);
            for event in ["enter", "claim", "visit", "long", "rush", "status"] {
                // Who polls waits; a burst meets limits such as those of a shop.
                let most = match event {
                    "status" => 1,
                    "rush" => 600,
                    _ => 1_000_000,
                };
                let mut settings = json!({"total_active_users": most, "new_users_per_minute": most});
                if one_lane && event != "rush" {
                    settings["lanes"] = json!(1);
                }
                api.create_event(event, &settings).await?;
            }
            Ok(())
        })
    }
}

/// Runs the generator in a process of its own.
pub(super) fn measure(load: &Load) -> Result<Value> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("load").args(load.arguments());
    let text = process::output("the generator", &mut command)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("the generator said {text:?}"))
}

/// The same against a Worker that tells its cost; what that was for all of it, or only for what was measured.
pub(super) fn measure_cost(server: &Workerd, load: &Load, with_preparation: bool) -> Result<(Value, Cost)> {
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let run = measure(load)?;
    // What is told after the answers, such as that entries wait for Kafka, is part of it.
    std::thread::sleep(Duration::from_millis(1_500));
    let began = u64::try_from(began.as_millis())?;
    let since = if with_preparation { began } else { run["began_at"].as_u64().unwrap_or(began) };
    Ok((run, Cost::since(&server.log(), since)?))
}

/// A load of this kind on this server.
pub(super) fn load(kind: Kind, server: &Workerd) -> Load {
    Load::new(kind, server.authority(), server.id())
}
