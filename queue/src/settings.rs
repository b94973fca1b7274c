//! An event's settings: what an operator may say, checked and defaulted field by field.
//!
//! A body is a JSON object. Under PUT what is missing gets its default; under PATCH (RFC 7396) it stays, and `null` gives the
//! default back. Names that a later version will know are refused as such, so that nobody relies on a setting that does nothing.

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::brand::Brand;
use crate::from_json;
use crate::gate::Gate;
use crate::time::rfc3339_or_null;
use crate::types::{EventId, UnixMillis};

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

/// Named in the contract, built in a later version.
const LATER: [&str; 2] = ["visitor_identity", "visitor_keys"];

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

from_json! { struct Settings { name, total_active_users, new_users_per_minute, session_duration_seconds, disable_session_renewal, queueing_method, queue_all = default, suspended = default, sold_out = default, prequeue_start_time = time, event_start_time = time, event_end_time = time, shuffle_at_event_start = default, queueing_status_code, lanes, gate, door = default, location_hint, max_line_length, max_unacked, audience, return_url, allowed_origins, message, brand, page, public_counts, topic, test = default } }

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
    /// A setting of a later version.
    #[error("'{field}' is not available in this version; leave it out")]
    Later {
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
            Self::Unknown { field } | Self::Later { field } | Self::Invalid { field, .. } => field,
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
            "queueing_method" => self.queueing_method = read.method()?,
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
            "gate" => self.gate = read.gate(self.gate.take())?,
            "door" => self.door = read.door()?,
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
            "brand" => self.brand = read.brand(self.brand.take())?,
            // What was read can be written back; the line keeps its own.
            "page" if value.is_null() || value.is_u64() => {}
            "page" => return Err(read.expected("left out here: the page itself is put with PUT …/page")),
            "public_counts" => self.public_counts = read.flag(defaults.public_counts)?,
            "topic" => {
                let expected = "null or a Kafka topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'";
                self.topic = read.optional(is_topic, expected)?;
            }
            "test" => self.test = read.flag(defaults.test)?,
            later if LATER.contains(&later) => return Err(SettingsError::Later { field: later.to_owned() }),
            unknown => return Err(SettingsError::Unknown { field: unknown.to_owned() }),
        }
        Ok(())
    }
}

struct Field<'a> {
    name: &'a str,
    value: &'a Value,
}

impl Field<'_> {
    fn expected(&self, expected: &str) -> SettingsError {
        SettingsError::Invalid { field: self.name.to_owned(), expected: expected.to_owned() }
    }

    fn integer(&self, least: u64, most: u64, default: u64) -> Result<u64, SettingsError> {
        if self.value.is_null() {
            return Ok(default);
        }
        let fits = self.value.as_u64().filter(|value| (least..=most).contains(value));
        fits.ok_or_else(|| self.expected(&format!("an integer from {least} to {most}")))
    }

    fn one_of(&self, values: &[u16], default: u16) -> Result<u16, SettingsError> {
        if self.value.is_null() {
            return Ok(default);
        }
        let given = self.value.as_u64();
        let fits = values.iter().copied().find(|value| given == Some(u64::from(*value)));
        fits.ok_or_else(|| {
            let all: Vec<_> = values.iter().map(u16::to_string).collect();
            self.expected(&format!("one of {}", all.join(", ")))
        })
    }

    fn flag(&self, default: bool) -> Result<bool, SettingsError> {
        if self.value.is_null() {
            return Ok(default);
        }
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    fn text(&self, least: usize, most: usize, default: &str) -> Result<String, SettingsError> {
        if self.value.is_null() {
            return Ok(default.to_owned());
        }
        let fits = self.value.as_str().filter(|text| {
            (least..=most).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() && c != '\n')
        });
        let expected = || self.expected(&format!("a text of {least} to {most} characters without control characters"));
        fits.map(str::to_owned).ok_or_else(expected)
    }

    fn optional(&self, fits: impl Fn(&str) -> bool, expected: &str) -> Result<Option<String>, SettingsError> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) if fits(text) => Ok(Some(text.clone())),
            _ => Err(self.expected(expected)),
        }
    }

    fn method(&self) -> Result<QueueingMethod, SettingsError> {
        match self.value.as_str() {
            Some("fifo") => Ok(QueueingMethod::Fifo),
            Some("passthrough") => Ok(QueueingMethod::Passthrough),
            Some("reject") => Ok(QueueingMethod::Reject),
            None if self.value.is_null() => Ok(QueueingMethod::Fifo),
            _ => Err(self.expected("one of 'fifo', 'passthrough', 'reject'")),
        }
    }

    fn door(&self) -> Result<Door, SettingsError> {
        match self.value.as_str() {
            Some("none") => Ok(Door::None),
            Some("turnstile") => Ok(Door::Turnstile),
            None if self.value.is_null() => Ok(Door::None),
            _ => Err(self.expected("'none' or 'turnstile'")),
        }
    }

    /// An object is merged into the one there is, as RFC 7396 has it.
    fn gate(&self, before: Option<Box<Gate>>) -> Result<Option<Box<Gate>>, SettingsError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Object(body) => match before.unwrap_or_default().with(body) {
                Ok(gate) => Ok(Some(Box::new(gate))),
                Err((field, expected)) => Err(SettingsError::Invalid { field, expected }),
            },
            _ => Err(self.expected("null or an object with hosts, protect, open_paths and when_unsure")),
        }
    }

    /// An object is merged into the one there is, as RFC 7396 has it.
    fn brand(&self, before: Option<Box<Brand>>) -> Result<Option<Box<Brand>>, SettingsError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Object(body) => match before.unwrap_or_default().with(body) {
                Ok(brand) => Ok(Some(Box::new(brand))),
                Err((field, expected)) => Err(SettingsError::Invalid { field, expected }),
            },
            _ => Err(self.expected("null or an object with accent, accent_dark, logo, logo_alt and link")),
        }
    }

    fn time(&self) -> Result<Option<UnixMillis>, SettingsError> {
        if self.value.is_null() {
            return Ok(None);
        }
        let time = self.value.as_str().and_then(UnixMillis::parse_rfc3339).filter(|time| *time <= LATEST);
        let expected =
            || self.expected("null or a time in RFC 3339 such as \"2026-11-22T20:00:00+09:00\", before 2100");
        time.map(Some).ok_or_else(expected)
    }

    fn origins(&self) -> Result<Vec<String>, SettingsError> {
        if self.value.is_null() {
            return Ok(Vec::new());
        }
        let list = self.value.as_array().filter(|list| list.len() <= MAX_ORIGINS);
        let origins: Option<Vec<_>> = list.and_then(|list| {
            list.iter().map(|value| value.as_str().filter(|text| is_origin(text)).map(str::to_owned)).collect()
        });
        origins.ok_or_else(|| {
            self.expected(&format!(
                "a list of at most {MAX_ORIGINS} web origins such as \"https://shop.example\" (no path, no '*')"
            ))
        })
    }
}

/// Scheme and the rest of an http(s) address.
fn after_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
}

/// `host` or `host:port`, in the form a browser writes into `Origin`.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.'),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        }
    };
    host_fits && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_origin(text: &str) -> bool {
    text.len() <= MAX_URL && after_scheme(text).is_some_and(is_authority)
}

/// An absolute address without a fragment.
pub(crate) fn is_return_url(text: &str) -> bool {
    let plain = text.len() <= MAX_URL && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\`{}|^#".contains(&b));
    plain
        && after_scheme(text).is_some_and(|rest| {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            rest.get(..end).is_some_and(is_authority)
        })
}

fn is_topic(text: &str) -> bool {
    (1..=249).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests;
