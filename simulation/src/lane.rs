//! A lane's shell, as `src/objects/lane_do.rs` of the Worker: looks visitors up, joins the batch, stores, then wakes.

use std::collections::BTreeMap;

use ropeline_queue::lane::{LaneChange, LaneStep, WaiterId, Wake};
use ropeline_queue::wire::{Board, Exchange, ExchangeReply, Op, OpAnswer};
use ropeline_queue::{Lane, LaneId, Number, Subject};

use crate::disk::Disk;
use crate::message::{CallId, Client, Entered, Out, Outcome, Request, To};
use crate::plan::{Dialect, Ms, SECOND, demo};
use crate::rows::{LaneRows, LaneWrite, VisitorRow};
use crate::wire::{Kind, decode, encode};
use crate::world::{Event, World};

/// More lanes than any seed's settings have.
pub(crate) const MOST_LANES: usize = 8;

const WAITER_BOUND_MS: u64 = 8_000;
const EXCHANGE_BOUND_MS: Ms = 5_000;
const OVERLOADED_PAUSE_MS: Ms = 1_000;
const LONGEST_PAUSE_MS: Ms = 2_000;
const BOARD_FRESH_MS: u64 = 1_000;
const BOARD_USABLE_MS: u64 = 5_000;
/// All lanes of an event together make at most this many.
pub(crate) const EXCHANGES_PER_SECOND: u64 = 250;

/// What goes on when a waiter is woken.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// A place was wanted.
    Place { sub: Subject, claim: bool },
    /// What a place is, asked for with enter.
    State { sub: Subject, number: Number, new: bool },
    /// The line was told of a leave; now look what the place is, for this.
    Look { number: Number, then: Box<Self> },
    /// Is the old place over, so that there may be another one?
    Again { sub: Subject, lanes: u16, number: Number, claim: bool },
    /// An op that its visitor asked for.
    Asked { asked: Request },
}

#[derive(Debug)]
pub(crate) struct Waiting {
    call: CallId,
    since: u64,
    then: Then,
}

/// One lane.
pub(crate) struct LaneObject {
    pub(crate) id: usize,
    pub(crate) disk: Disk<LaneRows, Out>,
    pub(crate) lane: Option<Lane>,
    /// Counts the instances; what was scheduled for an older one is ignored.
    pub(crate) instance: u64,
    /// Counts the crashes; a write of an older life never reaches the disk.
    life: u64,
    pub(crate) offset: i64,
    pub(crate) waiters: BTreeMap<WaiterId, Waiting>,
    next_waiter: WaiterId,
    pumping: bool,
    flying: Option<(CallId, Exchange)>,
    last_reply: Option<ExchangeReply>,
    attempt: u32,
    cycle_began: Ms,
    lanes_said: u16,
    board: Option<(u64, Board)>,
    refreshing_since: Option<u64>,
}

impl LaneObject {
    pub(crate) fn new(id: usize, offset: i64, slow: bool) -> Self {
        Self {
            id,
            disk: Disk::new(LaneRows::default(), slow),
            lane: None,
            instance: 0,
            life: 0,
            offset,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            pumping: false,
            flying: None,
            last_reply: None,
            attempt: 0,
            cycle_began: 0,
            lanes_said: 1,
            board: None,
            refreshing_since: None,
        }
    }

    fn memory(&mut self) -> &mut Lane {
        let (id, meta) = (LaneId(u16::try_from(self.id).unwrap_or(0)), self.disk.rows.meta);
        self.lane.get_or_insert_with(|| Lane::restore(id, meta))
    }

    fn row(&self, sub: Subject) -> Option<VisitorRow> {
        self.disk.rows.visitors.get(&sub).copied()
    }
}

const fn retry_pause(attempt: u32) -> Ms {
    let pause = 50 << if attempt < 6 { attempt } else { 6 };
    if pause < LONGEST_PAUSE_MS { pause } else { LONGEST_PAUSE_MS }
}

impl World {
    fn lane_sends(&mut self, lane: usize, out: Out) {
        if let Some(out) = self.lanes[lane].disk.send(out) {
            self.release(out);
        }
    }

    fn lane_answers(&mut self, lane: usize, call: CallId, outcome: Outcome) {
        self.lane_sends(lane, Out::Answer(call, outcome));
    }

    fn lane_writes(&mut self, lane: usize, changes: Vec<LaneWrite>) {
        let most = self.weather().flush;
        let after = self.random.below(most + 1);
        let object = &mut self.lanes[lane];
        if object.disk.write(changes, after > 0) {
            let life = object.life;
            self.schedule_in(after, Event::FlushLane { lane, life });
        }
    }

    pub(crate) fn flush_lane(&mut self, lane: usize, life: u64) {
        if self.lanes[lane].life == life {
            for out in self.lanes[lane].disk.flush() {
                self.release(out);
            }
        }
    }

    pub(crate) fn lane_hears(&mut self, lane: usize, call: CallId, request: Request) {
        self.lanes[lane].memory();
        match request {
            Request::Enter { sub, lanes, claim, again } => self.enter(lane, call, sub, lanes, claim, again),
            Request::Claim { sub, number } => {
                self.about(lane, call, sub, number, request, |row| Op::Claim {
                    number,
                    sub,
                    entered_at: row.entered_at,
                    account: None,
                });
            }
            Request::Renew { sub, number } => self.about(lane, call, sub, number, request, |_| Op::Renew { number }),
            Request::Leave { sub, number } => {
                self.lane_writes(lane, vec![LaneWrite::Left(sub, number)]);
                self.about(lane, call, sub, number, request, |_| Op::Leave { number });
            }
            Request::Complete { seq } => self.ask(lane, call, Op::Complete { seq }, Then::Asked { asked: request }),
            Request::Redeem { seq } => self.ask(lane, call, Op::Redeem { seq }, Then::Asked { asked: request }),
            Request::LaneBoard => self.lane_board(lane, call),
            _ => {}
        }
    }

    fn enter(&mut self, lane: usize, call: CallId, sub: Subject, lanes: u16, claim: bool, again: bool) {
        self.lanes[lane].lanes_said = lanes.max(1);
        if let Some(row) = self.lanes[lane].row(sub) {
            let number = row.number;
            if !again {
                return self.known(lane, call, sub, &row, claim);
            }
            let op = if row.left { Op::Leave { number } } else { Op::Look { number } };
            return self.ask(lane, call, op, Then::Again { sub, lanes, number, claim });
        }
        self.join(lane, call, sub, lanes, claim);
    }

    fn known(&mut self, lane: usize, call: CallId, sub: Subject, row: &VisitorRow, claim: bool) {
        let VisitorRow { number, entered_at, left } = *row;
        let then = Then::State { sub, number, new: false };
        if left {
            return self.ask(lane, call, Op::Leave { number }, Then::Look { number, then: Box::new(then) });
        }
        if claim {
            return self.ask(lane, call, Op::Claim { number, sub, entered_at, account: None }, then);
        }
        if self.lanes[lane].memory().is_waiting(&demo(), number) {
            return self.state(lane, call, sub, number, false, OpAnswer::Waiting);
        }
        self.ask(lane, call, Op::Look { number }, then);
    }

    fn state(&mut self, lane: usize, call: CallId, sub: Subject, number: Number, new: bool, state: OpAnswer) {
        self.lane_answers(lane, call, Outcome::Entered { sub, entered: Entered::Place { number, new, state } });
    }

    fn about(
        &mut self,
        lane: usize,
        call: CallId,
        sub: Subject,
        number: Number,
        asked: Request,
        op: impl FnOnce(&VisitorRow) -> Op,
    ) {
        let Some(row) = self.lanes[lane].row(sub).filter(|row| row.number == number) else {
            return self.lane_answers(lane, call, Outcome::Asked { asked, answer: None, in_ms: None });
        };
        let (op, then) = (op(&row), Then::Asked { asked });
        if row.left && !matches!(op, Op::Leave { .. }) {
            return self.ask(lane, call, Op::Leave { number }, Then::Look { number, then: Box::new(then) });
        }
        self.ask(lane, call, op, then);
    }

    fn join(&mut self, lane: usize, call: CallId, sub: Subject, lanes: u16, claim: bool) {
        self.wait(lane, call, Then::Place { sub, claim }, |engine, waiter| engine.join(sub, lanes, waiter).is_ok());
    }

    fn ask(&mut self, lane: usize, call: CallId, op: Op, then: Then) {
        self.wait(lane, call, then, |engine, waiter| engine.submit(op, waiter).is_ok());
    }

    fn wait(&mut self, lane: usize, call: CallId, then: Then, join: impl FnOnce(&mut Lane, WaiterId) -> bool) {
        let since = self.clock(self.lanes[lane].offset);
        let object = &mut self.lanes[lane];
        let waiter = object.next_waiter;
        object.next_waiter += 1;
        if !join(object.memory(), waiter) {
            return self.lane_answers(lane, call, Outcome::Overloaded);
        }
        object.waiters.insert(waiter, Waiting { call, since, then });
        if !object.pumping {
            object.pumping = true;
            let instance = object.instance;
            self.schedule_in(0, Event::Pump { lane, instance });
        }
    }

    /// One exchange, or the same once more.
    pub(crate) fn pump(&mut self, lane: usize, instance: u64) {
        let object = &mut self.lanes[lane];
        if object.instance != instance {
            return;
        }
        let Some((exchange, changes)) = object.lane.as_mut().and_then(Lane::exchange) else {
            object.pumping = false;
            return;
        };
        if object.flying.is_none() && object.attempt == 0 {
            object.cycle_began = self.now;
        }
        if !changes.is_empty() && !self.lane_stores(lane, changes) {
            return;
        }
        let body = encode(Kind::Exchange, self.plan.lanes_speak, self.plan.line_speaks, &exchange);
        self.checks.exchange_sent(&exchange, &body);
        let call = self.begin_call(Client::Exchange { lane, instance }, EXCHANGE_BOUND_MS);
        self.lanes[lane].flying = Some((call, exchange));
        self.lane_sends(lane, Out::Call(call, To::Line, Request::Exchange(body)));
    }

    /// Writes what the engine wants written. False: that failed, and the memory is dropped.
    fn lane_stores(&mut self, lane: usize, changes: Vec<LaneChange>) -> bool {
        let fails = self.weather().write_fails / 4;
        let fails = self.random.chance(fails);
        if !fails || self.random.chance(500) {
            self.check_lane_writes(lane, &changes);
            self.lane_writes(lane, changes.into_iter().map(LaneWrite::Engine).collect());
        }
        if fails {
            self.note(|| format!("lane {lane}: a write fails"));
            self.lane_forgets(lane);
        }
        !fails
    }

    pub(crate) fn exchange_answered(&mut self, lane: usize, instance: u64, call: CallId, outcome: &Outcome) {
        let mixed_up = self.weather().mixed_up;
        let mixed_up = self.random.chance(mixed_up);
        let object = &mut self.lanes[lane];
        let flying = object.flying.take_if(|(flying, _)| *flying == call);
        let Some((_, exchange)) = flying.filter(|_| object.instance == instance) else { return };
        let pause = match outcome {
            Outcome::Json(body) => {
                let reply = match decode::<ExchangeReply>(body) {
                    Ok(reply) => reply,
                    Err(error) => return self.checks.misunderstood(error),
                };
                // Sometimes the answer to an earlier batch comes instead.
                let earlier = object.last_reply.replace(reply.clone());
                let earlier = earlier.filter(|_| mixed_up).filter(|it| (it.inc, it.k) != (exchange.inc, exchange.k));
                let reply = earlier.unwrap_or(reply);
                if reply.answers(&exchange) {
                    object.attempt = 0;
                    return self.settle(lane, &reply);
                }
                retry_pause(object.attempt)
            }
            Outcome::Overloaded => {
                let wakes = object.lane.as_mut().map(Lane::give_up_waiting).unwrap_or_default();
                self.wake(lane, wakes);
                OVERLOADED_PAUSE_MS
            }
            _ => retry_pause(object.attempt),
        };
        let object = &mut self.lanes[lane];
        object.attempt += 1;
        self.tell_those_who_waited_long(lane, pause);
        self.schedule_in(pause, Event::Pump { lane, instance });
    }

    fn tell_those_who_waited_long(&mut self, lane: usize, pause: Ms) {
        let ahead = pause + EXCHANGE_BOUND_MS;
        let latest = (self.clock(self.lanes[lane].offset) + ahead).saturating_sub(WAITER_BOUND_MS);
        let waiters = self.lanes[lane].waiters.iter();
        let late =
            waiters.filter(|(_, waiting)| waiting.since < latest).map(|(id, _)| (*id, Wake::Unavailable)).collect();
        self.wake(lane, late);
    }

    /// Stores what the line answered, and only then wakes those who wait for it.
    fn settle(&mut self, lane: usize, reply: &ExchangeReply) {
        let Some(engine) = &mut self.lanes[lane].lane else { return };
        let LaneStep { changes, wakes, abort } = engine.reply(reply);
        if !changes.is_empty() && !self.lane_stores(lane, changes) {
            return;
        }
        self.lane_saw(lane, &reply.board);
        self.wake(lane, wakes);
        if let Some(abort) = abort {
            self.note(|| format!("lane {lane}: this instance ends: {abort:?}"));
            self.checks.lane_aborted(abort);
            return self.lane_forgets(lane);
        }
        let object = &self.lanes[lane];
        let next = object.cycle_began + u64::from(object.lanes_said) * SECOND / EXCHANGES_PER_SECOND;
        let instance = object.instance;
        self.schedule(next, Event::Pump { lane, instance });
    }

    fn wake(&mut self, lane: usize, wakes: Vec<(WaiterId, Wake)>) {
        for (waiter, wake) in wakes {
            if let Some(waiting) = self.lanes[lane].waiters.remove(&waiter) {
                self.woken(lane, waiting.call, waiting.then, wake);
            }
        }
    }

    fn woken(&mut self, lane: usize, call: CallId, then: Then, wake: Wake) {
        match (then, wake) {
            (Then::Place { sub, claim }, Wake::Place { number, entered_at, called, commitment }) => {
                self.check_commitment(commitment.as_deref());
                match (called, claim) {
                    (false, _) => self.state(lane, call, sub, number, true, OpAnswer::Waiting),
                    (true, false) => self.state(lane, call, sub, number, true, OpAnswer::Called),
                    (true, true) => {
                        let op = Op::Claim { number, sub, entered_at, account: None };
                        self.ask(lane, call, op, Then::State { sub, number, new: true });
                    }
                }
            }
            (Then::Place { sub, .. }, Wake::Refused(reason)) => {
                self.lane_answers(lane, call, Outcome::Entered { sub, entered: Entered::Refused(reason) });
            }
            (Then::State { sub, number, new }, Wake::Op { answer, .. }) => {
                self.state(lane, call, sub, number, new, answer);
            }
            (Then::Look { number, then }, Wake::Op { .. }) => self.ask(lane, call, Op::Look { number }, *then),
            (Then::Again { sub, lanes, number, claim }, Wake::Op { answer, .. }) => {
                if !matches!(answer, OpAnswer::Left | OpAnswer::Ended | OpAnswer::Done) {
                    return self.state(lane, call, sub, number, false, answer);
                }
                match self.lanes[lane].row(sub).filter(|row| row.number != number) {
                    Some(row) => self.known(lane, call, sub, &row, claim),
                    None => self.join(lane, call, sub, lanes, claim),
                }
            }
            (Then::Asked { asked }, Wake::Op { answer, in_ms }) => {
                self.lane_answers(lane, call, Outcome::Asked { asked, answer: Some(answer), in_ms });
            }
            _ => self.lane_answers(lane, call, Outcome::Overloaded),
        }
    }

    fn lane_saw(&mut self, lane: usize, board: &Board) {
        let now = self.clock(self.lanes[lane].offset);
        let object = &mut self.lanes[lane];
        if object.board.as_ref().is_none_or(|(_, known)| known.version <= board.version) {
            object.board = Some((now, board.clone()));
        }
    }

    fn board_json(&self, board: &Board) -> Outcome {
        Outcome::Json(encode(Kind::Board, self.plan.lanes_speak, Dialect::Now, board))
    }

    fn lane_board(&mut self, lane: usize, call: CallId) {
        let now = self.clock(self.lanes[lane].offset);
        let object = &mut self.lanes[lane];
        // After a step back of the clock what is of the future is old.
        let within = |since: u64, bound: u64| now.checked_sub(since).is_some_and(|age| age < bound);
        let others = object.refreshing_since.is_some_and(|since| within(since, BOARD_USABLE_MS));
        let usable = if others { BOARD_USABLE_MS } else { BOARD_FRESH_MS };
        if let Some((at, board)) = &object.board
            && within(*at, usable)
        {
            let board = board.clone();
            let outcome = self.board_json(&board);
            return self.lane_answers(lane, call, outcome);
        }
        object.refreshing_since = Some(now);
        let client = Client::LaneBoard { lane, instance: object.instance, asked_by: call };
        let asked = self.begin_call(client, EXCHANGE_BOUND_MS);
        self.lane_sends(lane, Out::Call(asked, To::Line, Request::LineBoard));
    }

    pub(crate) fn lane_board_answered(&mut self, lane: usize, instance: u64, asked_by: CallId, outcome: &Outcome) {
        if self.lanes[lane].instance != instance {
            return;
        }
        self.lanes[lane].refreshing_since = None;
        let Outcome::Json(body) = outcome else { return self.lane_answers(lane, asked_by, Outcome::Overloaded) };
        match decode::<Board>(body) {
            Ok(board) => {
                self.lane_saw(lane, &board);
                self.lanes[lane].memory().saw(&board);
                let outcome = self.board_json(&board);
                self.lane_answers(lane, asked_by, outcome);
            }
            Err(error) => self.checks.misunderstood(error),
        }
    }

    /// Drops the memory. Those who wait get no outcome and ask again.
    fn lane_forgets(&mut self, lane: usize) {
        let object = &mut self.lanes[lane];
        let waiters = std::mem::take(&mut object.waiters);
        object.lane = None;
        object.board = None;
        object.refreshing_since = None;
        object.pumping = false;
        object.flying = None;
        object.attempt = 0;
        object.instance += 1;
        for waiting in waiters.into_values() {
            self.lane_answers(lane, waiting.call, Outcome::Overloaded);
        }
    }

    /// The instance is gone, with its memory, its waiters and what was not on disk. Its messages may still be under way.
    pub(crate) fn crash_lane(&mut self, lane: usize) {
        let unflushed = self.lanes[lane].disk.unflushed();
        let kept = self.random.index(unflushed + 1);
        let lost = self.lanes[lane].disk.crash(kept);
        self.lanes[lane].life += 1;
        self.note(|| format!("lane {lane} crashes{}", if lost { " and loses writes" } else { "" }));
        let waiters = std::mem::take(&mut self.lanes[lane].waiters);
        let flying = self.lanes[lane].flying.take();
        if let Some((call, exchange)) = flying.filter(|_| self.random.chance(400)) {
            // What it was saying when it died is heard only after the next instance has spoken.
            let body = encode(Kind::Exchange, self.plan.lanes_speak, self.plan.line_speaks, &exchange);
            let after = self.random.below(self.plan.weather.latest + 1);
            self.schedule_in(after, Event::Deliver { call, to: To::Line, request: Request::Exchange(body) });
        }
        self.lane_forgets(lane);
        self.check_lane_crashed(lane);
        for waiting in waiters.into_values() {
            if self.random.chance(700) {
                let after = self.random.below(100);
                self.schedule_in(after, Event::Answered { call: waiting.call, outcome: Outcome::Unavailable });
            }
        }
    }
}
