//! What is asked twice, too late, too early, or of a place that there is not: nothing is counted or written for it.

mod common;
#[path = "common/event.rs"]
mod event;

use event::{Event, claim, given, roomy};
use ropeline_queue::wire::{Exchange, Numbering, Op, OpAnswer};
use ropeline_queue::{LaneId, Number, Position, Seq, Settings, UnixMillis};

fn is_admitted(answer: OpAnswer) -> bool {
    matches!(answer, OpAnswer::Admitted { .. })
}

#[test]
fn a_number_that_was_not_given_is_nobodys_to_claim_or_to_give_up() {
    let mut event = Event::new(roomy());
    event.enter(2);
    let version = event.rows.head.version;
    for number in [0, 3, 4] {
        assert!(!is_admitted(event.claim(number)), "{number}");
        assert_eq!(event.ask(Op::Leave { number: Number(number) }), OpAnswer::Done);
        assert_eq!((event.rows.head.version, event.rows.gone.len()), (version, 0), "{number}");
    }
    assert_eq!(given(&event.enter(1)), 3);
    assert!(is_admitted(event.claim(3)));
}

#[test]
fn what_changes_nothing_is_not_written() {
    let mut event = Event::new(roomy());
    event.enter(3);
    assert!((1..=3).all(|number| is_admitted(event.claim(number))));
    let once = [Op::Complete { seq: Seq(2) }, Op::Leave { number: Number(3) }];
    once.iter().for_each(|op| assert_eq!(event.ask(op.clone()), OpAnswer::Done));
    let (version, sessions) = (event.rows.head.version, event.rows.admissions.clone());
    assert!(is_admitted(event.ask(Op::Renew { number: Number(1) })), "the end is the same");
    for after_ms in [0, 1, 1_000] {
        event.now = 1_000 + after_ms;
        once.iter().for_each(|op| assert_eq!(event.ask(op.clone()), OpAnswer::Done));
    }
    assert_eq!((event.rows.head.version, &event.rows.admissions), (version, &sessions));
}

#[test]
fn who_is_present_when_the_event_ends_is_told_so() {
    let end = UnixMillis(50_000);
    let mut event = Event::new(Settings { event_end_time: Some(end), total_active_users: 1, ..roomy() });
    event.enter(2);
    assert!(is_admitted(event.at(49_000).claim(1)));
    assert_eq!(event.claim(2), OpAnswer::Called);
    assert_eq!(event.at(50_000).ask(Op::Look { number: Number(2) }), OpAnswer::EventEnded);
}

/// How many the line believes it must call for one that shows up, when a hundred who were called long ago ask so long after a restart.
fn called_for_one_when_a_hundred_ask(after_ms: u64) -> f64 {
    let mut event = Event::new(Settings { new_users_per_minute: 60, ..roomy() });
    event.enter(1_000_000);
    for _ in 0..400 {
        event.now += 1_000;
        event.phase();
    }
    event.restart();
    let restarted = event.now;
    event.at(restarted + after_ms).exchange(0, (1..=100).map(claim).collect());
    let step = event.line.board(UnixMillis(restarted + 3_500));
    event.commit(step).forecast.unwrap().sooner.once + 1.0
}

#[test]
fn who_asks_before_a_restarted_line_lets_in_again_was_there_before_and_has_not_come_back() {
    let (before, after) = (called_for_one_when_a_hundred_ask(2_999), called_for_one_when_a_hundred_ask(3_000));
    assert!((100.0..200.0).contains(&before), "a hundred of those called: {before}");
    assert!(after > 10_000.0, "those who come back say nothing of those to be called: {after}");
}

#[test]
fn every_step_that_changes_something_is_a_new_version_of_the_board() {
    let mut event = Event::new(roomy());
    for version in 1..=3 {
        event.enter(1);
        assert_eq!((event.line.version(), event.rows.head.version), (version, version));
    }
    event.phase();
    assert_eq!(event.line.version(), 3);
}

#[test]
fn what_a_lane_asks_that_was_replaced_is_not_done() {
    let mut event = Event::new(roomy());
    event.enter(2);
    let m = |inc, ops| Exchange { lane: LaneId(0), inc, k: 1, count: 0, stored_k: 1, lanes: 0, ops };
    let leave = vec![Op::Leave { number: Number(1) }, claim(2)];
    let step = event.line.exchange(&event.rows, UnixMillis(event.now), &m(0, leave)).unwrap();
    assert_eq!((step.answer.numbering, step.answer.ops.len(), step.changes.len()), (Numbering::Stale, 0, 0));
}

#[test]
fn as_many_are_called_as_there_is_room_and_a_few_ahead_of_it() {
    let mut event = Event::new(Settings { new_users_per_minute: 600, ..roomy() });
    event.enter(1_000);
    assert_eq!(event.rows.head.frontier, Position(30), "a twentieth of a minute in a second");
    event.exchange(0, (1..=24).map(claim).collect());
    // Room for 6 more, who are on their way; 24 a minute are 2 in five seconds, and 3 to spare.
    assert_eq!(event.rows.head.frontier, Position(35));
}

#[test]
fn a_crowd_that_never_comes_leaves_the_next_one_called_as_the_first_one_was() {
    let mut event = Event::new(Settings { new_users_per_minute: 600, ..roomy() });
    for (after_ms, like_the_first) in [(0, true), (9_000, false), (11_000, true)] {
        event.now += after_ms;
        let before = event.rows.head.frontier;
        event.enter(1_000);
        let called = event.rows.head.frontier.since(before);
        assert_eq!(called == 30, like_the_first, "{called} after {after_ms} ms");
        while event.rows.head.frontier < event.rows.head.last_number.position() {
            event.now += 1_000;
            event.phase();
        }
    }
}

#[test]
fn a_restarted_line_calls_again_after_exactly_three_seconds() {
    let mut event = Event::new(Settings { new_users_per_minute: 600, ..roomy() });
    event.enter(1_000);
    event.exchange(0, (1..=24).map(claim).collect());
    event.at(20_000).restart();
    let before = event.rows.head.frontier;
    event.at(22_999).phase();
    assert_eq!(event.rows.head.frontier, before);
    event.at(23_000).phase();
    assert!(event.rows.head.frontier > before);
}

#[test]
fn who_is_present_and_asks_again_costs_no_read() {
    let mut event = Event::new(Settings { total_active_users: 1, ..roomy() });
    event.enter(2);
    assert!(is_admitted(event.claim(1)));
    assert_eq!(event.claim(2), OpAnswer::Called);
    event.rows.reads_fail = true;
    assert_eq!(event.claim(2), OpAnswer::Called);
    assert_eq!(event.ask(Op::Look { number: Number(2) }), OpAnswer::Called);
}
