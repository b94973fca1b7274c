//! Rehearsals: test events go to a topic of their own, and nowhere where that is missing.
//!
//! A test event without a `topic` setting goes to `{relay's topic}.test`. Where an operator has not made that topic, its entries are
//! acked without being produced, so that a rehearsal neither needs Kafka nor fills the admission log.
//!
//! Invariant: an event is in Kafka whole or not at all. It is discarded for ever from its first ack on, which leaves a mark
//! that a real log cannot have: every acked record takes an offset, so `acked_seq > 0` with `next_offset = 0` means that
//! nothing was produced. Until that ack the topic is looked for anew. A replay is an operator's word that there shall be records.

use super::{Around, Effect, Goal, Machine, Mark, Note, Pin};
use crate::entry::Entry;
use crate::types::{Offset, Partition, Seq};

/// Appended to the relay's topic for test events.
pub const TEST_SUFFIX: &str = ".test";

impl Machine {
    /// Where the records go, or would go.
    pub(super) fn topic(&self) -> String {
        match (&self.pin, &self.configured_topic) {
            (Some(pin), _) => pin.topic.clone(),
            (None, Some(topic)) => topic.clone(),
            (None, None) if self.test => format!("{}{TEST_SUFFIX}", self.rules.topic),
            (None, None) => self.rules.topic.clone(),
        }
    }

    /// Whether entries may be acked without being produced: nothing can have been, as far as the line knows.
    pub(super) fn may_discard(&self) -> bool {
        let nowhere = self.pin.as_ref().is_none_or(|pin| pin.partition == Partition(0) && pin.next_offset == Offset(0));
        self.test && self.configured_topic.is_none() && nowhere && self.replay_from.is_none()
    }

    /// Whether that was done before.
    pub(super) fn has_discarded(&self) -> bool {
        self.may_discard() && self.pin.is_some() && self.acked > Seq(0)
    }

    /// From here on nothing of this event is produced.
    pub(super) fn start_to_discard(&mut self, around: Around) -> Effect {
        let topic = self.topic();
        if self.acked == Seq(0) {
            self.notes.push(Note::Discarding { topic: topic.clone() });
        }
        self.discarding = true;
        self.pin = Some(Pin { topic, partition: Partition(0), next_offset: Offset(0) });
        self.known.next_offset = Offset(0);
        self.go(around, Goal::Drain)
    }

    /// The next drain acks them.
    pub(super) fn discard(&mut self, around: Around, first: &Entry, last: &Entry) -> Effect {
        self.notes.push(Note::Discarded { first: first.seq, last: last.seq });
        self.known = Mark { seq: last.seq, next_offset: Offset(0) };
        self.go(around, Goal::Drain)
    }
}
