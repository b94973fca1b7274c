//! What an operator asks about one visitor or one event after the fact: a visitor's history, the end of a session, and who did what.

use ropeline_queue::line::history::{History, PastAdmission, Which};
use ropeline_queue::line::{OverBy, Why};
use ropeline_queue::place::State;
use ropeline_queue::{EventId, LaneId, Number, Position, Seq, UnixMillis, json};
use serde::Serialize;
use serde_json::{Map, Value};

use super::admin::{parse, reservation};
use super::origin::admission_of;
use super::{Context, read};
use crate::directory::Event;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::keyring::Role;
use crate::objects::call::{Address, Message, lane_name};
use crate::objects::command::{
    AuditRow, Burial, LaneCommand, LineCommand, RegistryCommand, Reservation, StoredVisitor,
};

/// One visitor's history.
#[derive(Serialize)]
struct HistoryBody<'a> {
    event: &'a EventId,
    number: Number,
    position: Option<Position>,
    state: State,
    entered_at: Option<String>,
    called_at: Option<String>,
    gone: Option<Gone>,
    admission: Option<AdmissionBody>,
}

/// Why there is no such place any more.
#[derive(Serialize)]
struct Gone {
    why: Why,
    at: Option<String>,
}

#[derive(Serialize)]
struct AdmissionBody {
    seq: Seq,
    jti: Value,
    admitted_at: Value,
    session_expires_at: String,
    release_at: String,
    over_at: Option<String>,
    over_by: Option<OverBy>,
    redeemed: bool,
}

/// What became of one number; 404 for one that was never given.
pub async fn visitor(c: &Context, id: &str, number: &str) -> Result<Reply, Problem> {
    c.require(Role::Admin)?;
    let event = c.event(id).await?;
    let unknown = || {
        Problem::new(
            Slug::NotFound,
            "this number was never given in this event; 'last_number' of the board is the last",
        )
    };
    let number = number.parse().map(Number).map_err(|_| unknown())?;
    let line = Address::line(event.id.as_str());
    let answer = c.ask(line, Message::of(&LineCommand::History { number })).await?;
    let history = read::<Option<History>>(answer)?.ok_or_else(unknown)?;
    let record: Map<String, Value> =
        history.admission.as_ref().and_then(|past| json::read(&past.record).ok()).unwrap_or_default();
    // The log has it of the admitted; of the others their lane does.
    let entered_at = match record.get("entered_at").and_then(Value::as_str) {
        Some(at) => Some(at.to_owned()),
        None => entered_at(c, &event, number).await?,
    };
    let body = HistoryBody {
        event: &event.id,
        number,
        position: history.position,
        state: history.state,
        entered_at,
        called_at: history.called_at.map(UnixMillis::rfc3339),
        gone: history.gone.map(|why| Gone { why, at: history.gone_at.map(UnixMillis::rfc3339) }),
        admission: history.admission.map(|past| admission(past, &record)),
    };
    Ok(Reply::json(200, &body))
}

fn admission(past: PastAdmission, record: &Map<String, Value>) -> AdmissionBody {
    let recorded = |field: &str| record.get(field).cloned().unwrap_or_default();
    AdmissionBody {
        seq: past.seq,
        jti: recorded("jti"),
        admitted_at: recorded("admitted_at"),
        session_expires_at: past.session_expires_at.rfc3339(),
        release_at: past.release_at.rfc3339(),
        over_at: past.over_at.map(UnixMillis::rfc3339),
        over_by: past.over_by,
        redeemed: past.redeemed,
    }
}

/// Only the lane that gave a number knows when, and only until its visitor has taken another one.
async fn entered_at(c: &Context, event: &Event, number: Number) -> Result<Option<String>, Problem> {
    for lane in (0..event.settings.lanes).map(LaneId) {
        let name = lane_name(event.id.as_str(), lane);
        let answer = c.ask(Address::lane(&name), Message::of(&LaneCommand::Find { number })).await?;
        if let Some(visitor) = read::<Option<StoredVisitor>>(answer)? {
            return Ok(Some(visitor.entered_at.rfc3339()));
        }
    }
    Ok(None)
}

/// Throws one out: claim and renew are refused at once, the slot is free once no verifier takes the pass any more.
pub async fn end_session(c: &Context, id: &str) -> Result<Reply, Problem> {
    let by = c.require(Role::Admin)?;
    let mut fields = c.fields().await?;
    let (number, jti) = (fields.maybe_integer("number")?, fields.maybe_text("jti")?);
    fields.done()?;
    let event = c.event(id).await?;
    let which = match (number, jti) {
        (Some(number), None) => Which::Number(Number(number)),
        (None, Some(jti)) => Which::Seq(admission_of(&event, &jti)?),
        _ => {
            return Err(Problem::new(
                Slug::MalformedRequest,
                "say whose session: either 'number', or 'jti' of its pass",
            ));
        }
    };
    let command = LineCommand::EndSession { which, by };
    match read::<Option<Seq>>(c.ask(Address::line(event.id.as_str()), Message::of(&command)).await?)? {
        Some(_) => Ok(Reply::empty(204)),
        None => Err(Problem::new(
            Slug::NotFound,
            "there is no such session: this place was not admitted; its history says what it is",
        )),
    }
}

/// Who did what with a key, newest first; of a purged event, who purged it.
pub async fn audit(c: &Context, id: &str) -> Result<Reply, Problem> {
    c.require(Role::Admin)?;
    let event = parse(id)?;
    let entries: Vec<AuditRow> = match reservation(c, &event).await? {
        Reservation::Live => read(c.ask(Address::line(event.as_str()), Message::of(&LineCommand::Audit)).await?)?,
        Reservation::Burying { .. } | Reservation::Gone => {
            let command = RegistryCommand::Burial { event: event.clone() };
            let burial: Option<Burial> = read(c.ask(Address::REGISTRY, Message::of(&command)).await?)?;
            burial.into_iter().map(purged).collect()
        }
        Reservation::Unknown | Reservation::Reserved => return Err(Problem::unknown_event(id)),
    };
    let entry = |AuditRow { at, by, action, detail }: &AuditRow| {
        json::object(&[("at", &at.rfc3339()), ("by", by), ("action", action), ("detail", detail)])
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    Ok(Reply::of(200, json::object(&[("event", &event), ("entries", &json::Raw(&json::list(&entries)))])))
}

fn purged(burial: Burial) -> AuditRow {
    let Burial { at, by, forced } = burial;
    AuditRow {
        at,
        by,
        action: "purge".to_owned(),
        detail: Value::Object([("forced".to_owned(), forced.into())].into_iter().collect()),
    }
}
