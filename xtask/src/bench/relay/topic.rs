//! What a consumer finds in a topic, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bench::histogram::Histogram;

const FETCH_BYTES: i32 = 4 * 1024 * 1024;
const FETCH_WAIT_MS: i32 = 100;

/// The partitions of a topic.
pub(super) struct Topic(Vec<Arc<PartitionClient>>);

/// One record's way: when its visitor was let in, and how long it took until we had it, milliseconds.
struct Wait {
    event: String,
    admitted_at: u64,
    took: u64,
}

/// The ways of all records.
pub(super) struct Waits(Vec<Wait>);

impl Topic {
    pub(super) async fn open(bootstrap: &str, name: &str) -> Result<Self> {
        let client = ClientBuilder::new(vec![bootstrap.to_owned()]).build().await?;
        let topics = client.list_topics().await?;
        let topic = topics.into_iter().find(|topic| topic.name == name);
        let mut partitions = Vec::new();
        for partition in topic.with_context(|| format!("no topic {name}"))?.partitions {
            let partition = client.partition_client(name, partition, UnknownTopicHandling::Error).await?;
            partitions.push(Arc::new(partition));
        }
        Ok(Self(partitions))
    }

    /// How many records there are.
    pub(super) async fn count(&self) -> Result<u64> {
        let mut sum = 0;
        for partition in &self.0 {
            sum += u64::try_from(partition.get_offset(OffsetAt::Latest).await?)?;
        }
        Ok(sum)
    }

    /// Reads all there is: every event's records, each once and in order. How many of each.
    pub(super) async fn check(&self) -> Result<BTreeMap<String, u64>> {
        let mut seen = BTreeMap::new();
        for partition in &self.0 {
            let end = partition.get_offset(OffsetAt::Latest).await?;
            let mut at = 0;
            while at < end {
                let (records, _) = partition.fetch_records(at, 1..FETCH_BYTES, FETCH_WAIT_MS).await?;
                for found in records {
                    at = found.offset + 1;
                    let (event, seq) = id(&found.record)?;
                    let last: &mut u64 = seen.entry(event).or_default();
                    ensure!(seq == *last + 1, "offset {}: seq {seq} after {last}", found.offset);
                    *last = seq;
                }
            }
        }
        Ok(seen)
    }

    /// Reads as a consumer does, from now on until `stop` says how many records there are and they have come. Records of
    /// the event `but` are read and not noted.
    pub(super) async fn watch(self, but: &'static str, stop: watch::Receiver<bool>) -> Result<Waits> {
        let mut readers = JoinSet::new();
        for partition in self.0 {
            readers.spawn(follow(partition, but, stop.clone()));
        }
        let mut waits = Vec::new();
        while let Some(reader) = readers.join_next().await {
            waits.extend(reader??);
        }
        Ok(Waits(waits))
    }
}

async fn follow(partition: Arc<PartitionClient>, but: &str, mut stop: watch::Receiver<bool>) -> Result<Vec<Wait>> {
    let mut waits = Vec::new();
    let mut at = 0;
    loop {
        let fetched = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(waits),
            fetched = partition.fetch_records(at, 1..FETCH_BYTES, FETCH_WAIT_MS) => fetched,
        };
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        for found in fetched?.0 {
            at = found.offset + 1;
            let (event, _) = id(&found.record)?;
            if event != but {
                let admitted_at = u64::try_from(found.record.timestamp.timestamp_millis())?;
                waits.push(Wait { event, admitted_at, took: now.saturating_sub(admitted_at) });
            }
        }
    }
}

/// `{event}/{seq}`
fn id(record: &Record) -> Result<(String, u64)> {
    let id = record.headers.get("ce_id").context("a record without ce_id")?;
    let (event, seq) = std::str::from_utf8(id)?.split_once('/').context("a ce_id of another kind")?;
    Ok((event.to_owned(), seq.parse()?))
}

impl Waits {
    /// Of all records.
    pub(super) fn all(&self) -> Histogram {
        self.from(0)
    }

    /// Without those of the first second, in which the relay hears that there is something.
    pub(super) fn after_first_second(&self) -> Histogram {
        let first = self.0.iter().map(|wait| wait.admitted_at).min().unwrap_or(0);
        self.from(first + 1_000)
    }

    fn from(&self, begin: u64) -> Histogram {
        let mut histogram = Histogram::default();
        self.0.iter().filter(|wait| wait.admitted_at >= begin).for_each(|wait| histogram.record(wait.took * 1_000));
        histogram
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Admissions per second.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn rate(&self) -> f64 {
        let times = || self.0.iter().map(|wait| wait.admitted_at);
        let span = times().max().unwrap_or(0) - times().min().unwrap_or(0);
        self.0.len() as f64 * 1_000.0 / span.max(1) as f64
    }

    /// The event whose records waited longest, by the longest of each, and what the others' were.
    pub(super) fn slowest_event(&self) -> String {
        let mut longest: BTreeMap<&str, u64> = BTreeMap::new();
        for wait in &self.0 {
            let entry = longest.entry(&wait.event).or_default();
            *entry = (*entry).max(wait.took);
        }
        let mut sorted: Vec<(u64, &str)> = longest.into_iter().map(|(event, took)| (took, event)).collect();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).map_or(0, |(took, _)| *took);
        let (most, event) = sorted.last().copied().unwrap_or((0, "none"));
        format!("{event}: {most} ms; the median of {} events: {middle} ms", sorted.len())
    }
}

/// Waits until the topic has `wanted` records; how many there were how long after the first.
pub(super) async fn wait_until(topic: &Topic, wanted: u64, patience: Duration) -> Result<(u64, Duration)> {
    let until = Instant::now() + patience;
    let mut first = None;
    loop {
        let count = topic.count().await?;
        let (before, began) = match (first, count) {
            (None, 0) => (0, Instant::now()),
            (None, _) => *first.insert((count, Instant::now())),
            (Some(first), _) => first,
        };
        if count >= wanted {
            return Ok((count - before, began.elapsed()));
        }
        if Instant::now() > until {
            bail!("{count} of {wanted} records after {} s", patience.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
