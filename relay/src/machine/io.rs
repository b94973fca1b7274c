//! What goes into the machine and what comes out: its whole contract with the world.
//!
//! Every [`Effect`] is one call; its outcome comes back as the [`Input`] of the same name. One effect is under way at a time.

use crate::entry::Entry;
use crate::types::{Epoch, Mono, Offset, Partition, Seq};

/// Everything up to `seq` is in the log, and `next_offset` is one past the record of `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The highest seq known to be in the log; 0 for none.
    pub seq: Seq,
    /// Where the log goes on after it.
    pub next_offset: Offset,
}

/// How far an event is, as far as its machine knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The lease it holds, or held last.
    pub epoch: Option<Epoch>,
    /// The last admission, by the line's last answer.
    pub head: Seq,
    /// The last admission known to be in the log.
    pub known: Seq,
    /// The last admission that the line knows to be in the log.
    pub acked: Seq,
    /// When the oldest admission was made that is not known to be in the log, in milliseconds since 1970: exactly once it
    /// was drained, at the latest before.
    pub oldest_unix_ms: Option<i64>,
}

/// Where an event's records go, fixed by its first drain for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The Kafka topic.
    pub topic: String,
    /// The one partition of this event.
    pub partition: Partition,
    /// Where its first record can be at the earliest.
    pub next_offset: Offset,
}

/// The answer to a lease request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The number of this lease.
    pub epoch: Epoch,
    /// How long it lasts, from the request on.
    pub lease_ms: u64,
    /// The last seq of the admission log.
    pub head: Seq,
    /// The last seq that any relay was given.
    pub drained_seq: Seq,
    /// The last seq known to the line to be in Kafka.
    pub acked_seq: Seq,
    /// When the entry after it was admitted, in milliseconds since 1970; absent when there is none, and from older Workers.
    pub oldest_unix_ms: Option<i64>,
    /// Where the records go, when an earlier drain has fixed it.
    pub pin: Option<Pin>,
    /// The event's own `topic` setting.
    pub configured_topic: Option<String>,
    /// A rehearsal: with neither `pin` nor `configured_topic` it goes to the test topic, or nowhere.
    pub test: bool,
    /// Where an operator let the event begin anew, see `recover.rs`.
    pub replay_from: Option<Seq>,
}

/// The body of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainRequest {
    /// The lease.
    pub epoch: Epoch,
    /// Entries with a greater seq are wanted.
    pub after: Seq,
    /// At most so many.
    pub limit: usize,
    /// With the first drain of an event: where its records go.
    pub pin: Option<Pin>,
    /// What has reached the log since the last drain.
    pub ack: Option<Mark>,
}

/// The answer to a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Entries in seq order.
    pub entries: Vec<Entry>,
    /// The last seq of the admission log.
    pub head: Seq,
}

/// A record read back from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Where it is.
    pub offset: Offset,
    /// Its seq when it is this event's admission.
    pub seq: Option<Seq>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The answer to a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Records at or after the wanted offset, ascending.
    pub records: Vec<Read>,
    /// One past the last record that all in-sync replicas have.
    pub high_watermark: Offset,
}

/// The ends of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that retention has left.
    pub earliest: Offset,
    /// The offset of the next record a consumer may read.
    pub latest: Offset,
}

/// Why a call to the Worker brought no answer to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerFailure {
    /// 409 `stale-epoch`: somebody else is this event's relay now.
    #[error("the lease is another relay's now")]
    Stale,
    /// 409 `lease-held`.
    #[error("another relay holds the lease; asking again in {retry_after_ms} ms")]
    Held {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// 404: there is no such event any more.
    #[error("the Worker does not know this event")]
    UnknownEvent,
    /// Any other refusal that a repetition does not change.
    #[error("the Worker refused: {status} {slug}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The problem's slug.
        slug: String,
        /// What the Worker says.
        detail: String,
    },
    /// No answer, or one that says "later".
    #[error("{cause}")]
    Later {
        /// What happened.
        cause: String,
        /// `Retry-After`, when it was there.
        retry_after_ms: Option<u64>,
    },
    /// An answer that breaks the contract.
    #[error("the Worker's answer breaks the contract: {detail}")]
    BadAnswer {
        /// What was wrong.
        detail: String,
    },
}

impl WorkerFailure {
    /// No `Retry-After` is waited for longer: there is progress within ten seconds of the trouble's end, whatever was said in it.
    const LONGEST_RETRY_AFTER_MS: u64 = 5_000;

    /// How long the Worker in trouble wants not to be asked, as far as that is sensible.
    pub(crate) fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Later { retry_after_ms, .. } => retry_after_ms.map(|ms| ms.min(Self::LONGEST_RETRY_AFTER_MS)),
            _ => None,
        }
    }
}

/// Why a call to Kafka brought nothing, or nobody knows what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerFailure {
    /// The wanted offset is outside the log.
    #[error("the offset is outside the log")]
    OutOfRange,
    /// The batch is larger than the topic or the broker takes. Nothing of it is in the log.
    #[error("{cause}")]
    TooLarge {
        /// What the broker said.
        cause: String,
    },
    /// The relay's principal may not do this. After a produce: nothing is in the log.
    #[error("{cause}")]
    Denied {
        /// What the broker said.
        cause: String,
    },
    /// An error, or no answer in time; after a produce the records may be in the log all the same.
    #[error("{cause}")]
    Unknown {
        /// What happened.
        cause: String,
    },
}

/// What happened since the last effect.
#[derive(Debug)]
pub enum Input {
    /// The first input.
    Start,
    /// Outcome of [`Effect::TakeLease`].
    Lease(Result<Lease, WorkerFailure>),
    /// Outcome of [`Effect::RenewLease`]: the lease's length in milliseconds.
    Renewed(Result<u64, WorkerFailure>),
    /// [`Effect::ReleaseLease`] has come to an end, whichever.
    Released,
    /// Outcome of [`Effect::Drain`].
    Drained(Result<Drained, WorkerFailure>),
    /// Outcome of [`Effect::Ack`].
    Acked(Result<(), WorkerFailure>),
    /// Outcome of [`Effect::Connect`]: how many partitions the topic has, `None` when there is no such topic.
    Connected(Result<Option<u32>, BrokerFailure>),
    /// Outcome of [`Effect::Open`].
    Opened(Result<(), BrokerFailure>),
    /// Outcome of [`Effect::Bounds`].
    Bounds(Result<Bounds, BrokerFailure>),
    /// Outcome of [`Effect::Fetch`].
    Fetched(Result<Fetched, BrokerFailure>),
    /// Outcome of [`Effect::Produce`]: the offset of each record.
    Produced(Result<Vec<Offset>, BrokerFailure>),
    /// The time of [`Effect::Wait`] has come.
    Woke,
    /// A wait or a call that may be dropped was dropped, because the process is to stop.
    Interrupted,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Become the relay of this event.
    TakeLease,
    /// Stay it.
    RenewLease {
        /// The lease.
        epoch: Epoch,
    },
    /// Leave it to others.
    ReleaseLease {
        /// The lease.
        epoch: Epoch,
    },
    /// Fetch entries from the admission log.
    Drain(DrainRequest),
    /// Tell the line what is in Kafka.
    Ack {
        /// The lease.
        epoch: Epoch,
        /// What is in Kafka.
        mark: Mark,
    },
    /// Throw away any Kafka client, make a new one, and ask (without creating it) how many partitions `topic` has.
    Connect {
        /// The Kafka topic.
        topic: String,
    },
    /// Bind the client to one partition.
    Open {
        /// The Kafka topic.
        topic: String,
        /// Its partition.
        partition: Partition,
    },
    /// Ask for the ends of the partition.
    Bounds,
    /// Read committed records.
    Fetch {
        /// From here.
        offset: Offset,
        /// At most about so many bytes.
        max_bytes: u32,
    },
    /// Append these, in this order, once.
    Produce {
        /// The lease they are sent under.
        epoch: Epoch,
        /// Consecutive entries.
        batch: Vec<Entry>,
        /// Not to be started at or after this instant: the lease would be too near its end.
        not_after: Mono,
    },
    /// Do nothing until then.
    Wait {
        /// When to go on.
        until: Mono,
    },
    /// The machine has ended.
    Done(Outcome),
}

/// How the work on an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is acked.
    Idle,
    /// The process is to stop; the lease is given back.
    Shutdown,
    /// Somebody else is the relay; ask again after this time.
    Held {
        /// Milliseconds.
        retry_after_ms: u64,
    },
    /// Somebody else has become the relay.
    Stale,
    /// There is no such event.
    Gone,
    /// Too many failures in a row; another relay may have more luck.
    GaveUp {
        /// The last failure.
        cause: String,
    },
    /// An operator is needed.
    Stopped(StopCause),
}

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
        "the log ends before offset {expected}, where seq {seq} was acked: it was truncated or recreated. Nothing was sent, and the admission log still has every entry: restore the topic, or `ropeline-relay replay` (docs/kafka.md, \"A stopped event\")"
    )]
    LogLost {
        /// Where the acked record was.
        expected: Offset,
        /// The acked seq.
        seq: Seq,
    },
    /// Another record stands where the acked one was.
    #[error(
        "offset {expected} does not hold seq {seq}, which was acked there: the log was recreated or compacted (cleanup.policy must be delete). Nothing was sent, and the admission log still has every entry: restore the topic, or `ropeline-relay replay` (docs/kafka.md, \"A stopped event\")"
    )]
    OtherRecord {
        /// Where the acked record was.
        expected: Offset,
        /// The acked seq.
        seq: Seq,
    },
    /// A record of a relay from before the replay is in the log, out of its order.
    #[error(
        "offset {found} holds seq {seq} before seq {expected}: a relay that was cut off before the replay wrote it. Nothing was sent. Make sure that relay is gone, then `ropeline-relay replay` again, best into a new topic (docs/kafka.md, \"A stopped event\")"
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
        "the line's log ends at seq {head}, but seq {known} is known to be in Kafka: the line lost its state, or two deployments share a topic. Nothing was sent. Give each deployment its own topic"
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
