//! The promises, each with a checker of its own that keeps its own books: from what was written, what left an object, what a
//! visitor saw and what reached Kafka. None of them asks the engine.

mod backwards;
mod bounds;
mod course;
mod durable;
mod limits;
mod log;
mod order;
mod places;
mod rest;
mod session;
mod turn;

use std::collections::BTreeMap;

use ropeline_queue::lane::{Abort, LaneChange};
use ropeline_queue::line::Change;
use ropeline_queue::wire::{Board, Exchange, ExchangeReply, Op, OpAnswer, Stats};
use ropeline_queue::{Number, Seq, Subject, UnixMillis};

pub(crate) use self::rest::Rest;
use crate::message::{CallId, Entered, Outcome, Request};
use crate::plan::Ms;
use crate::rows::{LineChange, LineRows};
use crate::world::World;

/// What was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// 1. One true line.
    Order,
    /// 2. Never backwards.
    Backwards,
    /// The smallest who is present is next.
    Turn,
    /// 3. Same visitor, same place.
    Places,
    /// 4. Exact limits, fully used.
    Limits,
    /// 5. Answered means durable.
    Durable,
    /// 6. One place, one session, one `seq`.
    Session,
    /// 7. Every admission reaches Kafka.
    Log,
    /// An event goes its way, and a draw is what it was committed to.
    Course,
    /// 8. Bounded everywhere.
    Bounds,
    /// When faults stop, all comes to rest.
    Rest,
    /// Versions understand each other.
    Wire,
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) text: String,
}

/// What a checker says: nothing, or what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// All checkers.
pub(crate) struct Checks {
    pub(crate) broken: Option<Violation>,
    pub(crate) order: order::Order,
    pub(crate) backwards: backwards::Backwards,
    course: course::Way,
    turn: turn::Turn,
    pub(crate) places: places::Places,
    pub(crate) limits: limits::Limits,
    pub(crate) durable: durable::Durable,
    pub(crate) session: session::Sessions,
    pub(crate) log: log::Log,
    pub(crate) rest: Rest,
    by_sub: BTreeMap<Subject, usize>,
}

impl Checks {
    pub(crate) fn new(visitors: usize, rest: Rest) -> Self {
        Self {
            broken: None,
            order: order::Order::new(visitors),
            backwards: backwards::Backwards::default(),
            course: course::Way::default(),
            turn: turn::Turn::default(),
            places: places::Places::new(visitors),
            limits: limits::Limits::default(),
            durable: durable::Durable::default(),
            session: session::Sessions::default(),
            log: log::Log::default(),
            rest,
            by_sub: BTreeMap::new(),
        }
    }

    pub(crate) fn fail(&mut self, promise: Promise, text: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { promise, text });
        }
    }

    fn judge(&mut self, promise: Promise, verdict: Verdict) {
        if let Err(text) = verdict {
            self.fail(promise, text);
        }
    }

    pub(crate) fn misunderstood(&mut self, error: String) {
        self.fail(Promise::Wire, error);
    }

    pub(crate) fn knows(&mut self, sub: Subject, visitor: usize) {
        self.by_sub.insert(sub, visitor);
    }

    fn visitor(&self, sub: Subject) -> usize {
        self.by_sub.get(&sub).copied().unwrap_or(usize::MAX)
    }

    pub(crate) fn exchange_sent(&mut self, exchange: &Exchange, body: &str) {
        self.judge(Promise::Bounds, bounds::exchange(exchange, body));
    }

    pub(crate) fn exchange_answered(&mut self, exchange: &Exchange, reply: &ExchangeReply, rows: &LineRows) {
        self.judge(Promise::Bounds, bounds::reply(exchange, reply, rows));
        self.claims_answered(exchange, reply);
    }

    /// Who was told that it is called is present, and before all that come after it.
    pub(crate) fn claims_answered(&mut self, exchange: &Exchange, reply: &ExchangeReply) {
        for (op, answer) in exchange.ops.iter().zip(&reply.ops) {
            if let (Op::Claim { number, .. }, OpAnswer::Called) = (op, answer)
                && let Some(position) = self.backwards.position(*number)
            {
                self.turn.asked(position, reply.board.updated_at.get());
            }
        }
    }

    /// A live lane never hears that it is a zombie, and line and lane never disagree.
    pub(crate) fn lane_aborted(&mut self, abort: Abort) {
        self.fail(Promise::Order, format!("a live lane is told to end: {abort:?}"));
    }

    /// A lane stores a visitor's place. `over`: the place before, if any, can never be let in again.
    pub(crate) fn place_stored(
        &mut self,
        lane: usize,
        sub: Subject,
        number: Number,
        before: Option<Number>,
        over: bool,
    ) {
        let visitor = self.visitor(sub);
        let verdict = self.places.stored(visitor, number, before, over);
        self.judge(Promise::Places, verdict);
        self.places.kept_by(visitor, lane);
    }

    /// A visitor is told its number. `is_over`: whether a place can never be let in again.
    pub(crate) fn place_answered(&mut self, visitor: usize, number: Number, is_over: impl Fn(Number) -> bool) {
        let verdict = self.order.answered(visitor, number);
        self.judge(Promise::Order, verdict);
        let verdict = self.places.answered(visitor, number, is_over);
        self.judge(Promise::Places, verdict);
    }

    /// A visitor is told that it is in.
    pub(crate) fn admission_answered(&mut self, number: Number, seq: Seq) {
        let verdict = self.session.answered(number, seq);
        self.judge(Promise::Session, verdict);
    }

    /// The true number of those ahead of this place never grows.
    pub(crate) fn looked(&mut self, number: Number) {
        let verdict = self.backwards.ahead(number);
        self.judge(Promise::Backwards, verdict);
    }

    /// The counts that the line tells agree with the books.
    pub(crate) fn counts(&mut self, stats: &Stats) {
        let used = self.limits.used_at(stats.updated_at.get());
        let sum = stats.voided + stats.left + stats.waiting + stats.called + stats.admitted;
        if stats.entered != sum || stats.active != used || stats.admitted != stats.active + stats.ended {
            self.fail(Promise::Limits, format!("the counts do not agree, {used} slots are used: {stats:?}"));
        }
    }

    /// How the limits stand, for [`Checks::limits_were_used`]: noted once a second.
    pub(crate) fn observe(&mut self, now: Ms, clk: UnixMillis, admitted: Seq) {
        if self.rest.is_new_second(now) {
            let (used, last_minute) = (self.limits.used_at(clk.get()), self.limits.last_minute_at(clk.get()));
            self.rest.observe(now, admitted.get(), last_minute, used);
        }
    }

    /// At the end: while enough of those present waited, limits were fully used.
    pub(crate) fn limits_were_used(&mut self) {
        let verdict = self.rest.limits_were_used();
        self.judge(Promise::Limits, verdict);
    }

    /// A transaction of the line, before it is applied to `rows`.
    pub(crate) fn line_writes(&mut self, rows: &LineRows, changes: &[LineChange]) {
        let changes: Vec<&Change> = changes
            .iter()
            .filter_map(|change| match change {
                LineChange::Engine(change) => Some(change),
                _ => None,
            })
            .collect();
        if changes.is_empty() {
            return;
        }
        let verdict = self.order.line_writes(rows, &changes);
        self.judge(Promise::Order, verdict);
        let verdict = self.course.line_writes(rows, &changes);
        self.judge(Promise::Course, verdict);
        let verdict = self.backwards.line_writes(rows, &changes);
        self.judge(Promise::Backwards, verdict);
        let verdict = self.limits.line_writes(rows, &changes);
        self.judge(Promise::Limits, verdict);
        let left = self.limits.left(rows);
        let verdict = self.turn.line_writes(&changes, left, |number| self.backwards.position(number));
        self.judge(Promise::Turn, verdict);
        let verdict = self.session.line_writes(
            rows,
            &changes,
            |sub| self.places.number_stored(self.by_sub.get(&sub).copied()),
            |number| self.backwards.position(number),
        );
        self.judge(Promise::Session, verdict);
    }

    pub(crate) fn line_starts(&mut self, rows: &LineRows) {
        let verdict = self.durable.line_starts(rows);
        self.judge(Promise::Durable, verdict);
    }

    /// What the books took for written may be lost.
    pub(crate) fn line_crashed(&mut self, rows: &LineRows, lost: bool) {
        if lost {
            self.turn.forget();
            self.limits.rebuild(rows);
            self.order_changed(rows);
        }
        self.line_starts(rows);
    }

    /// There is a draw now, or none after all.
    pub(crate) fn order_changed(&mut self, rows: &LineRows) {
        let verdict = self.backwards.rebuild(rows);
        self.judge(Promise::Backwards, verdict);
    }

    /// A board has reached the public.
    pub(crate) fn board_is_public(&mut self, board: &Board) {
        let verdict = self.course.board_is_public(board);
        self.judge(Promise::Course, verdict);
    }

    pub(crate) fn shown(&mut self, number: Number, before: Option<u64>, ahead: u64) {
        if let Some(before) = before.filter(|before| *before < ahead) {
            self.fail(Promise::Backwards, format!("number {number} was shown {before} ahead and now {ahead}"));
        }
    }
}

impl World {
    /// After every step.
    pub(crate) fn check_step(&mut self) {
        let rows = &self.line.disk.rows;
        let verdict = self.checks.log.step(rows);
        self.checks.judge(Promise::Log, verdict);
        if let Some(verdict) = self.lanes.iter().find_map(|lane| bounds::lane(lane).err()) {
            self.checks.fail(Promise::Bounds, verdict);
        }
        let verdict = bounds::line(&self.line.disk.rows);
        self.checks.judge(Promise::Bounds, verdict);
        if self.is_full_shape() {
            let (clk, admitted) = (self.line_clock(), self.line.disk.rows.head.seq);
            self.checks.observe(self.now, clk, admitted);
        }
        if self.checks.rest.is_overdue(self.now) {
            let text = self.who_waits();
            self.checks.fail(Promise::Rest, text);
        }
    }

    fn who_waits(&self) -> String {
        let rows = &self.line.disk.rows;
        let clk = self.line_clock();
        let waiting =
            self.visitors.iter().enumerate().filter(|(_, visitor)| visitor.wants).take(5).map(|(index, visitor)| {
                let tab = &visitor.tabs[0];
                let over = tab.number.map(|number| rows.is_over(number, clk));
                format!(
                    "visitor {index} (hidden {}, number {:?}, over {over:?}, next {:?})",
                    visitor.habits.hidden, tab.number, tab.next
                )
            });
        format!(
            "no rest: {} still wait: {}; frontier {}, last number {}, seq {}, acked {}",
            self.unfinished(),
            waiting.collect::<Vec<_>>().join(", "),
            rows.head.frontier,
            rows.head.last_number,
            rows.head.seq,
            rows.relay.acked
        )
    }

    /// The counts that the line tells agree with the books.
    pub(crate) fn check_line_counts(&mut self) {
        let now = self.line_clock();
        let Some(line) = &mut self.line.line else { return };
        let stats = line.stats(now);
        self.checks.counts(&stats);
    }

    /// Something leaves a lane or the line.
    pub(crate) fn check_released(&mut self, _call: CallId, outcome: &Outcome) {
        match outcome {
            Outcome::Entered { sub, entered: Entered::Place { number, state, .. } } => {
                let visitor = self.checks.visitor(*sub);
                let clk = self.line_clock().max(self.line.disk.rows.head.clk);
                let rows = &self.line.disk.rows;
                self.checks.place_answered(visitor, *number, |number| rows.is_over(number, clk));
                self.checks.durable.place(*number);
                self.answer_leaves(*number, *state);
            }
            Outcome::Asked { asked: Request::Complete { seq }, answer: Some(_), .. } => {
                self.checks.durable.completed(*seq, &self.line.disk.rows);
            }
            Outcome::Asked { asked: Request::Redeem { seq }, answer: Some(answer), .. } => {
                let first = *answer == OpAnswer::Redeemed { first: true };
                let verdict = self.checks.session.redeemed(*seq, first);
                self.checks.judge(Promise::Session, verdict);
                if first {
                    self.checks.durable.redeemed(*seq);
                }
            }
            Outcome::Asked { asked, answer: Some(answer), .. } => {
                let (Request::Claim { sub, number } | Request::Renew { sub, number } | Request::Leave { sub, number }) =
                    asked
                else {
                    return;
                };
                let owner = self.checks.places.owner(*number);
                let visitor = self.checks.visitor(*sub);
                if owner != Some(visitor) {
                    let text = format!("visitor {visitor} is answered {answer:?} about number {number} of {owner:?}");
                    self.checks.fail(Promise::Session, text);
                }
                if matches!(asked, Request::Leave { .. }) {
                    self.checks.durable.left(*number);
                } else {
                    self.answer_leaves(*number, *answer);
                }
            }
            Outcome::EndedSession(Some(seq)) => self.checks.durable.completed(*seq, &self.line.disk.rows),
            Outcome::Configured(Ok(version)) => self.checks.durable.configured(*version),
            _ => {}
        }
    }

    /// A new place comes with what its event has committed itself to.
    pub(crate) fn check_commitment(&mut self, commitment: Option<&str>) {
        let verdict = self.checks.course.is_committed(&self.line.disk.rows, commitment);
        self.checks.judge(Promise::Course, verdict);
    }

    /// A board leaves the line's engine: the seed is secret before the cut.
    pub(crate) fn check_board(&mut self, board: &Board) {
        let verdict = course::is_discreet(&self.line.disk.rows, board);
        self.checks.judge(Promise::Course, verdict);
    }

    fn answer_leaves(&mut self, number: Number, answer: OpAnswer) {
        let OpAnswer::Admitted { seq, session_expires_at } = answer else { return };
        self.checks.admission_answered(number, seq);
        // Judged by what is on disk: the answer has left, so a crash now must not take it back.
        let verdict = self.checks.durable.admitted(number, seq, session_expires_at, self.line.disk.safe());
        self.checks.judge(Promise::Durable, verdict);
    }

    /// A transaction of a lane, before it is applied.
    pub(crate) fn check_lane_writes(&mut self, lane: usize, changes: &[LaneChange]) {
        let clk = self.line_clock().max(self.line.disk.rows.head.clk);
        for change in changes {
            let LaneChange::Visitors { subjects, first, .. } = change else { continue };
            for (offset, sub) in (0..).zip(subjects) {
                let before = self.lanes[lane].disk.rows.visitors.get(sub).map(|row| row.number);
                let over = before.is_none_or(|number| self.line.disk.rows.is_over(number, clk));
                self.checks.place_stored(lane, *sub, first.plus(offset), before, over);
            }
        }
    }

    /// A lane has crashed: whoever was answered is still there.
    pub(crate) fn check_lane_crashed(&mut self, lane: usize) {
        let rows = &self.lanes[lane].disk.rows;
        let by_sub = |sub: &Subject| rows.visitors.get(sub).map(|row| row.number);
        for (index, visitor) in self.visitors.iter().enumerate() {
            let told = self.checks.places.told(index);
            if let Some(told) = told.filter(|_| self.checks.places.lane_of(index) == Some(lane))
                && by_sub(&visitor.sub).is_none_or(|number| number < told)
            {
                let text =
                    format!("visitor {index} was told number {told}, and lane {lane} has {:?}", by_sub(&visitor.sub));
                self.checks.fail(Promise::Durable, text);
                return;
            }
        }
    }

    /// The true number of those ahead of this place never grows.
    pub(crate) fn check_true_ahead(&mut self, number: Number) {
        if self.line.disk.is_flushed() {
            self.checks.looked(number);
        }
    }

    pub(crate) fn check_appended(&mut self, produce: usize) {
        let verdict = self.checks.log.appended(produce, self.line.disk.safe());
        self.checks.judge(Promise::Log, verdict);
    }

    pub(crate) fn check_end(&mut self) {
        let verdict = self.checks.log.complete(&self.line.disk.rows);
        self.checks.judge(Promise::Log, verdict);
        self.checks.limits_were_used();
    }
}
