//! The isolate's copies of boards: polls are answered from these and never reach the line.
//!
//! Fresh up to a second. Then one request asks a lane while the others are served the last copy, up to 30 s old and marked
//! `stale`. Without such a copy they wait for what that one brings ([`flight`]); beyond that there is no answer but 503.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ropeline_queue::wire::Board;
use ropeline_queue::{EventId, LaneId};
use worker::Env;

use crate::clock::{age_ms, now_ms};
use crate::directory::Event;
use crate::flight;
use crate::http::problem::{Problem, Slug};
use crate::objects::call::{Address, Answer, CallError, Message, call, lane_name};
use crate::objects::command::LaneCommand;

const FRESH_MS: f64 = 1_000.0;
/// A copy this old is no longer as good as new, whatever the reason.
const STALE_AFTER_MS: f64 = 3_000.0;
const OLDEST_MS: f64 = 30_000.0;
/// A request that asks may die; who has a copy to go on with asks after this.
const PATIENCE_MS: f64 = 2_000.0;
/// At most this many lanes of an event are asked for boards.
const BOARD_LANES: u16 = 16;
/// Copies kept at most: those of living events are few, but nothing may grow without a bound.
const MOST_COPIES: usize = 1_000;

/// A board as this isolate has it.
#[derive(Clone)]
pub struct Copy {
    /// The board.
    pub board: Rc<Board>,
    /// Whether it is older than it should be, because no newer one can be had.
    pub stale: bool,
}

struct Kept {
    /// None until a lane has answered.
    board: Option<Rc<Board>>,
    at: f64,
    asked: f64,
    lane: LaneId,
}

impl Kept {
    /// What there is, if it will do.
    fn copy(&self) -> Option<Copy> {
        let age = age_ms(self.at);
        let board = self.board.as_ref().filter(|_| age < OLDEST_MS)?;
        Some(Copy { board: Rc::clone(board), stale: age > STALE_AFTER_MS })
    }

    /// The same if nobody needs to ask for a newer one now.
    fn good(&self) -> Option<Copy> {
        self.copy().filter(|_| age_ms(self.at) < FRESH_MS || age_ms(self.asked) < PATIENCE_MS)
    }
}

thread_local! {
    static BOARDS: RefCell<HashMap<EventId, Kept>> = RefCell::default();
}

/// With what is kept of the event.
fn with<T>(event: &Event, work: impl FnOnce(&mut Kept) -> T) -> T {
    BOARDS.with_borrow_mut(|boards| {
        if let Some(kept) = boards.get_mut(&event.id) {
            return work(kept);
        }
        if boards.len() >= MOST_COPIES {
            boards.retain(|_, kept| kept.copy().is_some());
        }
        let none = Kept { board: None, at: f64::NEG_INFINITY, asked: f64::NEG_INFINITY, lane: pick(event) };
        work(boards.entry(event.id.clone()).or_insert(none))
    })
}

/// The event's board.
///
/// # Errors
/// 503 when there is no copy young enough and none can be had; 404 when the event has been purged.
pub async fn get(env: &Env, event: &Event) -> Result<Copy, Problem> {
    let is_under_way = || with(event, |kept| kept.copy().is_none() && age_ms(kept.asked) < flight::DEAD_MS);
    if !flight::landed(is_under_way).await {
        return Err(none());
    }
    let now = now_ms();
    let good = with(event, |kept| {
        let good = kept.good();
        if good.is_none() {
            kept.asked = now;
        }
        good.ok_or(kept.lane)
    });
    let lane = match good {
        Ok(copy) => return Ok(copy),
        Err(lane) => lane,
    };
    let name = lane_name(event.id.as_str(), lane);
    let answer = call(env, Address::lane(&name), Message::of(&LaneCommand::Board)).await;
    match answer.and_then(Answer::read::<Board>) {
        Ok(board) => Ok(Copy { board: with(event, |kept| keep(kept, board, now, lane)), stale: false }),
        Err(error) => with(event, |kept| {
            let copy = kept.copy();
            if copy.is_none() {
                // Who waits may ask at once.
                kept.asked = f64::NEG_INFINITY;
            }
            if matches!(error, CallError::Absent) {
                return Err(Problem::unknown_event(event.id.as_str()));
            }
            worker::console_warn!("boards: {error}");
            // Another lane may answer next time.
            kept.lane = pick(event);
            copy.map(|copy| Copy { stale: true, ..copy }).ok_or_else(none)
        }),
    }
}

fn none() -> Problem {
    let detail = "the state of the line cannot be had right now; no place is lost, ask again";
    Problem::retry(Slug::Overloaded, 5, detail)
}

fn keep(kept: &mut Kept, board: Board, asked: f64, lane: LaneId) -> Rc<Board> {
    if let Some(newer) = kept.board.as_ref().filter(|kept| kept.version > board.version) {
        return Rc::clone(newer);
    }
    let board = Rc::new(board);
    *kept = Kept { board: Some(Rc::clone(&board)), at: asked, asked: f64::NEG_INFINITY, lane };
    board
}

/// Isolates spread over lanes by themselves.
fn pick(event: &Event) -> LaneId {
    let lanes = event.settings.lanes.clamp(1, BOARD_LANES);
    LaneId((worker::js_sys::Math::random() * f64::from(lanes)) as u16 % lanes)
}
