//! What is told of the machine's work: why it stopped, why it looks back, and what is worth a line or a counter.

use crate::types::{Offset, Partition, Seq};

/// Why an event was stopped. The words say how to go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopCause {
    /// The topic is not there, and the relay makes none.
    #[error(
        "topic {topic:?} does not exist, or the relay's user may not describe it: create it (docs/kafka.md, Topic settings; the relay never does), or give its user the ACLs (docs/kafka.md, Connecting); the relay then goes on by itself"
    )]
    TopicMissing {
        /// The Kafka topic.
        topic: String,
    },
    /// The relay's principal lacks a permission.
    #[error(
        "the broker does not let the relay use topic {topic:?} ({cause}): allow its principal Describe, Read and Write on it (docs/kafka.md, Topic settings); the relay then goes on by itself"
    )]
    NotAuthorized {
        /// The Kafka topic.
        topic: String,
        /// What the broker said.
        cause: String,
    },
    /// A single entry is more than the topic takes.
    #[error(
        "topic {topic:?} does not even take seq {seq} alone ({bytes} bytes of value; {cause}): raise its max.message.bytes to 1 MiB or more (docs/kafka.md, Topic settings); the relay then goes on by itself"
    )]
    EntryTooLarge {
        /// The Kafka topic.
        topic: String,
        /// The entry.
        seq: Seq,
        /// Bytes of its value.
        bytes: usize,
        /// What the broker said.
        cause: String,
    },
    /// The topic or partition that held this event's records is gone.
    #[error(
        "topic {topic:?} partition {partition}, where this event's records are, is no longer there: the log was deleted. The admission log still has every entry: restore the topic, or `ropeline-relay replay` (docs/kafka.md, \"A stopped event\")"
    )]
    PartitionMissing {
        /// The Kafka topic.
        topic: String,
        /// Its partition.
        partition: Partition,
    },
    /// The log ends before the record that was acked.
    #[error(
        "the log ends before offset {expected}, where seq {seq} was acked: it was truncated or recreated. Nothing more is sent, and the admission log still has every entry: restore the topic, or `ropeline-relay replay` (docs/kafka.md, \"A stopped event\")"
    )]
    LogLost {
        /// Where the acked record was.
        expected: Offset,
        /// The acked seq.
        seq: Seq,
    },
    /// Another record stands where the acked one was.
    #[error(
        "offset {expected} does not hold seq {seq}, which was acked there: the log was recreated or compacted (cleanup.policy must be delete). Nothing more is sent, and the admission log still has every entry: restore the topic, or `ropeline-relay replay` (docs/kafka.md, \"A stopped event\")"
    )]
    OtherRecord {
        /// Where the acked record was.
        expected: Offset,
        /// The acked seq.
        seq: Seq,
    },
    /// A record of a relay from before the replay is in the log, out of its order.
    #[error(
        "offset {found} holds seq {seq} before seq {expected}: a relay that was cut off before the replay wrote it. Nothing more is sent. Make sure that relay is gone, then `ropeline-relay replay` again, best into a new topic (docs/kafka.md, \"A stopped event\")"
    )]
    OutOfOrder {
        /// Where it is.
        found: Offset,
        /// Its seq.
        seq: Seq,
        /// The seq that should be first.
        expected: Seq,
    },
    /// The admission log is shorter than what was acked from it.
    #[error(
        "the line's log ends at seq {head}, but seq {known} is known to be in Kafka: the line lost its state, or two deployments share a topic. Nothing more is sent. Give each deployment its own topic"
    )]
    LineBehind {
        /// The line's head.
        head: Seq,
        /// What is in Kafka.
        known: Seq,
    },
    /// The Worker refuses the relay.
    #[error("{cause}. For 401 and 403 check the relay key, for 404, 421 and redirects the address and the prefix")]
    Refused {
        /// What the Worker said.
        cause: String,
    },
    /// An input came that no state expects: a bug, not a condition of operation.
    #[error("the relay is confused ({detail}); please report this")]
    Confused {
        /// What came when.
        detail: String,
    },
}

/// Why a batch needs the way through a new client, anchor and read-back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody knows whether the batch is in the log.
    #[error("unknown outcome: {0}")]
    Unknown(String),
    /// The batch is further on than expected: others write to this partition, or a throttled answer made it twice.
    #[error("appended at {found}, expected {expected}: another writer, or the broker throttled")]
    Shifted {
        /// Where it should have been.
        expected: Offset,
        /// Where it is.
        found: Offset,
    },
    /// Offsets that cannot be.
    #[error("the offsets in the broker's answer are not consecutive from {expected} on")]
    Misaligned {
        /// Where it should have been.
        expected: Offset,
    },
    /// The topic takes no batch of this size. Nothing of it is in the log.
    #[error("refused for its size ({cause}); from here on batches have {rows} records at most")]
    TooLarge {
        /// Records of the next batch, at most.
        rows: usize,
        /// What the broker said.
        cause: String,
    },
    /// A call to Kafka failed.
    #[error("{0}")]
    Broker(String),
}

/// Something worth a log line or a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The lease was taken.
    Taken {
        /// What is in the log.
        acked: Seq,
        /// What was under way at most.
        drained: Seq,
        /// The last entry.
        head: Seq,
    },
    /// A batch is in the log.
    Produced {
        /// Its first seq.
        first: Seq,
        /// Its last seq.
        last: Seq,
        /// The offset of its first record.
        offset: Offset,
    },
    /// A produce or another call to Kafka did not end cleanly.
    Recovering {
        /// Why.
        cause: Cause,
        /// The batch under way, when there was one.
        batch: Option<(Seq, Seq)>,
    },
    /// The log was read back.
    Scanned {
        /// What is known now to be in the log.
        known: Seq,
        /// What was under way at most.
        drained: Seq,
        /// Records read.
        records: u64,
        /// Those of them that repeat one of this event from further up.
        repeats: u64,
    },
    /// The scan met its bound: what it did not see is sent again.
    ScanBound {
        /// What is known to be in the log.
        known: Seq,
        /// What may be repeated up to here.
        drained: Seq,
    },
    /// Records at `offset` exist and cannot be read yet (an open transaction of somebody else, or a new leader).
    NotVisible {
        /// Where.
        offset: Offset,
        /// The partition's high watermark.
        high_watermark: Offset,
    },
    /// Retention has removed the record at the anchor. Nothing is wrong.
    Retention {
        /// The first offset left.
        earliest: Offset,
    },
    /// The log seems to end too early; asked again before that is believed.
    SeemsLost {
        /// The anchor.
        expected: Offset,
        /// How often it was seen in a row.
        times: u32,
    },
    /// A test event, and the topic for those is not there: its entries are acked without being produced.
    Discarding {
        /// The topic that is not there.
        topic: String,
    },
    /// Entries of such an event: they are not in Kafka and never will be.
    Discarded {
        /// The first seq.
        first: Seq,
        /// The last seq.
        last: Seq,
    },
    /// The drain's answer came too late to produce under this lease.
    TooLate,
    /// A call to the Worker failed and is repeated.
    WorkerTrouble {
        /// Why.
        cause: String,
        /// After so many milliseconds.
        retry_ms: u64,
    },
}
