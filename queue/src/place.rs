//! What a visitor is told about a place: computed from the board alone, so that a poll costs the line nothing.
//!
//! The `ahead` told is an upper bound, `max(0, position − frontier − 1)`, and since the frontier never falls it never grows.

use serde::Serialize;

use crate::eta::Eta;
use crate::from_json;
use crate::hex;
use crate::settings::QueueingMethod;
use crate::shuffle::Draw;
use crate::types::{EventId, Number, Position, UnixMillis};
use crate::wire::{Board, Paused, Phase, Shuffle};

/// What a place is, as the visitor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The event has not opened yet.
    Prequeue,
    /// Not yet its turn.
    Waiting,
    /// Its turn: claim.
    Called,
    /// Let in.
    Admitted,
    /// Given up, or voided.
    Left,
    /// The session is over, or the event is.
    Ended,
    /// No queue is in force: go on.
    Passthrough,
}

from_json! {
    enum State {
        "prequeue" => Prequeue,
        "waiting" => Waiting,
        "called" => Called,
        "admitted" => Admitted,
        "left" => Left,
        "ended" => Ended,
        "passthrough" => Passthrough,
    }
}

/// Seconds between polls of a visitor that the line knows nothing about yet.
const UNKNOWN_POLL_SECONDS: f64 = 5.0;
const LEAST_POLL_SECONDS: f64 = 2.0;
const MOST_POLL_SECONDS: f64 = 60.0;
/// One who is called asks at least every other second: who is silent for five is not present.
const CALLED_POLL_SECONDS: f64 = 1.5;
/// One whose turn is near asks when there will be room, which may be sooner, or a little later so as not to ask twice.
const CALLED_POLL_SOON: core::ops::RangeInclusive<f64> = 0.3..=2.0;

/// Who asks about which place.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The number given at enter.
    pub number: Number,
    /// Its [`position`]; none while a draw is still to come.
    pub position: Option<Position>,
    /// The highest frontier this client was told.
    pub seen: u64,
}

/// The position of a number, by what is public of the draw; none while that is still to come. Costs some 14 to 53 HMACs for those
/// who take part in a draw.
#[must_use]
pub fn position(shuffle: Option<&Shuffle>, event: &EventId, number: Number) -> Option<Position> {
    let Some(shuffle) = shuffle else { return Some(number.position()) };
    let count = shuffle.count?;
    if number.get() > count {
        return Some(number.position());
    }
    let seed = hex::decode(shuffle.seed.as_deref()?)?;
    Draw::new(event, &seed, count).ok().map(|draw| draw.position(number))
}

/// Whether no queue is in force, so that everybody passes: never before the opening, and never where new visitors are turned away.
#[must_use]
pub fn passes(board: &Board) -> bool {
    match board.phase {
        Phase::Suspended => board.queueing_method != QueueingMethod::Reject,
        Phase::Open => board.queueing_method == QueueingMethod::Passthrough,
        _ => false,
    }
}

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
    /// The number given at enter; null where no place was needed.
    pub number: Option<Number>,
    /// The place in the order of admission; null while a draw is still to come.
    pub position: Option<Position>,
    /// At most this many are before it; null while a draw is still to come.
    pub ahead: Option<u64>,
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
    /// When the ticket (the new one, if there is one) ends; null without one.
    pub ticket_expires_at: Option<String>,
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
    /// What the board says of this place. `jitter` is 0 … 1.
    #[must_use]
    pub fn on(board: &'a Board, event: &'a EventId, seat: &Seat, now: UnixMillis, jitter: f64) -> Self {
        let mut place = Self::blank(board, event);
        place.number = Some(seat.number);
        place.position = seat.position;
        if let Some(Position(position)) = seat.position {
            place.frontier = board.frontier.max(seat.seen.min(position));
            place.ahead = Some(position.saturating_sub(place.frontier + 1));
        }
        place.settle(place.by_phase(board), board, now, jitter);
        place
    }

    /// What somebody without a place is told where none is needed.
    #[must_use]
    pub fn passing(board: &'a Board, event: &'a EventId, now: UnixMillis, jitter: f64) -> Self {
        let mut place = Self::blank(board, event);
        place.settle(State::Passthrough, board, now, jitter);
        place
    }

    fn blank(board: &'a Board, event: &'a EventId) -> Self {
        Self {
            event,
            phase: board.phase,
            paused: board.paused,
            state: State::Waiting,
            number: None,
            position: None,
            ahead: None,
            frontier: board.frontier,
            eta_seconds: None,
            poll_after_seconds: 0.0,
            message: &board.message,
            ticket: None,
            ticket_expires_at: None,
            pass: None,
            seq: None,
            session_expires_at: None,
        }
    }

    fn by_phase(&self, board: &Board) -> State {
        match board.phase {
            Phase::Ended => State::Ended,
            Phase::Scheduled | Phase::Prequeue => State::Prequeue,
            _ if passes(board) => State::Passthrough,
            Phase::Open | Phase::Suspended | Phase::SoldOut => match self.position {
                Some(position) if position.get() <= self.frontier => State::Called,
                _ => State::Waiting,
            },
        }
    }

    /// When the turn comes. Nobody can know that while nobody is called.
    fn foresee(board: &Board, ahead: u64) -> Option<Eta> {
        if board.phase != Phase::Open || board.paused.is_some() {
            return None;
        }
        // What the client knows of a newer frontier than this board's is in `ahead`.
        board.forecast.as_ref()?.eta(ahead + 1)
    }

    /// There will be room for this called place in so many milliseconds: it asks then, not before.
    pub fn turn_comes(&mut self, in_ms: u64) {
        self.poll_after_seconds = poll_after_turn(in_ms);
    }

    /// What is known better than from the board.
    pub fn settle(&mut self, state: State, board: &Board, now: UnixMillis, jitter: f64) {
        self.state = state;
        self.eta_seconds = match (state, self.ahead) {
            (State::Prequeue, _) => board.event_start_time.map(|start| Eta::exactly(start.since(now).div_ceil(1_000))),
            (State::Waiting, Some(ahead)) => Self::foresee(board, ahead),
            _ => None,
        };
        self.poll_after_seconds = poll_after(state, board.phase, self.eta_seconds, jitter);
        // Who waits behind a suspended queue may wait again: what is told then must not have grown.
        if !matches!(state, State::Waiting | State::Prequeue | State::Passthrough) {
            self.ahead = self.position.map(|_| 0);
        }
        if matches!(state, State::Called | State::Admitted) {
            self.frontier = self.position.map_or(self.frontier, |position| self.frontier.max(position.get()));
        }
    }
}

/// In how many seconds a called visitor asks again who will find room in so many milliseconds; one decimal, rounded up.
#[must_use]
pub fn poll_after_turn(in_ms: u64) -> f64 {
    let seconds = (in_ms as f64 / 100.0).ceil() / 10.0;
    seconds.clamp(*CALLED_POLL_SOON.start(), *CALLED_POLL_SOON.end())
}

/// A tenth of the time to go, spread by a fifth either way so that polls do not come in waves; one decimal.
fn poll_after(state: State, phase: Phase, eta: Option<Eta>, jitter: f64) -> f64 {
    let seconds = match (state, eta) {
        // Nothing more will happen soon, if at all.
        _ if matches!(phase, Phase::SoldOut | Phase::Ended) => MOST_POLL_SECONDS,
        (State::Called, _) => CALLED_POLL_SECONDS,
        // Where little is known, it may be much sooner.
        (_, Some(eta)) => {
            (eta.likely as f64 / 10.0).min(eta.low as f64 / 5.0).clamp(LEAST_POLL_SECONDS, MOST_POLL_SECONDS)
        }
        (_, None) => UNKNOWN_POLL_SECONDS,
    };
    let spread = seconds * (0.8 + 0.4 * jitter.clamp(0.0, 1.0));
    (spread * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::eta::{Forecast, HORIZONS, Spread};

    fn seat(number: u64, seen: u64) -> Seat {
        Seat { number: Number(number), position: Some(Position(number)), seen }
    }

    fn place(board: &Board, number: u64, seen: u64) -> (State, u64, u64, f64) {
        let event = EventId::parse("demo").unwrap();
        let place = Place::on(board, &event, &seat(number, seen), UnixMillis(0), 0.5);
        (place.state, place.ahead.unwrap(), place.frontier, place.poll_after_seconds)
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

    /// A line that moves by so many positions a second.
    fn moving(frontier: u64, per_second: f64) -> Board {
        let reach = HORIZONS.iter().map(|at| f64::from(*at) * per_second).collect();
        let forecast = Some(Forecast { reach, ..Forecast::default() });
        Board { frontier, forecast, ..Board::default() }
    }

    #[test]
    fn polls_get_rarer_with_distance_and_are_spread() {
        let board = moving(0, 1.0);
        assert_eq!(place(&board, 5, 0).3, 2.0);
        assert_eq!(place(&board, 100, 0).3, 10.0);
        assert_eq!(place(&board, 100_000, 0).3, 60.0);
        for (jitter, expect) in [(0.0, 8.0), (1.0, 12.0), (7.0, 12.0)] {
            let event = EventId::parse("demo").unwrap();
            let place = Place::on(&board, &event, &seat(100, 0), UnixMillis(0), jitter);
            assert_eq!(place.poll_after_seconds, expect);
        }
    }

    #[test]
    fn everybody_passes_only_where_no_queue_is_in_force() {
        for (phase, method, passes) in [
            (Phase::Suspended, QueueingMethod::Fifo, true),
            (Phase::Suspended, QueueingMethod::Reject, false),
            (Phase::Open, QueueingMethod::Passthrough, true),
            (Phase::Open, QueueingMethod::Fifo, false),
            (Phase::Scheduled, QueueingMethod::Passthrough, false),
            (Phase::Prequeue, QueueingMethod::Passthrough, false),
            (Phase::SoldOut, QueueingMethod::Passthrough, false),
            (Phase::Ended, QueueingMethod::Passthrough, false),
        ] {
            let board = Board { phase, queueing_method: method, ..Board::default() };
            assert_eq!(super::passes(&board), passes, "{phase:?} {method:?}");
            assert_eq!(place(&board, 1, 0).0 == State::Passthrough, passes, "{phase:?} {method:?}");
        }
    }

    #[test]
    fn who_may_be_called_much_sooner_asks_sooner() {
        let mut board = moving(0, 1.0);
        let unsure = Spread { always: 81.0, once: 0.0 };
        board.forecast.as_mut().unwrap().sooner = unsure;
        // A hundred seconds are likely, but ten (and one, for the age of the board) are possible.
        assert_eq!(place(&board, 100, 0).3, 2.0);
        assert_eq!(place(&board, 600, 0).3, 11.8);
    }

    #[test]
    fn the_estimate_counts_from_the_newest_frontier_known() {
        let event = EventId::parse("demo").unwrap();
        let likely = |board: &Board, number, seen| {
            Place::on(board, &event, &seat(number, seen), UnixMillis(0), 0.5).eta_seconds.map(|eta| eta.likely)
        };
        let mut board = moving(100, 1.0);
        assert_eq!(likely(&board, 400, 0), Some(300));
        assert_eq!(likely(&board, 400, 250), Some(150), "the client knows more than this board");
        board.frontier = 200;
        assert_eq!(likely(&board, 400, 0), Some(200), "the frontier moved since the forecast was made");
        assert_eq!(likely(&board, 200, 0), None, "called");
        board.paused = Some(Paused::Relay);
        assert_eq!(likely(&board, 400, 0), None, "nobody knows for how long");
    }

    #[test]
    fn before_the_opening_the_time_to_it_is_known_and_nothing_else() {
        let event = EventId::parse("demo").unwrap();
        let start = Some(UnixMillis(700_000));
        for phase in [Phase::Scheduled, Phase::Prequeue] {
            let board = Board { phase, event_start_time: start, ..moving(0, 1.0) };
            let place = Place::on(&board, &event, &seat(9, 0), UnixMillis(99_001), 0.5);
            assert_eq!((place.state, place.eta_seconds), (State::Prequeue, Some(Eta::exactly(601))));
            assert_eq!(place.poll_after_seconds, 60.0);
        }
    }

    #[test]
    fn where_nothing_more_happens_soon_everybody_asks_once_a_minute() {
        for phase in [Phase::SoldOut, Phase::Ended] {
            let board = Board { phase, frontier: 5, ..moving(5, 1.0) };
            assert_eq!([3, 9].map(|number| place(&board, number, 0).3), [60.0; 2], "{phase:?}");
        }
    }

    #[test]
    fn who_is_told_of_room_asks_then() {
        let (event, board) = (EventId::parse("demo").unwrap(), Board { frontier: 9, ..Board::default() });
        let mut place = Place::on(&board, &event, &seat(9, 0), UnixMillis(0), 0.5);
        for (in_ms, seconds) in [(0, 0.3), (301, 0.4), (1_200, 1.2), (1_201, 1.3), (9_000, 2.0)] {
            place.turn_comes(in_ms);
            assert_eq!(place.poll_after_seconds, seconds, "{in_ms} ms");
        }
    }

    #[test]
    fn boards_of_older_lines_have_no_forecast() {
        let mut json = serde_json::to_value(Board::default()).unwrap();
        json.as_object_mut().unwrap().remove("forecast");
        let board: Board = crate::json::read(&json.to_string()).unwrap();
        assert_eq!((place(&board, 9, 0).0, place(&board, 9, 0).3), (State::Waiting, 5.0));
    }

    proptest! {
        #[test]
        fn of_two_places_the_later_one_never_waits_less(
            frontier in 0_u64..600,
            steps in proptest::collection::vec(0.0..300.0_f64, 1..=HORIZONS.len()),
            seen in 0_u64..2_000,
            (first, second) in (0_u64..2_000, 0_u64..2_000),
        ) {
            let reach = steps.iter().scan(0.0, |sum, step| { *sum += step; Some(*sum) }).collect();
            let forecast = Forecast { reach, ..Forecast::default() };
            let board = Board { frontier, forecast: Some(forecast), ..Board::default() };
            let event = EventId::parse("demo").unwrap();
            let eta = |number| Place::on(&board, &event, &seat(number, seen), UnixMillis(0), 0.5).eta_seconds;
            if let (Some(near), Some(far)) = (eta(first.min(second)), eta(first.max(second))) {
                prop_assert!(near.low <= far.low && near.likely <= far.likely && near.high <= far.high);
            }
        }
    }
}
