//! The isolate's copies of boards: polls are answered from these and never reach the line.
//!
//! Fresh up to a second. Then one request asks a lane while the others are served the last copy, up to 30 s old and marked
//! `stale`; beyond that there is no answer but 503.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ropeline_queue::wire::Board;
use ropeline_queue::{EventId, LaneId};
use worker::Env;

use crate::clock::{age_ms, now_ms};
use crate::directory::Event;
use crate::http::problem::{Problem, Slug};
use crate::objects::call::{Address, Answer, CallError, Message, call, lane_name};
use crate::objects::command::LaneCommand;

const FRESH_MS: f64 = 1_000.0;
/// A copy this old is no longer as good as new, whatever the reason.
const STALE_AFTER_MS: f64 = 3_000.0;
const OLDEST_MS: f64 = 30_000.0;
/// A request that asks may die; after this another one asks.
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
    board: Rc<Board>,
    at: f64,
    asked: f64,
    lane: LaneId,
}

thread_local! {
    static BOARDS: RefCell<HashMap<EventId, Kept>> = RefCell::default();
}

/// The event's board.
///
/// # Errors
/// 503 when there is no copy young enough and none can be had; 404 when the event has been purged.
pub async fn get(env: &Env, event: &Event) -> Result<Copy, Problem> {
    let now = now_ms();
    let kept = BOARDS.with_borrow_mut(|boards| {
        let kept = boards.get_mut(&event.id)?;
        let fresh = age_ms(kept.at) < FRESH_MS;
        let asked = age_ms(kept.asked) < PATIENCE_MS;
        if !fresh && !asked {
            kept.asked = now;
        }
        Some((Rc::clone(&kept.board), kept.at, fresh || asked, kept.lane))
    });
    if let Some((board, at, true, _)) = &kept
        && age_ms(*at) < OLDEST_MS
    {
        return Ok(Copy { board: Rc::clone(board), stale: age_ms(*at) > STALE_AFTER_MS });
    }
    let lane = kept.as_ref().map_or_else(|| pick(event), |(.., lane)| *lane);
    let name = lane_name(event.id.as_str(), lane);
    let answer = call(env, Address::lane(&name), Message::of(&LaneCommand::Board)).await;
    match answer.and_then(Answer::read::<Board>) {
        Ok(board) => Ok(Copy { board: keep(event, board, now, lane), stale: false }),
        Err(CallError::Absent) => Err(Problem::unknown_event(event.id.as_str())),
        Err(error) => {
            worker::console_warn!("boards: {error}");
            // Another lane may answer next time.
            BOARDS.with_borrow_mut(|boards| boards.get_mut(&event.id).map(|kept| kept.lane = pick(event)));
            match kept {
                Some((board, at, ..)) if age_ms(at) < OLDEST_MS => Ok(Copy { board, stale: true }),
                _ => Err(Problem::retry(
                    Slug::Overloaded,
                    5,
                    "the state of the line cannot be had right now; no place is lost, ask again",
                )),
            }
        }
    }
}

fn keep(event: &Event, board: Board, asked: f64, lane: LaneId) -> Rc<Board> {
    BOARDS.with_borrow_mut(|boards| {
        if let Some(kept) = boards.get(&event.id)
            && kept.board.version > board.version
        {
            return Rc::clone(&kept.board);
        }
        if boards.len() >= MOST_COPIES {
            boards.retain(|_, kept| asked - kept.at < OLDEST_MS);
        }
        let board = Rc::new(board);
        boards.insert(event.id.clone(), Kept { board: Rc::clone(&board), at: asked, asked: f64::NEG_INFINITY, lane });
        board
    })
}

/// Isolates spread over lanes by themselves.
fn pick(event: &Event) -> LaneId {
    let lanes = event.settings.lanes.clamp(1, BOARD_LANES);
    LaneId((worker::js_sys::Math::random() * f64::from(lanes)) as u16 % lanes)
}
