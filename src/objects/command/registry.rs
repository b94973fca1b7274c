//! To the registry.

use ropeline_queue::wire::Configured;
use ropeline_queue::{EventId, UnixMillis, from_json};
use serde::Serialize;

use super::Command;

impl Command for RegistryCommand {}

/// To the registry, the one object that lists a deployment's events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryCommand {
    /// Everything a Worker needs of the living events, unless it has this version already. → [`Listing`]
    List { known: Option<u64> },
    /// What is known of an id. → [`Reservation`]
    Find { event: EventId },
    /// Keeps an id for a new event with so many lanes; the salt is used if the id is new. → [`Reservation`]
    Reserve { event: EventId, salt: String, lanes: u16 },
    /// A line tells its settings; makes a reserved event live. → [`Told`]
    Tell { event: EventId, configured: Box<Configured> },
    /// A line tells whether it has entries that are not acked. What came with a later `stamp` counts. → [`Told`]
    Busy { event: EventId, busy: bool, stamp: u64 },
    /// The events that are busy. → `Vec<EventId>`
    ListBusy,
    /// The id of a purged event: never used again. → [`Reservation`]
    Bury {
        event: EventId,
        /// Whose key.
        by: String,
        /// Whether it was purged although it was open, or had entries that are not in Kafka.
        forced: bool,
    },
    /// Who buried an event, and when. → `Option<Burial>`
    Burial { event: EventId },
    /// The storage of a buried event has been given back. → [`Told`]
    Buried { event: EventId },
    /// The metrics of all events, from what the objects have counted at most five seconds ago. → a text
    Metrics,
}

from_json! {
    enum RegistryCommand {
        "list" => List { known },
        "find" => Find { event },
        "reserve" => Reserve { event, salt, lanes },
        "tell" => Tell { event, configured },
        "busy" => Busy { event, busy, stamp },
        "list_busy" => ListBusy,
        "bury" => Bury { event, by = default, forced = default },
        "burial" => Burial { event },
        "buried" => Buried { event },
        "metrics" => Metrics,
    }
}

/// What the registry tells of all living events.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// Grows with every change.
    pub version: u64,
    /// The events; none when the caller's version is the current one.
    pub events: Option<Vec<EventEntry>>,
}

from_json! { struct Listing { version, events } }

/// What a Worker needs to know of an event before it speaks to any other object.
#[derive(Debug, Serialize)]
pub struct EventEntry {
    /// Its id.
    pub event: EventId,
    /// Secret salt of the visitors' hashes, base64url.
    pub salt: String,
    /// Its settings.
    pub configured: Configured,
}

from_json! { struct EventEntry { event, salt, configured } }

/// What the registry knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// Nobody has used it.
    Unknown,
    /// Kept for an event that is being created.
    Reserved,
    /// A living event.
    Live,
    /// A purged event whose storage may not all be given back. It had this many lanes.
    Burying { lanes: u16 },
    /// A purged event.
    Gone,
}

from_json! {
    enum Reservation {
        "unknown" => Unknown,
        "reserved" => Reserved,
        "live" => Live,
        "burying" => Burying { lanes },
        "gone" => Gone,
    }
}

/// The end of an event: all that is left of it.
#[derive(Debug, Serialize)]
pub struct Burial {
    /// The registry's clock.
    pub at: UnixMillis,
    /// Whose key.
    pub by: String,
    /// Whether it was purged although it was open, or had entries that are not in Kafka.
    pub forced: bool,
}

from_json! { struct Burial { at, by, forced } }

/// The registry took note.
#[derive(Debug, Serialize)]
pub struct Told {
    /// False: the event is gone, there is nothing to tell any more.
    pub alive: bool,
}

from_json! { struct Told { alive } }
