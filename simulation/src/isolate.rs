//! The Worker's isolates: each has a copy of the board, as `src/boards.rs`, and an idea of how many lanes there are.

use ropeline_queue::UnixMillis;
use ropeline_queue::place::{self, Place, Seat, State};
use ropeline_queue::wire::Board;

use crate::message::{Client, Outcome, Request, To};
use crate::plan::{Ms, SECOND, demo};
use crate::wire::decode;
use crate::world::{BASE_UNIX_MS, Event, World};

const FRESH_MS: Ms = 1_000;
const OLDEST_MS: Ms = 30_000;
const PATIENCE_MS: Ms = 2_000;
const STUB_BOUND_MS: Ms = 10_000;
const LIST_FRESH_MS: Ms = 5_000;

/// One isolate.
pub(crate) struct Isolate {
    generation: u64,
    copy: Option<(Ms, Board)>,
    asked: Option<Ms>,
    /// Tabs whose poll waits for the board that is asked for.
    waiting: Vec<(usize, usize)>,
    /// Into how many lanes the event is split, as the registry's list said when it was last read.
    lanes: u16,
    listed_at: Ms,
}

/// What a poll is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) state: State,
    pub(crate) ahead: Option<u64>,
    pub(crate) frontier: u64,
    pub(crate) poll_after: Ms,
}

impl Isolate {
    pub(crate) fn new(lanes: u16) -> Self {
        Self { generation: 0, copy: None, asked: None, waiting: Vec::new(), lanes, listed_at: 0 }
    }
}

impl World {
    /// A poll: answered from the copy where it will do, else when a lane has answered.
    pub(crate) fn poll(&mut self, visitor: usize, tab: usize) {
        let isolate = self.random.index(self.isolates.len());
        let now = self.now;
        let it = &mut self.isolates[isolate];
        let age = it.copy.as_ref().map(|(at, _)| now - at);
        let fresh = age.is_some_and(|age| age < FRESH_MS);
        let asked = it.asked.is_some_and(|at| now - at < PATIENCE_MS);
        if fresh || (asked && age.is_some_and(|age| age < OLDEST_MS)) {
            return self.poll_answered(isolate, visitor, tab);
        }
        it.waiting.push((visitor, tab));
        if !asked {
            self.ask_for_board(isolate);
        }
    }

    /// Into how many lanes this isolate believes the event to be split.
    pub(crate) fn lanes_listed(&mut self, isolate: usize) -> u16 {
        let it = &mut self.isolates[isolate];
        if self.now - it.listed_at >= LIST_FRESH_MS {
            it.listed_at = self.now;
            it.lanes = self.line.disk.safe().configured.settings.lanes;
        }
        it.lanes
    }

    fn ask_for_board(&mut self, isolate: usize) {
        let lanes = self.lanes_listed(isolate);
        let lane = self.random.index(usize::from(lanes));
        let it = &mut self.isolates[isolate];
        it.asked = Some(self.now);
        let client = Client::Isolate { isolate, generation: it.generation };
        self.call(client, To::Lane(lane), Request::LaneBoard, STUB_BOUND_MS);
    }

    pub(crate) fn isolate_answered(&mut self, isolate: usize, generation: u64, outcome: &Outcome) {
        let now = self.now;
        let it = &mut self.isolates[isolate];
        if it.generation != generation {
            return;
        }
        it.asked = None;
        if let Outcome::Json(body) = outcome {
            match decode::<Board>(body) {
                Ok(board) => {
                    self.checks.board_is_public(&board);
                    let it = &mut self.isolates[isolate];
                    let older = it.copy.as_ref().is_some_and(|(_, kept)| kept.version > board.version);
                    if !older {
                        it.copy = Some((now, board));
                    }
                }
                Err(error) => return self.checks.misunderstood(error),
            }
        }
        for (visitor, tab) in std::mem::take(&mut self.isolates[isolate].waiting) {
            self.poll_answered(isolate, visitor, tab);
        }
    }

    fn poll_answered(&mut self, isolate: usize, visitor: usize, tab: usize) {
        let it = &self.isolates[isolate];
        let copy = it.copy.as_ref().filter(|(at, _)| self.now - at < OLDEST_MS);
        let it = &mut self.visitors[visitor].tabs[tab];
        let (Some((_, board)), Some(number)) = (copy, it.number) else {
            return self.poll_told(visitor, tab, None);
        };
        // As the ticket does: computed once, and known from then on.
        it.position = it.position.or_else(|| place::position(board.shuffle.as_ref(), &demo(), number));
        let seat = Seat { number, position: it.position, seen: it.sent_seen };
        let told = told(board, &seat, UnixMillis(BASE_UNIX_MS + self.now), self.random.share());
        let lost = self.weather().lost;
        let lost = self.random.chance(lost);
        self.poll_told(visitor, tab, (!lost).then_some(told));
    }

    /// The isolate is gone, and those who polled it get no answer.
    pub(crate) fn crash_isolate(&mut self, isolate: usize) {
        let it = &mut self.isolates[isolate];
        it.generation += 1;
        it.copy = None;
        it.asked = None;
        let generation = it.generation;
        self.note(|| format!("isolate {isolate} is gone"));
        self.schedule_in(SECOND, Event::PolledIsolate { isolate, generation });
    }

    pub(crate) fn isolate_gives_up(&mut self, isolate: usize, generation: u64) {
        if self.isolates[isolate].generation == generation && self.isolates[isolate].asked.is_none() {
            for (visitor, tab) in std::mem::take(&mut self.isolates[isolate].waiting) {
                self.poll_told(visitor, tab, None);
            }
        }
    }

    /// Somebody looks at the board, as the public may.
    pub(crate) fn passer_by(&mut self) {
        if self.isolates[0].asked.is_none() {
            self.ask_for_board(0);
        }
        self.schedule_in(30 * SECOND, Event::PasserBy);
    }
}

fn told(board: &Board, seat: &Seat, now: UnixMillis, jitter: f64) -> Told {
    let event = demo();
    let place = Place::on(board, &event, seat, now, jitter);
    Told {
        state: place.state,
        ahead: place.ahead,
        frontier: place.frontier,
        poll_after: (place.poll_after_seconds * 1_000.0) as Ms,
    }
}
