//! Promise 4, exact limits, by the line's clock: from the admission log, and from what the line said about its exchanges.
//!
//! At every admission: sessions that certainly live, itself included, `<= total_active_users`; admissions in the 60 s up to it
//! `<= new_users_per_minute`. A session certainly lives from its admission until 30 s after the latest end that anybody was told,
//! unless the shop has sent a completion by then.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use super::Verdict;
use crate::soak::history::{Event, History, Outcome, State, What};
use crate::trace::Trace;

/// Verifiers may take a pass this long after its end.
const LEEWAY_MS: u64 = 30_000;
const MINUTE_MS: u64 = 60_000;
/// Our clock against the line's: rounding, and the time between reading the two.
const SLACK_MS: u64 = 50;

/// One entry of an admission log; times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Place in the log.
    pub seq: u64,
    /// Place in the line.
    pub number: u64,
    /// When, by the line's clock.
    pub admitted_at: u64,
    /// The session's end as it was at the admission.
    pub expires: u64,
}

/// What clients know of an event's sessions.
#[derive(Default)]
struct Told {
    /// `seq` → the latest end.
    until: BTreeMap<u64, u64>,
    /// Number → when its completion was first sent.
    completed: BTreeMap<u64, u64>,
}

/// Goes through all admissions; `logs` has the log of each event.
#[must_use]
pub fn limits(history: &History, logs: &[Vec<Entry>]) -> Verdict {
    let mut verdict = Verdict::new("4 exact limits");
    let mut told: Vec<Told> = history.events.iter().map(|_| Told::default()).collect();
    for call in &history.calls {
        let Some(told) = told.get_mut(call.person.event) else { continue };
        if let Outcome::Place { state: State::Admitted { seq, expires }, .. } = call.outcome {
            let until = told.until.entry(seq).or_insert(expires);
            *until = (*until).max(expires);
        }
        if let (What::Complete, Some(number)) = (call.what, call.about) {
            let sent = history.clock.unix_ms(call.sent).saturating_sub(SLACK_MS);
            let completed = told.completed.entry(number).or_insert(sent);
            *completed = (*completed).min(sent);
        }
    }
    let (mut admissions, mut full, mut paced) = (0, 0, 0);
    for ((event, log), told) in history.events.iter().zip(logs).zip(&told) {
        let bound = one(event, log, told, &mut verdict.broken);
        admissions += log.len();
        full += bound.full;
        paced += bound.paced;
    }
    verdict.looked_at = vec![
        (admissions, "admissions"),
        (full, "of them into the last slot"),
        (paced, "of them the last ones of a minute"),
    ];
    verdict
}

/// How many admissions met a limit.
struct Bound {
    full: usize,
    paced: usize,
}

fn one(event: &Event, log: &[Entry], told: &Told, broken: &mut Vec<String>) -> Bound {
    let mut bound = Bound { full: 0, paced: 0 };
    let mut complain = |seq: u64, why: String| broken.push(format!("{}, seq {seq}: {why}", event.name));
    let mut releases: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let mut minute: VecDeque<u64> = VecDeque::new();
    let mut numbers = BTreeSet::new();
    let mut clk = 0;
    for (entry, expected) in log.iter().zip(1_u64..) {
        let Entry { seq, number, admitted_at, expires } = *entry;
        if seq != expected {
            complain(seq, format!("it should be {expected}"));
        }
        if !numbers.insert(number) {
            complain(seq, format!("{number} was admitted before"));
        }
        if admitted_at < clk {
            complain(seq, format!("the line's clock ran back from {clk} to {admitted_at}"));
        }
        if expires != admitted_at + event.session_duration_seconds * 1_000 {
            complain(seq, format!("a session from {admitted_at} to {expires}"));
        }
        clk = admitted_at;
        while releases.peek().is_some_and(|Reverse(release)| *release <= clk) {
            releases.pop();
        }
        while minute.front().is_some_and(|at| at + MINUTE_MS <= clk) {
            minute.pop_front();
        }
        let until = told.until.get(&seq).map_or(expires, |until| expires.max(*until)) + LEEWAY_MS;
        releases.push(Reverse(told.completed.get(&number).map_or(until, |completed| until.min(*completed))));
        minute.push_back(clk);
        let (live, in_minute) = (releases.len() as u64, minute.len() as u64);
        if live > event.total_active_users {
            complain(seq, format!("{live} live sessions of {}", event.total_active_users));
        }
        if in_minute > event.new_users_per_minute {
            complain(seq, format!("{in_minute} admissions in 60 s of {}", event.new_users_per_minute));
        }
        bound.full += usize::from(live == event.total_active_users);
        bound.paced += usize::from(in_minute == event.new_users_per_minute);
    }
    bound
}

/// What the line said about its exchanges, against its log: the clock never ran back, the slots in use were never more than there
/// are, and every admission of the log was made in an exchange at the time that the log says. Gives what breaks that.
#[must_use]
pub fn trace(event: &Event, trace: &Trace, log: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut clk = 0;
    let mut made = BTreeSet::new();
    for exchange in &trace.exchanges {
        if exchange.clk < clk {
            broken.push(format!("{}: the line's clock ran back from {clk} to {}", event.name, exchange.clk));
        }
        clk = exchange.clk;
        if exchange.active > event.total_active_users {
            broken.push(format!("{}: {} slots in use at {clk}", event.name, exchange.active));
        }
        for op in &exchange.ops {
            if let (Some(number), Some((seq, _))) = (op.claim(), op.admitted()) {
                made.insert((seq, number, clk));
            }
        }
    }
    for Entry { seq, number, admitted_at, .. } in log {
        if !made.contains(&(*seq, *number, *admitted_at)) {
            broken.push(format!("{}: no exchange admitted {number} as {seq} at {admitted_at}", event.name));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::soak::check::scene::{Scene, admitted};
    use crate::trace::{Answered, Exchange};

    /// Admissions at these milliseconds after the start, as 1, 2, 3 …
    fn log(scene: &Scene, at: &[u64]) -> Vec<Vec<Entry>> {
        let entry = |(seq, at): (u64, &u64)| Entry {
            seq,
            number: seq,
            admitted_at: scene.unix(*at),
            expires: scene.unix(at + 10_000),
        };
        vec![(1..).zip(at).map(entry).collect()]
    }

    fn broken(scene: &Scene, at: &[u64]) -> String {
        limits(&scene.history(), &log(scene, at)).broken.join("; ")
    }

    #[test]
    fn a_slot_is_free_when_no_verifier_takes_the_pass_any_more() {
        let scene = Scene::new();
        assert_eq!(broken(&scene, &[0, 1, 40_000, 70_000]), "");
        assert!(broken(&scene, &[0, 1, 39_999]).contains("seq 3: 3 live sessions of 2"));
    }

    #[test]
    fn a_renewal_that_was_told_keeps_its_slot() {
        let mut scene = Scene::new();
        let renewed = admitted(&scene, 1, 1, 15_000);
        scene.call(1, What::Renew, Some(1), (5_000, 5_001), renewed);
        assert!(broken(&scene, &[0, 1, 40_000, 40_001]).contains("seq 4: 3 live sessions"));
        assert_eq!(broken(&scene, &[0, 1, 40_001, 60_001]), "");
    }

    #[test]
    fn a_completion_may_free_its_slot_once_it_was_sent() {
        let mut scene = Scene::new();
        scene.call(1, What::Complete, Some(1), (5_000, 5_001), Outcome::HungUp);
        assert_eq!(broken(&scene, &[0, 1, 5_001]), "");
        assert!(broken(&scene, &[0, 1, 4_900]).contains("3 live sessions"));
        assert!(broken(&scene, &[0, 1, 5_001, 5_002]).contains("seq 4: 3 live sessions"), "one completion, one slot");
    }

    #[test]
    fn a_minute_is_any_sixty_seconds() {
        let mut scene = Scene::new();
        for number in 1..=4 {
            scene.call(number, What::Complete, Some(number), (50, 51), Outcome::Done);
        }
        assert_eq!(broken(&scene, &[100, 20_000, 59_000, 60_100]), "");
        assert!(broken(&scene, &[100, 20_000, 59_000, 60_099]).contains("seq 4: 4 admissions in 60 s of 3"));
    }

    #[test]
    fn a_log_with_a_gap_or_a_repeat_or_a_clock_that_runs_back_is_found() {
        let scene = Scene::new();
        let of = |change: fn(&mut Vec<Entry>)| {
            let mut logs = log(&scene, &[0, 50_000]);
            logs.iter_mut().for_each(change);
            limits(&scene.history(), &logs).broken.join("; ")
        };
        assert_eq!(of(|_| {}), "");
        assert!(of(|log| log[1].seq = 3).contains("should be 2"));
        assert!(of(|log| log[1].number = 1).contains("admitted before"));
        assert!(of(|log| log.swap(0, 1)).contains("ran back"));
        assert!(of(|log| log[1].expires += 1).contains("a session from"));
    }

    #[test]
    fn an_admission_that_no_exchange_made_is_found() {
        let scene = Scene::new();
        let (history, logs) = (scene.history(), log(&scene, &[7]));
        let exchange = |clk, active| Exchange {
            clk,
            lane: 0,
            numbering: json!("none"),
            ops: vec![Answered {
                op: json!({"claim": {"number": 1}}),
                answer: json!({"admitted": {"seq": 1, "session_expires_at": 0}}),
            }],
            frontier: 1,
            active,
        };
        let of = |exchanges| trace(&history.events[0], &Trace { exchanges }, &logs[0]).join("; ");
        let at = scene.unix(7);
        assert_eq!(of(vec![exchange(at, 1)]), "");
        assert!(of(vec![exchange(at + 1, 1)]).contains("no exchange admitted 1"));
        assert!(of(vec![exchange(at, 3)]).contains("3 slots in use"));
        assert!(of(vec![exchange(at, 1), exchange(at - 1, 1)]).contains("ran back"));
    }
}
