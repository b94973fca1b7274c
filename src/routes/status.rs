//! `GET /queue/status`: where am I. Answered from the board, without any object.

use ropeline_queue::Number;

use super::Context;
use super::places::{Answer, Shown, passes};
use crate::boards::{self, Copy};
use crate::credentials::{self, Proof};
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::tokens;

/// 200 *place* with `prequeue`, `waiting`, `called`, `ended`, `passthrough` with a pass where no queue is in force, or `admitted` when a
/// valid pass comes along.
pub async fn status(c: &Context) -> Result<Reply, Problem> {
    let named = c.call.query("event").map(str::to_owned).or_else(|| credentials::event_of_bearer(&c.call));
    let Some(id) = named else {
        return Err(Problem::field(Slug::MalformedRequest, "event", "say which event: ?event=…"));
    };
    let event = c.event(&id).await?;
    let board = boards::get(&c.env, &event).await?;
    answer(c, &event, &board).await?.reply(200)
}

/// What the board says to who shows a ticket.
pub async fn answer<'a>(c: &'a Context, event: &'a Event, board: &'a Copy) -> Result<Answer<'a>, Problem> {
    let passes = passes(event, &board.board);
    // Who asks to be told only shows the MAC; who asks for a pass, the signature.
    let proof = if passes { Proof::Signature } else { Proof::Mac };
    let ticket = credentials::ticket(&c.deployment, &c.call, event, proof).await?;
    let told = |text: &str| text.parse::<u64>().unwrap_or(0);
    let mut seen = c.call.query("seen").map_or(0, told);
    if ticket.by_cookie {
        let name = cookies::name(&c.deployment, Purpose::Seen, event.id.as_str());
        seen = seen.max(c.call.cookie(&name).map_or(0, told));
    }
    let shown = Shown { number: Number(ticket.claims.num), position: ticket.claims.pos, seen };
    let mut answer = Answer::new(c, event, board, shown, ticket.by_cookie);
    if ticket.by_cookie
        && let Ok(pass) = credentials::pass(&c.deployment, &c.call, event, false).await
        && let Some(admission) = pass.admission()
        && admission.num == ticket.claims.num
    {
        answer.shown_pass(admission.seq, pass.exp);
    } else if passes {
        answer.pass_through(ticket.claims.sub.clone()).await?;
    }
    if tokens::is_due(event, ticket.claims.exp) || (ticket.claims.pos.is_none() && answer.is_drawn()) {
        answer.new_ticket(ticket.claims.sub, ticket.claims.com).await?;
    } else {
        answer.keeps_ticket(ticket.claims.exp);
    }
    Ok(answer)
}
