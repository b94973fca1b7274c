//! The real parts of the relay's benchmark: one broker, Workers with what each part needs, the relay as it is deployed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::topic::{Topic, Waits, wait_until};
use super::{PARTITIONS, process};
use crate::api::Api;
use crate::bench::load::{Load, cpu_seconds};
use crate::bench::{fixture, station};
use crate::kafka::{Kafka, KafkaOptions};
use crate::keys::Keys;
use crate::services::{Relay, RelayOptions};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::{Workerd, WorkerdOptions};
use crate::{bundle, paths};

/// Longer than any part may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The event with a full log beside those that are watched.
const NEIGHBOUR: &str = "neighbour";

pub(super) struct Scene<'a> {
    tools: &'a Tools,
    keys: Keys,
    dir: PathBuf,
    /// For the files of objects where the machine's one disk would be what is measured: on the platform each object has its own
    /// storage, here each admission costs several `fsync`.
    memory: Memory,
    runtime: Runtime,
    pub(super) kafka: Kafka,
}

/// A directory in memory where there is such a thing, and else on the disk; gone when dropped.
struct Memory(PathBuf);

impl Memory {
    fn make(disk: &Path) -> Result<Self> {
        let shared = Path::new("/dev/shm");
        let dir = if shared.is_dir() {
            shared.join(format!("ropeline-bench-{}", std::process::id()))
        } else {
            disk.join("memory")
        };
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What carrying full logs took.
pub(super) struct Full {
    /// Records a second, from the first that was seen in Kafka to the last.
    pub(super) rate: f64,
    /// The most that the relay had resident, MB.
    pub(super) resident_mb: f64,
    /// CPU time for each record, microseconds.
    pub(super) relay_us: f64,
    pub(super) worker_us: f64,
    pub(super) broker_us: f64,
}

impl<'a> Scene<'a> {
    pub(super) fn start(ui: &Ui, tools: &'a Tools) -> Result<Self> {
        bundle::worker(ui, tools)?;
        ui.step("build: the relay, with the profile native");
        let mut build = tools::cargo();
        build.args([
            "build",
            "--quiet",
            "--profile",
            "native",
            "-p",
            "ropeline-relay",
            "--bin",
            "ropeline-relay",
            "--bench",
            "produce",
        ]);
        process::run("cargo build", &mut build)?;
        let dir = paths::target().join("bench-relay");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let kafka = Kafka::start(ui, KafkaOptions::in_dir(dir.join("kafka"))?)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let memory = Memory::make(&dir)?;
        Ok(Self { tools, keys: Keys::generate()?, dir, memory, runtime, kafka })
    }

    /// A Worker with these events, which let everybody in; its files are in memory.
    pub(super) fn worker(&self, name: &str, events: &[String]) -> Result<Workerd> {
        self.worker_in(&self.memory.0.join(name), events)
    }

    fn worker_in(&self, dir: &Path, events: &[String]) -> Result<Workerd> {
        let options = WorkerdOptions::product(process::free_port()?, dir, &self.keys);
        let worker = Workerd::start(self.tools, &options)?;
        self.runtime.block_on(async {
            let mut api = Api::new(&worker.authority(), &self.keys.admin);
            for event in events {
                let settings = json!({"total_active_users": 1_000_000, "new_users_per_minute": 1_000_000, "lanes": 1});
                api.create_event(event, &settings).await?;
            }
            anyhow::Ok(())
        })?;
        Ok(worker)
    }

    /// The same, with full logs of some of them.
    fn worker_with_logs(&self, dir: &Path, events: &[String], full: &[String], entries: u64) -> Result<Workerd> {
        let mut worker = self.worker_in(dir, events)?;
        worker.stop()?;
        fixture::fill_logs(self.tools, &dir.join("data"), full, entries)?;
        worker.restart()?;
        Ok(worker)
    }

    pub(super) fn relay(&self, worker: &Workerd, topic: &str) -> Result<Relay> {
        let log = self.dir.join(format!("{topic}.log"));
        let mut options = RelayOptions::new(&worker.url(), &self.kafka.bootstrap(), topic, &self.keys.relay, &log);
        options.program = paths::target().join("native/ropeline-relay");
        Relay::start(&options)
    }

    /// Carries full logs into a topic in which each event has a partition of its own.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn full(&self, events: usize, entries: u64) -> Result<Full> {
        let (name, topic) = (format!("full-{events}"), format!("bench.full-{events}"));
        let names: Vec<String> = (0..events).map(|event| format!("full-{event}")).collect();
        let worker = self.worker_with_logs(&self.dir.join(name), &names, &names, entries)?;
        self.kafka.create_topic(&topic, PARTITIONS)?;
        let topic_client = self.runtime.block_on(Topic::open(&self.kafka.bootstrap(), &topic))?;
        let cpu = |relay: u32| -> Result<[f64; 3]> {
            Ok([cpu_seconds(relay)?, cpu_seconds(worker.id())?, cpu_seconds(self.kafka.id())?])
        };
        let mut relay = self.relay(&worker, &topic)?;
        let before = cpu(relay.id())?;
        let all = entries * events as u64;
        let (carried, took) = self.runtime.block_on(wait_until(&topic_client, all, PATIENCE))?;
        let after = cpu(relay.id())?;
        let resident_mb = resident_mb(relay.id())?;
        relay.stop()?;
        let found = self.runtime.block_on(topic_client.check())?;
        ensure!(
            found.len() == events && found.values().all(|last| *last == entries),
            "not everything is in Kafka: {found:?}"
        );
        let per_record: Vec<f64> =
            after.iter().zip(&before).map(|(after, before)| (after - before) * 1_000_000.0 / all as f64).collect();
        let [relay_us, worker_us, broker_us] = per_record.as_slice() else { anyhow::bail!("a CPU time is missing") };
        Ok(Full {
            rate: carried as f64 / took.as_secs_f64(),
            resident_mb,
            relay_us: *relay_us,
            worker_us: *worker_us,
            broker_us: *broker_us,
        })
    }

    /// A Worker with `claim-0` and on, and a neighbour with a full log; its files are in memory.
    pub(super) fn fair(&self, events: usize, entries: u64) -> Result<Workerd> {
        let neighbour = [NEIGHBOUR.to_owned()];
        let names: Vec<String> =
            (0..events).map(|event| format!("claim-{event}")).chain(neighbour.iter().cloned()).collect();
        self.worker_with_logs(&self.memory.0.join("fair"), &names, &neighbour, entries)
    }

    /// Generates a load and reads what it brings into Kafka; how long each record took, and how many admissions a second there were.
    pub(super) fn watched(&self, topic: &str, load: &Load) -> Result<(Waits, f64)> {
        let topic_client = self.runtime.block_on(Topic::open(&self.kafka.bootstrap(), topic))?;
        let (stop, stopped) = watch::channel(false);
        let reader = self.runtime.spawn(topic_client.watch(NEIGHBOUR, stopped));
        let run = station::measure(load)?;
        ensure!(run["failed"] == 0, "{} requests failed: {}", run["failed"], run["why"]);
        // What is under way when the load ends.
        std::thread::sleep(Duration::from_secs(3));
        stop.send_replace(true);
        let waits = self.runtime.block_on(reader)??;
        let wanted = load.count / load.connections * load.connections;
        ensure!(waits.count() == wanted, "{} of {wanted} records came", waits.count());
        let rate = waits.rate();
        Ok((waits, rate))
    }
}

/// The most that a process ever had resident, MB (proc(5), `VmHWM`).
fn resident_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kb: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kb / 1_024.0)
}
