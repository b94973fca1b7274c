//! An exhaustive search through what can happen between lanes and their line, over the real code of both.
//!
//! Every message a lane ever sent stays in the network for good: each may reach the line at any later time, any number of times, in
//! any order, or never. Lanes crash at any instant (memory lost, rows kept), the line restarts, visitors call again, claim and are
//! refused. In every state reached, the promises about numbers are checked; where the rules that keep them are switched off, by
//! changing messages on their way, the same search must find how they break.

mod common;
#[path = "common/numbering_world.rs"]
mod numbering_world;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Instant;

use numbering_world::{Action, Bounds, Rule, Violation, World};
use ropeline_queue::line::Outcome;

const MOST_WITHOUT_A_RULE: usize = 60_000;

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
