//! What a relay calls: lease, drain and ack of an event's admission log.

use ropeline_queue::line::log::{Ack, Drain, MAX_DRAIN};
use ropeline_queue::{Epoch, EventId, Seq};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Context, no_answer};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::Fields;
use crate::keyring::Role;
use crate::objects::call::{Address, call};
use crate::objects::command::{DrainedEntries, LeaseAnswer, LineCommand, Log, RegistryCommand};

/// The longest name a relay may give itself, and the longest topic.
const MAX_TEXT: usize = 249;

/// Which events have entries that are not acked.
pub async fn events(c: &Context) -> Result<Reply, Problem> {
    c.require(Role::Relay)?;
    let busy = call::<Vec<EventId>>(&c.env, Address::REGISTRY, &RegistryCommand::ListBusy).await;
    let busy = busy.map_err(|error| no_answer(error, "registry"))?;
    let events: Vec<_> = busy.into_iter().map(|event| json!({ "event": event })).collect();
    Reply::json(200, &json!({ "events": events }))
}

/// Makes the caller the one relay of an event.
pub async fn lease(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Relay).await?;
    let (event, relay) = (fields.text("event")?, bounded(&mut fields, "relay")?);
    fields.done()?;
    let relay = relay.ok_or_else(|| {
        Problem::field(Slug::MalformedRequest, "relay", "'relay' is missing: name this process, by chance")
    })?;
    let answer: LeaseAnswer = ask(c, &event, &LineCommand::Lease { relay }).await?;
    Reply::json(200, &done(answer)?)
}

/// Keeps the lease.
pub async fn renew(c: &Context) -> Result<Reply, Problem> {
    let (event, epoch) = event_and_epoch(c).await?;
    let lease_ms: u64 = done(ask(c, &event, &LineCommand::RenewLease { epoch }).await?)?;
    Reply::json(200, &json!({ "lease_ms": lease_ms }))
}

/// Gives the lease back.
pub async fn release(c: &Context) -> Result<Reply, Problem> {
    let (event, epoch) = event_and_epoch(c).await?;
    done::<()>(ask(c, &event, &LineCommand::ReleaseLease { epoch }).await?)?;
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
    let drained: DrainedEntries = done(ask(c, &event, &LineCommand::Drain(drain)).await?)?;
    Reply::json(200, &drained)
}

/// Everything up to a `seq` is in Kafka.
pub async fn ack(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Relay).await?;
    let (event, epoch) = (fields.text("event")?, Epoch(fields.integer("epoch")?));
    let ack = read_ack(&mut fields)?;
    fields.done()?;
    done::<()>(ask(c, &event, &LineCommand::Ack { epoch, ack }).await?)?;
    Ok(Reply::empty(204))
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

fn wrong(name: &str) -> Problem {
    Problem::field(Slug::MalformedRequest, name, format!("'{name}' is too large"))
}

async fn ask<T: DeserializeOwned>(c: &Context, id: &str, command: &LineCommand) -> Result<Log<T>, Problem> {
    let event = c.event(id).await?;
    let answer = call(&c.env, Address::line(event.id.as_str()), command).await;
    answer.map_err(|error| no_answer(error, event.id.as_str()))
}

fn done<T>(log: Log<T>) -> Result<T, Problem> {
    match log {
        Log::Done { answer } => Ok(answer),
        Log::Held { for_ms } => Err(Problem::retry(
            Slug::LeaseHeld,
            for_ms.div_ceil(1_000).max(1),
            "another relay works on this event; stand by and ask again",
        )),
        Log::StaleEpoch => Err(Problem::new(
            Slug::StaleEpoch,
            "this lease is over; stop producing for this event, then take a new lease",
        )),
        Log::Conflict { detail } => Err(Problem::new(Slug::Conflict, detail)),
    }
}
