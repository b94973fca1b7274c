//! Writes what is to be in a topic, as the relay would and as it never would.

use std::collections::BTreeMap;
use std::time::Duration;

use ropeline_e2e::{json, within};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

const PATIENCE: Duration = Duration::from_secs(20);

/// A topic to write to.
pub struct Log {
    client: Client,
    topic: String,
    partitions: BTreeMap<i32, PartitionClient>,
}

impl Log {
    pub async fn open(bootstrap: &str, topic: &str) -> Self {
        let client = within("a client", PATIENCE, ClientBuilder::new(vec![bootstrap.to_owned()]).build()).await;
        Self { client: client.expect("a client"), topic: topic.to_owned(), partitions: BTreeMap::new() }
    }

    pub async fn write(&mut self, partition: i32, records: &[Record]) {
        if !self.partitions.contains_key(&partition) {
            let opened = self.client.partition_client(&self.topic, partition, UnknownTopicHandling::Retry);
            let opened = within("a partition", PATIENCE, opened).await.expect("a partition");
            self.partitions.insert(partition, opened);
        }
        let log = self.partitions.get(&partition).expect("opened above");
        let produced = log.produce(records.to_vec(), Compression::NoCompression);
        within("a produce", PATIENCE, produced).await.expect("a produce");
    }
}

/// As the relay writes them.
pub fn admissions(event: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<Record> {
    seqs.into_iter().map(|seq| admission(event, seq)).collect()
}

fn admission(event: &str, seq: u64) -> Record {
    let value = json!({
        "event": event, "seq": seq, "number": seq + 100, "position": seq + 100, "visitor": format!("visitor-{seq}"),
        "entered_at": "2026-11-22T19:33:44.123Z", "called_at": "2026-11-22T19:34:00.000Z",
        "admitted_at": "2026-11-22T19:34:01.250Z", "session_expires_at": "2026-11-22T19:39:01.250Z",
        "jti": format!("{event}/{seq}"), "of_a_later_version": {"seq": 0, "list": [1.5, null]},
    });
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{event}/{seq}")),
        ("ce_source", format!("/queue/events/{event}")),
        ("ce_type", "ropeline.admission.v1".to_owned()),
        ("ce_time", "2026-11-22T19:34:01.250Z".to_owned()),
        ("ce_subject", format!("visitor-{seq}")),
        ("ce_sequence", format!("{seq:016}")),
        ("content-type", "application/json".to_owned()),
        ("ropeline_epoch", "1".to_owned()),
    ];
    record(Some(event), &value.to_string(), &headers)
}

/// The same again, as a later lease sends it.
pub fn repeated(records: &[Record]) -> Vec<Record> {
    let mut records = records.to_vec();
    for record in &mut records {
        record.headers.insert("ropeline_epoch".to_owned(), b"2".to_vec());
    }
    records
}

/// Somebody else's.
pub fn foreign(kind: Option<&str>, key: Option<&str>, value: &str) -> Record {
    let headers: Vec<(&str, String)> = kind.map(|kind| ("ce_type", kind.to_owned())).into_iter().collect();
    record(key, value, &headers)
}

fn record(key: Option<&str>, value: &str, headers: &[(&str, String)]) -> Record {
    Record {
        key: key.map(|key| key.as_bytes().to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        timestamp: chrono::DateTime::from_timestamp_millis(1_795_376_041_250).expect("a time"),
    }
}
