//! Lanes, line and relay of one sale. One thread and one order of events, as for the seeds; but nothing fails, a write is on disk at once,
//! and messages cross as they are.

use std::collections::{BTreeMap, VecDeque};

use ropeline_queue::lane::{LaneChange, LaneMeta, LaneStep, Wake};
use ropeline_queue::line::Step;
use ropeline_queue::line::log::{Ack, Drain, LogError, MAX_DRAIN};
use ropeline_queue::place::{Place, Seat, State, poll_after_turn};
use ropeline_queue::wire::{Board, Exchange, ExchangeReply, Op, OpAnswer};
use ropeline_queue::{Epoch, EventId, Lane, LaneId, Line, Number, Seq, Settings, UnixMillis};

use super::crowd::{Crowd, Does};
use super::rates::Rate;
use super::timers::{TICK, Timers};
use super::{Outcome, Rush};
use crate::checks::{Checks, Promise, Rest};
use crate::disk::Rows;
use crate::lane::EXCHANGES_PER_SECOND;
use crate::plan::{MINUTE, Ms, SECOND, Shape, demo};
use crate::random::Random;
use crate::rows::{LineChange, LineRows, ReadFailed};
use crate::visitor::subject;
use crate::world::BASE_UNIX_MS;

/// One way between a lane and its line.
const LEAST_DELAY: Ms = 5;
const MOST_DELAY: Ms = 15;
/// How often the relay looks for entries.
const RELAY_POLLS: Ms = 200;
/// Of those let in, permille whose order the shop completes.
const COMPLETED: u64 = 700;
/// One visitor in so many is held against the true number of those ahead at every poll: that is the dearest of all checks.
const LOOKED_AT: usize = 64;
/// A sale is over within a day.
const BOUND: Ms = 24 * 60 * MINUTE;
/// Nobody waits for the answer.
const NOBODY: u64 = u64::MAX;

enum Event {
    Pump(usize),
    Hears(usize, Exchange),
    Answered(usize, Box<ExchangeReply>),
}

struct LaneShell {
    lane: Lane,
    pumping: bool,
    began: Ms,
    asked: Rate,
    /// Who waits for a number, in the order in which they came.
    joined: VecDeque<u64>,
}

pub(super) struct Sale {
    event: EventId,
    settings: Settings,
    rush_ms: Ms,
    random: Random,
    now: Ms,
    scheduled: u64,
    queue: BTreeMap<(Ms, u64), Event>,
    rows: LineRows,
    line: Line,
    lanes: Vec<LaneShell>,
    /// The isolates' copy.
    board: Board,
    epoch: Epoch,
    crowd: Crowd,
    turns: Timers<u32>,
    completions: Timers<Seq>,
    checks: Checks,
    outcome: Outcome,
}

impl Sale {
    pub(super) fn new(rush: &Rush) -> Self {
        let mut random = Random::new(rush.seed);
        let settings = Settings {
            lanes: rush.lanes,
            new_users_per_minute: rush.per_minute,
            // Room for all who come within a session's time: the minute binds.
            total_active_users: (rush.per_minute * 6).min(1_000_000),
            ..Settings::defaults(&demo())
        };
        let crowd = Crowd::new(rush.visitors, &mut random);
        let rest = Rest::new(crowd.will_wait(), Shape::Full, &settings);
        let rows = LineRows::new(settings.clone(), UnixMillis(BASE_UNIX_MS), [7; 32]);
        let lane = |lane| LaneShell {
            lane: Lane::restore(LaneId(lane), LaneMeta::default()),
            pumping: false,
            began: 0,
            asked: Rate::default(),
            joined: VecDeque::new(),
        };
        Self {
            event: demo(),
            rush_ms: rush.seconds * SECOND,
            random,
            now: 0,
            scheduled: 0,
            queue: BTreeMap::new(),
            line: Line::restore(demo(), rows.snapshot(), UnixMillis(BASE_UNIX_MS)),
            rows,
            lanes: (0..settings.lanes).map(lane).collect(),
            board: Board::default(),
            epoch: Epoch(0),
            turns: Timers::new(),
            completions: Timers::new(),
            checks: Checks::new(rush.visitors, rest),
            outcome: Outcome::default(),
            crowd,
            settings,
        }
    }

    fn clock(&self) -> UnixMillis {
        UnixMillis(BASE_UNIX_MS + self.now)
    }

    /// Until everybody who stays is in, or a promise is broken.
    pub(super) fn run(&mut self) {
        while self.checks.broken.is_none() && self.checks.rest.unfinished > 0 {
            if self.now.is_multiple_of(SECOND) {
                self.second();
            }
            if self.now.is_multiple_of(RELAY_POLLS) {
                self.relay();
            }
            for visitor in self.crowd.coming(self.now + TICK, self.rush_ms) {
                self.checks.knows(subject(visitor), visitor);
                self.checks.order.asks(visitor, false);
                self.crowd.asks(visitor, self.now);
                self.enter(visitor);
            }
            for visitor in self.turns.due(self.now) {
                self.turn(visitor as usize);
            }
            for seq in self.completions.due(self.now) {
                self.checks.limits.completes(seq);
                let lane = self.random.index(self.lanes.len());
                self.submit(lane, Op::Complete { seq }, NOBODY);
            }
            let end = self.now + TICK;
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 < end) {
                let ((at, _), event) = entry.remove_entry();
                self.now = at;
                self.happen(event);
            }
            self.now = end;
            if self.now > BOUND {
                let left = self.checks.rest.unfinished;
                self.checks.fail(Promise::Rest, format!("{left} visitors still wait"));
            }
        }
    }

    /// Whether all went well, at the end.
    pub(super) fn outcome(mut self) -> Result<Outcome, String> {
        self.checks.limits_were_used();
        self.checks.counts(&self.line.stats(self.clock()));
        let (given, came) = (self.rows.head.last_number.get(), self.crowd.does.len() as u64);
        if given != came {
            self.checks.fail(Promise::Order, format!("{came} came, and {given} numbers were given"));
        }
        if let Some(broken) = &self.checks.broken {
            return Err(format!("{:?}: {}", broken.promise, broken.text));
        }
        self.outcome.lasted_ms = self.now;
        self.outcome.admitted = self.rows.head.seq.get();
        self.outcome.lane = self.lanes.iter().map(|lane| lane.asked).max_by_key(|asked| asked.peak).unwrap_or_default();
        Ok(self.outcome)
    }

    fn second(&mut self) {
        let clk = self.clock();
        let board = self.line.board(clk);
        self.outcome.line.count();
        self.board = self.commit(board);
        self.checks.observe(self.now, clk, self.rows.head.seq);
        self.outcome.polls.next_second();
        self.outcome.line.next_second();
        self.lanes.iter_mut().for_each(|lane| lane.asked.next_second());
    }

    /// Takes all entries there are, 500 at a time.
    fn relay(&mut self) {
        let now = self.clock();
        if self.epoch == Epoch(0) {
            let Some(lease) = self.heard(|line, rows| line.lease(rows, now, "relay")) else { return };
            self.epoch = lease.epoch;
        }
        let epoch = self.epoch;
        loop {
            let after = self.rows.relay.acked;
            let (topic, partition, next_offset) = (Some("topic".to_owned()), Some(0), Some(0));
            let drain = Drain { epoch, after, limit: MAX_DRAIN, topic, partition, next_offset, ack: None };
            self.outcome.line.count();
            let Some(drained) = self.heard(|line, rows| line.drain(rows, now, &drain)) else { return };
            if drained.entries.is_empty() {
                return;
            }
            // In truth the next drain carries it.
            let ack = Ack { seq: after.plus(drained.entries.len() as u64), next_offset: 1 };
            if self.heard(|line, _| line.ack(now, epoch, ack)).is_none() {
                return;
            }
            self.rows.forget_acked(after);
        }
    }

    /// What the line tells the relay, which it never refuses: there is no other one.
    fn heard<T>(
        &mut self,
        ask: impl FnOnce(&mut Line, &LineRows) -> Result<Step<T>, LogError<ReadFailed>>,
    ) -> Option<T> {
        match ask(&mut self.line, &self.rows) {
            Ok(step) => Some(self.commit(step)),
            Err(error) => {
                self.checks.fail(Promise::Log, format!("the only relay is refused: {error:?}"));
                None
            }
        }
    }

    fn commit<T>(&mut self, step: Step<T>) -> T {
        let changes: Vec<_> = step.changes.into_iter().map(LineChange::Engine).collect();
        self.checks.line_writes(&self.rows, &changes);
        changes.iter().for_each(|change| self.rows.apply(change));
        step.answer
    }

    fn schedule(&mut self, at: Ms, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), event);
    }

    fn happen(&mut self, event: Event) {
        self.outcome.steps += 1;
        match event {
            Event::Pump(lane) => self.pump(lane),
            Event::Hears(lane, exchange) => {
                self.outcome.line.count();
                self.outcome.largest_batch = self.outcome.largest_batch.max(exchange.count);
                let Ok(step) = self.line.exchange(&self.rows, self.clock(), &exchange) else { return };
                let reply = self.commit(step);
                self.checks.claims_answered(&exchange, &reply);
                let at = self.now + self.random.between(LEAST_DELAY, MOST_DELAY);
                self.schedule(at, Event::Answered(lane, Box::new(reply)));
            }
            Event::Answered(lane, reply) => self.answered(lane, &reply),
        }
    }

    fn pump(&mut self, lane: usize) {
        let shell = &mut self.lanes[lane];
        let Some((exchange, _)) = shell.lane.exchange() else {
            shell.pumping = false;
            return;
        };
        shell.began = self.now;
        let at = self.now + self.random.between(LEAST_DELAY, MOST_DELAY);
        self.schedule(at, Event::Hears(lane, exchange));
    }

    fn answered(&mut self, lane: usize, reply: &ExchangeReply) {
        let LaneStep { changes, wakes, abort } = self.lanes[lane].lane.reply(reply);
        if let Some(abort) = abort {
            self.checks.lane_aborted(abort);
        }
        for change in &changes {
            let LaneChange::Visitors { subjects, first, .. } = change else { continue };
            for (offset, sub) in (0..).zip(subjects) {
                self.checks.place_stored(lane, *sub, first.plus(offset), None, true);
            }
        }
        for (waiter, wake) in wakes {
            if matches!(wake, Wake::Place { .. }) && self.lanes[lane].joined.pop_front() != Some(waiter) {
                self.checks.fail(Promise::Order, format!("visitor {waiter} overtakes others of lane {lane}"));
            }
            if waiter != NOBODY {
                self.woken(usize::try_from(waiter).unwrap_or(usize::MAX), &wake);
            }
        }
        let pause = u64::from(self.settings.lanes) * SECOND / EXCHANGES_PER_SECOND;
        self.schedule(self.lanes[lane].began + pause, Event::Pump(lane));
    }

    /// Whether the lane takes it in.
    fn asks(&mut self, lane: usize, join: impl FnOnce(&mut Lane) -> bool) -> bool {
        self.outcome.steps += 1;
        let shell = &mut self.lanes[lane];
        shell.asked.count();
        let taken = join(&mut shell.lane);
        if taken && !std::mem::replace(&mut shell.pumping, true) {
            self.schedule(self.now, Event::Pump(lane));
        }
        taken
    }

    fn submit(&mut self, lane: usize, op: Op, waiter: u64) -> bool {
        self.asks(lane, |lane| lane.submit(op, waiter).is_ok())
    }

    fn again_in(&mut self, visitor: usize, after: Ms) {
        self.turns.set(self.now + after, u32::try_from(visitor).unwrap_or(u32::MAX));
    }

    fn enter(&mut self, visitor: usize) {
        let (sub, lanes) = (subject(visitor), self.settings.lanes);
        let lane = usize::from(sub.lane(lanes).0);
        if self.asks(lane, |lane| lane.join(sub, lanes, visitor as u64).is_ok()) {
            self.lanes[lane].joined.push_back(visitor as u64);
        } else {
            self.put_off(visitor);
        }
    }

    /// A full lane is asked again as `Retry-After` says.
    fn put_off(&mut self, visitor: usize) {
        self.outcome.put_off += 1;
        let after = self.random.between(SECOND, 5 * SECOND);
        self.again_in(visitor, after);
    }

    /// A visitor's timer has come.
    fn turn(&mut self, visitor: usize) {
        let Some(number) = self.crowd.number(visitor) else { return self.enter(visitor) };
        self.outcome.steps += 1;
        self.outcome.polls.count();
        self.told(visitor, number);
        if visitor.is_multiple_of(LOOKED_AT) {
            self.checks.looked(number);
        }
    }

    /// A visitor is told what the isolates' copy of the board says, and does what follows from that.
    fn told(&mut self, visitor: usize, number: Number) {
        let seat = Seat { number, position: Some(number.position()), seen: 0 };
        let jitter = self.random.share();
        let place = Place::on(&self.board, &self.event, &seat, UnixMillis(BASE_UNIX_MS + self.now), jitter);
        let (state, ahead, after) = (place.state, place.ahead.unwrap_or(0), place.poll_after_seconds);
        let before = self.crowd.shown(visitor, ahead);
        self.checks.shown(number, before, ahead);
        match (state, self.crowd.does[visitor]) {
            (_, Does::Away | Does::Done) => {}
            (State::Called, Does::Waits) => self.claim(visitor, number),
            (State::Waiting, Does::Waits) => self.again_in(visitor, (after * 1_000.0) as Ms),
            (_, Does::Leaves) => self.about(visitor, Op::Leave { number }),
            (state, Does::Waits) => self.checks.fail(Promise::Course, format!("visitor {visitor} is told {state:?}")),
        }
    }

    fn claim(&mut self, visitor: usize, number: Number) {
        let entered_at = UnixMillis(BASE_UNIX_MS + self.crowd.entered_at(visitor));
        self.about(visitor, Op::Claim { number, sub: subject(visitor), entered_at, account: None });
    }

    fn about(&mut self, visitor: usize, op: Op) {
        let lane = usize::from(subject(visitor).lane(self.settings.lanes).0);
        if !self.submit(lane, op, visitor as u64) {
            self.put_off(visitor);
        }
    }

    fn woken(&mut self, visitor: usize, wake: &Wake) {
        match wake {
            Wake::Place { number, entered_at, .. } => {
                self.checks.place_answered(visitor, *number, |_| false);
                let waited = self.crowd.placed(visitor, *number, entered_at.since(UnixMillis(BASE_UNIX_MS)), self.now);
                self.outcome.waits.count(waited);
                self.told(visitor, *number);
            }
            Wake::Op { answer: OpAnswer::Admitted { seq, .. }, .. } => self.is_in(visitor, *seq),
            Wake::Op { answer: OpAnswer::Called, in_ms } => {
                let soon = in_ms.map(poll_after_turn);
                let after = soon.unwrap_or_else(|| 1.5 * (0.8 + 0.4 * self.random.share()));
                self.again_in(visitor, (after * 1_000.0) as Ms);
            }
            Wake::Op { answer: OpAnswer::Done, .. } => self.crowd.does[visitor] = Does::Done,
            other => self.checks.fail(Promise::Rest, format!("visitor {visitor} is told {other:?}")),
        }
    }

    fn is_in(&mut self, visitor: usize, seq: Seq) {
        if let Some(number) = self.crowd.number(visitor) {
            self.checks.admission_answered(number, seq);
        }
        if std::mem::replace(&mut self.crowd.does[visitor], Does::Done) == Does::Waits {
            self.checks.rest.wants(false);
            if self.random.chance(COMPLETED) {
                let after = SECOND + self.random.below(self.settings.session_duration_seconds * SECOND / 2);
                self.completions.set(self.now + after, seq);
            }
        }
    }
}
