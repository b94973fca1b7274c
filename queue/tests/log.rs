//! The relay's side of the admission log: one relay at a time, in order, byte for byte, over restarts.

mod common;
#[path = "common/event.rs"]
mod event;
#[path = "common/log.rs"]
mod log;

use common::{Write, subject};
use log::{Log, after, all_acked, is_conflict, is_stale};
use ropeline_queue::line::Change;
use ropeline_queue::line::log::{Ack, Drain, LEASE_MS, LogError, MAX_DRAIN, MAX_DRAIN_BYTES};
use ropeline_queue::wire::{Exchange, Op};
use ropeline_queue::{Account, Epoch, LaneId, Number, Seq, Settings, UnixMillis};

#[test]
fn while_a_lease_lasts_no_other_relay_gets_it() {
    let mut log = Log::with(3);
    let leased = |log: &mut Log| log.line.stats(UnixMillis(log.now)).relay_leased;
    assert!(!leased(&mut log));
    let first = log.lease("one").unwrap();
    assert_eq!((first.epoch, first.lease_ms, first.head), (Epoch(1), LEASE_MS, Seq(3)));
    assert_eq!((first.topic, first.partition, first.next_offset), (None, None, None));
    assert_eq!(first.configured_topic.as_deref(), Some("sale"));
    log.now += LEASE_MS - 1;
    assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: 1 }));
    log.restart();
    assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: 5_001 }), "after a restart what was noted counts");
    log.renew(first.epoch).unwrap();
    log.now += LEASE_MS - 1;
    assert!(leased(&mut log));
    assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: 1 }));
    log.now += 1;
    assert!(!leased(&mut log));
    assert_eq!(log.lease("two").unwrap().epoch, Epoch(2));
}

#[test]
fn every_call_of_the_relay_renews_its_lease() {
    let mut log = Log::with(3);
    let epoch = log.lease("one").unwrap().epoch;
    log.now += 8_000;
    log.drain(&after(epoch, 0)).unwrap();
    log.now += 8_000;
    assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: 2_000 }));
    log.ack(epoch, 3, 103).unwrap();
    assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: LEASE_MS }));
}

#[test]
fn a_relay_with_nothing_to_do_costs_a_row_in_five_seconds_and_its_lease_survives_every_crash() {
    let mut log = Log::with(3);
    let epoch = log.lease("one").unwrap().epoch;
    let first = log.drain(&after(epoch, 0)).unwrap();
    assert_eq!(first.entries.len(), 3);
    log.ack(epoch, 3, 103).unwrap();
    let before = log.written;
    for _ in 0..300 {
        log.now += 200;
        assert_eq!(log.drain(&after(epoch, 3)).unwrap().entries.len(), 0);
        assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: LEASE_MS }));
        let mut crashed = log.rows.restore(UnixMillis(log.now));
        let held = crashed.lease(&log.rows, UnixMillis(log.now), "two").unwrap_err();
        let LogError::Held { for_ms } = held else { panic!("{held:?}") };
        assert!((LEASE_MS..=LEASE_MS + 5_000).contains(&for_ms), "{for_ms}");
    }
    let written = log.written - before;
    assert!((10..=12).contains(&written), "{written} rows in a minute");
    // What is new is written at once.
    log.admit(2, 1);
    let before = log.written;
    log.drain(&after(epoch, 3)).unwrap();
    log.ack(epoch, 4, 104).unwrap();
    log.release(epoch).unwrap();
    assert_eq!(log.written - before, 3);
    log.restart();
    assert_eq!(log.lease("two").unwrap().acked_seq, Seq(4), "a lease that was given back is free at once");
}

#[test]
fn a_relay_that_was_replaced_is_refused_everywhere() {
    let mut log = Log::with(3);
    let old = log.lease("one").unwrap().epoch;
    log.drain(&after(old, 0)).unwrap();
    log.now += LEASE_MS;
    let new = log.lease("two").unwrap();
    assert_eq!((new.drained_seq, new.acked_seq, new.next_offset), (Seq(3), Seq(0), Some(100)));
    for round in 0..2 {
        let before = log.rows.relay.clone();
        assert!(is_stale(log.renew(old)), "{round}");
        assert!(is_stale(log.release(old)));
        assert!(is_stale(log.drain(&after(old, 0))));
        assert!(is_stale(log.ack(old, 3, 103)));
        assert!(is_stale(log.ack(Epoch(99), 3, 103)), "nor is one from the future");
        assert_eq!(log.rows.relay, before, "nothing changed");
        log.restart();
    }
    log.ack(new.epoch, 3, 103).unwrap();
}

#[test]
fn the_same_relay_may_take_its_lease_again_under_a_new_epoch() {
    let mut log = Log::with(1);
    let first = log.lease("one").unwrap().epoch;
    let second = log.lease("one").unwrap().epoch;
    assert_eq!(second, Epoch(2));
    assert!(is_stale(log.renew(first)));
    assert_eq!(log.renew(second), Ok(LEASE_MS));
}

#[test]
fn a_released_lease_is_free_at_once_and_its_epoch_over() {
    let mut log = Log::with(1);
    let epoch = log.lease("one").unwrap().epoch;
    log.release(epoch).unwrap();
    assert!(is_stale(log.release(epoch)), "the second release too");
    assert!(is_stale(log.drain(&after(epoch, 0))));
    assert_eq!(log.lease("two").unwrap().epoch, Epoch(2));
}

#[test]
fn entries_are_handed_out_in_order_and_byte_for_byte_however_often() {
    let mut log = Log::with(40);
    let written: Vec<_> = log.rows.admissions.values().map(|admission| admission.record.clone()).collect();
    let epoch = log.lease("one").unwrap().epoch;
    let mut got = Vec::new();
    while got.len() < 40 {
        let drained = log.drain(&Drain { limit: 7, ..after(epoch, got.len() as u64) }).unwrap();
        assert_eq!(drained.head, Seq(40));
        assert!(drained.entries.len() <= 7);
        got.extend(drained.entries);
        assert_eq!(log.rows.relay.drained.get(), got.len() as u64);
        log.restart();
    }
    assert_eq!(got, written);
    // A renewed or ended session does not touch what was written at admission.
    log.now += 60_000;
    let ops = vec![Op::Renew { number: Number(1) }, Op::Complete { seq: Seq(2) }, Op::Leave { number: Number(3) }];
    let m = Exchange { lane: LaneId(0), inc: 1, k: 1, count: 0, stored_k: 1, lanes: 0, ops };
    let step = log.line.exchange(&log.rows, UnixMillis(log.now), &m).unwrap();
    log.rows.commit(&step.changes, Write::Works).unwrap();
    assert_eq!(step.changes.iter().filter(|change| matches!(change, Change::Session(_))).count(), 3);
    assert_eq!(log.drain(&after(epoch, 0)).unwrap().entries, written);
    assert_eq!(log.rows.relay.drained, Seq(40), "handing out again takes nothing back");
    assert_eq!(log.drain(&after(epoch, 40)).unwrap().entries, Vec::<String>::new());
}

#[test]
fn one_drain_is_bounded_in_rows_and_bytes() {
    let mut log = Log::with(1_200);
    let epoch = log.lease("one").unwrap().epoch;
    assert_eq!(log.drain(&Drain { limit: 1_000_000, ..after(epoch, 0) }).unwrap().entries.len(), MAX_DRAIN);
    assert_eq!(log.drain(&Drain { limit: 0, ..after(epoch, 0) }).unwrap().entries.len(), 1, "at least one, to get on");
    for (seq, admission) in &mut log.rows.admissions {
        admission.record = format!("{{\"seq\":{seq},\"pad\":\"{}\"}}", "x".repeat(4_000));
    }
    let drained = log.drain(&after(epoch, 0)).unwrap();
    let bytes: usize = drained.entries.iter().map(String::len).sum();
    assert!(drained.entries.len() < MAX_DRAIN && bytes <= MAX_DRAIN_BYTES && bytes > MAX_DRAIN_BYTES - 8_000);
}

#[test]
fn the_target_is_pinned_by_the_first_drain() {
    let mut log = Log::with(3);
    let epoch = log.lease("one").unwrap().epoch;
    for incomplete in [
        Drain { topic: None, ..after(epoch, 0) },
        Drain { partition: None, ..after(epoch, 0) },
        Drain { next_offset: None, ..after(epoch, 0) },
    ] {
        assert!(is_conflict(log.drain(&incomplete)), "{incomplete:?}");
    }
    log.drain(&after(epoch, 0)).unwrap();
    log.restart();
    let again = log.lease("one").unwrap();
    assert_eq!((again.topic.as_deref(), again.partition, again.next_offset), (Some("sale"), Some(3), Some(100)));
    let epoch = again.epoch;
    for other in [
        Drain { topic: Some("else".into()), ..after(epoch, 0) },
        Drain { topic: Some("else".into()), partition: None, ..after(epoch, 0) },
        Drain { partition: Some(4), ..after(epoch, 0) },
    ] {
        assert!(is_conflict(log.drain(&other)), "{other:?}");
    }
    log.drain(&Drain { topic: None, partition: None, next_offset: Some(5_000), ..after(epoch, 0) }).unwrap();
    assert_eq!(log.rows.relay.next_offset, 100, "the offset counts the first time only");
    let settings = Settings { topic: Some("else".into()), ..log.rows.configured.settings.clone() };
    let step = log.line.configure(UnixMillis(log.now), settings, None, "test");
    assert!(step.answer.is_err(), "nor can the setting change any more");
}

#[test]
fn only_what_was_handed_out_can_be_acked() {
    let mut log = Log::with(10);
    let epoch = log.lease("one").unwrap().epoch;
    assert!(is_conflict(log.ack(epoch, 1, 101)));
    assert!(is_conflict(log.drain(&after(epoch, 1))), "nothing is passed over");
    assert!(is_conflict(log.drain(&after(epoch, 11))));
    log.drain(&Drain { limit: 4, ..after(epoch, 0) }).unwrap();
    assert!(is_conflict(log.ack(epoch, 5, 105)));
    assert!(is_conflict(log.drain(&after(epoch, 5))));
    let early = Ack { seq: Seq(5), next_offset: 105 };
    assert!(is_conflict(log.drain(&Drain { ack: Some(early), ..after(epoch, 4) })));
    assert_eq!((log.rows.relay.drained, log.rows.relay.acked), (Seq(4), Seq(0)));
    let ack = Ack { seq: Seq(4), next_offset: 104 };
    log.drain(&Drain { ack: Some(ack), ..after(epoch, 4) }).unwrap();
    assert_eq!((log.rows.relay.drained, log.rows.relay.acked, log.rows.relay.next_offset), (Seq(10), Seq(4), 104));
}

#[test]
fn the_offset_belongs_to_the_acked_entry_and_never_falls() {
    let mut log = Log::with(10);
    let epoch = log.lease("one").unwrap().epoch;
    log.drain(&after(epoch, 0)).unwrap();
    log.ack(epoch, 5, 105).unwrap();
    for (seq, next_offset) in [(5, 105), (5, 90), (5, 900), (3, 103), (3, 900)] {
        log.ack(epoch, seq, next_offset).unwrap();
        assert_eq!((log.rows.relay.acked, log.rows.relay.next_offset), (Seq(5), 105), "a late ack changes nothing");
    }
    log.ack(epoch, 6, 101).unwrap();
    assert_eq!((log.rows.relay.acked, log.rows.relay.next_offset), (Seq(6), 105));
    log.restart();
    let lease = log.lease("one").unwrap();
    assert_eq!((lease.acked_seq, lease.drained_seq, lease.next_offset), (Seq(6), Seq(10), Some(105)));
}

#[test]
fn a_line_is_busy_while_anything_is_not_acked() {
    let mut log = Log::with(2);
    assert!(log.line.is_busy());
    let epoch = log.lease("one").unwrap().epoch;
    log.drain(&after(epoch, 0)).unwrap();
    log.ack(epoch, 1, 101).unwrap();
    assert!(log.line.is_busy());
    log.ack(epoch, 2, 102).unwrap();
    assert!(!log.line.is_busy());
    log.restart();
    assert!(!log.line.is_busy());
    log.now += 4_000;
    log.admit(2, 1);
    assert!(log.line.is_busy());
}

#[test]
fn a_failed_read_hands_out_nothing() {
    let mut log = Log::with(2);
    let epoch = log.lease("one").unwrap().epoch;
    log.rows.reads_fail = true;
    assert_eq!(log.drain(&after(epoch, 0)), Err(LogError::Store(common::StoreFailed)));
    log.rows.reads_fail = false;
    log.restart();
    assert_eq!(log.rows.relay.drained, Seq(0));
    assert_eq!(log.drain(&after(epoch, 0)).unwrap().entries.len(), 2);
}

#[test]
fn where_all_is_acked_nothing_is_read() {
    let mut log = all_acked(2);
    log.rows.reads_fail = true;
    assert_eq!(log.lease("one").unwrap().oldest_unacked_at, None);
}

#[test]
fn how_far_the_relay_is_can_be_asked_without_taking_its_lease() {
    let mut log = Log::with(3);
    let free = log.line.log_state(&log.rows, UnixMillis(log.now)).unwrap();
    assert_eq!((free.epoch, free.relay, free.lease_ms, free.head, free.topic), (Epoch(0), None, 0, Seq(3), None));
    let epoch = log.lease("one").unwrap().epoch;
    log.drain(&after(epoch, 0)).unwrap();
    log.ack(epoch, 2, 102).unwrap();
    let before = log.rows.relay.clone();
    let held = log.line.log_state(&log.rows, UnixMillis(log.now + 4_000)).unwrap();
    assert_eq!((held.epoch, held.relay.as_deref(), held.lease_ms), (epoch, Some("one"), LEASE_MS - 4_000));
    assert_eq!((held.acked_seq, held.drained_seq, held.next_offset), (Seq(2), Seq(3), Some(102)));
    let over = log.line.log_state(&log.rows, UnixMillis(log.now + LEASE_MS)).unwrap();
    assert_eq!((over.relay, over.lease_ms), (None, 0));
    assert_eq!(log.rows.relay, before);
    log.renew(epoch).unwrap();
}

#[test]
fn a_lease_tells_when_the_oldest_entry_was_admitted_that_is_not_acked() {
    let mut log = Log::with(2);
    let first = UnixMillis(log.now).rfc3339();
    log.now += 60_000;
    log.admit(2, 1);
    let second = UnixMillis(log.now).rfc3339();
    log.now += 5_000;
    let lease = log.lease("one").unwrap();
    assert_eq!(lease.oldest_unacked_at.as_ref(), Some(&first));
    log.drain(&after(lease.epoch, 0)).unwrap();
    log.ack(lease.epoch, 1, 101).unwrap();
    log.restart();
    assert_eq!(
        log.lease("one").unwrap().oldest_unacked_at.as_ref(),
        Some(&first),
        "the second one came at the same time"
    );
    let epoch = log.lease("one").unwrap().epoch;
    log.ack(epoch, 2, 102).unwrap();
    assert_eq!(log.lease("one").unwrap().oldest_unacked_at, Some(second));
    let epoch = log.lease("one").unwrap().epoch;
    log.ack(epoch, 3, 103).unwrap();
    assert_eq!(log.lease("one").unwrap().oldest_unacked_at, None, "all is acked");
    log.release(log.rows.relay.epoch).unwrap();
    let again = log.replay("operator", 1, 0).unwrap();
    assert_eq!(again.oldest_unacked_at, Some(first), "what is sent again waits again");
}

#[test]
fn a_record_names_the_account_that_the_shop_vouched_for_or_else_the_hash() {
    let mut event = event::Event::new(event::roomy());
    event.enter(2);
    let entered_at = UnixMillis(1_000);
    let account = Account::parse("customer|7@example.com").ok();
    let claim = |number, account| Op::Claim { number: Number(number), sub: subject(number), entered_at, account };
    for _ in 0..5 {
        event.now += 1_000;
        event.exchange(0, vec![claim(1, account.clone()), claim(2, None)]);
    }
    let named = |seq| {
        let record: serde_json::Value = serde_json::from_str(&event.rows.admissions[&Seq(seq)].record).unwrap();
        record["visitor"].as_str().unwrap().to_owned()
    };
    assert_eq!([named(1), named(2)], ["customer|7@example.com".to_owned(), subject(2).to_string()]);
}
