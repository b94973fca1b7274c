//! What the shop behind the line calls: `GET /queue/verify` and `POST /queue/complete`.

use ropeline_queue::{LaneId, Seq};
use ropeline_ticket::claims::{Admission, parse_pass_jti};

use super::{Context, no_answer};
use crate::credentials;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::keyring::Role;
use crate::objects::call::{Address, call, lane_name};
use crate::objects::command::{Asked, LaneCommand};

/// 204 with the pass' subject, and number and seq unless it came without a queue; 401; 403; nothing else, since gateways take anything else for an error of theirs.
pub async fn verify(c: &Context) -> Result<Reply, Problem> {
    check(c).await.map_err(|problem| match problem.slug.status() {
        401 | 403 => problem,
        _ => problem.said_as(Slug::Forbidden),
    })
}

async fn check(c: &Context) -> Result<Reply, Problem> {
    let named = c.call.query("event").map(str::to_owned).or_else(|| credentials::event_of_bearer(&c.call));
    let id = named
        .ok_or_else(|| Problem::field(Slug::TicketMissing, "event", "send a pass, and say which event: ?event=…"))?;
    let event = c.event(&id).await?;
    let pass = credentials::pass(&c.deployment, &c.call, &event, true).await?;
    let reply = Reply::empty(204);
    let reply = match pass.admission() {
        Some(Admission { num, seq }) => {
            reply.with("ropeline-number", num.to_string()).with("ropeline-seq", seq.to_string())
        }
        None => reply,
    };
    Ok(reply.with("ropeline-subject", pass.sub))
}

/// The origin honours this `jti` no more: its slot is free at once. 204, also when repeated or unknown.
pub async fn complete(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Origin).await?;
    let (id, jti) = (fields.text("event")?, fields.text("jti")?);
    fields.done()?;
    let event = c.event(&id).await?;
    let (of, seq) = parse_pass_jti(&jti).ok_or_else(|| {
        Problem::field(Slug::MalformedRequest, "jti", "'jti' must be the one of a pass: {event}/{seq}")
    })?;
    if of != event.id.as_str() {
        return Err(Problem::field(Slug::WrongEvent, "jti", "this 'jti' is of another event; name that event"));
    }
    let lane = LaneId((seq % u64::from(event.settings.lanes.max(1))) as u16);
    let name = lane_name(event.id.as_str(), lane);
    let command = LaneCommand::Complete { seq: Seq(seq) };
    let asked = call::<Asked>(&c.env, Address::lane(&name), &command).await;
    asked.map_err(|error| no_answer(error, event.id.as_str()))?;
    Ok(Reply::empty(204))
}
