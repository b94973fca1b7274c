//! Kafka's own console tools, classes in the same jars: what a test reads with them was read by a client that is not ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::record::Record;
use crate::process;

/// The console tools, as a client of one cluster.
#[derive(Debug, Clone)]
pub struct Console {
    jars: PathBuf,
    bootstrap: String,
}

impl Console {
    /// For the cluster at `bootstrap`, addresses separated by commas.
    #[must_use]
    pub fn new(jars: &Path, bootstrap: &str) -> Self {
        Self { jars: jars.to_path_buf(), bootstrap: bootstrap.to_owned() }
    }

    /// The records of a topic, in the order of each partition, from the beginning: at most `max`, and no longer than
    /// `patience` without a new one.
    ///
    /// # Errors
    /// When the consumer cannot be run or prints what we do not understand.
    pub fn consume(&self, topic: &str, max: usize, patience: Duration) -> Result<Vec<Record>> {
        let mut command = self.command("consumer.ConsoleConsumer");
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

    /// The end of every partition: how many records the topic ever got.
    ///
    /// # Errors
    /// When the tool cannot be run, or says something we do not understand.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<u64>> {
        let text = self.output("GetOffsetShell", &["--topic", topic])?;
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

    /// What `org.apache.kafka.tools.<class>` prints.
    ///
    /// # Errors
    /// When it cannot be run or fails; with all it said.
    pub fn output(&self, class: &str, arguments: &[&str]) -> Result<String> {
        process::output(class, self.command(class).args(arguments))
    }

    fn command(&self, class: &str) -> Command {
        let mut command = java(&self.jars, "256m");
        command
            .arg(format!("org.apache.kafka.tools.{class}"))
            .args(["--bootstrap-server", &self.bootstrap])
            .stdin(std::process::Stdio::null());
        command
    }
}

/// A JVM with Kafka's jars; the class and its arguments come next.
pub(super) fn java(jars: &Path, heap: &str) -> Command {
    let mut classpath = jars.as_os_str().to_os_string();
    classpath.push("/*");
    let mut command = Command::new("java");
    command.arg(format!("-Xmx{heap}")).args(["-XX:+UseSerialGC", "-Dlog4j2.level=WARN", "-cp"]).arg(classpath);
    command
}
