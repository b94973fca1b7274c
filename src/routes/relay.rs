//! What a relay calls: lease, drain and ack of an event's admission log; and the brake, with which it slows an event down.

use ropeline_queue::json::{self, FromJson as _};
use ropeline_queue::line::log::{Ack, Drain, MAX_DRAIN, Replay};
use ropeline_queue::wire::BrakeCause;
use ropeline_queue::{Epoch, EventId, Seq};

use super::{Context, no_answer, read};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::Fields;
use crate::keyring::Role;
use crate::objects::call::{Address, Message};
use crate::objects::command::{LineCommand, RegistryCommand, Undone, read_log};

/// The longest name a relay may give itself, and the longest topic.
const MAX_TEXT: usize = 249;

/// Which events have entries that are not acked.
pub async fn events(c: &Context) -> Result<Reply, Problem> {
    c.require(Role::Relay)?;
    let busy: Vec<EventId> = read(c.ask(Address::REGISTRY, Message::of(&RegistryCommand::ListBusy)).await?)?;
    let events: Vec<_> = busy.iter().map(|event| json::object(&[("event", event)])).collect();
    Ok(Reply::of(200, json::object(&[("events", &json::Raw(&json::list(&events)))])))
}

/// How far the relay of an event is.
pub async fn state(c: &Context, id: &str) -> Result<Reply, Problem> {
    c.require(Role::Relay)?;
    let event = c.event(id).await?;
    let answer = c.ask(Address::line(event.id.as_str()), Message::of(&LineCommand::LogState)).await?;
    Ok(Reply::of(200, answer.0))
}

/// Makes the caller the one relay of an event; with `replay_from` what is sent next begins there.
pub async fn lease(c: &Context) -> Result<Reply, Problem> {
    let by = c.require(Role::Relay)?;
    let mut fields = c.fields().await?;
    let (event, relay) = (fields.text("event")?, bounded(&mut fields, "relay")?);
    let relay = relay.ok_or_else(|| missing("relay", "name this process, by chance"))?;
    let command = match fields.maybe_integer("replay_from")? {
        None => LineCommand::Lease { relay },
        Some(from) => {
            let topic = bounded(&mut fields, "topic")?.ok_or_else(|| missing("topic", "say where the entries go"))?;
            let partition = i32::try_from(fields.integer("partition")?).map_err(|_| wrong("partition"))?;
            let next_offset = i64::try_from(fields.integer("next_offset")?).map_err(|_| wrong("next_offset"))?;
            LineCommand::Replay { relay, replay: Replay { from: Seq(from), topic, partition, next_offset }, by }
        }
    };
    fields.done()?;
    Ok(Reply::of(200, ask(c, &event, &command).await?))
}

/// Keeps the lease.
pub async fn renew(c: &Context) -> Result<Reply, Problem> {
    let (event, epoch) = event_and_epoch(c).await?;
    let lease_ms = ask(c, &event, &LineCommand::RenewLease { epoch }).await?;
    Ok(Reply::of(200, json::object(&[("lease_ms", &json::Raw(&lease_ms))])))
}

/// Gives the lease back.
pub async fn release(c: &Context) -> Result<Reply, Problem> {
    let (event, epoch) = event_and_epoch(c).await?;
    ask(c, &event, &LineCommand::ReleaseLease { epoch }).await?;
    Ok(Reply::empty(204))
}

/// Entries after a `seq`, each byte for byte the value of its record.
pub async fn drain(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Relay).await?;
    let event = fields.text("event")?;
    let partition = fields.maybe_integer("partition")?;
    let next_offset = fields.maybe_integer("next_offset")?;
    let ack = match fields.maybe_object("ack")? {
        None => None,
        Some(mut inner) => {
            let ack = read_ack(&mut inner)?;
            inner.done()?;
            Some(ack)
        }
    };
    let drain = Drain {
        epoch: Epoch(fields.integer("epoch")?),
        after: Seq(fields.integer("after")?),
        limit: usize::try_from(fields.maybe_integer("limit")?.unwrap_or(MAX_DRAIN as u64)).unwrap_or(MAX_DRAIN),
        topic: bounded(&mut fields, "topic")?,
        partition: partition.map(i32::try_from).transpose().map_err(|_| wrong("partition"))?,
        next_offset: next_offset.map(i64::try_from).transpose().map_err(|_| wrong("next_offset"))?,
        ack,
    };
    fields.done()?;
    Ok(Reply::of(200, ask(c, &event, &LineCommand::Drain(drain)).await?))
}

/// Everything up to a `seq` is in Kafka.
pub async fn ack(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Relay).await?;
    let (event, epoch) = (fields.text("event")?, Epoch(fields.integer("epoch")?));
    let ack = read_ack(&mut fields)?;
    fields.done()?;
    ask(c, &event, &LineCommand::Ack { epoch, ack }).await?;
    Ok(Reply::empty(204))
}

/// Halves how many an event lets in, for a quarter of a minute; then it opens again step by step.
pub async fn brake(c: &Context) -> Result<Reply, Problem> {
    let by = c.require(Role::Relay)?;
    let mut fields = c.fields().await?;
    let (id, cause) = (fields.text("event")?, fields.text("cause")?);
    fields.done()?;
    let cause = BrakeCause::from_json(&mut cause.into())
        .map_err(|_| Problem::field(Slug::MalformedRequest, "cause", "'cause' must be \"canary\" or \"lag\""))?;
    let event = c.event(&id).await?;
    let command = LineCommand::Brake { cause, by };
    let answer = c.ask(Address::line(event.id.as_str()), Message::of(&command)).await?;
    let percent: u64 = read(answer)?;
    Ok(Reply::of(200, json::object(&[("event", &event.id), ("percent", &percent)])))
}

async fn event_and_epoch(c: &Context) -> Result<(String, Epoch), Problem> {
    let mut fields = c.fields_for(Role::Relay).await?;
    let both = (fields.text("event")?, Epoch(fields.integer("epoch")?));
    fields.done()?;
    Ok(both)
}

fn read_ack(fields: &mut Fields) -> Result<Ack, Problem> {
    let seq = Seq(fields.integer("seq")?);
    let next_offset = i64::try_from(fields.integer("next_offset")?).map_err(|_| wrong("next_offset"))?;
    Ok(Ack { seq, next_offset })
}

fn bounded(fields: &mut Fields, name: &str) -> Result<Option<String>, Problem> {
    let text = fields.maybe_text(name)?;
    if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > MAX_TEXT) {
        return Err(Problem::field(Slug::MalformedRequest, name, format!("'{name}' must have 1 to {MAX_TEXT} bytes")));
    }
    Ok(text)
}

fn missing(name: &str, what: &str) -> Problem {
    Problem::field(Slug::MalformedRequest, name, format!("'{name}' is missing: {what}"))
}

fn wrong(name: &str) -> Problem {
    Problem::field(Slug::MalformedRequest, name, format!("'{name}' is too large"))
}

/// The line's answer, as JSON.
async fn ask(c: &Context, id: &str, command: &LineCommand) -> Result<String, Problem> {
    let event = c.event(id).await?;
    let answer = c.ask(Address::line(event.id.as_str()), Message::of(command)).await?;
    read_log(&answer.0).map_err(|error| no_answer(error.into(), id))?.map_err(refuse)
}

fn refuse(undone: Undone) -> Problem {
    match undone {
        Undone::Held { for_ms } => Problem::retry(
            Slug::LeaseHeld,
            for_ms.div_ceil(1_000).max(1),
            "another relay works on this event; stand by and ask again",
        ),
        Undone::StaleEpoch => {
            Problem::new(Slug::StaleEpoch, "this lease is over; stop producing for this event, then take a new lease")
        }
        Undone::Conflict { detail } => Problem::new(Slug::Conflict, detail),
    }
}
