//! One test for each rule of protocol section 5, step by step.

mod support;

use ropeline_relay::machine::{
    Bounds, BrokerFailure, Cause, Drained, Effect, Input, Mark, Note, Outcome, Pin, Rules, StopCause, WorkerFailure,
};
use ropeline_relay::murmur2::partition_of;
use ropeline_relay::types::{Epoch, Mono, Offset, Seq};
use support::script::{Script, drain, fetch, lease, read, seqs_of, stopped, unknown};
use support::{entry, event};

#[test]
fn preflight_pins_topic_partition_and_offset_with_the_first_drain() {
    let mut s = Script::new();
    s.step(Input::Start);
    let mut first = lease(2, 0, 0, None);
    first.configured_topic = Some("vip".into());
    let effect = s.step(Input::Lease(Ok(first)));
    assert_eq!(effect, Effect::Connect { topic: "vip".into() }, "the event's own topic");
    let partition = partition_of("demo", 12).unwrap();
    let effect = s.step(Input::Connected(Ok(Some(12))));
    assert_eq!(effect, Effect::Open { topic: "vip".into(), partition });
    assert_eq!(s.step(Input::Opened(Ok(()))), Effect::Bounds);
    let effect = s.step(Input::Bounds(Ok(Bounds { earliest: Offset(3), latest: Offset(40) })));
    let Effect::Drain(request) = effect else { panic!("{effect:?}") };
    assert_eq!(request.pin, Some(Pin { topic: "vip".into(), partition, next_offset: Offset(40) }));
    // Said once.
    let effect = s.drained(1..=2, 2);
    assert_eq!(seqs_of(&effect), [1, 2]);
    let effect = s.produced(40, 2);
    assert_eq!(s.wake(effect), drain(2, Some((2, 42))));
}

#[test]
fn a_missing_topic_stops_the_event_and_is_never_created() {
    let mut s = Script::new();
    s.step(Input::Start);
    s.step(Input::Lease(Ok(lease(2, 0, 0, None))));
    let effect = s.step(Input::Connected(Ok(None)));
    let cause = stopped(&effect, &mut s);
    assert!(matches!(cause, StopCause::TopicMissing { .. }), "{cause}");
    assert!(cause.to_string().contains("create it"), "{cause}");
}

#[test]
fn a_clean_run_drains_produces_and_acks_with_the_next_drain() {
    let mut s = Script::new();
    assert_eq!(s.ready(10, 50), drain(10, None));
    let effect = s.drained(11..=13, 13);
    assert_eq!(seqs_of(&effect), [11, 12, 13]);
    // All that there was: what is admitted in the next moment goes in one batch.
    let effect = s.produced(50, 3);
    assert_eq!(effect, Effect::Wait { until: Mono(s.now + 200) });
    assert_eq!(s.wake(effect), drain(13, Some((13, 53))));
    // Nothing new, still listed: poll.
    let effect = s.nothing_new(13);
    assert_eq!(effect, Effect::Wait { until: Mono(s.now + 200) });
    let effect = s.wake(effect);
    assert_eq!(effect, drain(13, None), "acked once");
    // Nothing new, and the registry agrees: leave, but not at once, for the next entry may come soon.
    s.listed = false;
    let started = s.now;
    let mut effect = s.nothing_new(13);
    while matches!(effect, Effect::Wait { .. }) {
        s.wake(effect);
        effect = s.nothing_new(13);
    }
    assert!((2_800..=3_200).contains(&(s.now - started)));
    assert_eq!(effect, Effect::ReleaseLease { epoch: Epoch(7) });
    assert_eq!(s.step(Input::Released), Effect::Done(Outcome::Idle));
}

#[test]
fn an_event_with_entries_is_not_left_although_the_registry_does_not_list_it() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.listed = false;
    for _ in 0..50 {
        let effect = s.nothing_new(11);
        s.wake(effect);
    }
}

#[test]
fn a_take_with_drained_equal_to_acked_goes_on_without_a_scan() {
    let mut s = Script::new();
    s.taken(10, 10, 10, 50);
    let effect = s.step(read(&[(49, Some(10))], 1_000));
    assert_eq!(effect, drain(10, None));
}

#[test]
fn a_crash_between_produce_and_ack_repeats_nothing() {
    let mut s = Script::new();
    // 11 … 15 were drained; 11 … 14 reached the log before the crash.
    s.taken(20, 15, 10, 50);
    let effect = s.step(read(&[(49, Some(10))], 55));
    assert_eq!(effect, fetch(50, 1024 * 1024));
    let records = [(50, Some(11)), (51, None), (52, Some(12)), (53, Some(13)), (54, Some(14))];
    let effect = s.step(read(&records, 55));
    assert_eq!(effect, drain(14, Some((14, 55))), "goes on after the last");
    assert_eq!(seqs_of(&s.drained(15..=20, 20)), [15, 16, 17, 18, 19, 20]);
}

#[test]
fn a_scan_ignores_what_is_outside_of_acked_and_drained() {
    let mut s = Script::new();
    s.taken(20, 12, 10, 50);
    s.step(read(&[(49, Some(10))], 55));
    // A late copy of 9 and 10, and a seq nobody can have sent yet.
    let records = [(50, Some(9)), (51, Some(10)), (52, Some(11)), (53, Some(99)), (54, None)];
    assert_eq!(s.step(read(&records, 55)), drain(11, Some((11, 53))));
}

#[test]
fn after_an_unknown_outcome_comes_a_new_client_an_anchor_and_a_scan() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    let effect = s.step(unknown());
    assert!(matches!(&s.notes[..], [Note::Recovering { cause: Cause::Unknown(_), batch: Some((Seq(11), Seq(12))) }]));
    let effect = s.wake(effect);
    assert!(matches!(effect, Effect::Connect { .. }), "{effect:?}");
    assert_eq!(s.connected(), fetch(49, 4 * 1024));
    let effect = s.step(read(&[(49, Some(10))], 52));
    assert_eq!(effect, fetch(50, 1024 * 1024));
    // It was there all the time: acked, not sent again.
    let effect = s.step(read(&[(50, Some(11)), (51, Some(12))], 52));
    assert_eq!(effect, drain(12, Some((12, 52))));
}

#[test]
fn what_a_scan_does_not_find_is_sent_again() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    let effect = s.step(unknown());
    s.wake(effect);
    s.connected();
    s.step(read(&[(49, Some(10))], 50));
    let effect = s.step(read(&[], 50));
    assert_eq!(effect, drain(10, None));
    assert_eq!(seqs_of(&s.drained(11..=12, 12)), [11, 12]);
}

#[test]
fn a_batch_further_on_than_expected_is_confirmed_in_the_log_before_it_is_acked() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    // The broker throttled: the batch is there twice, at 50 and at 52.
    let effect = s.produced(52, 2);
    assert_eq!(effect, fetch(53, 4 * 1024), "its last record, by the client that said so");
    let effect = s.step(read(&[(53, Some(12))], 54));
    assert_eq!(s.wake(effect), drain(12, Some((12, 54))));
}

#[test]
fn what_the_line_is_known_to_have_is_drained_without_a_wait() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 20);
    assert_eq!(s.produced(50, 2), drain(12, Some((12, 52))));
    s.drained(13..=14, 20);
    // Also when others have written in between.
    assert_eq!(s.produced(55, 2), fetch(56, 4 * 1024));
    assert_eq!(s.step(read(&[(56, Some(14))], 57)), drain(14, Some((14, 57))));
}

#[test]
fn a_shifted_batch_that_is_not_where_the_broker_said_is_looked_for() {
    for what_the_first_client_sees in [&[(61, None)][..], &[]] {
        let mut s = Script::new();
        s.ready(10, 50);
        s.drained(11..=12, 12);
        assert_eq!(s.produced(60, 2), fetch(61, 4 * 1024));
        let high_watermark = if what_the_first_client_sees.is_empty() { 55 } else { 70 };
        let effect = s.step(read(what_the_first_client_sees, high_watermark));
        assert!(matches!(effect, Effect::Connect { .. }), "a new client: {effect:?}");
        s.connected();
        assert_eq!(s.step(read(&[(49, Some(10))], 70)), fetch(61, 4 * 1024));
        let effect = s.step(read(&[(61, None)], 70));
        assert_eq!(effect, fetch(50, 1024 * 1024), "a scan");
    }
}

#[test]
fn offsets_that_cannot_be_are_no_clean_ok() {
    for offsets in [vec![], vec![50], vec![50, 52], vec![49, 50], vec![-1, 0], vec![50, 51, 52]] {
        let mut s = Script::new();
        s.ready(10, 50);
        s.drained(11..=12, 12);
        let answer = offsets.iter().copied().map(Offset).collect();
        let effect = s.step(Input::Produced(Ok(answer)));
        assert!(
            matches!(&s.notes[..], [Note::Recovering { cause: Cause::Misaligned { .. }, .. }]),
            "{offsets:?}: {effect:?}"
        );
        let effect = s.wake(effect);
        assert!(matches!(effect, Effect::Connect { .. }), "{effect:?}");
    }
}

#[test]
fn a_log_that_ends_before_the_acked_record_stops_the_event_once_that_is_certain() {
    let mut s = Script::new();
    s.taken(10, 10, 10, 50);
    for times in 1..3 {
        assert_eq!(s.step(Input::Fetched(Err(BrokerFailure::OutOfRange))), Effect::Bounds);
        let effect = s.step(Input::Bounds(Ok(Bounds { earliest: Offset(0), latest: Offset(20) })));
        assert!(matches!(s.notes[..], [Note::SeemsLost { times: n, .. }] if n == times));
        s.wake(effect);
        assert_eq!(s.connected(), fetch(49, 4 * 1024), "a new client each time");
    }
    // An empty answer at the end of the log says the same.
    let effect = s.step(read(&[], 20));
    let cause = stopped(&effect, &mut s);
    assert_eq!(cause, StopCause::LogLost { expected: Offset(49), seq: Seq(10) });
    assert!(cause.to_string().contains("docs/kafka.md"), "{cause}");
}

#[test]
fn another_record_at_the_anchor_stops_the_event() {
    for records in [[(49, None)], [(49, Some(9))], [(50, Some(10))]] {
        let mut s = Script::new();
        s.taken(12, 10, 10, 50);
        let effect = s.step(read(&records, 60));
        let cause = stopped(&effect, &mut s);
        assert!(matches!(cause, StopCause::OtherRecord { .. }), "{cause}");
    }
}

#[test]
fn an_anchor_that_retention_removed_is_fine() {
    let mut s = Script::new();
    s.taken(12, 12, 10, 50);
    s.step(Input::Fetched(Err(BrokerFailure::OutOfRange)));
    let effect = s.step(Input::Bounds(Ok(Bounds { earliest: Offset(55), latest: Offset(60) })));
    assert!(matches!(s.notes[..], [Note::Retention { .. }]));
    assert_eq!(effect, fetch(55, 1024 * 1024), "the scan starts where the log does");
}

#[test]
fn an_empty_read_below_the_high_watermark_is_waited_for_and_never_a_loss() {
    let mut s = Script::new();
    let mut effect = s.taken(10, 10, 10, 50);
    for _ in 0..100 {
        if let Effect::RenewLease { .. } = effect {
            effect = s.step(Input::Renewed(Ok(10_000)));
        }
        assert_eq!(effect, fetch(49, 4 * 1024));
        let wait = s.step(read(&[], 51));
        assert!(matches!(s.notes[..], [Note::NotVisible { .. }]));
        effect = s.wake(wait);
    }
    if let Effect::RenewLease { .. } = effect {
        s.step(Input::Renewed(Ok(10_000)));
    }
    assert_eq!(s.step(read(&[(49, Some(10))], 51)), drain(10, None));
}

#[test]
fn a_long_wait_renews_the_lease_and_leaves_when_it_is_gone() {
    let mut s = Script::new();
    let mut effect = s.taken(10, 10, 10, 50);
    let started = s.now;
    while effect == fetch(49, 4 * 1024) {
        let wait = s.step(read(&[], 51));
        effect = s.wake(wait);
    }
    assert_eq!(effect, Effect::RenewLease { epoch: Epoch(7) });
    assert!(s.now - started <= 6_000, "in the first half of the lease");
    assert_eq!(s.step(Input::Renewed(Err(WorkerFailure::Stale))), Effect::Done(Outcome::Stale));
}

#[test]
fn a_scan_that_meets_its_bound_sends_again_what_it_did_not_read_back() {
    let mut s = Script::with(Rules { scan_records: 4, ..Rules::default() });
    s.taken(20, 15, 10, 50);
    s.step(read(&[(49, Some(10))], 90));
    let effect = s.step(read(&[(50, None), (51, None), (52, None), (53, None)], 90));
    assert!(matches!(s.notes[0], Note::ScanBound { .. }));
    assert_eq!(effect, drain(10, None), "again from acked + 1");
}

#[test]
fn a_scan_that_cannot_see_the_end_of_the_log_ends_after_its_time() {
    let mut s = Script::new();
    s.taken(20, 15, 10, 50);
    let mut effect = s.step(read(&[(49, Some(10))], 60));
    let started = s.now;
    while !matches!(effect, Effect::Drain(_)) {
        effect = match effect {
            Effect::Fetch { .. } => s.step(read(&[], 60)),
            // Nothing can be read beyond where it stands: something is hidden there.
            Effect::Bounds => s.step(Input::Bounds(Ok(Bounds { earliest: Offset(0), latest: Offset(50) }))),
            Effect::RenewLease { .. } => s.step(Input::Renewed(Ok(10_000))),
            wait => s.wake(wait),
        };
        assert!(s.now - started < 25_000);
    }
    assert!(s.now - started >= 20_000);
}

#[test]
fn a_stale_epoch_at_drain_leaves_the_event_at_once() {
    let mut s = Script::new();
    s.ready(10, 50);
    let effect = s.step(Input::Drained(Err(WorkerFailure::Stale)));
    assert_eq!(effect, Effect::Done(Outcome::Stale));
    assert_eq!(s.step(Input::Woke), effect, "for good");
}

#[test]
fn nothing_is_produced_in_the_last_two_seconds_of_a_lease() {
    for (late, may) in [(7_999, true), (8_000, false), (30_000, false)] {
        let mut s = Script::new();
        s.ready(10, 50);
        let asked = s.now;
        // The lease counts from before the request.
        s.now += late;
        let effect = s.drained(11..=11, 11);
        if may {
            let Effect::Produce { not_after, .. } = effect else { panic!("{effect:?}") };
            assert_eq!(not_after, Mono(asked + 8_000));
        } else {
            assert_eq!(s.notes, [Note::TooLate]);
            assert_eq!(s.wake(effect), drain(10, None), "drained again");
        }
    }
}

#[test]
fn a_batch_is_bounded_in_rows_and_bytes_and_has_at_least_one_entry() {
    let size = entry(&event("demo"), 11).value.len();
    for (bytes, rows) in [(1, 1), (size, 1), (2 * size, 2), (3 * size - 1, 2), (9 * size, 4)] {
        let mut s = Script::with(Rules { batch_bytes: bytes, ..Rules::default() });
        s.ready(10, 50);
        assert_eq!(seqs_of(&s.drained(11..=14, 14)).len(), rows, "{bytes}");
    }
}

#[test]
fn entries_with_a_gap_or_out_of_order_are_never_produced() {
    for seqs in [vec![12], vec![11, 13], vec![11, 11], vec![12, 11]] {
        let mut s = Script::new();
        s.ready(10, 50);
        let entries = seqs.iter().map(|seq| entry(&event("demo"), *seq)).collect();
        let effect = s.step(Input::Drained(Ok(Drained { entries, head: Seq(20) })));
        assert!(matches!(s.notes[..], [Note::WorkerTrouble { .. }]), "{seqs:?}");
        assert_eq!(s.wake(effect), drain(10, None));
    }
}

#[test]
fn a_line_that_knows_less_than_kafka_stops_the_event() {
    let mut s = Script::new();
    s.ready(10, 50);
    let effect = s.nothing_new(4);
    let cause = stopped(&effect, &mut s);
    assert!(matches!(cause, StopCause::LineBehind { .. }), "{cause}");
}

#[test]
fn a_lost_answer_of_the_worker_is_asked_for_again_with_the_same_ack() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    let effect = s.produced(50, 2);
    assert_eq!(s.wake(effect), drain(12, Some((12, 52))));
    let mut waits = Vec::new();
    for _ in 0..5 {
        let effect =
            s.step(Input::Drained(Err(WorkerFailure::Later { cause: "timeout".into(), retry_after_ms: None })));
        let before = s.now;
        assert_eq!(s.wake(effect), drain(12, Some((12, 52))));
        waits.push(s.now - before);
    }
    assert!(waits.is_sorted() && waits[4] > 4 * waits[0], "{waits:?}");
}

#[test]
fn retry_after_is_kept_for_five_seconds_at_most() {
    for (said, waits) in [(4_000, 4_000), (7_000, 5_000), (3_600_000, 5_000)] {
        let mut s = Script::new();
        s.ready(10, 50);
        let busy = WorkerFailure::Later { cause: "503".into(), retry_after_ms: Some(said) };
        let effect = s.step(Input::Drained(Err(busy)));
        assert_eq!(effect, Effect::Wait { until: Mono(s.now + waits) });
    }
}

#[test]
fn retries_are_bounded_and_end_with_the_lease_given_back() {
    let mut s = Script::new();
    let mut effect = s.taken(10, 10, 10, 50);
    let mut fetches = 0;
    loop {
        effect = match effect {
            Effect::Fetch { .. } => {
                fetches += 1;
                s.step(Input::Fetched(Err(BrokerFailure::Unknown { cause: "connection refused".into() })))
            }
            Effect::Wait { .. } => s.wake(effect),
            Effect::Connect { .. } => s.connected(),
            Effect::RenewLease { .. } => s.step(Input::Renewed(Ok(10_000))),
            other => {
                effect = other;
                break;
            }
        };
        assert!(fetches < 50);
    }
    assert_eq!(effect, Effect::ReleaseLease { epoch: Epoch(7) });
    assert!(matches!(s.step(Input::Released), Effect::Done(Outcome::GaveUp { .. })));
}

#[test]
fn a_held_lease_is_asked_for_again_when_the_worker_says() {
    let mut s = Script::new();
    s.step(Input::Start);
    let effect = s.step(Input::Lease(Err(WorkerFailure::Held { retry_after_ms: 4_000 })));
    assert_eq!(effect, Effect::Done(Outcome::Held { retry_after_ms: 4_000 }));
}

#[test]
fn a_stop_finishes_the_batch_acks_it_and_gives_the_lease_back() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    assert!(!s.machine.may_interrupt(), "a produce under way is finished");
    s.stopping = true;
    let mark = Mark { seq: Seq(12), next_offset: Offset(52) };
    assert_eq!(s.produced(50, 2), Effect::Ack { epoch: Epoch(7), mark });
    assert_eq!(s.step(Input::Acked(Ok(()))), Effect::ReleaseLease { epoch: Epoch(7) });
    assert_eq!(s.step(Input::Released), Effect::Done(Outcome::Shutdown));
}

#[test]
fn a_stop_starts_no_new_batch() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.stopping = true;
    assert_eq!(s.drained(11..=12, 12), Effect::ReleaseLease { epoch: Epoch(7) });
}

#[test]
fn a_stop_during_an_unknown_outcome_acks_only_what_is_known() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    s.stopping = true;
    assert_eq!(s.step(unknown()), Effect::ReleaseLease { epoch: Epoch(7) }, "the next relay looks");
}

#[test]
fn a_stop_waits_until_a_shifted_batch_is_confirmed() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    s.stopping = true;
    let effect = s.produced(70, 2);
    assert_eq!(effect, fetch(71, 4 * 1024));
    assert!(!s.machine.may_interrupt());
    let effect = s.step(read(&[(71, Some(12))], 72));
    assert!(matches!(effect, Effect::Ack { .. }), "{effect:?}");
}

#[test]
fn a_refused_relay_stops_with_words_that_help() {
    let mut s = Script::new();
    s.step(Input::Start);
    let effect = s.step(Input::Lease(Err(WorkerFailure::Refused {
        status: 403,
        slug: "forbidden".into(),
        detail: "this key has another role".into(),
    })));
    let Effect::Done(Outcome::Stopped(cause)) = effect else { panic!("{effect:?}") };
    assert!(cause.to_string().contains("check the relay key"), "{cause}");
}

#[test]
fn an_answer_nobody_asked_for_stops_the_event_and_not_the_process() {
    let mut s = Script::new();
    s.ready(10, 50);
    let effect = s.step(Input::Opened(Ok(())));
    let cause = stopped(&effect, &mut s);
    assert!(matches!(cause, StopCause::Confused { .. }), "{cause}");
}
