//! What is only ever counted up, since this process started.
//!
//! Invariant: every label's values are one of an `enum`, and all of them are there from the start with 0, so that the first
//! occurrence of each is seen as an increase.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::brake;
use crate::machine::{Cause, Note, StopCause};
use crate::types::Seq;

/// An `enum` that is the value of a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$of])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The label's value.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl prometheus_client::encoding::EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> std::fmt::Result {
                std::fmt::Write::write_str(encoder, self.as_str())
            }
        }
    };
}

pub(crate) use label;

label! {
    /// Why something is done again.
    RetryCause {
        /// A call to the Worker brought nothing.
        Worker = "worker",
        /// A call to Kafka other than a produce failed.
        Broker = "broker",
        /// The outcome of a produce is unknown.
        UnknownOutcome = "unknown_outcome",
        /// The topic takes no batch of this size: a smaller one follows.
        TooLarge = "too_large",
        /// A batch stands further on than expected and is looked for.
        Shifted = "shifted",
        /// Records exist and cannot be read yet.
        NotVisible = "not_visible",
        /// The log seemed to end too early, or its topic to be missing.
        SeemsLost = "seems_lost",
        /// The lease was too near its end to produce.
        LeaseMargin = "lease_margin",
    }
}

label! {
    /// Why an event is stopped: [`StopCause`] in a word.
    StopLabel {
        /// [`StopCause::TopicMissing`]
        TopicMissing = "topic_missing",
        /// [`StopCause::NotAuthorized`]
        NotAuthorized = "not_authorized",
        /// [`StopCause::EntryTooLarge`]
        EntryTooLarge = "entry_too_large",
        /// [`StopCause::PartitionMissing`]
        PartitionMissing = "partition_missing",
        /// [`StopCause::LogLost`]
        LogLost = "log_lost",
        /// [`StopCause::OtherRecord`]
        OtherRecord = "other_record",
        /// [`StopCause::OutOfOrder`]
        OutOfOrder = "out_of_order",
        /// [`StopCause::LineBehind`]
        LineBehind = "line_behind",
        /// [`StopCause::Refused`]
        Refused = "refused",
        /// [`StopCause::Confused`]
        Confused = "confused",
    }
}

impl StopLabel {
    /// The word for a cause.
    pub fn of(cause: &StopCause) -> Self {
        match cause {
            StopCause::TopicMissing { .. } => Self::TopicMissing,
            StopCause::NotAuthorized { .. } => Self::NotAuthorized,
            StopCause::EntryTooLarge { .. } => Self::EntryTooLarge,
            StopCause::PartitionMissing { .. } => Self::PartitionMissing,
            StopCause::LogLost { .. } => Self::LogLost,
            StopCause::OtherRecord { .. } => Self::OtherRecord,
            StopCause::OutOfOrder { .. } => Self::OutOfOrder,
            StopCause::LineBehind { .. } => Self::LineBehind,
            StopCause::Refused { .. } => Self::Refused,
            StopCause::Confused { .. } => Self::Confused,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCause {
    cause: RetryCause,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    cause: brake::Cause,
}

/// The counters.
#[derive(Debug, Default)]
pub struct Counters {
    produced: Counter,
    acked: Counter,
    discarded: Counter,
    read_back: Counter,
    duplicates: Counter,
    unknown: Counter,
    retries: Family<ByCause, Counter>,
    pulls: Family<ByReason, Counter>,
}

fn count(first: Seq, last: Seq) -> u64 {
    last.next().0.saturating_sub(first.0)
}

impl Counters {
    /// Names them, with their help texts.
    pub(super) fn register(&self, registry: &mut Registry) {
        for cause in RetryCause::ALL {
            drop(self.retries.get_or_create(&ByCause { cause: *cause }));
        }
        for cause in brake::Cause::ALL {
            drop(self.pulls.get_or_create(&ByReason { cause: *cause }));
        }
        let mut add = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        add("produced_records", "Admissions this process sent and knows to be in Kafka", &self.produced);
        add("acked_records", "Admissions this process reported to the Worker as being in Kafka", &self.acked);
        add(
            "discarded_records",
            "Admissions of test events without a topic, acked without being sent",
            &self.discarded,
        );
        add("read_back_records", "Records read while looking for batches of unknown outcome", &self.read_back);
        add("duplicate_records", "Repeated admissions met while reading the log back", &self.duplicates);
        add("unknown_outcomes", "Batches after whose produce nobody knew whether they are in Kafka", &self.unknown);
        registry.register("retries", "Calls and waits that had to be made again, by cause", self.retries.clone());
        registry.register("brake_pulls", "Times this process slowed an event down, by cause", self.pulls.clone());
    }

    pub(super) fn count(&self, note: &Note) {
        let cause = match note {
            Note::Produced { first, last, .. } => {
                self.produced.inc_by(count(*first, *last));
                return;
            }
            Note::Discarded { first, last } => {
                self.discarded.inc_by(count(*first, *last));
                return;
            }
            Note::Scanned { records, repeats, .. } => {
                self.read_back.inc_by(*records);
                self.duplicates.inc_by(*repeats);
                return;
            }
            Note::Taken { .. } | Note::ScanBound { .. } | Note::Retention { .. } | Note::Discarding { .. } => return,
            Note::Recovering { cause: Cause::Unknown(_) | Cause::Misaligned { .. }, .. } => {
                self.unknown.inc();
                RetryCause::UnknownOutcome
            }
            Note::Recovering { cause: Cause::TooLarge { .. }, .. } => RetryCause::TooLarge,
            Note::Recovering { cause: Cause::Shifted { .. }, .. } => RetryCause::Shifted,
            Note::Recovering { cause: Cause::Broker(_), .. } => RetryCause::Broker,
            Note::NotVisible { .. } => RetryCause::NotVisible,
            Note::SeemsLost { .. } => RetryCause::SeemsLost,
            Note::TooLate => RetryCause::LeaseMargin,
            Note::WorkerTrouble { .. } => RetryCause::Worker,
        };
        self.retry(cause);
    }

    pub(super) fn retry(&self, cause: RetryCause) {
        self.retries.get_or_create(&ByCause { cause }).inc();
    }

    pub(super) fn pulled(&self, cause: brake::Cause) {
        self.pulls.get_or_create(&ByReason { cause }).inc();
    }

    pub(super) fn acked(&self, records: u64) {
        self.acked.inc_by(records);
    }
}
