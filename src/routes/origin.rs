//! What the shop behind the line calls: `GET /queue/verify`, `POST /queue/complete`, `/queue/redeem` and `/queue/pace`.

use ropeline_queue::line::Paced;
use ropeline_queue::wire::OpAnswer;
use ropeline_queue::{LaneId, Seq, json};
use ropeline_ticket::claims::{Admission, parse_pass_jti};
use serde_json::Value;

use super::{Context, read};
use crate::credentials;
use crate::directory::Event;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::text;
use crate::keyring::Role;
use crate::objects::call::{Address, Message, lane_name};
use crate::objects::command::{Asked, LaneCommand, LineCommand, Pace};

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
    Ok(reply.with("ropeline-subject", text::encoded(&pass.sub)))
}

/// The origin honours this `jti` no more: its slot is free at once. 204, also when repeated or unknown.
pub async fn complete(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Origin).await?;
    let (id, jti) = (fields.text("event")?, fields.text("jti")?);
    fields.done()?;
    let event = c.event(&id).await?;
    let seq = admission_of(&event, &jti)?;
    ask(c, &event, seq, &LaneCommand::Complete { seq }).await?;
    Ok(Reply::empty(204))
}

/// Single use of a pass: whether this is the first time, and the session was not over.
pub async fn redeem(c: &Context) -> Result<Reply, Problem> {
    let mut fields = c.fields_for(Role::Origin).await?;
    let (id, pass) = (fields.text("event")?, fields.text("pass")?);
    fields.done()?;
    let event = c.event(&id).await?;
    let named = |problem: Problem| problem.of_field("pass");
    let pass = credentials::check_pass(&c.deployment, &event, &pass).await.map_err(named)?;
    let Some(Admission { seq, .. }) = pass.admission() else {
        return Err(named(Problem::new(
            Slug::Forbidden,
            "this pass was given while no queue was in force and stands for no admission: there is nothing to redeem; keep its 'jti' yourself",
        )));
    };
    let seq = Seq(seq);
    match ask(c, &event, seq, &LaneCommand::Redeem { seq }).await? {
        Asked::Answer { answer: OpAnswer::Redeemed { first }, .. } => {
            Ok(Reply::of(200, json::object(&[("first", &first)])))
        }
        _ => Err(Problem::overloaded()),
    }
}

/// Slows the line down, never beyond what is configured, or tells all that it is sold out.
pub async fn pace(c: &Context) -> Result<Reply, Problem> {
    let by = c.require(Role::Origin)?;
    let mut fields = c.fields().await?;
    let id = fields.text("event")?;
    // Here null says something: as configured.
    let named = fields.0.contains_key("new_users_per_minute");
    let limit = fields.maybe_integer("new_users_per_minute")?;
    let pace = named.then(|| limit.map_or(Pace::Lifted, Pace::AtMost));
    let sold_out = match fields.0.remove("sold_out") {
        None => None,
        Some(Value::Bool(flag)) => Some(flag),
        Some(_) => {
            return Err(Problem::field(Slug::MalformedRequest, "sold_out", "'sold_out' must be true or false"));
        }
    };
    fields.done()?;
    if pace.is_none() && sold_out.is_none() {
        return Err(Problem::new(
            Slug::MalformedRequest,
            "say what to change: 'new_users_per_minute' (0 pauses, null lifts), 'sold_out', or both",
        ));
    }
    let event = c.event(&id).await?;
    let command = LineCommand::Pace { pace, sold_out, by };
    let answer = c.ask(Address::line(event.id.as_str()), Message::of(&command)).await?;
    let Paced { pace, in_force, sold_out } = read(answer)?;
    let body = json::object(&[
        ("event", &event.id),
        ("new_users_per_minute", &pace),
        ("sold_out", &sold_out),
        ("in_force_per_minute", &in_force),
    ]);
    Ok(Reply::of(200, body))
}

/// The admission that a pass' `jti` names, if it is one of this event.
pub fn admission_of(event: &Event, jti: &str) -> Result<Seq, Problem> {
    let (of, seq) = parse_pass_jti(jti).ok_or_else(|| {
        Problem::field(Slug::MalformedRequest, "jti", "'jti' must be the one of a pass that was claimed: {event}/{seq}")
    })?;
    if of != event.id.as_str() {
        return Err(Problem::field(Slug::WrongEvent, "jti", "this 'jti' is of another event; name that event"));
    }
    Ok(Seq(seq))
}

/// Asks the line, through one of its lanes.
async fn ask(c: &Context, event: &Event, seq: Seq, command: &LaneCommand) -> Result<Asked, Problem> {
    let lane = LaneId((seq.get() % u64::from(event.settings.lanes.max(1))) as u16);
    let name = lane_name(event.id.as_str(), lane);
    read(c.ask(Address::lane(&name), Message::of(command)).await?)
}
