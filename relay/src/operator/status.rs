//! How far each event is, and whether its log is where the line says: what a relay would find if it looked now.
//!
//! Invariant: it only looks, and takes no lease. At most `AT_ONCE` events are looked at at a time.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::Sides;
use crate::broker::{Broker, BrokerClient, Kafka, KafkaClient, Log, limited};
use crate::machine::{Bounds, BrokerFailure, Lease, Pin};
use crate::types::{Epoch, EventId, Offset, Partition, Seq};
use crate::worker::WorkerApi;

const AT_ONCE: usize = 8;
/// The limit of the whole command.
const WITHIN: Duration = Duration::from_secs(60);
const ONE_RECORD_BYTES: u32 = 4 * 1024;

/// What there is to say.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The Worker.
    pub worker: Side,
    /// Kafka.
    pub kafka: Side,
    /// By id.
    pub events: Vec<Row>,
}

/// Whether one side answers.
#[derive(Debug, Serialize)]
pub struct Side {
    /// Where it is.
    pub at: String,
    /// Why it does not answer; null when it does.
    pub trouble: Option<String>,
}

/// One event.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The event.
    pub event: String,
    /// Why nothing more is known; null otherwise.
    pub trouble: Option<String>,
    /// What the line says.
    pub line: Option<LineRow>,
    /// What the log says.
    pub log: Found,
}

/// What the line says of its relay.
#[derive(Debug, Serialize)]
pub struct LineRow {
    /// The last entry of the admission log.
    pub head: Seq,
    /// The last entry known to be in Kafka.
    pub acked_seq: Seq,
    /// Entries that are not.
    pub lag: u64,
    /// Who holds the lease.
    pub relay: Option<String>,
    /// The number of the last lease.
    pub epoch: Epoch,
    /// For how long it is held, in milliseconds.
    pub lease_ms: u64,
    /// Where its records go.
    pub topic: Option<String>,
    /// Where its records go.
    pub partition: Option<Partition>,
    /// One past the offset of the acked entry.
    pub next_offset: Option<Offset>,
    /// Where the last replay began.
    pub replay_from: Option<Seq>,
}

/// Whether the log is where the line says.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Found {
    /// It is; `end` is its end.
    Agrees {
        /// The offset of the next record.
        end: Offset,
    },
    /// The event has no records yet, or is a rehearsal without any.
    NotBegun,
    /// The topic or the partition is not there.
    Missing,
    /// It ends too early.
    Lost {
        /// The offset of the next record.
        end: Offset,
    },
    /// Another record stands where the acked one was.
    OtherRecord {
        /// Where.
        offset: Offset,
    },
    /// Nobody could look.
    Unknown,
}

impl Found {
    /// Whether an operator is needed.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Missing | Self::Lost { .. } | Self::OtherRecord { .. })
    }
}

impl Report {
    /// Whether all answer, and no event needs an operator.
    pub fn is_well(&self) -> bool {
        let sides = self.worker.trouble.is_none() && self.kafka.trouble.is_none();
        sides && self.events.iter().all(|row| row.trouble.is_none() && !row.log.is_stopped())
    }
}

/// Looks at `event`, or at all that have entries which are not acked.
pub async fn report(sides: Arc<Sides>, worker: String, kafka: String, event: Option<EventId>) -> Report {
    let until = Instant::now() + WITHIN;
    let client = limited(sides.kafka_timeout, sides.kafka.connect());
    let (events, client) = tokio::join!(sides.worker.busy_events(), client);
    let mut report = Report {
        worker: Side { at: worker, trouble: events.as_ref().err().map(ToString::to_string) },
        kafka: Side { at: kafka, trouble: client.as_ref().err().map(ToString::to_string) },
        events: Vec::new(),
    };
    let mut left = event.map_or(events.unwrap_or_default(), |event| vec![event]).into_iter();
    let client = client.ok().map(Arc::new);
    let mut looks = JoinSet::new();
    loop {
        while looks.len() < AT_ONCE
            && let Some(event) = left.next()
        {
            let (sides, client) = (Arc::clone(&sides), client.clone());
            looks.spawn(async move {
                let late = Row::trouble(&event, format!("not looked at within {} s", WITHIN.as_secs()));
                timeout_at(until, look(&sides, client.as_deref(), &event)).await.unwrap_or(late)
            });
        }
        match looks.join_next().await {
            Some(Ok(row)) => report.events.push(row),
            Some(Err(error)) => report.kafka.trouble = Some(error.to_string()),
            None => break,
        }
    }
    report.events.sort_by(|a, b| a.event.cmp(&b.event));
    report
}

impl Row {
    fn trouble(event: &EventId, cause: String) -> Self {
        Self { event: event.to_string(), trouble: Some(cause), line: None, log: Found::Unknown }
    }
}

async fn look(sides: &Sides, client: Option<&KafkaClient>, event: &EventId) -> Row {
    let (lease, relay) = match sides.worker.log_state(event).await {
        Ok(state) => state,
        Err(failure) => return Row::trouble(event, failure.to_string()),
    };
    let mut trouble = None;
    let log = match client {
        None => Found::Unknown,
        Some(client) => look_at_log(sides, client, event, &lease).await.unwrap_or_else(|failure| {
            trouble = Some(failure.to_string());
            Found::Unknown
        }),
    };
    let pin = lease.pin.as_ref();
    let line = LineRow {
        head: lease.head,
        acked_seq: lease.acked_seq,
        lag: lease.head.0.saturating_sub(lease.acked_seq.0),
        relay,
        epoch: lease.epoch,
        lease_ms: lease.lease_ms,
        topic: pin.map(|pin| pin.topic.clone()),
        partition: pin.map(|pin| pin.partition),
        next_offset: pin.map(|pin| pin.next_offset),
        replay_from: lease.replay_from,
    };
    Row { event: event.to_string(), trouble, line: Some(line), log }
}

async fn look_at_log(
    sides: &Sides,
    client: &<Kafka as Broker>::Client,
    event: &EventId,
    lease: &Lease,
) -> Result<Found, BrokerFailure> {
    let limit = sides.kafka_timeout;
    let Some(pin) = &lease.pin else { return Ok(Found::NotBegun) };
    let rehearsed = lease.test && lease.replay_from.is_none() && pin.next_offset == Offset(0);
    let partitions = limited(limit, client.partitions(&pin.topic)).await?.unwrap_or(0);
    if !u32::try_from(pin.partition.0).is_ok_and(|partition| partition < partitions) {
        return Ok(if rehearsed { Found::NotBegun } else { Found::Missing });
    }
    let log = limited(limit, client.open(&pin.topic, pin.partition)).await?;
    let bounds = limited(limit, log.bounds()).await?;
    let acked = match record_at(lease, pin, bounds) {
        Ok(offset) => offset,
        Err(found) => return Ok(found),
    };
    let fetched = limited(limit, log.fetch(event, acked, ONE_RECORD_BYTES)).await?;
    // What is not visible yet is no other record.
    let other = fetched.records.first().is_some_and(|read| read.offset != acked || read.seq != Some(lease.acked_seq));
    Ok(if other { Found::OtherRecord { offset: acked } } else { Found::Agrees { end: bounds.latest } })
}

/// Where the acked record should be found; or what the ends of the log say by themselves.
fn record_at(lease: &Lease, pin: &Pin, bounds: Bounds) -> Result<Offset, Found> {
    let end = bounds.latest;
    let has_record = lease.acked_seq > Seq(0) && lease.replay_from.is_none_or(|from| lease.acked_seq >= from);
    let acked = pin.next_offset.plus(-1);
    if end < pin.next_offset {
        return Err(Found::Lost { end });
    }
    if !has_record || acked < bounds.earliest || acked.0 < 0 {
        return Err(Found::Agrees { end });
    }
    Ok(acked)
}
