//! One entry of an admission log, as drained.
//!
//! Invariant: the JSON text of an entry is passed on byte for byte. It is read to be checked and to make the record's
//! headers, never written again: a second copy of a record is equal to the first, whatever version of the relay sent it.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::types::{EventId, Seq};

/// An admission on its way to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub seq: Seq,
    /// The keyed hash of the visitor, or the account the shop vouched for.
    pub visitor: String,
    /// `admitted_at` as it stands in the entry (RFC 3339).
    pub admitted_at: String,
    /// The same instant in milliseconds since 1970: the record's timestamp.
    pub admitted_unix_ms: i64,
    /// The entry's JSON text, untouched: the record's value.
    pub value: String,
}

/// Why an answer's entry cannot be passed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A field is missing or has another type.
    #[error("an entry is not what the log holds: {source}")]
    Shape {
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The entry belongs to another event.
    #[error("an entry of event {found:?} came in the log of {wanted}")]
    ForeignEvent {
        /// The event asked for.
        wanted: EventId,
        /// The event in the entry.
        found: String,
    },
    /// `admitted_at` is no instant.
    #[error("admitted_at of seq {seq} is not an RFC 3339 time: {text:?}")]
    Time {
        /// The entry.
        seq: Seq,
        /// What stood there.
        text: String,
    },
}

#[derive(Deserialize)]
struct Fields {
    event: String,
    seq: Seq,
    visitor: String,
    admitted_at: String,
}

impl Entry {
    /// Reads what the headers need and keeps the text.
    ///
    /// # Errors
    /// When a needed field is missing, or the entry is another event's.
    pub fn parse(event: &EventId, raw: &RawValue) -> Result<Self, EntryError> {
        let text = raw.get();
        let fields: Fields = serde_json::from_str(text).map_err(|source| EntryError::Shape { source })?;
        if fields.event != event.as_str() {
            return Err(EntryError::ForeignEvent { wanted: event.clone(), found: fields.event });
        }
        let Some(admitted_unix_ms) = unix_ms(&fields.admitted_at) else {
            return Err(EntryError::Time { seq: fields.seq, text: fields.admitted_at });
        };
        Ok(Self {
            seq: fields.seq,
            visitor: fields.visitor,
            admitted_at: fields.admitted_at,
            admitted_unix_ms,
            value: text.to_owned(),
        })
    }
}

/// An RFC 3339 time in milliseconds since 1970.
pub(crate) fn unix_ms(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}
