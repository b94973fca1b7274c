//! Test events: a topic of their own, or nowhere, step by step.

mod support;

use ropeline_relay::machine::{Bounds, Effect, Input, Lease, Mark, Note, Pin, StopCause};
use ropeline_relay::types::{Epoch, Offset, Partition, Seq};
use support::script::{Script, drain, lease, seqs_of, stopped};

fn rehearsal(head: u64, drained: u64, acked: u64, pin: Option<(i32, i64)>) -> Lease {
    let pin = pin.map(|(partition, next)| Pin {
        topic: TEST_TOPIC.into(),
        partition: Partition(partition),
        next_offset: Offset(next),
    });
    Lease { test: true, pin, ..lease(head, drained, acked, None) }
}

const TEST_TOPIC: &str = "ropeline.admissions.test";

/// Looks three times for the test topic, which is not there.
fn looked_for_in_vain(s: &mut Script, mut effect: Effect) -> Effect {
    for _ in 0..2 {
        assert_eq!(effect, Effect::Connect { topic: TEST_TOPIC.into() });
        let wait = s.step(Input::Connected(Ok(None)));
        assert!(matches!(wait, Effect::Wait { .. }), "not believed at once: {wait:?}");
        effect = s.wake(wait);
    }
    s.step(Input::Connected(Ok(None)))
}

#[test]
fn a_test_event_goes_to_the_test_topic_unless_it_has_one_of_its_own() {
    let mut s = Script::new();
    s.step(Input::Start);
    let effect = s.step(Input::Lease(Ok(rehearsal(2, 0, 0, None))));
    assert_eq!(effect, Effect::Connect { topic: TEST_TOPIC.into() });
    s.step(Input::Connected(Ok(Some(3))));
    s.step(Input::Opened(Ok(())));
    let effect = s.step(Input::Bounds(Ok(Bounds { earliest: Offset(0), latest: Offset(40) })));
    let Effect::Drain(request) = effect else { panic!("{effect:?}") };
    assert_eq!(request.pin.map(|pin| (pin.topic, pin.next_offset)), Some((TEST_TOPIC.into(), Offset(40))));
    assert_eq!(seqs_of(&s.drained(1..=2, 2)), [1, 2], "a rehearsal is produced like any other");

    let mut s = Script::new();
    s.step(Input::Start);
    let own = Lease { configured_topic: Some("vip".into()), ..rehearsal(2, 0, 0, None) };
    assert_eq!(s.step(Input::Lease(Ok(own))), Effect::Connect { topic: "vip".into() });
    let effect = s.step(Input::Connected(Ok(None)));
    assert!(matches!(stopped(&effect, &mut s), StopCause::TopicMissing { .. }), "what is asked for must be there");
}

#[test]
fn without_a_test_topic_a_test_event_is_acked_without_being_produced_and_that_is_said_once() {
    let mut s = Script::new();
    s.step(Input::Start);
    let effect = s.step(Input::Lease(Ok(rehearsal(3, 0, 0, None))));
    let effect = looked_for_in_vain(&mut s, effect);
    assert_eq!(s.notes, [Note::Discarding { topic: TEST_TOPIC.into() }]);
    let Effect::Drain(request) = effect else { panic!("{effect:?}") };
    let nowhere = Pin { topic: TEST_TOPIC.into(), partition: Partition(0), next_offset: Offset(0) };
    assert_eq!((request.after, request.pin), (Seq(0), Some(nowhere)));
    assert_eq!(s.drained(1..=3, 5), drain(3, Some((3, 0))));
    assert_eq!(s.notes, [Note::Discarded { first: Seq(1), last: Seq(3) }]);
    assert_eq!(s.drained(4..=5, 5), drain(5, Some((5, 0))));
    let effect = s.nothing_new(5);
    assert_eq!(s.wake(effect), drain(5, None));

    // Later, by another relay: it goes on without a look at Kafka, even if the topic is there by now, and is not said again.
    let mut s = Script::new();
    s.step(Input::Start);
    assert_eq!(s.step(Input::Lease(Ok(rehearsal(7, 5, 5, Some((0, 0)))))), drain(5, None));
    assert!(matches!(s.notes[..], [Note::Taken { .. }]), "{:?}", s.notes);
    assert_eq!(s.drained(6..=7, 7), drain(7, Some((7, 0))));
    // A stop acks what the drain gave.
    s.stopping = true;
    let effect = s.nothing_new(7);
    assert_eq!(effect, Effect::ReleaseLease { epoch: Epoch(7) });
}

#[test]
fn a_stop_right_after_a_discarded_batch_acks_it() {
    let mut s = Script::new();
    s.step(Input::Start);
    s.step(Input::Lease(Ok(rehearsal(7, 5, 5, Some((0, 0))))));
    s.stopping = true;
    let effect = s.drained(6..=7, 7);
    assert_eq!(effect, Effect::Ack { epoch: Epoch(7), mark: Mark { seq: Seq(7), next_offset: Offset(0) } });
}

#[test]
fn until_something_is_acked_the_test_topic_is_looked_for_anew() {
    // Drained for nothing, then the relay died before the ack; meanwhile somebody made the topic.
    let mut s = Script::new();
    s.step(Input::Start);
    let effect = s.step(Input::Lease(Ok(rehearsal(3, 3, 0, Some((0, 0))))));
    assert_eq!(effect, Effect::Connect { topic: TEST_TOPIC.into() });
    let effect = s.step(Input::Connected(Ok(Some(3))));
    assert_eq!(effect, Effect::Open { topic: TEST_TOPIC.into(), partition: Partition(0) });
}

#[test]
fn only_test_events_and_only_those_never_produced_are_discarded() {
    // A real event in the same state: its log was lost.
    let mut s = Script::new();
    s.step(Input::Start);
    s.step(Input::Lease(Ok(Lease { test: false, ..rehearsal(7, 5, 5, Some((0, 0))) })));
    let effect = s.step(Input::Connected(Ok(None)));
    assert!(matches!(effect, Effect::Wait { .. }), "{effect:?}");
    // A test event that is in Kafka: its topic is gone, and an operator is told.
    let mut s = Script::new();
    s.step(Input::Start);
    let effect = s.step(Input::Lease(Ok(rehearsal(7, 5, 5, Some((2, 50))))));
    let effect = looked_for_in_vain(&mut s, effect);
    assert!(matches!(stopped(&effect, &mut s), StopCause::PartitionMissing { .. }));
}
