//! From a place to its answer: the body *place*, `Retry-After`, and the cookies that go with it.

use ropeline_queue::place::{self, Place, Seat, State};
use ropeline_queue::settings::QueueingMethod;
use ropeline_queue::wire::{Board, OpAnswer};
use ropeline_queue::{Number, Position, UnixMillis, Visitor};

use super::Context;
use crate::boards::Copy;
use crate::clock::now;
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::Problem;
use crate::http::reply::Reply;
use crate::tokens::{self, Token, now_seconds};

/// Which place is asked about.
pub struct Shown {
    /// The number given at enter.
    pub number: Number,
    /// The position, where the ticket says it.
    pub position: Option<u64>,
    /// The highest frontier this client was told.
    pub seen: u64,
}

/// A place under way to its answer.
pub struct Answer<'a> {
    c: &'a Context,
    event: &'a Event,
    board: &'a Board,
    number: Number,
    place: Place<'a>,
    cookies: Vec<String>,
    with_cookies: bool,
}

/// Whether the board says that everybody passes. What was just changed by hand may not be on it yet: when in doubt nobody does.
pub fn passes(event: &Event, board: &Board) -> bool {
    place::passes(board) && !event.settings.sold_out && event.settings.queueing_method != QueueingMethod::Reject
}

fn jitter() -> f64 {
    worker::js_sys::Math::random()
}

/// `2026-11-22T19:33:44.000Z` for seconds since 1970.
fn rfc3339(seconds: u64) -> String {
    UnixMillis(0).plus_seconds(seconds).rfc3339()
}

impl<'a> Answer<'a> {
    /// What the board says of this place. `with_cookies`: tokens given go into cookies, too.
    pub fn new(
        c: &'a Context,
        event: &'a Event,
        copy: &'a Copy,
        Shown { number, position, seen }: Shown,
        with_cookies: bool,
    ) -> Self {
        let board = &*copy.board;
        let drawn = || place::position(board.shuffle.as_ref(), &event.id, number);
        let seat = Seat { number, position: position.map(Position).or_else(drawn), seen };
        let place = Place::on(board, &event.id, &seat, now(), jitter());
        Self { c, event, board, number, place, cookies: Vec::new(), with_cookies }
    }

    /// What somebody is told who needs no place, with a pass.
    pub async fn passing(
        c: &'a Context,
        event: &'a Event,
        copy: &'a Copy,
        with_cookies: bool,
        visitor: &Visitor,
    ) -> Result<Self, Problem> {
        let board = &*copy.board;
        let place = Place::passing(board, &event.id, now(), jitter());
        let mut answer = Self { c, event, board, number: Number(0), place, cookies: Vec::new(), with_cookies };
        answer.pass_through(visitor.to_string()).await?;
        Ok(answer)
    }

    /// No queue is in force: a pass without an admission behind it.
    pub async fn pass_through(&mut self, sub: String) -> Result<(), Problem> {
        let pass = tokens::passthrough(&self.c.deployment, self.event, sub).await?;
        self.settle(State::Passthrough);
        self.place.session_expires_at = Some(rfc3339(pass.exp));
        self.give(pass);
        Ok(())
    }

    /// Whether everybody passes.
    pub fn passes(&self) -> bool {
        passes(self.event, self.board)
    }

    /// What the line said of it, which goes before the board.
    pub async fn said(&mut self, answer: OpAnswer, visitor: &Visitor) -> Result<(), Problem> {
        let state = match answer {
            // The board may be newer than the answer and have called it already.
            OpAnswer::Waiting => return Ok(()),
            OpAnswer::Called => State::Called,
            OpAnswer::Left => State::Left,
            // Sold out, the place is kept: the board says the rest.
            OpAnswer::SoldOut => return Ok(()),
            OpAnswer::Ended
            | OpAnswer::EventEnded
            | OpAnswer::RenewalDisabled
            | OpAnswer::Done
            | OpAnswer::Redeemed { .. } => State::Ended,
            OpAnswer::Admitted { seq, session_expires_at } => {
                let deployment = &self.c.deployment;
                let pass = tokens::pass(deployment, self.event, visitor, self.number, seq, session_expires_at).await?;
                self.admitted(seq.get(), session_expires_at.rfc3339());
                self.give(pass);
                State::Admitted
            }
        };
        self.settle(state);
        Ok(())
    }

    fn settle(&mut self, state: State) {
        self.place.settle(state, self.board, now(), jitter());
    }

    /// There will be room in so many milliseconds.
    pub fn turn_comes(&mut self, in_ms: u64) {
        self.place.turn_comes(in_ms);
    }

    fn give(&mut self, pass: Token) {
        self.set_cookie(Purpose::Pass, &pass.text, pass.exp.saturating_sub(now_seconds()));
        self.place.pass = Some(pass.text);
    }

    /// A valid pass came along.
    pub fn shown_pass(&mut self, seq: u64, exp: u64) {
        self.settle(State::Admitted);
        self.admitted(seq, rfc3339(exp));
    }

    fn admitted(&mut self, seq: u64, session_expires_at: String) {
        self.place.seq = Some(seq);
        self.place.session_expires_at = Some(session_expires_at);
    }

    /// The ticket that was shown goes on.
    pub fn keeps_ticket(&mut self, exp: u64) {
        self.place.ticket_expires_at = Some(rfc3339(exp));
    }

    /// Whether a draw has given this place a position that its ticket does not say yet.
    pub fn is_drawn(&self) -> bool {
        let count = self.board.shuffle.as_ref().and_then(|shuffle| shuffle.count);
        count.is_some_and(|count| self.number.get() <= count)
    }

    /// A new ticket. `commitment`: what the last one, or the line itself, said of a draw.
    pub async fn new_ticket(&mut self, sub: String, commitment: Option<String>) -> Result<(), Problem> {
        let position = self.place.position.filter(|_| self.is_drawn()).map(Position::get);
        let place = tokens::Place { sub, number: self.number, commitment, position };
        let ticket = tokens::ticket(&self.c.deployment, self.event, place).await?;
        self.set_cookie(Purpose::Ticket, &ticket.text, ticket.exp.saturating_sub(now_seconds()));
        self.place.ticket_expires_at = Some(rfc3339(ticket.exp));
        self.place.ticket = Some(ticket.text);
        Ok(())
    }

    fn set_cookie(&mut self, purpose: Purpose, value: &str, max_age_seconds: u64) {
        if self.with_cookies {
            let event = self.event.id.as_str();
            self.cookies.push(cookies::set(&self.c.deployment, purpose, event, value, max_age_seconds));
        }
    }

    /// What is told.
    pub fn place(&self) -> &Place<'a> {
        &self.place
    }

    /// The pass, where there is one, and the cookies that go with the answer.
    pub fn into_pass(self) -> (Option<String>, Vec<String>) {
        (self.place.pass, self.cookies)
    }

    /// The answer.
    pub fn reply(self, status: u16) -> Result<Reply, Problem> {
        let mut reply = Reply::json(status, &self.place);
        if !matches!(self.place.state, State::Admitted | State::Passthrough | State::Left | State::Ended) {
            reply = reply.with("retry-after", (self.place.poll_after_seconds.ceil() as u64).to_string());
        }
        reply.cookies = self.cookies;
        Ok(reply)
    }
}
