//! A real Apache Kafka on this machine: one KRaft node, from jars.
//!
//! Also its console tools, which are classes in the same jars: what a test reads
//! with them was read by a consumer that is not ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rskafka::client::ClientBuilder;

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
}

impl KafkaOptions {
    /// With data in `dir`, on two free ports.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self { dir: dir.into(), port: process::free_port()?, controller_port: process::free_port()? })
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

    /// The records of a topic, in the order of each partition, read by Kafka's
    /// own console consumer: at most `max`, and no longer than `patience`
    /// without a new one.
    ///
    /// # Errors
    /// When the consumer cannot be run.
    pub fn consume(&self, topic: &str, max: usize, patience: Duration) -> Result<Vec<Record>> {
        consume(&self.jars, &self.bootstrap(), topic, max, patience)
    }

    /// The end of every partition: how many records the topic ever got.
    ///
    /// # Errors
    /// When the tool cannot be run, or says something we do not understand.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<u64>> {
        let text = process::output(
            "kafka-get-offsets",
            console(&self.jars, "GetOffsetShell", &self.bootstrap()).args(["--topic", topic]),
        )?;
        let mut ends = Vec::new();
        for line in text.lines().filter(|line| line.starts_with(topic)) {
            let mut parts = line.rsplit(':');
            let end = parts.next().and_then(|part| part.parse::<u64>().ok());
            let partition = parts.next().and_then(|part| part.parse::<usize>().ok());
            let (Some(end), Some(partition)) = (end, partition) else {
                bail!("cannot read the offset in {line:?}");
            };
            if ends.len() <= partition {
                ends.resize(partition + 1, 0);
            }
            if let Some(slot) = ends.get_mut(partition) {
                *slot = end;
            }
        }
        Ok(ends)
    }
}

/// One record, as Kafka's console consumer prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Partition.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// Key, as text.
    pub key: String,
    /// Value, as text.
    pub value: String,
}

impl Record {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(value)
    }

    /// The value as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.value).unwrap_or(serde_json::Value::Null)
    }

    /// `Partition:0 \x1f Offset:7 \x1f name:value\x1ename:value \x1f key \x1f value`
    fn parse(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.splitn(5, '\u{1f}').collect();
        let [partition, offset, headers, key, value] = parts.as_slice() else {
            bail!("cannot read the record {line:?}");
        };
        let number = |text: &str, name: &str| -> Result<u64> {
            text.strip_prefix(name)
                .and_then(|rest| rest.parse().ok())
                .with_context(|| format!("cannot read {name} in {line:?}"))
        };
        let headers = headers
            .split('\u{1e}')
            .filter_map(|header| header.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            partition: u32::try_from(number(partition, "Partition:")?)?,
            offset: number(offset, "Offset:")?,
            headers,
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        })
    }
}

/// Reads a topic of any broker from the beginning with Kafka's console consumer.
///
/// # Errors
/// When the consumer cannot be run or prints what we do not understand.
pub fn consume(jars: &Path, bootstrap: &str, topic: &str, max: usize, patience: Duration) -> Result<Vec<Record>> {
    let mut command = console(jars, "consumer.ConsoleConsumer", bootstrap);
    command
        .args(["--topic", topic, "--from-beginning"])
        .args(["--max-messages", &max.to_string()])
        .args(["--timeout-ms", &patience.as_millis().to_string()]);
    for property in [
        "print.partition=true",
        "print.offset=true",
        "print.headers=true",
        "print.key=true",
        "print.value=true",
        "key.separator=\u{1f}",
        "headers.separator=\u{1e}",
    ] {
        command.args(["--formatter-property", property]);
    }
    // It ends with 0 after `max` records and with 1 after the timeout: both are
    // an answer, and what it read is on stdout.
    let output = command.output().context("cannot start java")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !errors.contains("TimeoutException") {
        bail!("the console consumer failed: {errors}");
    }
    text.lines().filter(|line| line.starts_with("Partition:")).map(Record::parse).collect()
}

/// Makes a topic on any broker, unless it is there.
///
/// # Errors
/// When the broker does not answer or refuses.
pub fn create_topic(bootstrap: &str, name: &str, partitions: u16) -> Result<()> {
    let (bootstrap, name) = (bootstrap.to_owned(), name.to_owned());
    // A thread of its own: whoever calls us may be in a runtime already.
    let made = std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            // The client itself waits for ever; a broker that just started needs a moment.
            tokio::time::timeout(START, make_topic(&bootstrap, &name, partitions))
                .await
                .with_context(|| format!("no answer from the broker {bootstrap}"))?
        })
    });
    made.join().map_err(|_| anyhow::anyhow!("the Kafka client panicked"))?
}

async fn make_topic(bootstrap: &str, name: &str, partitions: u16) -> Result<()> {
    let client = ClientBuilder::new(vec![bootstrap.to_owned()])
        .build()
        .await
        .with_context(|| format!("cannot reach the broker {bootstrap}"))?;
    let topics = client.list_topics().await?;
    if topics.iter().any(|topic| topic.name == name) {
        return Ok(());
    }
    let timeout_ms = 5_000;
    client
        .controller_client()?
        .create_topic(name, i32::from(partitions), 1, timeout_ms)
        .await
        .with_context(|| format!("cannot create the topic {name}"))
}

/// Fills in `ops/kafka/server.properties`.
fn write_configuration(options: &KafkaOptions) -> Result<PathBuf> {
    let template = paths::root().join("ops/kafka/server.properties");
    let data = options.dir.join("data");
    let text = std::fs::read_to_string(&template)
        .with_context(|| format!("cannot read {}", template.display()))?
        .replace("@PORT@", &options.port.to_string())
        .replace("@CONTROLLER_PORT@", &options.controller_port.to_string())
        .replace("@DATA@", &data.display().to_string());
    let path = options.dir.join("server.properties");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn java(jars: &Path, heap: &str) -> Command {
    let mut classpath = jars.as_os_str().to_os_string();
    classpath.push("/*");
    let mut command = Command::new("java");
    command.arg(format!("-Xmx{heap}")).args(["-XX:+UseSerialGC", "-Dlog4j2.level=WARN", "-cp"]).arg(classpath);
    command
}

/// One of Kafka's console tools, as a client of `bootstrap`.
fn console(jars: &Path, class: &str, bootstrap: &str) -> Command {
    let mut command = java(jars, "256m");
    command
        .arg(format!("org.apache.kafka.tools.{class}"))
        .args(["--bootstrap-server", bootstrap])
        .stdin(std::process::Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_record_is_read_whole() {
        let line =
            "Partition:0\u{1f}Offset:7\u{1f}ce_id:demo/8\u{1e}content-type:application/json\u{1f}demo\u{1f}{\"seq\":8}";
        let record = Record::parse(line).unwrap();
        assert_eq!((record.partition, record.offset), (0, 7));
        assert_eq!(record.header("ce_id"), Some("demo/8"));
        assert_eq!(record.header("content-type"), Some("application/json"));
        assert_eq!(record.key, "demo");
        assert_eq!(record.json()["seq"], 8);
    }

    #[test]
    fn a_record_that_is_cut_off_is_an_error() {
        assert!(Record::parse("Partition:0\u{1f}Offset:7").is_err());
    }
}
