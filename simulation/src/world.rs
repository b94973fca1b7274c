//! The whole system, and the queue of what happens next.
//!
//! One thread, one generator, one queue ordered by (time, order of scheduling): a seed replays to the letter. Every event is one
//! step; after each the checkers have their say.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use ropeline_queue::UnixMillis;

use crate::checks::{Checks, Promise, Rest};
use crate::isolate::Isolate;
use crate::kafka::Partition;
use crate::lane::LaneObject;
use crate::line::LineObject;
use crate::message::{CallId, Client, Outcome, Request, To};
use crate::plan::{Ms, Plan, SECOND, Shape, Weather};
use crate::random::Random;
use crate::registry::Registry;
use crate::relay::Relay;
use crate::rows::LineRows;
use crate::trace::Trace;
use crate::visitor::Visitor;

/// True time 0 on everybody's clock, give or take its skew.
pub(crate) const BASE_UNIX_MS: u64 = 1_795_376_000_000;

/// Something that is to happen.
#[derive(Debug)]
pub(crate) enum Event {
    Deliver { call: CallId, to: To, request: Request },
    Answered { call: CallId, outcome: Outcome },
    TimedOut(CallId),
    Tab { visitor: usize, tab: usize, turn: u64 },
    PolledIsolate { isolate: usize, generation: u64 },
    Pump { lane: usize, instance: u64 },
    FlushLane { lane: usize, life: u64 },
    FlushLine { life: u64 },
    Alarm { due: Ms, again: bool },
    RelayPolls { relay: usize },
    RelayInput { relay: usize, effect: u64 },
    KafkaAppends { produce: usize },
    Fault,
    Operator,
    Completes { seq: u64 },
    Redeems { seq: u64 },
    PasserBy,
    FaultsEnd,
}

struct Scheduled {
    at: Ms,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) now: Ms,
    pub(crate) steps: u64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub(crate) calls: BTreeMap<CallId, Client>,
    pub(crate) next_call: CallId,
    pub(crate) lanes: Vec<LaneObject>,
    pub(crate) line: LineObject,
    pub(crate) isolates: Vec<Isolate>,
    pub(crate) visitors: Vec<Visitor>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) partition: Partition,
    pub(crate) registry: Registry,
    pub(crate) checks: Checks,
    pub(crate) trace: Trace,
}

impl World {
    pub(crate) fn new(plan: Plan, trace: Trace) -> Self {
        let mut random = Random::new(!plan.seed);
        let slow = plan.weather.flush > 0;
        let mut skew = || random.below(2 * plan.clock_skew + 1).cast_signed() - plan.clock_skew.cast_signed();
        let rows = LineRows::new(plan.settings.clone(), UnixMillis(BASE_UNIX_MS), plan.draw);
        let line = LineObject::new(rows, skew(), slow);
        let lanes = (0..crate::lane::MOST_LANES).map(|id| LaneObject::new(id, skew(), slow)).collect();
        let isolates = (0..plan.isolates).map(|_| Isolate::new(plan.settings.lanes)).collect();
        let visitors = plan.visitors.iter().enumerate().map(|(index, habits)| Visitor::new(index, *habits)).collect();
        let relays = (0..plan.relays).map(|index| Relay::new(index, random.next())).collect();
        let unfinished = plan.visitors.iter().filter(|visitor| !visitor.no_show).count();
        let checks = Checks::new(plan.visitors.len(), Rest::new(unfinished, plan.shape, &plan.settings));
        let mut world = Self {
            random,
            now: 0,
            steps: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            calls: BTreeMap::new(),
            next_call: 0,
            lanes,
            line,
            isolates,
            visitors,
            relays,
            partition: Partition::default(),
            registry: Registry::default(),
            checks,
            trace,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for visitor in 0..self.visitors.len() {
            let at = self.visitors[visitor].habits.arrives_at;
            self.checks.knows(self.visitors[visitor].sub, visitor);
            self.schedule(at, Event::Tab { visitor, tab: 0, turn: 0 });
            if self.visitors[visitor].habits.second_tab {
                let later = at + self.random.below(20 * SECOND);
                self.schedule(later, Event::Tab { visitor, tab: 1, turn: 0 });
            }
        }
        for relay in 0..self.relays.len() {
            let at = self.plan.relays_from + self.random.below(SECOND);
            self.schedule(at, Event::RelayPolls { relay });
        }
        let foreign = self.random.index(4);
        self.partition.foreign(foreign);
        if self.plan.operator_every > 0 {
            let at = self.random.below(2 * self.plan.operator_every);
            self.schedule(at, Event::Operator);
        }
        self.schedule_fault();
        self.schedule(self.plan.faults_until, Event::FaultsEnd);
    }

    /// The weather now: clear once faults have stopped.
    pub(crate) fn weather(&self) -> Weather {
        if self.is_calm() {
            return Weather { least_delay: 1, most_delay: self.plan.weather.most_delay.min(40), ..Weather::default() };
        }
        self.plan.weather
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now >= self.plan.faults_until
    }

    pub(crate) fn schedule(&mut self, at: Ms, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse(Scheduled { at: at.max(self.now), order: self.scheduled, event }));
    }

    pub(crate) fn schedule_in(&mut self, after: Ms, event: Event) {
        self.schedule(self.now + after, event);
    }

    /// What a clock with this offset says.
    pub(crate) fn clock(&self, offset: i64) -> u64 {
        (BASE_UNIX_MS + self.now).saturating_add_signed(offset)
    }

    /// Runs until everything is at rest, or a promise is broken.
    pub(crate) fn run(&mut self) {
        while self.checks.broken.is_none() && !self.is_at_rest() {
            let Some(Reverse(Scheduled { at, event, .. })) = self.queue.pop() else {
                self.checks.fail(Promise::Rest, "nothing is left to happen, and yet not all is done".to_owned());
                break;
            };
            self.now = at;
            self.steps += 1;
            self.happen(event);
            self.check_step();
        }
        if self.checks.broken.is_none() {
            self.check_end();
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { call, to, request } => self.deliver(call, to, request),
            Event::Answered { call, outcome } => self.answered(call, outcome),
            Event::TimedOut(call) => self.answered(call, Outcome::TimedOut),
            Event::Tab { visitor, tab, turn } => self.tab_turn(visitor, tab, turn),
            Event::PolledIsolate { isolate, generation } => self.isolate_gives_up(isolate, generation),
            Event::Pump { lane, instance } => self.pump(lane, instance),
            Event::FlushLane { lane, life } => self.flush_lane(lane, life),
            Event::FlushLine { life } => self.flush_line(life),
            Event::Alarm { due, again } => self.alarm(due, again),
            Event::RelayPolls { relay } => self.relay_polls(relay),
            Event::RelayInput { relay, effect } => self.relay_input(relay, effect),
            Event::KafkaAppends { produce } => self.kafka_appends(produce),
            Event::Fault => self.fault(),
            Event::Operator => self.operator_acts(),
            Event::Completes { seq } => self.origin_completes(seq),
            Event::Redeems { seq } => self.origin_redeems(seq),
            Event::PasserBy => self.passer_by(),
            Event::FaultsEnd => self.faults_end(),
        }
    }

    /// Faults have stopped, every visitor that will come back has what it wanted, and every admission is acked.
    fn is_at_rest(&self) -> bool {
        if !self.is_calm() {
            return false;
        }
        let rows = &self.line.disk.rows;
        self.unfinished() == 0 && rows.relay.acked == rows.head.seq && self.line.disk.is_flushed()
    }

    /// Visitors that still want something.
    pub(crate) fn unfinished(&self) -> usize {
        self.checks.rest.unfinished
    }

    pub(crate) fn is_full_shape(&self) -> bool {
        self.plan.shape == Shape::Full
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.note(self.now, text);
    }
}
