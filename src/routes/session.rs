//! `POST /queue/claim`, `/queue/renew`, `/queue/leave`: what the holder of a place may do with it.

use std::rc::Rc;

use ropeline_queue::wire::OpAnswer;
use ropeline_queue::{Number, Subject, Visitor};

use super::enter::event_ended;
use super::places::{Answer, Shown};
use super::{Context, read};
use crate::boards::{self, Copy};
use crate::credentials::{self, Holder};
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::Fields;
use crate::objects::call::{Address, Message, lane_name};
use crate::objects::command::{Asked, LaneCommand};

/// 200 admitted with a pass; 202 called, ask again; 409 not your turn; 410 over. Where no queue is in force: 200 with a pass.
pub async fn claim(c: &Context) -> Result<Reply, Problem> {
    let (event, holder) = holder(c).await?;
    claim_of(c, &event, &holder).await
}

/// The claim of this holder.
pub async fn claim_of(c: &Context, event: &Event, holder: &Holder) -> Result<Reply, Problem> {
    let Holder { visitor: Visitor { sub, account }, number, .. } = holder;
    let (sub, number, account) = (*sub, *number, account.clone());
    match ask(c, event, sub, LaneCommand::Claim { sub, account, number }).await? {
        (answer @ (OpAnswer::Waiting | OpAnswer::Called), in_ms) => {
            not_admitted(c, event, holder, answer, in_ms, 202).await
        }
        (answer, _) => settled(c, event, holder, answer).await,
    }
}

/// 200 with a new pass, as long as the session lasts.
pub async fn renew(c: &Context) -> Result<Reply, Problem> {
    let (event, holder) = holder(c).await?;
    match renewed(c, &event, holder.visitor.sub, holder.number).await? {
        OpAnswer::Waiting | OpAnswer::Called => not_admitted(c, &event, &holder, OpAnswer::Waiting, None, 200).await,
        OpAnswer::RenewalDisabled => Err(Problem::new(
            Slug::Forbidden,
            "sessions of this event cannot be renewed; finish before session_expires_at",
        )),
        answer => settled(c, &event, &holder, answer).await,
    }
}

/// 204, also when repeated.
pub async fn leave(c: &Context) -> Result<Reply, Problem> {
    let (event, holder) = holder(c).await?;
    leave_of(c, &event, &holder).await
}

/// The leave of this holder.
pub async fn leave_of(c: &Context, event: &Event, holder: &Holder) -> Result<Reply, Problem> {
    let (sub, number) = (holder.visitor.sub, holder.number);
    match ask(c, event, sub, LaneCommand::Leave { sub, number }).await {
        Ok(_) => {}
        // The visitor has another place by now: this one is over.
        Err(problem) if problem.slug == Slug::PlaceLeft => {}
        Err(problem) => return Err(problem),
    }
    let reply = Reply::empty(204);
    if holder.by_cookie {
        return Ok(reply.cookie(cookies::set(&c.deployment, Purpose::Pass, event.id.as_str(), "", 0)));
    }
    Ok(reply)
}

/// The event and the proven holder of a place in it.
async fn holder(c: &Context) -> Result<(Rc<Event>, Holder), Problem> {
    let mut fields = Fields(c.call.object(true).await?);
    let event = fields.maybe_text("event")?;
    fields.done()?;
    let Some(id) = event.or_else(|| credentials::event_of_bearer(&c.call)) else {
        return Err(if c.call.bearer().is_some() {
            Problem::new(Slug::TicketInvalid, "the bearer is no ticket; use the one that enter gave")
        } else {
            Problem::field(Slug::MalformedRequest, "event", "say which event: {\"event\": \"…\"}")
        });
    };
    let event = c.event(&id).await?;
    let holder = credentials::holder(&c.deployment, &c.call, &event).await?;
    Ok((event, holder))
}

/// What the line says, and for a called place in how many milliseconds there will be room, where that is soon.
type Told = (OpAnswer, Option<u64>);

/// What the line says to a renewal.
pub async fn renewed(c: &Context, event: &Event, sub: Subject, number: Number) -> Result<OpAnswer, Problem> {
    Ok(ask(c, event, sub, LaneCommand::Renew { sub, number }).await?.0)
}

async fn ask(c: &Context, event: &Event, sub: Subject, command: LaneCommand) -> Result<Told, Problem> {
    let name = lane_name(event.id.as_str(), sub.lane(event.settings.lanes));
    match read(c.ask(Address::lane(&name), Message::of(&command)).await?)? {
        Asked::Answer { answer, in_ms } => Ok((answer, in_ms)),
        Asked::Unknown => Err(place_left()),
    }
}

/// A place whose holder was not let in: passes where no queue is in force.
async fn not_admitted(
    c: &Context,
    event: &Event,
    holder: &Holder,
    answer: OpAnswer,
    in_ms: Option<u64>,
    status: u16,
) -> Result<Reply, Problem> {
    let board = boards::get(&c.env, event).await?;
    let mut place = shown(c, event, holder, &board);
    if place.passes() {
        place.pass_through(holder.visitor.to_string()).await?;
        return place.reply(200);
    }
    if answer == OpAnswer::Waiting {
        return Err(not_your_turn());
    }
    place.said(answer, &holder.visitor).await?;
    if let Some(in_ms) = in_ms {
        place.turn_comes(in_ms);
    }
    place.reply(status)
}

async fn settled(c: &Context, event: &Event, holder: &Holder, answer: OpAnswer) -> Result<Reply, Problem> {
    match answer {
        OpAnswer::Left => Err(place_left()),
        OpAnswer::Admitted { .. } => {
            let board = boards::get(&c.env, event).await?;
            let mut place = shown(c, event, holder, &board);
            place.said(answer, &holder.visitor).await?;
            place.reply(200)
        }
        OpAnswer::SoldOut => Err(Problem::new(
            Slug::SoldOut,
            "it is sold out and nobody is let in; your place is kept: ask status whether something comes back",
        )),
        OpAnswer::EventEnded => Err(event_ended()),
        _ => Err(Problem::new(
            Slug::SessionEnded,
            "the session is over; enter with \"again\": true takes a new place at the end of the line",
        )),
    }
}

fn shown<'a>(c: &'a Context, event: &'a Event, holder: &Holder, board: &'a Copy) -> Answer<'a> {
    let shown = Shown { number: holder.number, position: holder.position, seen: 0 };
    let mut place = Answer::new(c, event, board, shown, holder.by_cookie);
    place.keeps_ticket(holder.ticket_exp);
    place
}

fn not_your_turn() -> Problem {
    Problem::retry(Slug::NotYourTurn, 2, "wait until status says 'called'; your place is kept")
}

fn place_left() -> Problem {
    Problem::new(
        Slug::PlaceLeft,
        "this place is over; enter with \"again\": true takes a new one at the end of the line",
    )
}
