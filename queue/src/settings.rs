//! An event's settings: what an operator may say, checked and defaulted field by field.
//!
//! A body is a JSON object. Under PUT what is missing gets its default; under PATCH (RFC 7396) it stays, and `null` gives the
//! default back. What would do nothing is refused, so that nobody relies on it.

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::brand::Brand;
use crate::from_json;
use crate::gate::Gate;
use crate::time::rfc3339_or_null;
use crate::types::{EventId, UnixMillis};
use crate::visitor_keys::VisitorKeys;

mod field;

pub(crate) use field::is_return_url;
use field::{Field, is_topic};

/// The longest name, audience and operator's message, in characters.
const MAX_NAME: usize = 200;
const MAX_MESSAGE: usize = 1_000;
const MAX_URL: usize = 2_000;
const MAX_ORIGINS: usize = 20;

/// 2100-01-01T00:00:00Z: whatever is later is a slip of the pen.
const LATEST: UnixMillis = UnixMillis(4_102_444_799_999);

/// Cloudflare's location hints for Durable Objects.
const LOCATION_HINTS: [&str; 11] =
    ["wnam", "enam", "sam", "weur", "eeur", "apac", "apac-ne", "apac-se", "oc", "afr", "me"];

/// An end this long ago is a slip of the pen, and ending an event cannot be taken back.
const PAST_END_MS: u64 = 60_000;

/// How visitors are let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueingMethod {
    /// In the order of their numbers.
    #[default]
    Fifo,
    /// No queue: everybody passes.
    Passthrough,
    /// Nobody gets a new place: the emergency switch.
    Reject,
}

from_json! {
    enum QueueingMethod {
        "fifo" => Fifo,
        "passthrough" => Passthrough,
        "reject" => Reject,
    }
}

impl QueueingMethod {
    const WORDS: [(&str, Self); 3] =
        [("fifo", Self::Fifo), ("passthrough", Self::Passthrough), ("reject", Self::Reject)];
}

/// What a visitor without a place passes before it is given one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Nothing.
    #[default]
    None,
    /// Cloudflare Turnstile: a challenge that programs fail.
    Turnstile,
}

from_json! {
    enum Door {
        "none" => None,
        "turnstile" => Turnstile,
    }
}

impl Door {
    const WORDS: [(&str, Self); 2] = [("none", Self::None), ("turnstile", Self::Turnstile)];
}

/// How an event knows its visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitorIdentity {
    /// By a secret key that each of them has made.
    #[default]
    Secret,
    /// By an account that the shop vouches for: one account, one place.
    Asserted,
}

from_json! {
    enum VisitorIdentity {
        "secret" => Secret,
        "asserted" => Asserted,
    }
}

impl VisitorIdentity {
    const WORDS: [(&str, Self); 2] = [("secret", Self::Secret), ("asserted", Self::Asserted)];
}

/// The settings of one event, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// What visitors read.
    pub name: String,
    /// The most sessions at a time.
    pub total_active_users: u64,
    /// The most admissions in any 60 seconds.
    pub new_users_per_minute: u64,
    /// How long a session lasts; a renewal gives it this long again.
    pub session_duration_seconds: u64,
    /// Whether sessions end after their first duration.
    pub disable_session_renewal: bool,
    /// How visitors are let in.
    pub queueing_method: QueueingMethod,
    /// Nobody is called or admitted for now.
    pub queue_all: bool,
    /// No queue for now: everybody passes.
    pub suspended: bool,
    /// There is nothing left: nobody is called or admitted, and everybody waiting is told.
    pub sold_out: bool,
    /// From when on places are given before the event opens; null: only from the opening on.
    #[serde(with = "rfc3339_or_null")]
    pub prequeue_start_time: Option<UnixMillis>,
    /// When the event opens; null: at once.
    #[serde(with = "rfc3339_or_null")]
    pub event_start_time: Option<UnixMillis>,
    /// When the event ends; null: never.
    #[serde(with = "rfc3339_or_null")]
    pub event_end_time: Option<UnixMillis>,
    /// Whether those who came before the opening are put in a drawn order.
    pub shuffle_at_event_start: bool,
    /// Status of the waiting page: 200, 202 or 429.
    pub queueing_status_code: u16,
    /// Into how many lanes the visitors are split: a power of two up to 256.
    pub lanes: u16,
    /// Which requests to a shop need a pass first; null: the Worker does not stand before one.
    pub gate: Option<Box<Gate>>,
    /// What stands before new places.
    pub door: Door,
    /// How visitors are known.
    pub visitor_identity: VisitorIdentity,
    /// With which keys the shop vouches for accounts; null: there are none.
    pub visitor_keys: Option<Box<VisitorKeys>>,
    /// Where line and lanes should live.
    pub location_hint: Option<String>,
    /// The most living places that are not admitted.
    pub max_line_length: u64,
    /// The most admissions that may wait for Kafka.
    pub max_unacked: u64,
    /// `aud` of passes.
    pub audience: String,
    /// Where the waiting page sends the admitted.
    pub return_url: Option<String>,
    /// Web origins that may call from a page of their own.
    pub allowed_origins: Vec<String>,
    /// What visitors are told, as text.
    pub message: String,
    /// How the waiting page looks; null: like ours.
    pub brand: Option<Box<Brand>>,
    /// The version that brought the operator's own page; null: ours is shown. Not to be set here.
    pub page: Option<u64>,
    /// Whether the board shows counts and limits.
    pub public_counts: bool,
    /// Kafka topic; the relay's when null.
    pub topic: Option<String>,
    /// A rehearsal: its records go to a topic of their own.
    pub test: bool,
}

from_json! { struct Settings { name, total_active_users, new_users_per_minute, session_duration_seconds, disable_session_renewal, queueing_method, queue_all = default, suspended = default, sold_out = default, prequeue_start_time = time, event_start_time = time, event_end_time = time, shuffle_at_event_start = default, queueing_status_code, lanes, gate, door = default, visitor_identity = default, visitor_keys, location_hint, max_line_length, max_unacked, audience, return_url, allowed_origins, message, brand, page, public_counts, topic, test = default } }

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No setting has this name.
    #[error("there is no setting '{field}'; see the event settings of the HTTP contract")]
    Unknown {
        /// The name.
        field: String,
    },
    /// The value does not fit.
    #[error("'{field}' must be {expected}")]
    Invalid {
        /// The name.
        field: String,
        /// What would fit.
        expected: String,
    },
    /// It fits by itself, but not with another setting.
    #[error("'{field}' {reason}")]
    Contradiction {
        /// The name.
        field: &'static str,
        /// With what, and what to do.
        reason: &'static str,
    },
}

impl SettingsError {
    /// The setting that is wrong.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Unknown { field } | Self::Invalid { field, .. } => field,
            Self::Contradiction { field, .. } => field,
        }
    }
}

impl Settings {
    /// The defaults of a new event.
    #[must_use]
    pub fn defaults(event: &EventId) -> Self {
        Self {
            name: event.to_string(),
            total_active_users: 200,
            new_users_per_minute: 200,
            session_duration_seconds: 300,
            disable_session_renewal: false,
            queueing_method: QueueingMethod::Fifo,
            queue_all: false,
            suspended: false,
            sold_out: false,
            prequeue_start_time: None,
            event_start_time: None,
            event_end_time: None,
            shuffle_at_event_start: false,
            queueing_status_code: 200,
            lanes: 4,
            gate: None,
            door: Door::None,
            visitor_identity: VisitorIdentity::Secret,
            visitor_keys: None,
            location_hint: None,
            max_line_length: 10_000_000,
            max_unacked: 1_000_000,
            audience: event.to_string(),
            return_url: None,
            allowed_origins: Vec::new(),
            message: String::new(),
            brand: None,
            page: None,
            public_counts: false,
            topic: None,
            test: false,
        }
    }

    /// These settings with what `body` says; `null` gives a setting its default back.
    ///
    /// # Errors
    /// [`SettingsError`] for the first field that does not fit.
    pub fn with(mut self, event: &EventId, body: &Map<String, Value>) -> Result<Self, SettingsError> {
        let defaults = Self::defaults(event);
        for (field, value) in body {
            self.set(field, value, &defaults)?;
        }
        self.check()?;
        Ok(self)
    }

    /// Whether the times make sense now. Said apart from [`Settings::with`]: what is stored stays right when its times are past.
    ///
    /// # Errors
    /// [`SettingsError`] when the event would have ended long ago.
    pub fn check_times(&self, now: UnixMillis) -> Result<(), SettingsError> {
        let reason = "lies in the past, and an end cannot be taken back; to end the event now, give the present time";
        match self.event_end_time {
            Some(end) if end.plus(PAST_END_MS) < now => {
                Err(SettingsError::Contradiction { field: "event_end_time", reason })
            }
            _ => Ok(()),
        }
    }

    /// What each setting cannot tell by itself.
    fn check(&self) -> Result<(), SettingsError> {
        let wrong = |field, reason| Err(SettingsError::Contradiction { field, reason });
        let Self { prequeue_start_time: prequeue, event_start_time: start, event_end_time: end, .. } = *self;
        if prequeue.is_some() && start.is_none() {
            return wrong("prequeue_start_time", "needs an event_start_time: give both, or neither");
        }
        if prequeue >= start && prequeue.is_some() {
            return wrong("prequeue_start_time", "must be before event_start_time");
        }
        if end.is_some() && end <= start {
            return wrong("event_end_time", "must be after event_start_time");
        }
        if self.shuffle_at_event_start && prequeue.is_none() {
            return wrong(
                "shuffle_at_event_start",
                "needs a prequeue_start_time: without one nobody comes before the opening",
            );
        }
        if self.shuffle_at_event_start && self.queueing_method == QueueingMethod::Passthrough {
            return wrong(
                "shuffle_at_event_start",
                "has no meaning where everybody passes: use queueing_method 'fifo'",
            );
        }
        match (self.visitor_identity, &self.visitor_keys) {
            (VisitorIdentity::Asserted, None) => {
                return wrong(
                    "visitor_identity",
                    "'asserted' needs visitor_keys: the public keys of the shop that vouches",
                );
            }
            (VisitorIdentity::Secret, Some(_)) => {
                return wrong(
                    "visitor_keys",
                    "have no meaning without visitor_identity 'asserted': give both, or neither",
                );
            }
            _ => {}
        }
        if self.suspended && self.sold_out {
            return wrong("suspended", "lets everybody pass, sold_out nobody: set one of them");
        }
        if self.suspended && self.queue_all {
            return wrong("suspended", "lets everybody pass, queue_all nobody: set one of them");
        }
        Ok(())
    }

    fn set(&mut self, field: &str, value: &Value, defaults: &Self) -> Result<(), SettingsError> {
        let read = Field { name: field, value };
        match field {
            "name" => self.name = read.text(1, MAX_NAME, &defaults.name)?,
            "total_active_users" => {
                self.total_active_users = read.integer(1, 1_000_000, defaults.total_active_users)?
            }
            "new_users_per_minute" => {
                self.new_users_per_minute = read.integer(1, 1_000_000, defaults.new_users_per_minute)?;
            }
            "session_duration_seconds" => {
                self.session_duration_seconds = read.integer(10, 1_800, defaults.session_duration_seconds)?;
            }
            "disable_session_renewal" => {
                self.disable_session_renewal = read.flag(defaults.disable_session_renewal)?;
            }
            "queueing_method" => self.queueing_method = read.word(&QueueingMethod::WORDS)?,
            "queue_all" => self.queue_all = read.flag(defaults.queue_all)?,
            "suspended" => self.suspended = read.flag(defaults.suspended)?,
            "sold_out" => self.sold_out = read.flag(defaults.sold_out)?,
            "prequeue_start_time" => self.prequeue_start_time = read.time()?,
            "event_start_time" => self.event_start_time = read.time()?,
            "event_end_time" => self.event_end_time = read.time()?,
            "shuffle_at_event_start" => self.shuffle_at_event_start = read.flag(defaults.shuffle_at_event_start)?,
            "queueing_status_code" => {
                self.queueing_status_code = read.one_of(&[200, 202, 429], defaults.queueing_status_code)?;
            }
            "lanes" => self.lanes = read.one_of(&[1, 2, 4, 8, 16, 32, 64, 128, 256], defaults.lanes)?,
            "gate" => self.gate = read.parts(self.gate.take(), Gate::PARTS, Gate::with)?,
            "door" => self.door = read.word(&Door::WORDS)?,
            "visitor_identity" => self.visitor_identity = read.word(&VisitorIdentity::WORDS)?,
            "visitor_keys" => {
                self.visitor_keys = read.parts(self.visitor_keys.take(), VisitorKeys::PARTS, VisitorKeys::with)?;
            }
            "location_hint" => {
                let hint = |text: &str| LOCATION_HINTS.contains(&text);
                self.location_hint = read.optional(hint, &format!("null or one of {}", LOCATION_HINTS.join(", ")))?;
            }
            "max_line_length" => self.max_line_length = read.integer(1, 10_000_000, defaults.max_line_length)?,
            "max_unacked" => self.max_unacked = read.integer(1, 1_000_000, defaults.max_unacked)?,
            "audience" => self.audience = read.text(1, MAX_NAME, &defaults.audience)?,
            "return_url" => {
                let expected =
                    "null or an absolute https:// (or http://) address without a fragment, at most 2000 characters";
                self.return_url = read.optional(is_return_url, expected)?;
            }
            "allowed_origins" => self.allowed_origins = read.origins()?,
            "message" => self.message = read.text(0, MAX_MESSAGE, &defaults.message)?,
            "brand" => self.brand = read.parts(self.brand.take(), Brand::PARTS, Brand::with)?,
            // What was read can be written back; the line keeps its own.
            "page" if value.is_null() || value.is_u64() => {}
            "page" => return Err(read.expected("left out here: the page itself is put with PUT …/page")),
            "public_counts" => self.public_counts = read.flag(defaults.public_counts)?,
            "topic" => {
                let expected = "null or a Kafka topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'";
                self.topic = read.optional(is_topic, expected)?;
            }
            "test" => self.test = read.flag(defaults.test)?,
            unknown => return Err(SettingsError::Unknown { field: unknown.to_owned() }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
