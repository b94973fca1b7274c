//! `POST /queue/enter`: takes a place, or finds the one this visitor has.

use ropeline_queue::wire::{OpAnswer, Refusal};

use super::places::{Answer, Shown};
use super::{Context, no_answer};
use crate::boards;
use crate::credentials;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::Fields;
use crate::objects::call::{Address, call, lane_name};
use crate::objects::command::{Entered, LaneCommand};

/// 201 new, 200 the same place again.
pub async fn enter(c: &Context) -> Result<Reply, Problem> {
    let mut fields = Fields(c.call.object(false).await?);
    let event = fields.text("event")?;
    let visitor = fields.maybe_text("visitor")?;
    let (claim, again) = (fields.flag("claim")?, fields.flag("again")?);
    fields.later("assertion")?;
    fields.later("door_token")?;
    fields.done()?;
    let event = c.event(&event).await?;
    let key = match visitor {
        Some(key) => key,
        None => credentials::visitor_key(&c.deployment, &c.call, event.id.as_str())?,
    };
    let sub = credentials::subject(&event, &key)?;
    let lanes = event.settings.lanes;
    let name = lane_name(event.id.as_str(), sub.lane(lanes));
    let command = LaneCommand::Enter { sub, lanes, claim, again };
    let entered = call::<Entered>(&c.env, Address::lane(&name), &command).await;
    let (number, new, state, commitment) = match entered.map_err(|error| no_answer(error, event.id.as_str()))? {
        Entered::Place { number, new, state, commitment } => (number, new, state, commitment),
        Entered::Refused { reason } => return Err(refused(reason)),
    };
    let board = boards::get(&c.env, &event).await?;
    let mut answer = Answer::new(c, &event, &board, Shown { number, position: None, seen: 0 }, takes_cookies(c));
    answer.said(state, sub).await?;
    // Also for a place that is over: the ticket is what tells so, and asks for a new one.
    let commitment = commitment.or_else(|| board.board.commitment().map(str::to_owned));
    answer.new_ticket(sub.to_string(), commitment).await?;
    let status = if new && state != OpAnswer::Left { 201 } else { 200 };
    answer.reply(status)
}

fn refused(reason: Refusal) -> Problem {
    match reason {
        Refusal::Moved => Problem::overloaded(),
        Refusal::LineFull { .. } => {
            Problem::retry(Slug::LineFull, 30, "all places are taken; ask again later, some may become free")
        }
        Refusal::NotOpen { .. } => Problem::retry(Slug::NotOpenYet, 30, "places are given later"),
        Refusal::SoldOut => Problem::new(Slug::SoldOut, "it is sold out"),
        Refusal::Ended => Problem::new(Slug::EventEnded, "the event is over"),
        Refusal::Closed => Problem::retry(Slug::QueueClosed, 30, "no places are given for now"),
    }
}

/// Pages of other origins use bearers, never cookies.
pub fn takes_cookies(c: &Context) -> bool {
    match c.call.header("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => c.call.header("origin").is_none_or(|origin| origin == c.call.origin),
    }
}
