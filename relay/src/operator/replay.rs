//! Lets an event whose log was lost begin anew: which entries go where, what speaks against it, and doing it.
//!
//! Invariant: no entry is passed over (`from <= acked_seq + 1`; the line holds that, too), and without force the first copies in the
//! partition are in order, and without a gap, before and after.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Sides;
use super::log::{Gap, Holding, look};
use crate::broker::{Broker, BrokerClient, limited};
use crate::config::ScanSettings;
use crate::machine::{BrokerFailure, Lease, Pin, WorkerFailure};
use crate::murmur2::partition_of;
use crate::types::{EventId, Offset, Partition, Seq};
use crate::worker::WorkerApi;

/// A relay that looks at a stopped event holds its lease for a few seconds.
const HELD_FOR: Duration = Duration::from_secs(30);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no such event.
    #[error("the Worker knows no event {0}: check the name, and worker.url")]
    UnknownEvent(EventId),
    /// The Worker is older than this program.
    #[error("the Worker does not know this call ({0}): deploy the version that this relay belongs to first")]
    OldWorker(String),
    /// Another failure of the Worker.
    #[error("the Worker: {0}")]
    Worker(WorkerFailure),
    /// Kafka failed.
    #[error("Kafka: {0}")]
    Kafka(#[from] BrokerFailure),
    /// The event has not begun.
    #[error("no entry of {0} was ever sent: there is nothing to replay; the relay begins at seq 1 by itself")]
    NotBegun(EventId),
    /// Entries would be passed over.
    #[error("--from {from} is outside of 1 … {most}: the entries between would never reach Kafka")]
    Outside {
        /// What was asked for.
        from: Seq,
        /// The highest there may be.
        most: Seq,
    },
    /// Part of a rehearsal would be in Kafka, part not.
    #[error("the entries of this rehearsal were acked without being sent: it can only be replayed whole, --from 1")]
    Rehearsal,
    /// The topic is not there.
    #[error(
        "topic {0:?} does not exist: create it first (docs/kafka.md, Topic settings), or name another with --topic"
    )]
    NoTopic(String),
    /// A relay works on the event.
    #[error(
        "relay {relay} works on this event: it is not stopped. If it is to begin anew all the same, stop the relays first, and start them afterwards"
    )]
    Working {
        /// Its name.
        relay: String,
    },
}

impl ReplayError {
    fn worker(event: &EventId, failure: WorkerFailure) -> Self {
        match failure {
            WorkerFailure::UnknownEvent => Self::UnknownEvent(event.clone()),
            WorkerFailure::Refused { status: 404 | 405, .. } => Self::OldWorker(failure.to_string()),
            WorkerFailure::Refused { ref slug, .. } if slug == "unknown-field" => Self::OldWorker(failure.to_string()),
            other => Self::Worker(other),
        }
    }
}

/// What a replay would do.
#[derive(Debug)]
pub struct Plan {
    /// The event.
    pub event: EventId,
    /// The first entry to be sent again.
    pub from: Seq,
    /// How far its relay is now.
    pub now: Lease,
    /// Who holds the lease.
    pub relay: Option<String>,
    /// Where the entries will go.
    pub to: Pin,
    /// What is there of this event.
    pub holding: Holding,
}

impl Plan {
    /// How many entries are sent, as it stands.
    pub fn entries(&self) -> u64 {
        self.now.head.next().0.saturating_sub(self.from.0)
    }

    /// What speaks against it: consumers that read this log from its beginning would miss something, or drop it.
    pub fn objections(&self) -> Vec<String> {
        let Self { from, holding, .. } = self;
        let mut objections = Vec::new();
        if let Some(Gap { due, found, offset }) = holding.gap {
            objections.push(format!(
                "the partition holds seq {found} at offset {offset}, where {due} would follow: consumers drop what comes \
                 later with a smaller seq. Recreate the topic, or name a new one with --topic"
            ));
        }
        if let Some(first) = holding.first.filter(|first| from < first) {
            objections.push(format!(
                "the partition begins with seq {first}: consumers that have read it drop {from} … {}. Recreate the topic, or \
                 name a new one with --topic",
                first.0.saturating_sub(1)
            ));
        }
        if let Some(last) = holding.last.filter(|last| *from > last.next()) {
            objections.push(format!(
                "the partition ends with seq {last}: {} … {} would be missing. Use --from {}",
                last.next(),
                from.0.saturating_sub(1),
                last.next()
            ));
        }
        objections
    }

    /// What the operator should know.
    pub fn remarks(&self) -> Vec<String> {
        let Self { from, holding, .. } = self;
        let mut remarks = Vec::new();
        if holding.last.is_none() && *from > Seq(1) {
            let before = from.0.saturating_sub(1);
            remarks
                .push(format!("this log will begin with seq {from}: consumers must have 1 … {before} from elsewhere"));
        }
        if let Some(last) = holding.last.filter(|last| last >= from) {
            remarks.push(format!("{from} … {last} are there already and will be there twice: consumers drop repeats"));
        }
        if holding.cut_short {
            let looked_at = holding.looked_at;
            remarks.push(format!("only the first {looked_at} records were looked at ([scan] in the settings)"));
        }
        if let Some(relay) = &self.relay {
            remarks.push(format!("relay {relay} holds the lease at the moment; a stopped event's is free soon"));
        }
        remarks
    }
}

/// Looks what a replay of `event` from `from` would do; with `topic` it goes there. Changes nothing.
///
/// # Errors
/// [`ReplayError`]
pub async fn plan(
    sides: &Sides,
    bounds: &ScanSettings,
    event: &EventId,
    from: Seq,
    topic: Option<&str>,
) -> Result<Plan, ReplayError> {
    let asked = sides.worker.log_state(event).await;
    let (now, relay) = asked.map_err(|failure| ReplayError::worker(event, failure))?;
    let pin = now.pin.clone().ok_or_else(|| ReplayError::NotBegun(event.clone()))?;
    let most = now.acked_seq.next();
    if from < Seq(1) || from > most {
        return Err(ReplayError::Outside { from, most });
    }
    let nowhere = now.test && now.configured_topic.is_none() && now.replay_from.is_none();
    if nowhere && now.acked_seq > Seq(0) && pin.next_offset == Offset(0) && from > Seq(1) {
        return Err(ReplayError::Rehearsal);
    }
    let topic = topic.unwrap_or(&pin.topic).to_owned();
    let client = limited(sides.kafka_timeout, sides.kafka.connect()).await?;
    let partitions = limited(sides.kafka_timeout, client.partitions(&topic)).await?.unwrap_or(0);
    let partition = partition(event, &pin, &topic, partitions).ok_or_else(|| ReplayError::NoTopic(topic.clone()))?;
    let log = limited(sides.kafka_timeout, client.open(&topic, partition)).await?;
    let (holding, next_offset) = look(&log, event, sides.kafka_timeout, bounds).await?;
    let to = Pin { topic, partition, next_offset };
    Ok(Plan { event: event.clone(), from, now, relay, to, holding })
}

/// The event's partition is kept where it still is: what stands there must stay before what comes.
fn partition(event: &EventId, pin: &Pin, topic: &str, partitions: u32) -> Option<Partition> {
    let kept = pin.topic == topic && u32::try_from(pin.partition.0).is_ok_and(|partition| partition < partitions);
    if kept { Some(pin.partition) } else { partition_of(event.as_str(), partitions) }
}

/// Does it, and gives the lease back: the relay that runs goes on from there.
///
/// # Errors
/// [`ReplayError`]; nothing was changed then, unless the Worker's answer was lost: the status tells.
pub async fn carry_out(sides: &Sides, plan: &Plan) -> Result<Lease, ReplayError> {
    let event = &plan.event;
    let until = Instant::now() + HELD_FOR;
    let lease = loop {
        match sides.worker.replay(event, plan.from, &plan.to).await {
            Ok(lease) => break lease,
            Err(WorkerFailure::Held { .. }) if Instant::now() < until => sleep(Duration::from_millis(300)).await,
            Err(WorkerFailure::Held { .. }) => {
                let relay = sides.worker.log_state(event).await.ok().and_then(|(_, relay)| relay);
                return Err(ReplayError::Working { relay: relay.unwrap_or_else(|| "(unknown)".to_owned()) });
            }
            Err(failure) => return Err(ReplayError::worker(event, failure)),
        }
    };
    // A lease that is not given back runs out by itself.
    let _ = sides.worker.release(event, lease.epoch).await;
    Ok(lease)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Epoch;

    fn planned(from: u64, first: Option<u64>, last: Option<u64>) -> Plan {
        let to = Pin { topic: "t".into(), partition: Partition(2), next_offset: Offset(7) };
        let now = Lease {
            epoch: Epoch(3),
            lease_ms: 0,
            head: Seq(60),
            drained_seq: Seq(60),
            acked_seq: Seq(60),
            oldest_unix_ms: None,
            pin: Some(to.clone()),
            configured_topic: None,
            test: false,
            replay_from: None,
        };
        let holding = Holding { first: first.map(Seq), last: last.map(Seq), ..Holding::default() };
        Plan { event: EventId::new("demo").unwrap(), from: Seq(from), now, relay: None, to, holding }
    }

    #[test]
    fn nothing_speaks_against_a_replay_that_keeps_the_order() {
        for (from, first, last, remarks) in [
            (1, None, None, 0),
            (5, None, None, 1),
            (41, Some(1), Some(40), 0),
            (61, Some(1), Some(60), 0),
            (30, Some(1), Some(40), 1),
            (41, Some(41), Some(41), 1),
        ] {
            let plan = planned(from, first, last);
            assert_eq!(plan.objections(), Vec::<String>::new(), "{from}");
            assert_eq!(plan.remarks().len(), remarks, "{from}: {:?}", plan.remarks());
            assert_eq!(plan.entries(), 61 - from);
        }
    }

    #[test]
    fn what_would_be_missed_or_dropped_speaks_against_it() {
        for (from, first, last, says) in [
            (50, Some(1), Some(40), "Use --from 41"),
            (1, Some(41), Some(60), "drop 1 … 40"),
            (1, Some(60), Some(60), "--topic"),
        ] {
            let objections = planned(from, first, last).objections();
            assert!(objections.len() == 1 && objections[0].contains(says), "{from}: {objections:?}");
        }
        let mut plan = planned(1, Some(1), Some(60));
        plan.holding.gap = Some(Gap { due: Seq(3), found: Seq(9), offset: Offset(4) });
        assert!(plan.objections()[0].contains("seq 9 at offset 4"), "{:?}", plan.objections());
    }

    #[test]
    fn a_partition_is_kept_where_it_still_is() {
        let event = EventId::new("demo").unwrap();
        let pin = Pin { topic: "t".into(), partition: Partition(5), next_offset: Offset(0) };
        let keyed = |partitions| partition_of("demo", partitions);
        assert_eq!(partition(&event, &pin, "t", 24), Some(Partition(5)));
        assert_eq!(partition(&event, &pin, "t", 5), keyed(5));
        assert_eq!(partition(&event, &pin, "other", 24), keyed(24));
        assert_eq!(partition(&event, &pin, "t", 0), None);
    }
}
