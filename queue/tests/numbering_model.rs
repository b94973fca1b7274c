//! An exhaustive search through what can happen between lanes and their line, over the real code of both.
//!
//! Every message a lane ever sent stays in the network for good: each may reach the line at any later time, any number of times, in
//! any order, or never. Lanes crash at any instant (memory lost, rows kept), the line restarts, visitors call again, claim and are
//! refused. In every state reached, the promises about numbers are checked; where the rules that keep them are switched off, by
//! changing messages on their way, the same search must find how they break.

mod common;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Instant;

use common::{MemoryLane, MemoryLine, Write, demo, subject};
use ropeline_queue::lane::{Abort, WaiterId, Wake};
use ropeline_queue::line::{Outcome, Why};
use ropeline_queue::wire::{Exchange, ExchangeReply, Numbering, Op, OpAnswer};
use ropeline_queue::{Lane, LaneId, Line, Number, Settings, UnixMillis};

/// What is searched.
#[derive(Clone, Debug)]
struct Bounds {
    /// The lane of each visitor; its length is how many there are.
    visitors: Vec<usize>,
    /// How often each of them may call enter.
    enters: u8,
    /// How many of them claim, once each.
    claims: usize,
    /// How many of them give their place up, once each.
    leaves: usize,
    /// Crashes of lanes in all.
    crashes: u8,
    /// Restarts of the line.
    restarts: u8,
    /// How often a lane tells its waiters to come again while its batch stays under way.
    give_ups: u8,
    max_line_length: u64,
    rule: Rule,
}

/// Which rule is switched off, by what happens to messages on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
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
enum Violation {
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
enum Action {
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
struct Visitor {
    lane: usize,
    enters: u8,
    claimed: bool,
    gave_up_place: bool,
    /// The highest number that anybody was told when this visitor first called.
    floor: Number,
    answered: Option<Number>,
}

#[derive(Clone)]
struct Node {
    rows: MemoryLane,
    lane: Lane,
    /// The exchange under way, and the line's reply once that is on its way back.
    call: Option<(Exchange, Option<ExchangeReply>)>,
}

#[derive(Clone)]
struct World {
    line: Line,
    rows: MemoryLine,
    nodes: Vec<Node>,
    /// Everything lanes ever sent.
    network: Vec<Exchange>,
    visitors: Vec<Visitor>,
    /// (lane, inc, k) → first number and count.
    granted: BTreeMap<(u16, u64, u64), (Number, u64)>,
    refused: BTreeSet<(u16, u64, u64)>,
    crashes: u8,
    restarts: u8,
    give_ups: u8,
}

const MOST_WITHOUT_A_RULE: usize = 60_000;
const CLAIM: WaiterId = 1_000;
const LEAVE: WaiterId = 2_000;

impl World {
    fn new(bounds: &Bounds) -> Self {
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
    fn now(&self) -> UnixMillis {
        UnixMillis(1_000_000 + 10_000 * u64::from(self.restarts) + 4_000)
    }

    fn actions(&self, bounds: &Bounds) -> Vec<Action> {
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

    fn step(&mut self, rule: Rule, action: Action) -> Result<(), Violation> {
        match action {
            Action::Enter(visitor) => self.enter(visitor)?,
            Action::Claim(visitor) => {
                self.visitors[visitor].claimed = true;
                let number = self.visitors[visitor].answered.expect("only who was answered claims");
                let op = Op::Claim { number, sub: subject(visitor as u64), entered_at: UnixMillis(0) };
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

    fn enter(&mut self, index: usize) -> Result<(), Violation> {
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

    fn answered(&mut self, index: usize, number: Number) -> Result<(), Violation> {
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

    fn deliver(&mut self, rule: Rule, sent: &Exchange) -> Result<(), Violation> {
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

    fn receive(&mut self, index: usize, then_crash: bool) -> Result<(), Violation> {
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

    fn crash(&mut self, index: usize) {
        self.crashes += 1;
        let node = &mut self.nodes[index];
        node.lane = node.rows.restore(LaneId(index as u16));
        node.call = None;
    }

    fn check(&self, rule: Rule) -> Result<(), Violation> {
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
    fn calms_down(mut self) -> Result<(), Violation> {
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
    fn fingerprint(&self) -> u128 {
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

/// How a state was reached.
struct Trace {
    action: Action,
    before: Option<Rc<Trace>>,
}

fn tell(trace: &Option<Rc<Trace>>) -> String {
    let mut actions = Vec::new();
    let mut at = trace.as_ref();
    while let Some(step) = at {
        actions.push(format!("{:?}", step.action));
        at = step.before.as_ref();
    }
    actions.reverse();
    actions.join(", ")
}

struct Found {
    states: usize,
    refusals: usize,
    voids: usize,
    admissions: usize,
    violations: BTreeMap<Violation, String>,
}

/// Visits every state within the bounds, until a promise breaks; with a rule switched off until it breaks in this way, by the
/// shortest path.
fn search(bounds: &Bounds, until: Option<Violation>) -> Found {
    let started = Instant::now();
    let first = World::new(bounds);
    let mut seen = HashSet::from([first.fingerprint()]);
    let mut todo: VecDeque<(World, Option<Rc<Trace>>)> = VecDeque::from([(first, None)]);
    let mut found = Found { states: 0, refusals: 0, voids: 0, admissions: 0, violations: BTreeMap::new() };
    loop {
        // In depth little waits to be visited; in breadth the first way found is the shortest.
        let next = if until.is_none() { todo.pop_back() } else { todo.pop_front() };
        let Some((world, trace)) = next else { break };
        let enough = match until {
            None => !found.violations.is_empty(),
            // Without the rule there may be no end of states.
            Some(wanted) => found.violations.contains_key(&wanted) || found.states >= MOST_WITHOUT_A_RULE,
        };
        if enough {
            break;
        }
        found.states += 1;
        let refused = |row: &ropeline_queue::line::LaneRow| matches!(row.outcome, Some(Outcome::Refused { .. }));
        found.refusals += usize::from(world.rows.lanes.values().any(refused));
        found.voids += usize::from(world.rows.head.voided > 0);
        found.admissions += usize::from(!world.rows.admissions.is_empty());
        if bounds.rule == Rule::AllHold
            && found.states.is_multiple_of(16)
            && let Err(violation) = world.clone().calms_down()
        {
            found.violations.entry(violation).or_insert_with(|| tell(&trace));
        }
        for action in world.actions(bounds) {
            let mut next = world.clone();
            let outcome = catch_unwind(AssertUnwindSafe(|| next.step(bounds.rule, action)));
            let path = || Some(Rc::new(Trace { action, before: trace.clone() }));
            match outcome {
                Ok(Ok(())) if seen.insert(next.fingerprint()) => todo.push_back((next, path())),
                Ok(Ok(())) => {}
                Ok(Err(violation)) => {
                    found.violations.entry(violation).or_insert_with(|| tell(&path()));
                }
                Err(_) => {
                    found.violations.entry(Violation::Broken).or_insert_with(|| tell(&path()));
                }
            }
        }
    }
    println!(
        "{} states ({} with a refusal, {} with voided numbers, {} with an admission) in {:.1} s: {bounds:?}",
        found.states,
        found.refusals,
        found.voids,
        found.admissions,
        started.elapsed().as_secs_f64()
    );
    for (violation, trace) in &found.violations {
        println!("  {violation:?}: {trace}");
    }
    found
}

fn holds(bounds: &Bounds) -> Found {
    let found = search(bounds, None);
    assert!(found.violations.is_empty(), "{:#?}", found.violations);
    found
}

/// Two calls each, two crashes of lanes, the line never full, nobody claims.
fn bounds(visitors: &[usize]) -> Bounds {
    Bounds {
        visitors: visitors.to_vec(),
        enters: 2,
        claims: 0,
        leaves: 0,
        crashes: 2,
        restarts: 0,
        give_ups: 0,
        max_line_length: 100,
        rule: Rule::AllHold,
    }
}

/// `ROPELINE_MODEL=thorough` searches wider: minutes, not seconds.
fn thorough() -> bool {
    std::env::var("ROPELINE_MODEL").is_ok_and(|form| form == "thorough")
}

#[test]
fn over_two_lanes_there_is_one_true_line() {
    let found = holds(&Bounds { give_ups: u8::from(thorough()), ..bounds(&[0, 0, 1]) });
    assert!(found.states > 100_000 && found.voids > 10_000);
}

#[test]
fn three_visitors_of_one_lane_share_batches_and_stay_in_order() {
    let found = holds(&Bounds { give_ups: 1, ..bounds(&[0, 0, 0]) });
    assert!(found.states > 40_000 && found.voids > 10_000);
}

#[test]
fn a_refused_batch_is_never_granted_later_over_two_lanes() {
    let (crashes, claims) = if thorough() { (2, 1) } else { (1, 1) };
    let found = holds(&Bounds { max_line_length: 2, crashes, claims, ..bounds(&[0, 0, 1]) });
    assert!(found.refusals > 10_000 && found.voids > 1_000 && found.admissions > 1_000);
}

#[test]
fn a_refused_batch_is_never_granted_later_in_one_lane() {
    let found = holds(&Bounds { max_line_length: 2, give_ups: 1, ..bounds(&[0, 0, 0]) });
    assert!(found.refusals > 10_000 && found.voids > 10_000);
}

#[test]
fn who_claims_or_leaves_keeps_the_number_whatever_restarts() {
    let found = holds(&Bounds { claims: 2, leaves: 1, restarts: 1, ..bounds(&[0, 0]) });
    assert!(found.states > 100_000 && found.voids > 10_000 && found.admissions > 10_000);
    if thorough() {
        holds(&Bounds { claims: 1, restarts: 1, ..bounds(&[0, 0, 1]) });
    }
}

fn breaks(rule: Rule, visitors: &[usize], violation: Violation) {
    let found = search(&Bounds { rule, ..bounds(visitors) }, Some(violation));
    assert!(found.violations.contains_key(&violation), "the search does not see that {rule:?} is a fault");
}

#[test]
fn without_incarnations_a_late_batch_breaks_the_order() {
    breaks(Rule::SameIncarnation, &[0, 0, 1], Violation::OutOfOrder);
}

#[test]
fn a_late_message_taken_for_a_new_instance_voids_what_was_answered() {
    breaks(Rule::AlwaysNewIncarnation, &[0, 1], Violation::AnsweredIsVoid);
}

/// Why a reply says to which exchange it belongs, and why a lane must drop the reply to a call that it has given up.
#[test]
fn a_reply_to_an_earlier_call_gives_a_number_twice() {
    breaks(Rule::RepliesFromEarlierCalls, &[0, 0], Violation::NumberGivenTwice);
    breaks(Rule::RepliesFromEarlierCalls, &[0, 0], Violation::OutOfOrder);
}
