//! A real Apache Kafka on this machine, from jars: one KRaft node ([`Kafka`]), or a cluster of three with TLS and SASL
//! ([`Cluster`]); and Kafka's console tools for either ([`Console`]).

mod certificates;
mod cluster;
mod console;
mod record;
mod topic;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

pub use certificates::Certificates;
pub use cluster::{Cluster, Listener, TopicState};
pub use console::Console;
pub use record::Record;
pub use topic::{create_copied_topic, create_topic, delete_topic};

use console::java;

use crate::process::{self, Output, Process};
use crate::ui::Ui;
use crate::{paths, tools};

/// How long a broker may take until it answers.
const START: Duration = Duration::from_secs(60);

/// Any 16 bytes in base64url; fixed, so that data of an earlier run is ours.
const CLUSTER_ID: &str = "cm9wZWxpbmUtZGV2LTAwMQ";

/// Where a broker lives.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Its data, configuration and log. Kept: a second start finds it again.
    pub dir: PathBuf,
    /// Where clients connect.
    pub port: u16,
    /// KRaft's own port.
    pub controller_port: u16,
    /// Settings that take precedence over those of `ops/kafka/server.properties`.
    pub settings: Vec<(String, String)>,
}

impl KafkaOptions {
    /// With data in `dir`, on two free ports.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Result<Self> {
        let (port, controller_port) = (process::free_port()?, process::free_port()?);
        Ok(Self { dir: dir.into(), port, controller_port, settings: Vec::new() })
    }

    /// With one more setting of the broker.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running broker. Dropped, it is killed.
#[derive(Debug)]
pub struct Kafka {
    options: KafkaOptions,
    jars: PathBuf,
    process: Process,
}

impl Kafka {
    /// Installs the jars if need be, and starts the broker.
    ///
    /// # Errors
    /// When Java or Maven is missing, or the broker does not come up.
    pub fn start(ui: &Ui, options: KafkaOptions) -> Result<Self> {
        let jars = tools::ensure_kafka(ui)?;
        Self::start_with(jars, options)
    }

    /// Starts the broker with jars that are there; comes back when it answers.
    ///
    /// # Errors
    /// When the broker does not come up; with the end of its log.
    pub fn start_with(jars: PathBuf, options: KafkaOptions) -> Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        let configuration = write_configuration(&options)?;
        let data = options.dir.join("data");
        if !data.join("meta.properties").is_file() {
            process::run_logged(
                "kafka.tools.StorageTool format",
                java(&jars, "256m")
                    .arg("kafka.tools.StorageTool")
                    .args(["format", "-t", CLUSTER_ID, "-c"])
                    .arg(&configuration),
                &options.dir.join("logs/format.log"),
            )?;
        }
        let log = options.dir.join("logs/kafka.log");
        let mut process =
            Process::spawn("Kafka", java(&jars, "512m").arg("kafka.Kafka").arg(&configuration), Output::Log(&log))?;
        let port = options.port;
        process.wait_until(START, || process::port_answers(port))?;
        Ok(Self { options, jars, process })
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.options.port)
    }

    /// The client's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.options.port
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// SIGKILL; the data stays, [`Kafka::start_with`] finds it again.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Stops in order.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(20))?;
        Ok(())
    }

    /// Starts again on the same data and ports, after [`Kafka::stop`] or [`Kafka::kill9`].
    ///
    /// # Errors
    /// As [`Kafka::start_with`].
    pub fn restart(self) -> Result<Self> {
        let (jars, options) = (self.jars.clone(), self.options.clone());
        drop(self);
        Self::start_with(jars, options)
    }

    /// Makes a topic; content with one that exists.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create_topic(&self, name: &str, partitions: u16) -> Result<()> {
        create_topic(&self.bootstrap(), name, partitions)
    }

    /// Kafka's console tools, for this broker.
    #[must_use]
    pub fn console(&self) -> Console {
        Console::new(&self.jars, &self.bootstrap())
    }

    /// [`Console::consume`].
    ///
    /// # Errors
    /// When the consumer cannot be run.
    pub fn consume(&self, topic: &str, max: usize, patience: Duration) -> Result<Vec<Record>> {
        self.console().consume(topic, max, patience)
    }

    /// [`Console::end_offsets`].
    ///
    /// # Errors
    /// When the tool cannot be run, or says something we do not understand.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<u64>> {
        self.console().end_offsets(topic)
    }
}

/// Fills in `ops/kafka/server.properties`.
fn write_configuration(options: &KafkaOptions) -> Result<PathBuf> {
    let template = paths::root().join("ops/kafka/server.properties");
    let data = options.dir.join("data");
    let mut text = std::fs::read_to_string(&template)
        .with_context(|| format!("cannot read {}", template.display()))?
        .replace("@PORT@", &options.port.to_string())
        .replace("@CONTROLLER_PORT@", &options.controller_port.to_string())
        .replace("@DATA@", &data.display().to_string());
    // The last one of a name counts.
    text.extend(options.settings.iter().map(|(name, value)| format!("{name}={value}\n")));
    let path = options.dir.join("server.properties");
    std::fs::write(&path, text)?;
    Ok(path)
}
