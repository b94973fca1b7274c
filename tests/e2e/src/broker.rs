//! The one Kafka of a test binary: started by the first test that needs it, gone with the process.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use xtask::kafka::{Cluster, Console, Kafka, KafkaOptions, Record};
use xtask::ui::Ui;
use xtask::{paths, tools};

use crate::world::{HOW_TO_GET_IT, binary};

/// The broker all tests of this binary share, on ports and data of its own.
///
/// # Panics
/// When Java or the jars are missing (with the way to get them), or it does not come up.
#[must_use]
pub fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| start("shared"))
}

/// A broker for one test, which may kill and restart it.
///
/// # Panics
/// As [`shared`].
#[must_use]
pub fn start(name: &str) -> Kafka {
    start_with(name, |options| options)
}

/// As [`start`], with more settings.
///
/// # Panics
/// As [`shared`].
#[must_use]
pub fn start_with(name: &str, settings: impl FnOnce(KafkaOptions) -> KafkaOptions) -> Kafka {
    let dir = paths::target().join("e2e").join(format!("kafka-{}-{name}", binary()));
    let _ = std::fs::remove_dir_all(&dir);
    let options = settings(KafkaOptions::in_dir(dir).expect("free ports"));
    Kafka::start_with(jars(), options).unwrap_or_else(|error| panic!("no Kafka: {error:#}; {HOW_TO_GET_IT}"))
}

/// A cluster of three brokers for this binary.
///
/// # Panics
/// As [`shared`].
#[must_use]
pub fn start_cluster() -> Cluster {
    let dir = paths::target().join("e2e").join(format!("kafka-{}", binary()));
    let _ = std::fs::remove_dir_all(&dir);
    Cluster::start_with(jars(), &dir).unwrap_or_else(|error| panic!("no Kafka: {error:#}; {HOW_TO_GET_IT}"))
}

fn jars() -> PathBuf {
    let lib = paths::tools().join("kafka/lib");
    assert!(lib.is_dir(), "Kafka is not installed ({} is missing): {HOW_TO_GET_IT}", lib.display());
    tools::ensure_kafka(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}; {HOW_TO_GET_IT}"))
}

/// Makes a topic that no other test uses.
///
/// # Panics
/// When the broker refuses.
pub fn topic(kafka: &Kafka, name: &str) -> String {
    let topic = format!("e2e.{name}");
    kafka.create_topic(&topic, 3).unwrap_or_else(|error| panic!("no topic: {error:#}"));
    topic
}

/// All records of one event in a topic, in the order of its partition, read by Kafka's own console consumer.
///
/// # Panics
/// When it cannot be run, or the event is in more than one partition.
#[must_use]
pub fn records(kafka: &Kafka, topic: &str, event: &str) -> Vec<Record> {
    read(&kafka.console(), topic, event)
}

/// The same, of any cluster.
///
/// # Panics
/// As [`records`].
#[must_use]
pub fn read(console: &Console, topic: &str, event: &str) -> Vec<Record> {
    let ends = console.end_offsets(topic).unwrap_or_else(|error| panic!("no offsets: {error:#}"));
    let all = usize::try_from(ends.iter().sum::<u64>()).expect("a sum of offsets");
    if all == 0 {
        return Vec::new();
    }
    let read = console.consume(topic, all, Duration::from_secs(15));
    let mut records = read.unwrap_or_else(|error| panic!("cannot consume: {error:#}"));
    assert_eq!(records.len(), all, "the consumer did not read all of {topic}");
    records.retain(|record| record.key == event);
    let partitions: std::collections::BTreeSet<u32> = records.iter().map(|record| record.partition).collect();
    assert!(partitions.len() <= 1, "{event} is in partitions {partitions:?}");
    records.sort_by_key(|record| record.offset);
    records
}
