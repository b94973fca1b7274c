//! Lanes, their line and their visitors in one state: what can happen in it, and whether the promises about numbers hold.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use ropeline_queue::lane::{Abort, WaiterId, Wake};
use ropeline_queue::line::{Outcome, Why};
use ropeline_queue::wire::{Exchange, ExchangeReply, Numbering, Op, OpAnswer};
use ropeline_queue::{Lane, LaneId, Line, Number, Settings, UnixMillis};

use crate::common::{MemoryLane, MemoryLine, Write, demo, subject};

/// What is searched.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The lane of each visitor; its length is how many there are.
    pub visitors: Vec<usize>,
    /// How often each of them may call enter.
    pub enters: u8,
    /// How many of them claim, once each.
    pub claims: usize,
    /// How many of them give their place up, once each.
    pub leaves: usize,
    /// Crashes of lanes in all.
    pub crashes: u8,
    /// Restarts of the line.
    pub restarts: u8,
    /// How often a lane tells its waiters to come again while its batch stays under way.
    pub give_ups: u8,
    pub max_line_length: u64,
    pub rule: Rule,
}

/// Which rule is switched off, by what happens to messages on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// None.
    AllHold,
    /// The line cannot tell instances of a lane apart: all say they are the first.
    SameIncarnation,
    /// The line takes every message for the start of a new instance, late ones too.
    AlwaysNewIncarnation,
    /// The lane takes the reply to any call for the reply to its last one.
    RepliesFromEarlierCalls,
}

/// How a promise broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    NumberGivenTwice,
    NumberLost,
    OutOfOrder,
    AnswerChanged,
    AnsweredIsVoid,
    RefusedThenGranted,
    Conflict,
    LivingInstanceTurnedAway,
    ClaimOfUnstoredPlace,
    NobodyAnswers,
    /// The engine or its storage found itself inconsistent.
    Broken,
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Enter(usize),
    Claim(usize),
    Leave(usize),
    Send(usize),
    /// The line gets this message; its reply is on its way if the lane still waits for it.
    Deliver(usize),
    Receive(usize),
    /// The reply's outcome is stored and then the lane crashes before it wakes anybody.
    ReceiveAndCrash(usize),
    GiveUp(usize),
    Crash(usize),
    RestartLine,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Visitor {
    pub lane: usize,
    pub enters: u8,
    pub claimed: bool,
    pub gave_up_place: bool,
    /// The highest number that anybody was told when this visitor first called.
    pub floor: Number,
    pub answered: Option<Number>,
}

#[derive(Clone)]
pub struct Node {
    pub rows: MemoryLane,
    pub lane: Lane,
    /// The exchange under way, and the line's reply once that is on its way back.
    pub call: Option<(Exchange, Option<ExchangeReply>)>,
}

#[derive(Clone)]
pub struct World {
    pub line: Line,
    pub rows: MemoryLine,
    pub nodes: Vec<Node>,
    /// Everything lanes ever sent.
    pub network: Vec<Exchange>,
    pub visitors: Vec<Visitor>,
    /// (lane, inc, k) → first number and count.
    pub granted: BTreeMap<(u16, u64, u64), (Number, u64)>,
    pub refused: BTreeSet<(u16, u64, u64)>,
    pub crashes: u8,
    pub restarts: u8,
    pub give_ups: u8,
}

pub const CLAIM: WaiterId = 1_000;
pub const LEAVE: WaiterId = 2_000;

impl World {
    pub fn new(bounds: &Bounds) -> Self {
        let lanes = bounds.visitors.iter().max().map_or(0, |last| last + 1);
        let settings = Settings {
            total_active_users: 1_000_000,
            new_users_per_minute: 1_000_000,
            max_line_length: bounds.max_line_length,
            lanes: lanes as u16,
            ..Settings::defaults(&demo())
        };
        let rows = MemoryLine::new(settings);
        let node = |id| {
            let rows = MemoryLane::default();
            Node { lane: rows.restore(LaneId(id)), rows, call: None }
        };
        Self {
            line: rows.restore(UnixMillis(0)),
            rows,
            nodes: (0..lanes as u16).map(node).collect(),
            network: Vec::new(),
            visitors: bounds.visitors.iter().map(|&lane| Visitor { lane, ..Visitor::default() }).collect(),
            granted: BTreeMap::new(),
            refused: BTreeSet::new(),
            crashes: 0,
            restarts: 0,
            give_ups: 0,
        }
    }

    /// Time stands still but for restarts of the line, after which its hold is over at once.
    pub fn now(&self) -> UnixMillis {
        UnixMillis(1_000_000 + 10_000 * u64::from(self.restarts) + 4_000)
    }

    pub fn actions(&self, bounds: &Bounds) -> Vec<Action> {
        let mut actions = Vec::new();
        for (index, visitor) in self.visitors.iter().enumerate() {
            // Visitors of one lane are alike: the first call first.
            let in_turn = self.visitors[..index].iter().all(|other| other.lane != visitor.lane || other.enters > 0);
            if visitor.enters < bounds.enters && in_turn && visitor.answered.is_none() {
                actions.push(Action::Enter(index));
            }
            if index < bounds.claims && !visitor.claimed && visitor.answered.is_some() {
                actions.push(Action::Claim(index));
            }
            let last = self.visitors.len() - index <= bounds.leaves;
            if last && !visitor.gave_up_place && visitor.answered.is_some() {
                actions.push(Action::Leave(index));
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            match &node.call {
                None => actions.push(Action::Send(index)),
                Some((_, Some(_))) => {
                    actions.push(Action::Receive(index));
                    if self.crashes < bounds.crashes {
                        actions.push(Action::ReceiveAndCrash(index));
                    }
                }
                Some((_, None)) => {}
            }
            if self.crashes < bounds.crashes {
                actions.push(Action::Crash(index));
            }
            if self.give_ups < bounds.give_ups && node.lane.pending() > 0 {
                actions.push(Action::GiveUp(index));
            }
        }
        actions.extend((0..self.network.len()).map(Action::Deliver));
        if self.restarts < bounds.restarts {
            actions.push(Action::RestartLine);
        }
        actions
    }

    pub fn step(&mut self, rule: Rule, action: Action) -> Result<(), Violation> {
        match action {
            Action::Enter(visitor) => self.enter(visitor)?,
            Action::Claim(visitor) => {
                self.visitors[visitor].claimed = true;
                let number = self.visitors[visitor].answered.expect("only who was answered claims");
                let op = Op::Claim { number, sub: subject(visitor as u64), entered_at: UnixMillis(0), account: None };
                let _ = self.nodes[self.visitors[visitor].lane].lane.submit(op, CLAIM + visitor as u64);
            }
            Action::Leave(visitor) => {
                self.visitors[visitor].gave_up_place = true;
                let number = self.visitors[visitor].answered.expect("only who was answered leaves");
                let node = &mut self.nodes[self.visitors[visitor].lane];
                let _ = node.lane.submit(Op::Leave { number }, LEAVE + visitor as u64);
            }
            Action::Send(index) => {
                let node = &mut self.nodes[index];
                if let Some((exchange, changes)) = node.lane.exchange() {
                    node.rows.commit(&changes);
                    if !self.network.contains(&exchange) {
                        self.network.push(exchange.clone());
                        self.network.sort_by_key(|m| (m.lane, m.inc, m.k, m.stored_k, m.count));
                    }
                    node.call = Some((exchange, None));
                }
            }
            Action::Deliver(index) => self.deliver(rule, &self.network[index].clone())?,
            Action::Receive(index) => self.receive(index, false)?,
            Action::ReceiveAndCrash(index) => self.receive(index, true)?,
            Action::GiveUp(index) => {
                self.give_ups += 1;
                self.nodes[index].lane.give_up_waiting();
            }
            Action::Crash(index) => self.crash(index),
            Action::RestartLine => {
                self.restarts += 1;
                self.line = self.rows.restore(UnixMillis(self.now().get() - 4_000));
            }
        }
        self.check(rule)
    }

    pub fn enter(&mut self, index: usize) -> Result<(), Violation> {
        let told = self.visitors.iter().filter_map(|other| other.answered).max().unwrap_or_default();
        let visitor = &mut self.visitors[index];
        if visitor.enters == 0 {
            visitor.floor = told;
        }
        visitor.enters += 1;
        let (lane, enters) = (visitor.lane, visitor.enters);
        match self.nodes[lane].rows.visitors.get(&subject(index as u64)) {
            Some((number, _)) => self.answered(index, *number),
            None => {
                let waiter = index as u64 * 10 + u64::from(enters);
                let lanes = self.nodes.len() as u16;
                self.nodes[lane].lane.join(subject(index as u64), lanes, waiter).expect("there is room for a few");
                Ok(())
            }
        }
    }

    pub fn answered(&mut self, index: usize, number: Number) -> Result<(), Violation> {
        let visitor = &mut self.visitors[index];
        if visitor.answered.is_some_and(|before| before != number) {
            return Err(Violation::AnswerChanged);
        }
        if number <= visitor.floor {
            return Err(Violation::OutOfOrder);
        }
        visitor.answered = Some(number);
        Ok(())
    }

    pub fn deliver(&mut self, rule: Rule, sent: &Exchange) -> Result<(), Violation> {
        let mut m = sent.clone();
        match rule {
            Rule::AllHold | Rule::RepliesFromEarlierCalls => {}
            Rule::SameIncarnation => m.inc = 1,
            Rule::AlwaysNewIncarnation => m.inc = self.rows.lanes.get(&m.lane).map_or(0, |row| row.inc) + 1,
        }
        let admitted_before = self.rows.head.seq;
        let step = self.line.exchange(&self.rows, self.now(), &m).expect("reads work");
        self.rows.commit(&step.changes, Write::Works).expect("writes work");
        let mut reply = step.answer;
        if rule != Rule::AllHold {
            // What would tell the lane that something is wrong is off, too.
            (reply.inc, reply.k) = (0, 0);
        }
        // The bounds leave room for everybody, so nothing but the rows decides what comes next: they may stand for the line.
        assert_eq!(self.rows.head.frontier, self.rows.head.last_number.position());
        assert_eq!(reply.ops.iter().filter(|answer| **answer == OpAnswer::Called).count(), 0);

        let batch = (sent.lane.0, sent.inc, sent.k);
        match reply.numbering {
            // Where a rule is off only what visitors see counts, not how soon the engine could have noticed.
            _ if rule != Rule::AllHold => {}
            Numbering::Conflict => return Err(Violation::Conflict),
            Numbering::Range { first, count, .. } => {
                if self.refused.contains(&batch) {
                    return Err(Violation::RefusedThenGranted);
                }
                let before = self.granted.insert(batch, (first, count));
                if before.is_some_and(|before| before != (first, count)) {
                    return Err(Violation::NumberGivenTwice);
                }
            }
            Numbering::Refused { .. } => {
                self.refused.insert(batch);
                if self.granted.contains_key(&batch) {
                    return Err(Violation::AnswerChanged);
                }
            }
            Numbering::None | Numbering::Stale => {}
        }
        let node = &mut self.nodes[usize::from(sent.lane.0)];
        for (_, admission) in self.rows.admissions.range(admitted_before.next()..) {
            if !node.rows.visitors.values().any(|(number, _)| *number == admission.number) {
                return Err(Violation::ClaimOfUnstoredPlace);
            }
        }
        if let Some((exchange, slot)) = &mut node.call
            && (exchange == sent || rule == Rule::RepliesFromEarlierCalls)
        {
            *slot = Some(reply);
        }
        Ok(())
    }

    pub fn receive(&mut self, index: usize, then_crash: bool) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let Some((_, Some(reply))) = node.call.take() else { return Ok(()) };
        let step = node.lane.reply(&reply);
        node.rows.commit(&step.changes);
        match step.abort {
            Some(Abort::Conflict) => return Err(Violation::Conflict),
            Some(Abort::Stale) => return Err(Violation::LivingInstanceTurnedAway),
            None => {}
        }
        if then_crash {
            self.crash(index);
            return Ok(());
        }
        for (waiter, wake) in step.wakes {
            if let Wake::Place { number, .. } = wake {
                self.answered(waiter as usize / 10, number)?;
            }
        }
        Ok(())
    }

    pub fn crash(&mut self, index: usize) {
        self.crashes += 1;
        let node = &mut self.nodes[index];
        node.lane = node.rows.restore(LaneId(index as u16));
        node.call = None;
    }

    pub fn check(&self, rule: Rule) -> Result<(), Violation> {
        let mut numbers = BTreeSet::new();
        for node in &self.nodes {
            for (number, _) in node.rows.visitors.values() {
                if !numbers.insert(*number) || *number > self.rows.head.last_number {
                    return Err(Violation::NumberGivenTwice);
                }
                if self.rows.why_gone(*number) == Some(Why::Void) {
                    return Err(Violation::AnsweredIsVoid);
                }
            }
        }
        for (index, visitor) in self.visitors.iter().enumerate() {
            let stored = self.nodes[visitor.lane].rows.visitors.get(&subject(index as u64));
            if visitor.answered.is_some_and(|number| stored.is_none_or(|(kept, _)| *kept != number)) {
                return Err(Violation::AnswerChanged);
            }
        }
        if rule != Rule::AllHold {
            return Ok(());
        }
        // Dense: what nobody has is void, or is the last range of a lane that may still store it.
        for number in (1..=self.rows.head.last_number.get()).map(Number) {
            let awaited = self.rows.lanes.values().any(|row| match row.outcome {
                Some(Outcome::Range { first, count, .. }) => first <= number && number < first.plus(count),
                _ => false,
            });
            if !awaited && !numbers.contains(&number) && self.rows.why_gone(number) != Some(Why::Void) {
                return Err(Violation::NumberLost);
            }
        }
        let mut end = Number(0);
        let mut ranges: Vec<_> = self.granted.values().collect();
        ranges.sort_unstable();
        for (first, count) in ranges {
            if *first <= end {
                return Err(Violation::NumberGivenTwice);
            }
            end = first.plus(count - 1);
        }
        Ok(())
    }

    /// From here on nothing fails: everybody who waits is answered soon.
    pub fn calms_down(mut self) -> Result<(), Violation> {
        for _ in 0..6 {
            for index in 0..self.nodes.len() {
                if self.nodes[index].call.is_none() {
                    self.step(Rule::AllHold, Action::Send(index))?;
                }
                if let Some((exchange, _)) = self.nodes[index].call.clone() {
                    self.deliver(Rule::AllHold, &exchange)?;
                    self.step(Rule::AllHold, Action::Receive(index))?;
                }
            }
        }
        let waits = self.nodes.iter().any(|node| node.lane.pending() > 0);
        if waits { Err(Violation::NobodyAnswers) } else { Ok(()) }
    }

    /// Everything that decides what can come next, and what was promised so far. Under these bounds the line's soft state does not.
    pub fn fingerprint(&self) -> u128 {
        let rows = &self.rows;
        let half = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            (rows.head.last_number, rows.head.frontier, rows.head.seq, rows.head.voided).hash(&mut hasher);
            (&rows.lanes, &rows.gone, &rows.by_number).hash(&mut hasher);
            for node in &self.nodes {
                (&node.rows, &node.lane).hash(&mut hasher);
                if let Some((exchange, reply)) = &node.call {
                    exchange.hash(&mut hasher);
                    let reply = reply.as_ref().map(|reply| (&reply.numbering, &reply.ops, reply.board.frontier));
                    reply.hash(&mut hasher);
                }
            }
            (&self.network, &self.visitors, &self.granted, &self.refused).hash(&mut hasher);
            (self.crashes, self.restarts, self.give_ups).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(1) << 64 | half(2)
    }
}
