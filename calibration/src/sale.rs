//! One simulated sale over the real line and the real answers: visitors poll as they are told, and claim as the page does.

use std::collections::BTreeMap;

use ropeline_queue::eta::Eta;
use ropeline_queue::line::log::{Ack, Drain, LogError};
use ropeline_queue::place::{Place, Seat, State, poll_after_turn};
use ropeline_queue::wire::{Board, Exchange, ExchangeReply, MAX_BATCH, MAX_OPS, Numbering, Op, OpAnswer};
use ropeline_queue::{Epoch, EventId, LaneId, Line, Number, Position, Seq, Settings, Subject, UnixMillis};

use crate::random::Random;
use crate::rows::Rows;
use crate::shapes::Shape;

const STEP_MS: u64 = 100;
const STEPS_PER_SECOND: u64 = 1_000 / STEP_MS;
const START: UnixMillis = UnixMillis(1_000_000_000_000);
/// A sale is followed until all judged visitors are called, but for no longer than this after the last answer.
const PATIENCE_SECONDS: u64 = 3 * 3_600;
/// Share of the visitors whose tabs ask once a minute at most.
const HIDDEN: f64 = 0.03;
/// How soon the returners come, once they do.
const RETURN_SECONDS: u64 = 20;

/// An answer as a visitor got it, and what became of it. Milliseconds from the opening.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When.
    pub at: u64,
    /// What was said.
    pub eta: Option<Eta>,
    /// When the turn came; none if it never did.
    pub called: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Polls and claims.
    Waits,
    /// The same, but at most once a minute.
    Hides,
    /// Nothing.
    Absent,
    /// Is in.
    Done,
}

struct Sale<'a> {
    shape: &'a Shape,
    random: Random,
    event: EventId,
    settings: Settings,
    rows: Rows,
    line: Line,
    board: Board,
    step: u64,
    k: u64,
    /// By number − 1.
    visitors: Vec<Does>,
    /// Theirs, as far as they are known.
    positions: Vec<Option<Position>>,
    /// Who acts in which step.
    agenda: Vec<Vec<u32>>,
    completions: Vec<Vec<Seq>>,
    /// (answer, position)
    answers: Vec<(Answer, u64)>,
    /// The greatest of these positions.
    last_told: u64,
    /// When the positions were called: (position, milliseconds).
    frontier: Vec<(u64, u64)>,
    epoch: Epoch,
    stalled_until: u64,
}

/// Plays a sale to its end.
///
/// # Panics
/// When the line answers what it may not.
#[must_use]
pub fn play(shape: &Shape, seed: u64) -> Vec<Answer> {
    let event = EventId::parse("calibration").expect("an event id");
    let settings = Settings {
        total_active_users: shape.slots,
        new_users_per_minute: shape.per_minute,
        session_duration_seconds: shape.session_seconds,
        max_unacked: if shape.stalls.is_some() { shape.per_minute.div_ceil(30) } else { 1_000_000 },
        lanes: 1,
        prequeue_start_time: shape.prequeue_seconds.map(|_| START),
        event_start_time: shape.prequeue_seconds.map(|seconds| START.plus_seconds(seconds)),
        shuffle_at_event_start: shape.prequeue_seconds.is_some(),
        ..Settings::defaults(&event)
    };
    let rows = Rows::new(settings.clone());
    let line = rows.restore(event.clone(), START);
    let mut sale = Sale {
        shape,
        random: Random::new(seed),
        event,
        settings,
        rows,
        line,
        board: Board::default(),
        step: 0,
        k: 0,
        visitors: Vec::new(),
        positions: Vec::new(),
        agenda: Vec::new(),
        completions: Vec::new(),
        answers: Vec::new(),
        last_told: 0,
        frontier: vec![(0, 0)],
        epoch: Epoch(0),
        stalled_until: 0,
    };
    let mut entries = sale.entries();
    while !sale.is_over() {
        sale.take_step(entries.get_mut(sale.step as usize).map_or(0, |count| *count));
        sale.step += 1;
    }
    sale.told()
}

/// Who this is to the line; nobody here looks at it.
fn subject() -> Subject {
    Subject::parse(&"A".repeat(22)).expect("a subject")
}

fn put<T>(agenda: &mut Vec<Vec<T>>, step: u64, item: T) {
    let step = step as usize;
    if agenda.len() <= step {
        agenda.resize_with(step + 1, Vec::new);
    }
    agenda[step].push(item);
}

fn due<T>(agenda: &mut [Vec<T>], step: u64) -> Vec<T> {
    agenda.get_mut(step as usize).map(std::mem::take).unwrap_or_default()
}

impl Sale<'_> {
    fn ms(&self) -> u64 {
        self.step * STEP_MS
    }

    fn now(&self) -> UnixMillis {
        START.plus(self.ms())
    }

    fn is_judged(&self) -> bool {
        self.ms() < self.shape.judged_seconds * 1_000
    }

    /// Over, when all who got a judged answer are called.
    fn is_over(&self) -> bool {
        let reached = self.frontier.last().map_or(0, |(position, _)| *position);
        let late = self.ms() > (self.shape.judged_seconds + PATIENCE_SECONDS) * 1_000;
        !self.is_judged() && (late || self.last_told <= reached)
    }

    /// How many enter in each step.
    fn entries(&mut self) -> Vec<u64> {
        let steps = self.shape.judged_seconds * STEPS_PER_SECOND;
        let mut entries = vec![0; steps as usize];
        for _ in 0..self.shape.crowd {
            let (a, b) = (self.random.share(), self.random.share());
            let step = a * b * (self.shape.rush_seconds * STEPS_PER_SECOND) as f64;
            entries[step as usize] += 1;
        }
        for _ in 0..self.shape.later_per_minute * self.shape.judged_seconds / 60 {
            entries[self.random.below(steps) as usize] += 1;
        }
        entries
    }

    fn take_step(&mut self, entries: u64) {
        if self.step.is_multiple_of(STEPS_PER_SECOND) {
            self.begin_second();
        }
        let mut ops: Vec<(u32, Op)> = Vec::new();
        for visitor in due(&mut self.agenda, self.step) {
            if let Some(op) = self.act(visitor) {
                ops.push((visitor, op));
            }
        }
        let done: Vec<Op> = due(&mut self.completions, self.step).into_iter().map(|seq| Op::Complete { seq }).collect();
        if !done.is_empty() {
            self.exchange(0, done);
        }
        for chunk in ops.chunks(MAX_OPS) {
            let reply = self.exchange(0, chunk.iter().map(|(_, op)| op.clone()).collect());
            let turns: BTreeMap<u64, u64> = reply.turns.iter().map(|turn| (turn.op, turn.in_ms)).collect();
            for (op, ((visitor, _), answer)) in (0..).zip(chunk.iter().zip(reply.ops)) {
                self.claimed(*visitor, answer, turns.get(&op).copied());
            }
        }
        let mut left = entries;
        while left > 0 {
            let count = left.min(MAX_BATCH as u64);
            left -= count;
            self.enter(count);
        }
    }

    fn begin_second(&mut self) {
        let second = self.step / STEPS_PER_SECOND;
        if let Some((at, per_minute)) = self.shape.operator
            && at == second
        {
            self.settings.new_users_per_minute = per_minute;
            let step = self.line.configure(self.now(), self.settings.clone(), None, "operator");
            step.answer.expect("settings fit");
            self.rows.apply(step.changes);
        }
        if self.shape.restart == Some(second) {
            self.line = self.rows.restore(self.event.clone(), self.now());
        }
        if let Some((at, share)) = self.shape.returners
            && at == second
        {
            self.bring_back(share);
        }
        if self.shape.stalls.is_some() {
            self.relay(second);
        }
        let step = self.line.board(self.now());
        self.rows.apply(step.changes);
        self.saw(step.answer.frontier);
        self.board = step.answer;
    }

    fn saw(&mut self, frontier: u64) {
        if self.frontier.last().is_none_or(|(position, _)| *position < frontier) {
            self.frontier.push((frontier, self.ms()));
        }
    }

    fn bring_back(&mut self, share: f64) {
        let called = self.board.frontier as usize;
        for visitor in 0..called.min(self.visitors.len()) {
            if self.visitors[visitor] == Does::Absent && self.random.chance(share) {
                self.visitors[visitor] = Does::Waits;
                let step = self.step + self.random.below(RETURN_SECONDS * STEPS_PER_SECOND);
                put(&mut self.agenda, step, visitor as u32);
            }
        }
    }

    /// The relay drains once a second, if it does not stand still.
    fn relay(&mut self, second: u64) {
        let Some((every, lasting)) = self.shape.stalls else { return };
        if second < self.stalled_until {
            return;
        }
        if self.random.chance(1.0 / every as f64) {
            self.stalled_until = second + 1 + self.random.about_ms(lasting) / 1_000;
            return;
        }
        self.drain().expect("the only relay is heard");
    }

    fn drain(&mut self) -> Result<(), LogError<std::convert::Infallible>> {
        let now = self.now();
        let lease = self.line.lease(&self.rows, now, "relay")?;
        self.rows.apply(lease.changes);
        self.epoch = lease.answer.epoch;
        let (epoch, after) = (self.epoch, lease.answer.acked_seq);
        let (topic, partition, next_offset) = (Some("topic".to_owned()), Some(0), Some(0));
        let drain = Drain { epoch, after, limit: 500, topic, partition, next_offset, ack: None };
        let drained = self.line.drain(&self.rows, now, &drain)?;
        self.rows.apply(drained.changes);
        let seq = after.plus(drained.answer.entries.len() as u64);
        if seq > after {
            let step = self.line.ack(now, epoch, Ack { seq, next_offset: 1 })?;
            self.rows.apply(step.changes);
        }
        Ok(())
    }

    /// Once a position is drawn, the visitor's ticket has it.
    fn seat(&mut self, visitor: u32) -> Seat {
        let number = Number(u64::from(visitor) + 1);
        let position = &mut self.positions[visitor as usize];
        *position = position.or_else(|| self.line.position(number));
        Seat { number, position: *position, seen: 0 }
    }

    /// What the visitor does now: a claim, if it is called.
    fn act(&mut self, visitor: u32) -> Option<Op> {
        let seat = self.seat(visitor);
        let number = seat.number;
        let jitter = self.random.share();
        let place = Place::on(&self.board, &self.event, &seat, self.now(), jitter);
        if place.state == State::Called {
            return Some(Op::Claim { number, sub: subject(), entered_at: START, account: None });
        }
        let (position, eta, after) = (place.position, place.eta_seconds, place.poll_after_seconds);
        self.told_eta(position, eta);
        self.again(visitor, after);
        None
    }

    /// Before the opening nobody has a position, and what is told is exact.
    fn told_eta(&mut self, position: Option<Position>, eta: Option<Eta>) {
        if let Some(Position(position)) = position
            && self.is_judged()
        {
            self.answers.push((Answer { at: self.ms(), eta, called: None }, position));
            self.last_told = self.last_told.max(position);
        }
    }

    fn again(&mut self, visitor: u32, after_seconds: f64) {
        let seconds =
            if self.visitors[visitor as usize] == Does::Hides { after_seconds.max(60.0) } else { after_seconds };
        let steps = (seconds * STEPS_PER_SECOND as f64) as u64;
        put(&mut self.agenda, self.step + steps.max(1), visitor);
    }

    fn claimed(&mut self, visitor: u32, answer: OpAnswer, in_ms: Option<u64>) {
        match answer {
            OpAnswer::Admitted { seq, .. } => {
                self.visitors[visitor as usize] = Does::Done;
                if let Some((share, mean)) = self.shape.completed
                    && self.random.chance(share)
                {
                    let step = self.step + 1 + self.random.about_ms(mean) / STEP_MS;
                    put(&mut self.completions, step, seq);
                }
            }
            OpAnswer::Called | OpAnswer::Waiting => {
                let unknown = 1.5 * (0.8 + 0.4 * self.random.share());
                self.again(visitor, in_ms.map_or(unknown, poll_after_turn));
            }
            other => panic!("{}: a claim is answered {other:?}", self.shape.name),
        }
    }

    fn enter(&mut self, count: u64) {
        let numbering = self.exchange(count, Vec::new()).numbering;
        let Numbering::Range { first, .. } = numbering else { panic!("{}: {numbering:?}", self.shape.name) };
        for offset in 0..count {
            let number = first.plus(offset);
            let visitor = (number.get() - 1) as u32;
            let stays = self.random.chance(self.shape.stay);
            let hides = self.random.chance(HIDDEN);
            self.visitors.push(if !stays {
                Does::Absent
            } else if hides {
                Does::Hides
            } else {
                Does::Waits
            });
            self.positions.push(None);
            let seat = self.seat(visitor);
            let jitter = self.random.share();
            let place = Place::on(&self.board, &self.event, &seat, self.now(), jitter);
            let (position, eta, after) = (place.position, place.eta_seconds, place.poll_after_seconds);
            if place.state == State::Waiting {
                self.told_eta(position, eta);
            }
            if stays {
                self.again(visitor, after);
            }
        }
    }

    fn exchange(&mut self, count: u64, ops: Vec<Op>) -> ExchangeReply {
        let stored_k = self.k;
        self.k += u64::from(count > 0);
        let m = Exchange { lane: LaneId(0), inc: 1, k: self.k, count, stored_k, lanes: 1, ops };
        let Ok(step) = self.line.exchange(&self.rows, self.now(), &m);
        self.rows.apply(step.changes);
        self.saw(step.answer.board.frontier);
        if count > 0 {
            // Who enters is answered from the board that came with the number.
            self.board = step.answer.board.clone();
        }
        step.answer
    }

    fn told(self) -> Vec<Answer> {
        let called = |position: u64| {
            let index = self.frontier.partition_point(|(reached, _)| *reached < position);
            self.frontier.get(index).map(|(_, at)| *at)
        };
        self.answers.iter().map(|(answer, position)| Answer { called: called(*position), ..*answer }).collect()
    }
}
