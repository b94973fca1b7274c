//! The layout of `ops/compose.yaml` as real networks, with the real parts: generator, Worker, broker, relay and monitoring, each on a machine of
//! its own, and with the kernel parameters that the file gives it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ropeline_e2e::hosts::{Lan, Rate, project};
use ropeline_e2e::monitoring::{Monitoring, Watched};
use xtask::kafka::{Kafka, KafkaOptions};
use xtask::keys::Keys;
use xtask::services::{Relay, RelayOptions};
use xtask::tools::{self, Tools};
use xtask::ui::Ui;
use xtask::workerd::{Workerd, WorkerdOptions};
use xtask::{bundle, paths};

/// Where each of them listens, as in the file.
pub const WORKER: u16 = 8787;
pub const KAFKA: u16 = 9092;
pub const RELAY: u16 = 9464;

/// All of it, running. What runs comes before the machines: it is stopped first.
pub struct Scene {
    pub monitoring: Monitoring,
    _relay: Relay,
    _kafka: Kafka,
    _worker: Workerd,
    pub keys: Keys,
    pub lan: Lan,
}

impl Scene {
    /// Starts it, on networks by name for each machine.
    pub fn start(name: &str, plan: &BTreeMap<String, Vec<String>>, rate: Option<Rate>) -> Self {
        let dir = paths::target().join("e2e").join(format!("network-{name}"));
        let _ = std::fs::remove_dir_all(&dir);
        let lan = Lan::new(plan, rate);
        for (service, settings) in project::ours()["services"].as_object().expect("services") {
            for (parameter, value) in settings["sysctls"].as_object().into_iter().flatten() {
                lan.machine(service).sysctl(parameter, value.as_str().expect("a text"));
            }
        }
        let to = |from: &str, to: &str| lan.route(from, to).unwrap_or_else(|| panic!("{from} cannot reach {to}"));
        let keys = Keys::generate().expect("keys");
        let worker = worker(&lan, dir.join("worker"), &keys);
        let kafka = kafka(&lan, dir.join("kafka"), to("relay", "kafka"));
        let options = RelayOptions {
            config: Some(paths::root().join("ops/relay/relay.toml")),
            ..RelayOptions::new(
                &format!("http://{}:{WORKER}", to("relay", "worker")),
                &format!("{}:{KAFKA}", to("relay", "kafka")),
                "ropeline.admissions",
                &keys.relay,
                &dir.join("relay.log"),
            )
        };
        assert!(bundle::Programs::built().relay.is_file(), "the relay is not built: `cargo xtask test e2e` does");
        let relay = lan.machine("relay").within(|| Relay::start(&options)).expect("a relay");
        let watched = Watched {
            worker: format!("{}:{WORKER}", to("prometheus", "worker")),
            metrics_key: &keys.metrics,
            relay: format!("{}:{RELAY}", to("prometheus", "relay")),
            restart: "true".to_owned(),
        };
        let monitoring = lan.machine("prometheus").within(|| Monitoring::start(&dir, &watched));
        Self { monitoring, _relay: relay, _kafka: kafka, _worker: worker, keys, lan }
    }
}

/// The Worker on its machine, reached from all of its networks.
pub fn worker(lan: &Lan, dir: PathBuf, keys: &Keys) -> Workerd {
    let tools = Tools::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
    let mut options = WorkerdOptions::product(WORKER, dir, keys);
    options.host = Ipv4Addr::UNSPECIFIED;
    lan.machine("worker").within(|| Workerd::start(&tools, &options)).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The broker with its settings in containers; only the name under which it is reached, and the directory, are others.
fn kafka(lan: &Lan, dir: PathBuf, address: Ipv4Addr) -> Kafka {
    let jars = tools::ensure_kafka(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
    let text = std::fs::read_to_string(paths::root().join("ops/kafka/compose.properties")).expect("the settings");
    let mut options = KafkaOptions { dir, port: KAFKA, controller_port: KAFKA + 1, settings: Vec::new() };
    for (name, value) in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')) {
        if name != "log.dirs" {
            options = options.with(name, &value.replace("//kafka:", &format!("//{address}:")));
        }
    }
    lan.machine("kafka").within(|| {
        let kafka = Kafka::start_with(jars, options).unwrap_or_else(|error| panic!("{error:#}"));
        kafka.create_topic("ropeline.admissions", 1).unwrap_or_else(|error| panic!("{error:#}"));
        kafka
    })
}
