//! What a machine does after an operator let its event begin anew in another log (`ropeline-relay replay`).

mod support;

use ropeline_relay::machine::{Bounds, Cause, Effect, Input, Lease, Note, Pin, StopCause};
use ropeline_relay::types::{Offset, Partition, Seq};
use support::script::{Script, TOPIC, drain, fetch, lease, read, seqs_of, stopped, unknown};

/// The lease of an event that begins anew at `from`, where the log ends at `next`; entries to `drained` were handed out before.
fn replayed(from: u64, head: u64, drained: u64, next: i64) -> Lease {
    Lease { replay_from: Some(Seq(from)), ..lease(head, drained, from - 1, Some(next)) }
}

fn ends(earliest: i64, latest: i64) -> Input {
    Input::Bounds(Ok(Bounds { earliest: Offset(earliest), latest: Offset(latest) }))
}

/// Up to the question for the ends of the log.
fn taken(lease: Lease) -> Script {
    let mut s = Script::new();
    s.step(Input::Start);
    s.step(Input::Lease(Ok(lease)));
    assert_eq!(s.connected(), Effect::Bounds, "there is no record to look at");
    s
}

#[test]
fn a_replay_from_the_middle_needs_no_record_of_what_was_before() {
    let mut s = taken(replayed(5, 9, 9, 3));
    assert_eq!(s.step(ends(0, 3)), fetch(3, 1024 * 1024), "what was handed out before may be there already");
    assert_eq!(s.step(read(&[], 3)), drain(4, None));
    assert_eq!(seqs_of(&s.drained(5..=9, 9)), [5, 6, 7, 8, 9]);
    let effect = s.produced(3, 5);
    assert_eq!(s.wake(effect), drain(9, Some((9, 8))));
}

#[test]
fn a_replay_goes_on_where_nothing_is_to_be_sent_again() {
    let mut s = taken(replayed(10, 9, 9, 0));
    assert_eq!(s.step(ends(0, 0)), drain(9, None));
    assert_eq!(seqs_of(&s.drained(10..=11, 11)), [10, 11]);
}

#[test]
fn the_first_record_acked_after_a_replay_is_the_anchor_again() {
    let mut s = Script::new();
    s.step(Input::Start);
    s.step(Input::Lease(Ok(Lease { replay_from: Some(Seq(5)), ..lease(9, 5, 5, Some(4)) })));
    assert_eq!(s.connected(), fetch(3, 4 * 1024));
    let cause = {
        let effect = s.step(read(&[(3, None)], 9));
        stopped(&effect, &mut s)
    };
    assert_eq!(cause, StopCause::OtherRecord { expected: Offset(3), seq: Seq(5) });
}

#[test]
fn a_log_that_is_lost_once_more_before_the_first_record_stops_the_event() {
    let mut s = taken(replayed(5, 9, 9, 30));
    for _ in 0..2 {
        let effect = s.step(ends(0, 29));
        s.wake(effect);
        assert_eq!(s.connected(), Effect::Bounds);
    }
    let effect = s.step(ends(0, 29));
    assert!(matches!(stopped(&effect, &mut s), StopCause::LogLost { .. }));
}

#[test]
fn after_an_unknown_outcome_of_the_first_batch_it_is_read_back() {
    let mut s = taken(replayed(5, 9, 9, 3));
    s.step(ends(0, 3));
    s.step(read(&[], 3));
    s.drained(5..=9, 9);
    let effect = s.step(unknown());
    s.wake(effect);
    assert_eq!(s.connected(), Effect::Bounds);
    assert_eq!(s.step(ends(0, 6)), fetch(3, 1024 * 1024));
    assert_eq!(s.step(read(&[(3, Some(5)), (4, Some(6)), (5, Some(7))], 6)), drain(7, Some((7, 6))));
}

#[test]
fn a_batch_of_an_older_relay_in_the_new_log_stops_the_event_before_anything_is_sent() {
    // Entries to 9 were under way before the replay; somebody still had 7 … 9 to send.
    let mut s = taken(replayed(5, 9, 9, 3));
    s.step(ends(0, 6));
    let effect = s.step(read(&[(3, Some(7)), (4, Some(8)), (5, Some(9))], 6));
    let cause = stopped(&effect, &mut s);
    assert_eq!(cause, StopCause::OutOfOrder { found: Offset(3), seq: Seq(7), expected: Seq(5) });
    assert!(cause.to_string().contains("replay"), "{cause}");
}

#[test]
fn a_first_batch_further_on_than_expected_is_read_back_with_all_that_is_before_it() {
    let found = |between: Option<u64>| {
        let mut s = taken(replayed(5, 9, 9, 3));
        s.step(ends(0, 3));
        s.step(read(&[], 3));
        s.drained(5..=6, 9);
        assert!(matches!(s.produced(4, 2), Effect::Connect { .. }));
        assert!(matches!(s.notes[..], [Note::Recovering { cause: Cause::Shifted { .. }, .. }]));
        assert_eq!(s.connected(), Effect::Bounds);
        assert_eq!(s.step(ends(0, 6)), fetch(3, 1024 * 1024), "not only its last record");
        let effect = s.step(read(&[(3, between), (4, Some(5)), (5, Some(6))], 6));
        (effect, s)
    };
    let (effect, _) = found(None);
    assert_eq!(effect, drain(6, Some((6, 6))), "a record of somebody else");
    let (effect, _) = found(Some(5));
    assert_eq!(effect, drain(6, Some((6, 6))), "a repeat");
    let (effect, mut s) = found(Some(9));
    assert!(matches!(stopped(&effect, &mut s), StopCause::OutOfOrder { seq: Seq(9), expected: Seq(5), .. }));
}

#[test]
fn what_an_older_relay_wrote_later_is_not_taken_for_what_is_to_be_sent() {
    // 5 and 6 are acked; 9 came from before the replay, then the relay crashed before it sent 7 and 8.
    let lease = Lease { replay_from: Some(Seq(5)), ..lease(9, 9, 6, Some(5)) };
    let mut s = Script::new();
    s.step(Input::Start);
    s.step(Input::Lease(Ok(lease)));
    assert_eq!(s.connected(), fetch(4, 4 * 1024));
    s.step(read(&[(4, Some(6))], 7));
    assert_eq!(s.step(read(&[(5, Some(7)), (6, Some(9))], 7)), drain(7, Some((7, 6))), "8 and 9 are still to come");
    assert_eq!(seqs_of(&s.drained(8..=9, 9)), [8, 9]);
}

#[test]
fn a_replayed_rehearsal_goes_to_its_topic_or_waits_for_it() {
    let mut s = Script::new();
    s.step(Input::Start);
    let pin = Pin { topic: TOPIC.into(), partition: Partition(0), next_offset: Offset(0) };
    let lease = Lease { test: true, pin: Some(pin), ..replayed(5, 9, 9, 0) };
    let effect = s.step(Input::Lease(Ok(lease)));
    assert_eq!(effect, Effect::Connect { topic: TOPIC.into() }, "what looks like a rehearsal without a topic is none");
    for _ in 0..2 {
        let effect = s.step(Input::Connected(Ok(None)));
        s.wake(effect);
    }
    let effect = s.step(Input::Connected(Ok(None)));
    assert!(matches!(stopped(&effect, &mut s), StopCause::PartitionMissing { .. }));
}
