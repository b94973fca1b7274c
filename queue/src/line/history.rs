//! One visitor's history, for support; and the end of a session by an operator.

use serde::Serialize;

use super::store::{Audit, Change, LineStore, OverBy, Session, Why};
use super::{Line, Step};
use crate::place::State;
use crate::types::{Number, Position, Seq, UnixMillis};
use crate::{from_json, json};

/// What a line knows of one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The number.
    pub number: Number,
    /// Its position; none while a draw is still to come.
    pub position: Option<Position>,
    /// What the place is now.
    pub state: State,
    /// Why it is gone, if it is.
    pub gone: Option<Why>,
    /// Since when.
    pub gone_at: Option<UnixMillis>,
    /// When it was called.
    pub called_at: Option<UnixMillis>,
    /// What the admission log says of it.
    pub admission: Option<PastAdmission>,
}

from_json! { struct History { number, position, state, gone, gone_at, called_at, admission } }

/// An admission and what became of its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastAdmission {
    /// Its place in the admission log.
    pub seq: Seq,
    /// Its record, as Kafka gets it.
    pub record: String,
    /// Until when the session lasts, or lasted.
    pub session_expires_at: UnixMillis,
    /// From when on the slot is free.
    pub release_at: UnixMillis,
    /// When it was ended before its time.
    pub over_at: Option<UnixMillis>,
    /// By whom.
    pub over_by: Option<OverBy>,
    /// Whether the origin has redeemed its pass.
    pub redeemed: bool,
}

from_json! { struct PastAdmission { seq, record, session_expires_at, release_at, over_at, over_by, redeemed } }

/// Which session an operator means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// That of the place with this number.
    Number(Number),
    /// That with this place in the admission log.
    Seq(Seq),
}

from_json! {
    enum Which {
        "number" => Number(Number),
        "seq" => Seq(Seq),
    }
}

impl Line {
    /// What is known of this number; none if it was never given.
    ///
    /// # Errors
    /// What the store says.
    pub fn history<S: LineStore>(
        &mut self,
        store: &S,
        now: UnixMillis,
        number: Number,
    ) -> Result<Option<History>, S::Error> {
        self.catch_up(now);
        if number == Number(0) || number > self.head.last_number {
            return Ok(None);
        }
        let position = self.order.position(number);
        let called = position.filter(|position| *position <= self.head.frontier);
        let gone = store.gone(number)?;
        let session = store.session_of(number)?;
        let state = match (gone, &session, called) {
            (Some(_), ..) => State::Left,
            (_, Some(session), _) if self.is_over(session) => State::Ended,
            (_, Some(_), _) => State::Admitted,
            _ if self.course.ended_at.is_some() => State::Ended,
            (.., Some(_)) => State::Called,
            _ if self.course.opened.is_none() => State::Prequeue,
            _ => State::Waiting,
        };
        let admission = match session {
            None => None,
            Some(session) => {
                let before = Seq(session.seq.get().saturating_sub(1));
                let record = store.records(before, 1, 0)?.pop().unwrap_or_default();
                Some(PastAdmission {
                    seq: session.seq,
                    record,
                    session_expires_at: session.session_expires_at,
                    release_at: session.release_at,
                    over_at: session.over.map(|over| over.at),
                    over_by: session.over.map(|over| over.by),
                    redeemed: session.redeemed,
                })
            }
        };
        Ok(Some(History {
            number,
            position,
            state,
            gone: gone.map(|(why, _)| why),
            gone_at: gone.and_then(|(_, at)| at),
            called_at: called.map(|position| store.called_at(position)).transpose()?.flatten(),
            admission,
        }))
    }

    /// An operator throws somebody out: claim and renew are refused at once, the slot is free once no verifier accepts the pass any
    /// more. Answers the session as it was, or none if there is no such session.
    ///
    /// # Errors
    /// What the store says; the line must then be restored.
    pub fn end_session<S: LineStore>(
        &mut self,
        store: &S,
        now: UnixMillis,
        which: Which,
        by: &str,
    ) -> Result<Step<Option<Seq>>, S::Error> {
        self.catch_up(now);
        let mut changes = Vec::new();
        let session = match which {
            Which::Number(number) => store.session_of(number)?,
            Which::Seq(seq) => store.session(seq)?,
        };
        if let Some(session) = session.filter(|session| session.over.is_none()) {
            let at = self.head.clk;
            let over = self.over(OverBy::Operator);
            changes.push(Change::Session(Session { over, ..session }));
            let detail = json::object(&[("seq", &session.seq), ("which", &which)]);
            changes.push(Change::Audit(Audit { at, by: by.to_owned(), action: "end-session", detail }));
        }
        self.seal(&mut changes);
        Ok(Step { answer: session.map(|session| session.seq), changes })
    }
}
