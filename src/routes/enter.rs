//! `POST /queue/enter`: takes a place, or finds the one this visitor has.

use ropeline_queue::settings::{QueueingMethod, VisitorIdentity};
use ropeline_queue::wire::{Board, OpAnswer, Phase, Refusal};
use ropeline_queue::{UnixMillis, Visitor};

use super::places::{Answer, Shown, passes};
use super::{Context, door, read};
use crate::boards::{self, Copy};
use crate::clock;
use crate::credentials;
use crate::directory::Event;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::Fields;
use crate::objects::call::{Address, Message, lane_name};
use crate::objects::command::{Entered, LaneCommand};

/// Whoever comes long before the opening should look again in between: it may have been moved.
const LONGEST_RETRY_SECONDS: u64 = 3_600;
const CLOSED_RETRY_SECONDS: u64 = 30;

/// 201 new, 200 the same place again.
pub async fn enter(c: &Context) -> Result<Reply, Problem> {
    let mut fields = Fields(c.call.object(false).await?);
    let event = fields.text("event")?;
    let visitor = fields.maybe_text("visitor")?;
    let (claim, again) = (fields.flag("claim")?, fields.flag("again")?);
    let (assertion, door_token) = (fields.maybe_text("assertion")?, fields.maybe_text("door_token")?);
    fields.done()?;
    let event = c.event(&event).await?;
    // The emergency switch must not wait for anybody.
    is_closed(&event)?;
    let given = match (event.settings.visitor_identity, visitor, assertion) {
        (VisitorIdentity::Secret, visitor, None) => visitor,
        (VisitorIdentity::Asserted, None, assertion) => assertion,
        (VisitorIdentity::Secret, ..) => {
            let detail = "this event knows its visitors by secret keys: leave 'assertion' out and send 'visitor'";
            return Err(Problem::field(Slug::MalformedRequest, "assertion", detail));
        }
        (VisitorIdentity::Asserted, ..) => {
            let detail =
                "this event knows its visitors by the shop's accounts: leave 'visitor' out and send 'assertion'";
            return Err(Problem::field(Slug::MalformedRequest, "visitor", detail));
        }
    };
    let secret = match given {
        Some(secret) => secret,
        None => credentials::secret(&c.deployment, &c.call, &event)?,
    };
    let visitor = credentials::visitor(&event, &secret).await?;
    let board = boards::get(&c.env, &event).await?;
    let asks = Asks { visitor: &visitor, claim, again, door_token: door_token.as_deref() };
    let (answer, is_new) = take(c, &event, &board, asks, takes_cookies(c)).await?;
    answer.reply(if is_new { 201 } else { 200 })
}

fn is_closed(event: &Event) -> Result<(), Problem> {
    if event.settings.queueing_method == QueueingMethod::Reject {
        return Err(refused(Refusal::Closed, None));
    }
    Ok(())
}

/// Who asks for a place, and how.
#[derive(Clone, Copy)]
pub struct Asks<'a> {
    /// The visitor.
    pub visitor: &'a Visitor,
    /// To be let in at once, too, if there is room.
    pub claim: bool,
    /// A new one, after the old one is over.
    pub again: bool,
    /// What opens the event's door.
    pub door_token: Option<&'a str>,
}

/// The visitor's place with a ticket, and whether it is a new one; a pass without a place where everybody passes.
pub async fn take<'a>(
    c: &'a Context,
    event: &'a Event,
    board: &'a Copy,
    Asks { visitor, claim, again, door_token }: Asks<'_>,
    with_cookies: bool,
) -> Result<(Answer<'a>, bool), Problem> {
    is_closed(event)?;
    let now = clock::now();
    if let Some(opens_at) = scheduled(&board.board).filter(|opens_at| now < *opens_at) {
        return Err(refused(Refusal::NotOpen { opens_at }, board.board.event_start_time));
    }
    if passes(event, &board.board) {
        return Ok((Answer::passing(c, event, board, with_cookies, visitor).await?, false));
    }
    let (lanes, sub) = (event.settings.lanes, visitor.sub);
    let account = || visitor.account.clone();
    let name = lane_name(event.id.as_str(), sub.lane(lanes));
    let ask = async |command| c.ask(Address::lane(&name), Message::of(&command)).await.and_then(read);
    let mut entered = Entered::Unknown;
    if let Some(door) = door::before(c, event).await {
        // Whoever has a place is answered before the door.
        entered = ask(LaneCommand::Known { sub, account: account(), claim, again }).await?;
        if matches!(entered, Entered::Unknown) {
            door.open(c, event, sub, door_token).await?;
        }
    }
    if matches!(entered, Entered::Unknown) {
        entered = ask(LaneCommand::Enter { sub, account: account(), lanes, claim, again }).await?;
    }
    let (number, new, state, commitment) = match entered {
        Entered::Place { number, new, state, commitment } => (number, new, state, commitment),
        Entered::Refused { reason } => return Err(refused(reason, board.board.event_start_time)),
        Entered::Unknown => return Err(Problem::overloaded()),
    };
    let is_over = state == OpAnswer::EventEnded || board.board.phase == Phase::Ended;
    if is_over && !matches!(state, OpAnswer::Admitted { .. }) {
        return Err(event_ended());
    }
    let mut answer = Answer::new(c, event, board, Shown { number, position: None, seen: 0 }, with_cookies);
    answer.said(state, visitor).await?;
    // Also for a place that is over: the ticket is what tells so, and asks for a new one.
    let commitment = commitment.or_else(|| board.board.commitment().map(str::to_owned));
    answer.new_ticket(visitor.to_string(), commitment).await?;
    Ok((answer, new && state != OpAnswer::Left))
}

/// From when on places are given, where that is still to come.
fn scheduled(board: &Board) -> Option<UnixMillis> {
    let at = board.prequeue_start_time.or(board.event_start_time);
    at.filter(|_| board.phase == Phase::Scheduled)
}

/// `start`: when the event opens, by the board.
fn refused(reason: Refusal, start: Option<UnixMillis>) -> Problem {
    match reason {
        Refusal::Moved => Problem::overloaded(),
        Refusal::LineFull { .. } => {
            Problem::retry(Slug::LineFull, 30, "all places are taken; ask again later, some may become free")
        }
        Refusal::NotOpen { opens_at } => {
            let now = clock::now();
            let seconds = opens_at.since(now).div_ceil(1_000).clamp(1, LONGEST_RETRY_SECONDS);
            let detail = format!("places are given from {} on; enter again then", opens_at.rfc3339());
            Problem::retry(Slug::NotOpenYet, seconds, detail).opens(start.unwrap_or(opens_at).rfc3339())
        }
        Refusal::SoldOut => Problem::new(
            Slug::SoldOut,
            "it is sold out and no new places are given; who has a place keeps it, in case something comes back",
        ),
        Refusal::Ended => event_ended(),
        Refusal::Closed => Problem::retry(
            Slug::QueueClosed,
            CLOSED_RETRY_SECONDS,
            "the operator gives no places for now; places that were given are kept, ask again later",
        ),
    }
}

/// The event is over, for who has no session in it.
pub fn event_ended() -> Problem {
    Problem::new(Slug::EventEnded, "the event is over: nobody is let in any more, and there is nothing to wait for")
}

/// Pages of other origins use bearers, never cookies.
pub fn takes_cookies(c: &Context) -> bool {
    match c.call.header("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => c.call.header("origin").is_none_or(|origin| origin == c.call.origin),
    }
}
