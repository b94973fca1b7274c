//! Errors as RFC 9457 problem details: one table from slug to status and title.
//!
//! `detail` says what was wrong and what to do. Internals never reach a body.

use std::borrow::Cow;
use std::ops::Deref;

use serde::Serialize;

/// What went wrong, as in the HTTP contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slug {
    /// The body or a parameter does not fit.
    MalformedRequest,
    /// A body field that is not known.
    UnknownField,
    /// The key is missing or wrong.
    Unauthorized,
    /// The visitor's secret is missing.
    VisitorMissing,
    /// The ticket is missing.
    TicketMissing,
    /// The ticket or pass does not verify.
    TicketInvalid,
    /// The ticket or pass is over.
    TicketExpired,
    /// The visitor's secret is not the one of the ticket.
    VisitorMismatch,
    /// Made for another event.
    WrongEvent,
    /// Not allowed to this caller.
    Forbidden,
    /// No such route.
    NotFound,
    /// No such event.
    UnknownEvent,
    /// The route knows other methods.
    MethodNotAllowed,
    /// The position has not been called.
    NotYourTurn,
    /// It does not fit the state there is.
    Conflict,
    /// Another relay has the lease.
    LeaseHeld,
    /// The relay's lease is over.
    StaleEpoch,
    /// The place was given up.
    PlaceLeft,
    /// The session is over.
    SessionEnded,
    /// The caller has seen another version.
    PreconditionFailed,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// Places are given later.
    NotOpenYet,
    /// There is nothing left to wait for.
    SoldOut,
    /// The event is over.
    EventEnded,
    /// The operator gives no new places for now.
    QueueClosed,
    /// No place is left in the line.
    LineFull,
    /// The door before new places was not passed.
    DoorFailed,
    /// One address asks for too many places.
    TooManyRequests,
    /// Too much is asked right now.
    Overloaded,
    /// The shop behind the gate gives no answer.
    BadGateway,
    /// No shop here has this host.
    Misdirected,
    /// A fault of ours.
    Internal,
}

impl Slug {
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedRequest => ("malformed-request", 400, "The request is malformed"),
            Self::UnknownField => ("unknown-field", 400, "The request has an unknown field"),
            Self::Unauthorized => ("unauthorized", 401, "A key is needed"),
            Self::VisitorMissing => ("visitor-missing", 401, "The visitor key is missing"),
            Self::TicketMissing => ("ticket-missing", 401, "The ticket is missing"),
            Self::TicketInvalid => ("ticket-invalid", 401, "The token is not valid"),
            Self::TicketExpired => ("ticket-expired", 401, "The token has expired"),
            Self::VisitorMismatch => ("visitor-mismatch", 403, "The ticket belongs to another visitor"),
            Self::WrongEvent => ("wrong-event", 403, "The token is for another event"),
            Self::Forbidden => ("forbidden", 403, "This is not allowed"),
            Self::NotFound => ("not-found", 404, "There is nothing here"),
            Self::UnknownEvent => ("unknown-event", 404, "There is no such event"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "The method is not allowed here"),
            Self::NotYourTurn => ("not-your-turn", 409, "It is not your turn yet"),
            Self::Conflict => ("conflict", 409, "This does not fit the present state"),
            Self::LeaseHeld => ("lease-held", 409, "Another relay has the lease"),
            Self::StaleEpoch => ("stale-epoch", 409, "The lease is over"),
            Self::PlaceLeft => ("place-left", 410, "The place was given up"),
            Self::SessionEnded => ("session-ended", 410, "The session is over"),
            Self::PreconditionFailed => ("precondition-failed", 412, "The precondition does not hold"),
            Self::TooLarge => ("too-large", 413, "The request is too large"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "The body has the wrong media type"),
            Self::NotOpenYet => ("not-open-yet", 409, "The event has not opened yet"),
            Self::SoldOut => ("sold-out", 410, "Sold out"),
            Self::EventEnded => ("event-ended", 410, "The event is over"),
            Self::QueueClosed => ("queue-closed", 503, "No new places are given right now"),
            Self::LineFull => ("line-full", 503, "The line is full"),
            Self::DoorFailed => ("door-failed", 403, "The door was not passed"),
            Self::TooManyRequests => ("too-many-requests", 429, "Too many requests"),
            Self::Overloaded => ("overloaded", 503, "Too much is asked right now"),
            Self::BadGateway => ("bad-gateway", 502, "The shop does not answer"),
            Self::Misdirected => ("misdirected", 421, "There is no shop at this host"),
            Self::Internal => ("internal", 500, "Something went wrong on our side"),
        }
    }

    /// The last part of `type`.
    pub const fn text(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().1
    }
}

/// An error on its way to the client. Boxed, since every step of every route can end with one: a `Result` that has room for the
/// parts themselves would be copied field by field at each `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

/// What a [`Problem`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Which.
    pub slug: Slug,
    /// What was wrong and what to do.
    pub detail: Cow<'static, str>,
    /// The field or parameter that was wrong.
    pub field: Option<String>,
    /// When to try again, seconds.
    pub retry_after: Option<u64>,
    /// The methods of the route, for 405.
    pub allow: Option<&'static str>,
    /// When the event opens, for those who come before.
    pub event_start_time: Option<String>,
    /// What opens the door.
    pub door: Option<Challenge>,
}

/// The challenge whose token opens a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// Whose: `turnstile`.
    pub kind: &'static str,
    /// Its public key.
    pub site_key: String,
    /// What it must be rendered with.
    pub action: &'static str,
    /// The same: the event.
    pub cdata: String,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_start_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    door: Option<&'a Challenge>,
}

impl Deref for Problem {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Problem {
    /// A problem without extras.
    pub fn new(slug: Slug, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::of(slug, detail.into())
    }

    #[inline(never)]
    fn of(slug: Slug, detail: Cow<'static, str>) -> Self {
        Self(Box::new(Parts {
            slug,
            detail,
            field: None,
            retry_after: None,
            allow: None,
            event_start_time: None,
            door: None,
        }))
    }

    /// A problem with one field of the request.
    pub fn field(slug: Slug, field: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(slug, detail).of_field(field)
    }

    /// A problem that will pass.
    pub fn retry(slug: Slug, seconds: u64, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(slug, detail);
        problem.0.retry_after = Some(seconds);
        problem
    }

    /// The methods that there are instead.
    pub fn allowed(allow: &'static str) -> Self {
        let mut problem = Self::new(Slug::MethodNotAllowed, format!("use {allow}"));
        problem.0.allow = Some(allow);
        problem
    }

    /// The same, of this field.
    pub fn of_field(mut self, field: &str) -> Self {
        self.0.field = Some(field.to_owned());
        self
    }

    /// The same, with the time of the opening.
    pub fn opens(mut self, event_start_time: String) -> Self {
        self.0.event_start_time = Some(event_start_time);
        self
    }

    /// The same, with what opens the door.
    pub fn opened_by(mut self, challenge: Challenge) -> Self {
        self.0.door = Some(challenge);
        self
    }

    /// The same said as another one.
    pub fn said_as(mut self, slug: Slug) -> Self {
        self.0.slug = slug;
        self
    }

    /// Too much is asked: nothing was done, or its outcome is unknown; asking again is safe.
    pub fn overloaded() -> Self {
        Self::retry(Slug::Overloaded, 2, "ask again after the seconds in Retry-After; no place is lost by it")
    }

    /// A fault of ours; its cause goes to the log, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        worker::console_error!("internal: {cause}");
        Self::retry(Slug::Internal, 5, "try again; if it stays, tell the operator the X-Request-Id of this answer")
    }

    /// No living event has this id.
    pub fn unknown_event(event: &str) -> Self {
        let shown: String = event.chars().filter(|c| !c.is_control()).take(64).collect();
        Self::field(
            Slug::UnknownEvent,
            "event",
            format!("no event '{shown}' is known here; check the id with the operator"),
        )
    }

    /// The body: `application/problem+json`.
    pub fn body(&self) -> String {
        let (slug, status, title) = self.slug.row();
        let body = Body {
            r#type: format!("urn:ropeline:problem:{slug}"),
            title,
            status,
            detail: &self.detail,
            field: self.field.as_deref(),
            event_start_time: self.event_start_time.as_deref(),
            door: self.door.as_ref(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}
