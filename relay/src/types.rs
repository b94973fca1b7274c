//! The words of the protocol as types.
//!
//! Invariant: a number never changes its meaning on the way: a [`Seq`] is not an [`Offset`], and time is [`Mono`], a clock
//! of this process alone, which never runs back and is never compared with another machine's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of one on-sale: 1 to 64 characters of `a-z`, `0-9` and `-`. It is also the Kafka key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(String);

impl EventId {
    /// The id, if `text` is one.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=64).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (fits && plain).then_some(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The place of an entry in an event's admission log: 1, 2, 3 … without gaps. 0 means "none yet".
    Seq(u64)
}
number! {
    /// Counts the leases of one event. Who holds the highest is the relay of that event.
    Epoch(u64)
}
number! {
    /// The place of a record in a Kafka partition.
    Offset(i64)
}
number! {
    /// The number of a Kafka partition.
    Partition(i32)
}
number! {
    /// Milliseconds of this process's own monotonic clock.
    Mono(u64)
}

impl Seq {
    /// The seq after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The seq `n` further on.
    #[must_use]
    pub fn plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl Offset {
    /// The offset `n` further on, or back.
    #[must_use]
    pub fn plus(self, n: i64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl Mono {
    /// The instant `ms` later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`, 0 when that is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_short_and_plain() {
        assert!(EventId::new("summer-2026").is_some());
        for bad in ["", "A", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(EventId::new(bad), None, "{bad}");
        }
    }
}
