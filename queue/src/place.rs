//! What a visitor is told about a place: computed from the board alone, so that a poll costs the line nothing.
//!
//! The `ahead` told is an upper bound, `max(0, position − frontier − 1)`, and since the frontier never falls it never grows.

use serde::Serialize;

use crate::types::{EventId, Number, Position};
use crate::wire::{Board, Paused};

/// What a place is, as the visitor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not yet its turn.
    Waiting,
    /// Its turn: claim.
    Called,
    /// Let in.
    Admitted,
    /// Given up, or voided.
    Left,
    /// The session is over.
    Ended,
}

/// An event's phase. In this version every event is open from its creation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The line is open.
    Open,
}

/// How long until a place is called: most likely, and a range around it. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Eta {
    /// Hardly sooner.
    pub low: u64,
    /// Most likely.
    pub likely: u64,
    /// Hardly later.
    pub high: u64,
}

/// Seconds between polls of a visitor that the line knows nothing about yet.
const UNKNOWN_POLL_SECONDS: f64 = 5.0;
const LEAST_POLL_SECONDS: f64 = 2.0;
const MOST_POLL_SECONDS: f64 = 60.0;
/// One who is called asks at least every other second: who is silent for five is not present.
const CALLED_POLL_SECONDS: f64 = 1.5;

/// The answer about one visitor's place: *place* of the HTTP contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place<'a> {
    /// The event.
    pub event: &'a EventId,
    /// The event's phase.
    pub phase: Phase,
    /// Why nobody is called, if so.
    pub paused: Option<Paused>,
    /// What the place is.
    pub state: State,
    /// The number given at enter.
    pub number: Number,
    /// The place in the order of admission.
    pub position: Position,
    /// At most this many are before it.
    pub ahead: u64,
    /// Every position up to it has been called, as far as this client was ever told.
    pub frontier: u64,
    /// How long it will take; null when it is not known, or is over.
    pub eta_seconds: Option<Eta>,
    /// When to ask again.
    pub poll_after_seconds: f64,
    /// What the operator tells the visitors.
    pub message: &'a str,
    /// A new ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When the ticket (the new one, if there is one) ends.
    pub ticket_expires_at: String,
    /// The pass, when admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// Place in the admission log, when admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Until when the session lasts, when admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_expires_at: Option<String>,
}

impl<'a> Place<'a> {
    /// What the board says of this number. `seen` is the highest frontier this client was told; `jitter` is 0 … 1.
    #[must_use]
    pub fn on(board: &'a Board, event: &'a EventId, number: Number, seen: u64, jitter: f64) -> Self {
        let position = number.position();
        let frontier = board.frontier.max(seen.min(position.get()));
        let state = if position.get() <= frontier { State::Called } else { State::Waiting };
        let mut place = Self {
            event,
            phase: Phase::Open,
            paused: board.paused,
            state,
            number,
            position,
            ahead: position.get().saturating_sub(frontier + 1),
            frontier,
            eta_seconds: None,
            poll_after_seconds: 0.0,
            message: &board.message,
            ticket: None,
            ticket_expires_at: String::new(),
            pass: None,
            seq: None,
            session_expires_at: None,
        };
        place.settle(state, pace(board), jitter);
        place
    }

    /// What is known better than from the board; its [`pace`] makes the estimate.
    pub fn settle(&mut self, state: State, pace: Option<u64>, jitter: f64) {
        self.state = state;
        self.eta_seconds = match state {
            State::Waiting => eta(self.ahead, pace),
            _ => None,
        };
        self.poll_after_seconds = poll_after(state, self.eta_seconds, jitter);
        if state != State::Waiting {
            self.ahead = 0;
            self.frontier = self.frontier.max(self.position.get());
        }
    }
}

/// Positions called per minute: as measured, but no slower than what could be let in at once, since just after an opening too
/// little has been measured to tell. None before anything was called.
#[must_use]
pub fn pace(board: &Board) -> Option<u64> {
    board.pace_per_minute.map(|measured| measured.max(board.free_per_minute))
}

fn eta(ahead: u64, pace_per_minute: Option<u64>) -> Option<Eta> {
    let pace = pace_per_minute.filter(|&pace| pace > 0)?;
    let likely = (ahead.saturating_add(1)).saturating_mul(60).div_ceil(pace);
    Some(Eta { low: likely.saturating_mul(7) / 10, likely, high: likely.saturating_mul(3).div_ceil(2) })
}

/// A tenth of the time to go, spread by a fifth either way so that polls do not come in waves; one decimal.
fn poll_after(state: State, eta: Option<Eta>, jitter: f64) -> f64 {
    let seconds = match (state, eta) {
        (State::Called, _) => CALLED_POLL_SECONDS,
        (_, Some(eta)) => (eta.likely as f64 / 10.0).clamp(LEAST_POLL_SECONDS, MOST_POLL_SECONDS),
        (_, None) => UNKNOWN_POLL_SECONDS,
    };
    let spread = seconds * (0.8 + 0.4 * jitter.clamp(0.0, 1.0));
    (spread * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(board: &Board, number: u64, seen: u64) -> (State, u64, u64, f64) {
        let event = EventId::parse("demo").unwrap();
        let place = Place::on(board, &event, Number(number), seen, 0.5);
        (place.state, place.ahead, place.frontier, place.poll_after_seconds)
    }

    #[test]
    fn the_answer_is_never_behind_what_the_client_has_seen() {
        let board = Board { frontier: 100, ..Board::default() };
        assert_eq!(place(&board, 150, 0), (State::Waiting, 49, 100, 5.0));
        assert_eq!(place(&board, 150, 120), (State::Waiting, 29, 120, 5.0), "an older board does not put it back");
        assert_eq!(place(&board, 150, 9_999), (State::Called, 0, 150, 1.5), "who forges fools only himself");
        assert_eq!(place(&board, 100, 0).0, State::Called);
        assert_eq!(place(&board, 101, 0), (State::Waiting, 0, 100, 5.0));
    }

    #[test]
    fn polls_get_rarer_with_distance_and_are_spread() {
        let board = Board { frontier: 0, pace_per_minute: Some(60), ..Board::default() };
        assert_eq!(place(&board, 5, 0).3, 2.0);
        assert_eq!(place(&board, 100, 0).3, 10.0);
        assert_eq!(place(&board, 100_000, 0).3, 60.0);
        for (jitter, expect) in [(0.0, 8.0), (1.0, 12.0), (7.0, 12.0)] {
            let event = EventId::parse("demo").unwrap();
            let place = Place::on(&board, &event, Number(100), 0, jitter);
            assert_eq!(place.poll_after_seconds, expect);
        }
    }

    #[test]
    fn just_after_an_opening_nobody_is_sent_away_for_a_minute() {
        let board = Board { frontier: 1, pace_per_minute: Some(12), free_per_minute: 6_000, ..Board::default() };
        assert_eq!(place(&board, 400, 0).3, 2.0);
        let full = Board { free_per_minute: 0, ..board };
        assert_eq!(place(&full, 400, 0).3, 60.0);
    }

    #[test]
    fn the_estimate_is_a_range_around_the_measured_pace() {
        assert_eq!(eta(599, Some(600)), Some(Eta { low: 42, likely: 60, high: 90 }));
        assert_eq!(eta(10, None), None);
        assert_eq!(eta(10, Some(0)), None);
    }
}
