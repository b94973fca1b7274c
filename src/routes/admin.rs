//! `/queue/admin/events`: events are created, read, changed, counted and purged by operators.
//!
//! The line has the last word about an event's settings: it checks `If-Match` and what is fixed, and tells the registry. Every
//! step of creation and purge can be repeated.

use ropeline_queue::settings::{Door, SettingsError};
use ropeline_queue::wire::{Configured, Phase, Stats};
use ropeline_queue::{EventId, LaneId, Settings, json};
use serde_json::{Map, Value};

use super::{Context, no_answer, read as read_answer};
use crate::assertions;
use crate::clock;
use crate::directory;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::keyring::Role;
use crate::objects::call::{Address, Message, lane_name};
use crate::objects::command::{Configuring, LaneCommand, LineCommand, RegistryCommand, Reservation};
use crate::objects::registry_do::salt_text;

/// How often a PATCH without `If-Match` is tried again when somebody else changes the event at the same time.
const PATCH_TRIES: usize = 3;

/// All living events with their settings.
pub async fn list(c: &Context) -> Result<Reply, Problem> {
    c.require(Role::Admin)?;
    let events = directory::all(&c.env).await.map_err(|error| no_answer(error, "registry"))?;
    let events: Vec<_> = events.iter().map(|event| body_of(&event.id, event.version, &event.settings)).collect();
    Ok(Reply::of(200, json::object(&[("events", &json::Raw(&json::list(&events)))])))
}

/// One event's full configuration, with its `ETag`.
pub async fn read(c: &Context, id: &str) -> Result<Reply, Problem> {
    c.require(Role::Admin)?;
    let event = parse(id)?;
    answer(&event, 200, &configured(c, &event).await?)
}

/// Creates an event or replaces its settings.
pub async fn put(c: &Context, id: &str) -> Result<Reply, Problem> {
    let by = c.require(Role::Admin)?;
    let event =
        EventId::parse(id).map_err(|error| Problem::field(Slug::MalformedRequest, "event", error.to_string()))?;
    let body = body(c, &event).await?;
    let settings = with(c, Settings::defaults(&event), &event, &body).await?;
    let if_match = if_match(c)?;
    let must_be_new = c.call.header("if-none-match").is_some_and(|tag| tag.trim() == "*");
    match reservation(c, &event).await? {
        Reservation::Live if must_be_new => {
            Err(Problem::new(Slug::PreconditionFailed, "the event exists; leave 'If-None-Match: *' out to change it"))
        }
        Reservation::Live => match configure(c, &event, settings, if_match.version(), &by).await? {
            Ok(configured) => answer(&event, 200, &configured),
            Err(current) => Err(changed(current)),
        },
        Reservation::Burying { .. } | Reservation::Gone => Err(Problem::field(
            Slug::Conflict,
            "event",
            "this id was used by an event that is gone; an id is never used twice, choose another",
        )),
        Reservation::Unknown | Reservation::Reserved if if_match != IfMatch::Absent => {
            Err(Problem::new(Slug::PreconditionFailed, "the event does not exist; leave 'If-Match' out to create it"))
        }
        Reservation::Unknown | Reservation::Reserved => create(c, &event, settings, by).await,
    }
}

/// Changes some settings (RFC 7396).
pub async fn patch(c: &Context, id: &str) -> Result<Reply, Problem> {
    let by = c.require(Role::Admin)?;
    let event = parse(id)?;
    let body = body(c, &event).await?;
    let if_match = if_match(c)?;
    for _ in 0..PATCH_TRIES {
        let Configured { version, settings } = configured(c, &event).await?;
        if let Some(wanted) = if_match.version().filter(|wanted| *wanted != version) {
            return Err(changed_from(wanted, version));
        }
        let settings = with(c, settings, &event, &body).await?;
        if let Ok(configured) = configure(c, &event, settings, Some(version), &by).await? {
            return answer(&event, 200, &configured);
        }
    }
    Err(Problem::new(Slug::PreconditionFailed, "others change this event at the same time; read it and try again"))
}

/// These settings with what the body says, where this deployment can do what they say.
async fn with(c: &Context, before: Settings, event: &EventId, body: &Map<String, Value>) -> Result<Settings, Problem> {
    let settings = before.with(event, body).map_err(refuse)?;
    if let Some(keys) = settings.visitor_keys.as_deref().filter(|_| body.contains_key("visitor_keys")) {
        assertions::try_keys(keys).await?;
    }
    if settings.door == Door::Turnstile && c.deployment.turnstile.is_none() {
        return Err(Problem::field(
            Slug::MalformedRequest,
            "door",
            "'door' needs ROPELINE_TURNSTILE_SITE_KEY and ROPELINE_TURNSTILE_SECRET in this Worker: deploy them first",
        ));
    }
    Ok(settings)
}

/// Counts for dashboards.
pub async fn stats(c: &Context, id: &str) -> Result<Reply, Problem> {
    c.require(Role::Admin)?;
    let event = c.event(id).await?;
    let stats = counts(c, &event.id).await?;
    let mut members: Map<String, Value> = json::read(&json::write(&stats)).map_err(Problem::internal)?;
    members.insert("updated_at".to_owned(), stats.updated_at.rfc3339().into());
    Ok(Reply::of(200, json::extended(&[("event", &event.id)], &json::write(&members))))
}

/// Purges an event: gives back all its storage and keeps its id from ever being used again.
pub async fn delete(c: &Context, id: &str) -> Result<Reply, Problem> {
    let by = c.require(Role::Admin)?;
    let event = parse(id)?;
    let force = c.call.query("force") == Some("true");
    let if_match = if_match(c)?;
    // A purge that was broken off goes on; a living event is looked at first.
    if let Some(event) = directory_has(c, &event).await? {
        if let Some(wanted) = if_match.version().filter(|wanted| *wanted != event.version) {
            return Err(changed_from(wanted, event.version));
        }
        if !force {
            let stats = counts(c, &event.id).await?;
            let unacked = stats.head_seq.saturating_sub(stats.acked_seq);
            let over = stats.phase == Phase::Ended;
            if !over || unacked > 0 {
                let phase = if over { "has ended" } else { "has not ended" };
                return Err(Problem::new(
                    Slug::Conflict,
                    format!(
                        "the event {phase}, and {unacked} of its admissions are not yet in Kafka; '?force=true' purges it nevertheless"
                    ),
                ));
            }
        }
    }
    let bury = RegistryCommand::Bury { event: event.clone(), by, forced: force };
    let Reservation::Burying { lanes } = registry(c, &bury).await? else {
        return Err(Problem::unknown_event(id));
    };
    for lane in 0..lanes {
        let name = lane_name(event.as_str(), LaneId(lane));
        c.ask(Address::lane(&name), Message::of(&LaneCommand::Purge)).await?;
    }
    c.ask(Address::line(event.as_str()), Message::of(&LineCommand::Purge)).await?;
    c.ask(Address::REGISTRY, Message::of(&RegistryCommand::Buried { event })).await?;
    // This isolate forgets it at once, the others within seconds.
    if let Err(error) = directory::refresh(&c.env).await {
        worker::console_warn!("admin: {error}");
    }
    Ok(Reply::empty(204))
}

async fn directory_has(c: &Context, event: &EventId) -> Result<Option<std::rc::Rc<directory::Event>>, Problem> {
    let events = directory::all(&c.env).await.map_err(|error| no_answer(error, "registry"))?;
    Ok(events.into_iter().find(|known| known.id == *event))
}

/// Reserves the id, makes lanes and line, and the line's telling sets the event live.
async fn create(c: &Context, event: &EventId, settings: Settings, by: String) -> Result<Reply, Problem> {
    // The line checks this, too; but nothing should be kept for an event that cannot be.
    settings.check_times(clock::now()).map_err(refuse)?;
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(Problem::internal)?;
    let reserve = RegistryCommand::Reserve { event: event.clone(), salt: salt_text(&salt), lanes: settings.lanes };
    if registry(c, &reserve).await? != Reservation::Reserved {
        return Err(Problem::new(
            Slug::Conflict,
            "somebody else creates or purges this event right now; read it and try again",
        ));
    }
    make_lanes(c, event, &settings).await?;
    let hint = settings.location_hint.clone();
    let line = Address::line(event.as_str()).near(hint.as_deref());
    let command = LineCommand::Create { event: event.clone(), settings, by };
    let configured = done(read_answer(c.ask(line, Message::of(&command)).await?)?)?.map_err(changed)?;
    // Known in this isolate at once, in the others as soon as one is asked for it.
    if let Err(error) = directory::refresh(&c.env).await {
        worker::console_warn!("admin: {error}");
    }
    answer(event, 201, &configured)
}

async fn make_lanes(c: &Context, event: &EventId, settings: &Settings) -> Result<(), Problem> {
    for lane in (0..settings.lanes).map(LaneId) {
        let name = lane_name(event.as_str(), lane);
        let address = Address::lane(&name).near(settings.location_hint.as_deref());
        let command = LaneCommand::Create { event: event.clone(), lane };
        c.ask(address, Message::of(&command)).await?;
    }
    Ok(())
}

/// The settings as they are then, or the version that is there instead of the caller's.
async fn configure(
    c: &Context,
    event: &EventId,
    settings: Settings,
    if_version: Option<u64>,
    by: &str,
) -> Result<Result<Configured, u64>, Problem> {
    if configured(c, event).await?.settings.lanes != settings.lanes {
        make_lanes(c, event, &settings).await?;
    }
    let command = LineCommand::Configure { settings, if_version, by: by.to_owned() };
    let made = done(read_answer(c.ask(Address::line(event.as_str()), Message::of(&command)).await?)?)?;
    if made.is_ok()
        && let Err(error) = directory::refresh(&c.env).await
    {
        worker::console_warn!("admin: {error}");
    }
    Ok(made)
}

fn done(made: Configuring) -> Result<Result<Configured, u64>, Problem> {
    match made {
        Configuring::Done { configured } => Ok(Ok(configured)),
        Configuring::Changed { current } => Ok(Err(current)),
        Configuring::Invalid { field, detail } => Err(Problem::field(Slug::MalformedRequest, &field, detail)),
        Configuring::Fixed { field, since } => Err(Problem::field(
            Slug::Conflict,
            &field,
            format!("'{field}' is fixed since {since}; leave it as it is, or make a new event"),
        )),
    }
}

async fn configured(c: &Context, event: &EventId) -> Result<Configured, Problem> {
    // The registry knows whether the id lives: no object is named for one that does not.
    match reservation(c, event).await? {
        Reservation::Live => {}
        _ => return Err(Problem::unknown_event(event.as_str())),
    }
    read_answer(c.ask(Address::line(event.as_str()), Message::of(&LineCommand::Configured)).await?)
}

async fn counts(c: &Context, event: &EventId) -> Result<Stats, Problem> {
    read_answer(c.ask(Address::line(event.as_str()), Message::of(&LineCommand::Stats)).await?)
}

/// What the registry makes of a command about one id.
async fn registry(c: &Context, command: &RegistryCommand) -> Result<Reservation, Problem> {
    read_answer(c.ask(Address::REGISTRY, Message::of(command)).await?)
}

/// What the registry knows of an id.
pub async fn reservation(c: &Context, event: &EventId) -> Result<Reservation, Problem> {
    registry(c, &RegistryCommand::Find { event: event.clone() }).await
}

/// The id of a path; one that no event can have is unknown.
pub fn parse(id: &str) -> Result<EventId, Problem> {
    EventId::parse(id).map_err(|_| Problem::unknown_event(id))
}

/// The settings of the body. What was read can be written back: `event` and `config_version` are taken if they fit.
async fn body(c: &Context, event: &EventId) -> Result<Map<String, Value>, Problem> {
    let mut body = c.call.object(false).await?;
    if body.remove("event").is_some_and(|named| named != event.as_str()) {
        return Err(Problem::field(
            Slug::MalformedRequest,
            "event",
            "'event' must be the id of the path, or be left out",
        ));
    }
    body.remove("config_version");
    Ok(body)
}

fn refuse(error: SettingsError) -> Problem {
    let slug = match error {
        SettingsError::Unknown { .. } => Slug::UnknownField,
        _ => Slug::MalformedRequest,
    };
    Problem::field(slug, error.field(), error.to_string())
}

/// What `If-Match` asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing.
    Absent,
    /// That there is something.
    Any,
    /// This version.
    Version(u64),
}

impl IfMatch {
    /// The version, where it is one.
    pub const fn version(self) -> Option<u64> {
        match self {
            Self::Version(version) => Some(version),
            _ => None,
        }
    }
}

/// Reads `If-Match`.
pub fn if_match(c: &Context) -> Result<IfMatch, Problem> {
    let Some(tag) = c.call.header("if-match") else { return Ok(IfMatch::Absent) };
    if tag.trim() == "*" {
        return Ok(IfMatch::Any);
    }
    let version =
        tag.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    let unknown = || {
        Problem::new(
            Slug::PreconditionFailed,
            "'If-Match' is not an ETag that there ever was here; read it and try again",
        )
    };
    version.map(IfMatch::Version).ok_or_else(unknown)
}

fn changed(current: u64) -> Problem {
    Problem::new(
        Slug::PreconditionFailed,
        format!("the event is at version \"{current}\" by now; read it and try again"),
    )
}

fn changed_from(wanted: u64, current: u64) -> Problem {
    Problem::new(
        Slug::PreconditionFailed,
        format!("the event is at version \"{current}\", not \"{wanted}\"; read it and try again"),
    )
}

fn answer(event: &EventId, status: u16, configured: &Configured) -> Result<Reply, Problem> {
    let Configured { version, settings } = configured;
    Ok(Reply::of(status, body_of(event, *version, settings)).with("etag", format!("\"{version}\"")))
}

fn body_of(event: &EventId, version: u64, settings: &Settings) -> String {
    json::extended(&[("event", event), ("config_version", &version)], &json::write(settings))
}
