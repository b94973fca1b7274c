//! What the machine does with a broker that refuses, or hides: batches too large, missing permissions, open transactions of
//! others and the marks they leave.

mod support;

use ropeline_relay::machine::{Bounds, BrokerFailure, Cause, DrainRequest, Effect, Input, Note, Rules, StopCause};
use ropeline_relay::types::{Epoch, Offset, Seq};
use support::script::*;
use support::{entry, event};

fn too_large() -> Input {
    Input::Produced(Err(BrokerFailure::TooLarge { cause: "MessageTooLarge".into() }))
}

fn denied() -> BrokerFailure {
    BrokerFailure::Denied { cause: "TopicAuthorizationFailed".into() }
}

fn bounds(earliest: i64, latest: i64) -> Input {
    Input::Bounds(Ok(Bounds { earliest: Offset(earliest), latest: Offset(latest) }))
}

fn limit_of(effect: &Effect) -> usize {
    let Effect::Drain(DrainRequest { limit, .. }) = effect else { panic!("not a drain: {effect:?}") };
    *limit
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits_without_waiting_or_giving_up() {
    let mut s = Script::new();
    s.ready(10, 50);
    let mut effect = s.drained(11..=510, 2_000);
    let mut sizes = Vec::new();
    loop {
        let seqs = seqs_of(&effect);
        sizes.push(seqs.len());
        assert_eq!(seqs.first(), Some(&11));
        if seqs.len() == 1 {
            break;
        }
        // Looked into the log all the same, for the rule has no exceptions.
        effect = s.step(too_large());
        assert!(matches!(s.notes[..], [Note::Recovering { cause: Cause::TooLarge { .. }, .. }]));
        assert!(matches!(effect, Effect::Connect { .. }), "{effect:?}");
        assert_eq!(s.connected(), fetch(49, 4 * 1024));
        effect = s.step(read(&[(49, Some(10))], 50));
        assert_eq!(effect, fetch(50, 1024 * 1024));
        effect = s.step(read(&[], 50));
        let rows = limit_of(&effect);
        assert!(rows < seqs.len());
        effect = s.drained(11..=10 + u64::try_from(rows).unwrap(), 2_000);
    }
    assert_eq!(sizes, [500, 250, 125, 62, 31, 15, 7, 3, 1]);
    // It fits: from here on batches stay that small.
    let effect = s.produced(50, 1);
    assert_eq!(limit_of(&effect), 1);
}

#[test]
fn an_entry_that_is_too_large_alone_stops_the_event_with_the_setting_to_raise() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=11, 11);
    let effect = s.step(too_large());
    let cause = stopped(&effect, &mut s);
    let size = entry(&event("demo"), 11).value.len();
    assert!(matches!(&cause, StopCause::EntryTooLarge { seq: Seq(11), bytes, .. } if *bytes == size), "{cause}");
    for word in ["max.message.bytes", TOPIC, "seq 11", "goes on by itself"] {
        assert!(cause.to_string().contains(word), "{word}: {cause}");
    }
}

#[test]
fn a_missing_permission_stops_the_event_at_once_and_says_which_are_needed() {
    type Way = fn(&mut Script) -> Effect;
    let produce: Way = |s| {
        s.ready(10, 50);
        s.drained(11..=12, 12);
        s.step(Input::Produced(Err(denied())))
    };
    let fetch: Way = |s| {
        s.taken(12, 10, 10, 50);
        s.step(Input::Fetched(Err(denied())))
    };
    let open: Way = |s| {
        assert_eq!(s.step(Input::Start), Effect::TakeLease);
        s.step(Input::Lease(Ok(lease(12, 10, 10, Some(50)))));
        s.step(Input::Connected(Ok(Some(3))));
        s.step(Input::Opened(Err(denied())))
    };
    let connect: Way = |s| {
        assert_eq!(s.step(Input::Start), Effect::TakeLease);
        s.step(Input::Lease(Ok(lease(12, 10, 10, Some(50)))));
        s.step(Input::Connected(Err(denied())))
    };
    for way in [produce, fetch, open, connect] {
        let mut s = Script::new();
        let effect = way(&mut s);
        let cause = stopped(&effect, &mut s);
        assert!(matches!(cause, StopCause::NotAuthorized { .. }), "{cause}");
        for word in ["Describe, Read and Write", TOPIC, "TopicAuthorizationFailed"] {
            assert!(cause.to_string().contains(word), "{word}: {cause}");
        }
    }
}

#[test]
fn a_shifted_batch_hidden_by_an_open_transaction_is_believed_and_not_sent_again() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    // Somebody's record at 50 belongs to a transaction that stays open.
    assert_eq!(s.produced(51, 2), fetch(52, 4 * 1024));
    assert_eq!(s.step(read(&[], 53)), drain(12, Some((12, 53))));
    assert!(matches!(s.notes[..], [Note::NotVisible { .. }, Note::Produced { .. }]), "{:?}", s.notes);
}

#[test]
fn the_first_batch_of_an_event_hidden_by_an_open_transaction_is_believed_too() {
    let mut s = Script::new();
    s.taken(2, 0, 0, 50);
    // No record of its own to look at: the ends of the log, of which the latest is what can be read.
    s.step(bounds(0, 50));
    s.drained(1..=2, 2);
    assert_eq!(s.produced(51, 2), fetch(52, 4 * 1024));
    assert_eq!(s.step(read(&[], 53)), drain(2, Some((2, 53))));
}

#[test]
fn a_shifted_batch_beyond_the_high_watermark_is_looked_for() {
    for answer in [read(&[], 52), Input::Fetched(Err(BrokerFailure::OutOfRange))] {
        let mut s = Script::new();
        s.ready(10, 50);
        s.drained(11..=12, 12);
        s.produced(60, 2);
        // Not found by the client that was told so: a new one, the anchor, and once more.
        s.step(read(&[], 52));
        s.connected();
        s.step(read(&[(49, Some(10))], 52));
        let mut effect = s.step(answer);
        if effect == Effect::Bounds {
            effect = s.step(bounds(0, 52));
        }
        assert_eq!(effect, fetch(50, 1024 * 1024));
    }
}

#[test]
fn a_shifted_batch_that_retention_took_at_once_was_in_the_log() {
    let mut s = Script::new();
    s.ready(10, 50);
    s.drained(11..=12, 12);
    s.produced(60, 2);
    let effect = s.step(Input::Fetched(Err(BrokerFailure::OutOfRange)));
    assert!(matches!(effect, Effect::Wait { .. }), "{effect:?}");
    s.step(Input::Woke);
    s.connected();
    s.step(read(&[(49, Some(10))], 62));
    assert_eq!(s.step(Input::Fetched(Err(BrokerFailure::OutOfRange))), Effect::Bounds);
    assert_eq!(s.step(bounds(62, 62)), drain(12, Some((12, 62))));
}

#[test]
fn a_read_back_ends_behind_the_mark_of_a_transaction_that_is_over() {
    let mut s = Script::new();
    s.taken(12, 12, 10, 50);
    // 50 is a record of somebody else, 51 the mark that ended its transaction.
    s.step(read(&[(49, Some(10))], 52));
    assert_eq!(s.step(read(&[(50, None)], 52)), fetch(51, 1024 * 1024));
    assert_eq!(s.step(read(&[], 52)), Effect::Bounds);
    assert_eq!(s.step(bounds(0, 52)), fetch(51, 1024 * 1024), "once more: it may have become visible in between");
    let effect = s.step(read(&[], 52));
    assert_eq!(effect, drain(10, None));
    assert!(matches!(s.notes[..], [Note::Scanned { known: Seq(10), .. }]), "{:?}", s.notes);
}

#[test]
fn what_became_visible_while_the_ends_were_asked_for_is_read() {
    let mut s = Script::new();
    s.taken(12, 12, 10, 50);
    s.step(read(&[(49, Some(10))], 54));
    assert_eq!(s.step(read(&[], 54)), Effect::Bounds);
    s.step(bounds(0, 54));
    let effect = s.step(read(&[(51, Some(11)), (52, Some(12))], 54));
    assert_eq!(effect, drain(12, Some((12, 53))));
}

#[test]
fn a_smaller_limit_bounds_what_the_worker_may_answer() {
    let mut s = Script::with(Rules { batch_rows: 4, ..Rules::default() });
    s.ready(10, 50);
    s.drained(11..=14, 20);
    s.step(too_large());
    s.connected();
    s.step(read(&[(49, Some(10))], 50));
    let effect = s.step(read(&[], 50));
    assert_eq!(limit_of(&effect), 2);
    s.drained(11..=13, 20);
    assert!(matches!(s.notes[..], [Note::WorkerTrouble { .. }]));
    assert_eq!(s.machine.epoch(), Some(Epoch(7)));
}
