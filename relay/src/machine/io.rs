//! What goes into the machine and what comes out: its whole contract with the world.
//!
//! Every [`Effect`] is one call; its outcome comes back as the [`Input`] of the same name. One effect is under way at a time.

use super::notes::StopCause;
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
