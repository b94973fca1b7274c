//! From a place to its answer: the body *place*, `Retry-After`, and the cookies that go with it.

use ropeline_queue::place::{Place, State, pace};
use ropeline_queue::wire::OpAnswer;
use ropeline_queue::{Number, Seq, Subject, UnixMillis};

use super::Context;
use crate::boards::Copy;
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::Problem;
use crate::http::reply::Reply;
use crate::tokens::{self, Token, now_seconds};

/// A place under way to its answer.
pub struct Answer<'a> {
    c: &'a Context,
    event: &'a Event,
    place: Place<'a>,
    pace: Option<u64>,
    cookies: Vec<String>,
    with_cookies: bool,
}

fn jitter() -> f64 {
    worker::js_sys::Math::random()
}

/// `2026-11-22T19:33:44.000Z` for seconds since 1970.
fn rfc3339(seconds: u64) -> String {
    UnixMillis(0).plus_seconds(seconds).rfc3339()
}

impl<'a> Answer<'a> {
    /// What the board says of this number. `with_cookies`: tokens given go into cookies, too.
    pub fn new(
        c: &'a Context,
        event: &'a Event,
        board: &'a Copy,
        number: Number,
        seen: u64,
        with_cookies: bool,
    ) -> Self {
        let place = Place::on(&board.board, &event.id, number, seen, jitter());
        Self { c, event, place, pace: pace(&board.board), cookies: Vec::new(), with_cookies }
    }

    /// What the line said of it, which goes before the board.
    pub async fn said(&mut self, answer: OpAnswer, sub: Subject) -> Result<(), Problem> {
        let state = match answer {
            // The board may be newer than the answer and have called it already.
            OpAnswer::Waiting => return Ok(()),
            OpAnswer::Called => State::Called,
            OpAnswer::Left => State::Left,
            OpAnswer::Ended | OpAnswer::RenewalDisabled | OpAnswer::Done => State::Ended,
            OpAnswer::Admitted { seq, session_expires_at } => {
                let number = self.place.number;
                let pass = tokens::pass(&self.c.deployment, self.event, sub, number, seq, session_expires_at).await?;
                self.pass(pass, seq, session_expires_at);
                State::Admitted
            }
        };
        self.place.settle(state, self.pace, jitter());
        Ok(())
    }

    fn pass(&mut self, pass: Token, seq: Seq, session_expires_at: UnixMillis) {
        self.set_cookie(Purpose::Pass, &pass.text, pass.exp.saturating_sub(now_seconds()));
        self.admitted(seq.get(), session_expires_at.rfc3339());
        self.place.pass = Some(pass.text);
    }

    /// A valid pass came along.
    pub fn shown_pass(&mut self, seq: u64, exp: u64) {
        self.place.settle(State::Admitted, self.pace, jitter());
        self.admitted(seq, rfc3339(exp));
    }

    fn admitted(&mut self, seq: u64, session_expires_at: String) {
        self.place.seq = Some(seq);
        self.place.session_expires_at = Some(session_expires_at);
    }

    /// The ticket that was shown goes on.
    pub fn keeps_ticket(&mut self, exp: u64) {
        self.place.ticket_expires_at = rfc3339(exp);
    }

    /// A new ticket.
    pub async fn new_ticket(&mut self, sub: String) -> Result<(), Problem> {
        let ticket = tokens::ticket(&self.c.deployment, self.event, sub, self.place.number).await?;
        self.set_cookie(Purpose::Ticket, &ticket.text, tokens::TICKET_SECONDS);
        self.place.ticket_expires_at = rfc3339(ticket.exp);
        self.place.ticket = Some(ticket.text);
        Ok(())
    }

    fn set_cookie(&mut self, purpose: Purpose, value: &str, max_age_seconds: u64) {
        if self.with_cookies {
            let event = self.event.id.as_str();
            self.cookies.push(cookies::set(&self.c.deployment, purpose, event, value, max_age_seconds));
        }
    }

    /// The answer.
    pub fn reply(self, status: u16) -> Result<Reply, Problem> {
        let mut reply = Reply::json(status, &self.place)?;
        if !matches!(self.place.state, State::Admitted | State::Left | State::Ended) {
            reply = reply.with("retry-after", (self.place.poll_after_seconds.ceil() as u64).to_string());
        }
        reply.cookies = self.cookies;
        Ok(reply)
    }
}
