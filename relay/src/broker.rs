//! Kafka behind a seam: [`Broker`] makes clients, a client knows topics, a [`Log`] is one partition.
//!
//! Invariants of the real one (`rskafka` 0.6.0): no call retries by itself (backoff deadline zero: one produce is one
//! append or an error), no topic is ever named in a question before a list of all topics has shown that it exists (a
//! question that names a topic may create it), and a client is used until the first outcome that is not a clean Ok, no
//! further. Time limits are the caller's: `rskafka` has none.

use std::future::Future;
use std::time::Duration;

use rskafka::client::Client;
use rskafka::client::error::{Error as KafkaError, ProtocolError};
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use tokio::time::timeout;

use crate::config::{Compression, KafkaAccess};
use crate::connect;
use crate::entry::Entry;
use crate::machine::{Bounds, BrokerFailure, Fetched, Read};
use crate::record;
use crate::types::{Epoch, EventId, Offset, Partition};

/// How long a broker may hold back a fetch for which there is nothing.
const FETCH_WAIT_MS: i32 = 50;

/// Makes clients.
pub trait Broker: Send + Sync + 'static {
    /// A connection to the cluster.
    type Client: BrokerClient;

    /// A new client, which shares nothing with those before it.
    fn connect(&self) -> impl Future<Output = Result<Self::Client, BrokerFailure>> + Send;
}

/// A connection to the cluster.
pub trait BrokerClient: Send + Sync + 'static {
    /// One partition.
    type Log: Log;

    /// How many partitions `topic` has; `None` when there is no such topic. Creates nothing.
    fn partitions(&self, topic: &str) -> impl Future<Output = Result<Option<u32>, BrokerFailure>> + Send;

    /// Binds to one partition of a topic that exists.
    fn open(&self, topic: &str, partition: Partition) -> impl Future<Output = Result<Self::Log, BrokerFailure>> + Send;
}

/// One partition.
pub trait Log: Send + Sync + 'static {
    /// Its ends.
    fn bounds(&self) -> impl Future<Output = Result<Bounds, BrokerFailure>> + Send;

    /// Committed records from `offset` on, and which of them are `event`'s.
    fn fetch(
        &self,
        event: &EventId,
        offset: Offset,
        max_bytes: u32,
    ) -> impl Future<Output = Result<Fetched, BrokerFailure>> + Send;

    /// Appends `batch` once; the offset of each record.
    fn produce(
        &self,
        event: &EventId,
        epoch: Epoch,
        batch: &[Entry],
    ) -> impl Future<Output = Result<Vec<Offset>, BrokerFailure>> + Send;
}

/// The outcome of `call`, or that it took longer than `limit`.
pub(crate) async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, BrokerFailure>>,
) -> Result<T, BrokerFailure> {
    let mut call = Box::pin(call);
    if let Ok(answer) = timeout(limit, &mut call).await {
        return answer;
    }
    drop_whole(call);
    Err(BrokerFailure::Unknown { cause: format!("no answer within {limit:?}") })
}

/// Drops a call with all it leaves behind. One of rskafka that is dropped in the middle of sending spawns a task that goes on
/// sending, for ever when the broker never reads, and holds the connection and the batch. Here that task gets a runtime without a
/// thread, which ends at once and drops it.
fn drop_whole<T>(call: T) {
    match tokio::runtime::Builder::new_current_thread().build() {
        Ok(grave) => {
            let inside = grave.enter();
            drop(call);
            drop(inside);
            grave.shutdown_background();
        }
        Err(error) => {
            tracing::warn!(%error, "no runtime to drop a call in");
            drop(call);
        }
    }
}

/// An Apache Kafka cluster.
#[derive(Clone, Debug)]
pub struct Kafka {
    access: KafkaAccess,
    compression: Compression,
}

impl Kafka {
    /// The cluster that `access` leads to; batches for it are compressed with `compression`.
    pub fn new(access: KafkaAccess, compression: Compression) -> Self {
        Self { access, compression }
    }
}

fn failure(error: KafkaError) -> BrokerFailure {
    let cause = connect::explain(&error.to_string());
    match error {
        KafkaError::ServerError { protocol_error, .. } => match protocol_error {
            ProtocolError::OffsetOutOfRange => BrokerFailure::OutOfRange,
            ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge => BrokerFailure::TooLarge { cause },
            ProtocolError::TopicAuthorizationFailed | ProtocolError::ClusterAuthorizationFailed => {
                BrokerFailure::Denied { cause }
            }
            _ => BrokerFailure::Unknown { cause },
        },
        _ => BrokerFailure::Unknown { cause },
    }
}

/// Whether an answer could not be read for the mark that ends a transaction: no mark of a real broker can be read by `rskafka`
/// 0.6.0 (<https://github.com/influxdata/rskafka/pull/297>).
fn has_mark(error: &KafkaError) -> bool {
    error.to_string().contains("control batch record")
}

impl Broker for Kafka {
    type Client = KafkaClient;

    async fn connect(&self) -> Result<KafkaClient, BrokerFailure> {
        match connect::client(&self.access).await {
            Ok(client) => Ok(KafkaClient { client, compression: self.compression }),
            Err(cause) => Err(BrokerFailure::Unknown { cause }),
        }
    }
}

/// A client of an Apache Kafka cluster.
#[derive(Debug)]
pub struct KafkaClient {
    client: Client,
    compression: Compression,
}

impl BrokerClient for KafkaClient {
    type Log = KafkaLog;

    async fn partitions(&self, topic: &str) -> Result<Option<u32>, BrokerFailure> {
        // All topics, by no name: brokers create nothing for that.
        let topics = self.client.list_topics().await.map_err(failure)?;
        Ok(topics.iter().find(|known| known.name == topic).and_then(|known| u32::try_from(known.partitions.len()).ok()))
    }

    async fn open(&self, topic: &str, partition: Partition) -> Result<KafkaLog, BrokerFailure> {
        self.client
            .partition_client(topic, partition.0, UnknownTopicHandling::Error)
            .await
            .map(|client| KafkaLog { client, compression: self.compression })
            .map_err(failure)
    }
}

/// One partition of an Apache Kafka topic.
#[derive(Debug)]
pub struct KafkaLog {
    client: PartitionClient,
    compression: Compression,
}

impl Log for KafkaLog {
    async fn bounds(&self) -> Result<Bounds, BrokerFailure> {
        let earliest = self.client.get_offset(OffsetAt::Earliest).await;
        let latest = self.client.get_offset(OffsetAt::Latest).await;
        Ok(Bounds { earliest: Offset(earliest.map_err(failure)?), latest: Offset(latest.map_err(failure)?) })
    }

    async fn fetch(&self, event: &EventId, offset: Offset, max_bytes: u32) -> Result<Fetched, BrokerFailure> {
        let mut most = i32::try_from(max_bytes).unwrap_or(i32::MAX);
        let mut at = offset;
        let (records, high_watermark) = loop {
            match self.client.fetch_records(at.0, 1..most.saturating_add(1), FETCH_WAIT_MS).await {
                Err(error) if !has_mark(&error) => return Err(failure(error)),
                // Somewhere in the answer. One byte brings the first batch and no other.
                Err(_) if most > 1 => most = 1,
                // It is the first batch, and takes one offset.
                Err(_) => at = at.plus(1),
                Ok(answer) => break answer,
            }
        };
        let records = records
            .iter()
            .map(|found| Read {
                offset: Offset(found.offset),
                seq: record::seq_of(event, &found.record),
                bytes: u64::try_from(found.record.approximate_size()).unwrap_or(u64::MAX),
            })
            .collect();
        Ok(Fetched { records, high_watermark: Offset(high_watermark) })
    }

    async fn produce(&self, event: &EventId, epoch: Epoch, batch: &[Entry]) -> Result<Vec<Offset>, BrokerFailure> {
        let records = batch.iter().map(|entry| record::encode(event, epoch, entry)).collect();
        let offsets = self.client.produce(records, self.compression.into()).await.map_err(failure)?;
        Ok(offsets.into_iter().map(Offset).collect())
    }
}
