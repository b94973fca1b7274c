//! Newtypes for what must never be mixed up. All are below 2^53, so that they pass through JSON and SQL as they are.

use core::fmt;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::from_json;
use crate::json::{FromJson, Misread};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        from_json! { newtype $name(u64) }

        impl $name {
            /// The value as a plain integer.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this. Saturates, which no event lives to see.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// This many further on.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// How far this is past `other`; 0 if it is not.
            #[must_use]
            pub const fn since(self, other: Self) -> u64 {
                self.0.saturating_sub(other.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// The dense sequence number given at enter: 1, 2, 3 … per event.
    Number
}
counter! {
    /// The place in the order of admission.
    Position
}
counter! {
    /// The place in the admission log: 1, 2, 3 … per event.
    Seq
}
counter! {
    /// Counts the leases of an event's admission log; a relay with an older one is refused.
    Epoch
}
counter! {
    /// A point in time: milliseconds since 1970-01-01T00:00:00Z.
    UnixMillis
}

impl UnixMillis {
    /// The whole second this lies in.
    #[must_use]
    pub const fn second(self) -> u64 {
        self.0 / 1_000
    }

    /// This many seconds later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        self.plus(seconds.saturating_mul(1_000))
    }
}

impl Number {
    /// The position of this number in a `fifo` line: the same.
    #[must_use]
    pub const fn position(self) -> Position {
        Position(self.0)
    }
}

/// Which lane of an event, 0 … lanes − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LaneId(pub u16);

from_json! { newtype LaneId(u16) }

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's id: 1 to 64 of `a-z`, `0-9` and `-`. Never used twice in a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EventId(String);

/// Why a text is no event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event id is 1 to 64 characters of a-z, 0-9 and '-'")]
pub struct EventIdError;

impl EventId {
    /// Checks the form.
    ///
    /// # Errors
    /// [`EventIdError`] when it is not `[a-z0-9-]{1,64}`.
    pub fn parse(text: &str) -> Result<Self, EventIdError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(text.to_owned())).ok_or(EventIdError)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromJson for EventId {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        let id = value.as_str().and_then(|text| Self::parse(text).ok());
        id.ok_or(Misread::expected("an event id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_written_as_its_number() {
        assert_eq!(LaneId(15).to_string(), "15", "it is part of its object's name");
    }

    #[test]
    fn an_event_id_is_short_lower_case_and_plain() {
        for good in ["a", "demo", "seoul-2026-11", &"x".repeat(64)] {
            assert_eq!(EventId::parse(good).map(|id| id.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "Demo", "a b", "a_b", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(EventId::parse(bad), Err(EventIdError), "{bad}");
            assert!(EventId::from_json(&mut bad.into()).is_err());
        }
    }
}
