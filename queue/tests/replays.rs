//! An operator sends entries again that are in Kafka already: from where it says, and never two at once.

mod common;
#[path = "common/log.rs"]
mod log;

use log::{Log, after, all_acked, is_conflict, is_stale};
use ropeline_queue::Seq;
use ropeline_queue::line::log::{Ack, Drain, LEASE_MS, LogError};

#[test]
fn a_replay_begins_anew_where_it_is_told_to() {
    for from in [1, 4, 8] {
        let mut log = all_acked(7);
        assert!(!log.line.is_busy());
        let lease = log.replay("operator", from, 3).unwrap();
        assert_eq!((lease.acked_seq, lease.drained_seq, lease.head), (Seq(from - 1), Seq(7), Seq(7)));
        assert_eq!((lease.topic.as_deref(), lease.partition, lease.next_offset), (Some("again"), Some(5), Some(3)));
        assert_eq!(lease.replay_from, Some(Seq(from)));
        assert_eq!(log.line.is_busy(), from < 8, "from {from}");
        assert_eq!(log.lease("two"), Err(LogError::Held { for_ms: LEASE_MS }));
        log.release(lease.epoch).unwrap();
        log.restart();
        // The relay that works on, whichever it is.
        let next = log.lease("two").unwrap();
        assert_eq!((next.acked_seq, next.replay_from, next.next_offset), (Seq(from - 1), Some(Seq(from)), Some(3)));
        let mut drain = Drain { topic: None, partition: None, next_offset: None, ..after(next.epoch, from - 1) };
        assert_eq!(log.drain(&drain).unwrap().entries.len() as u64, 8 - from);
        drain.topic = Some("sale".into());
        assert!(is_conflict(log.drain(&drain)), "the new topic is pinned as the first one was");
        if from < 8 {
            log.ack(next.epoch, 7, 11).unwrap();
            assert_eq!((log.rows.relay.acked, log.rows.relay.next_offset), (Seq(7), 11), "below what it was before");
            assert!(!log.line.is_busy());
        }
        // New admissions follow.
        log.now += 4_000;
        log.admit(2, 1);
        assert_eq!(log.drain(&Drain { after: Seq(7), topic: None, ..drain }).unwrap().entries.len(), 1);
        let audits: Vec<_> = log.rows.audits.iter().filter(|audit| audit.action == "replay").collect();
        let [audit] = audits[..] else { panic!("{audits:?}") };
        assert_eq!(audit.by, "relay:0123");
        for part in [format!("\"from\":{from}"), "\"topic\":\"again\"".into(), "\"acked_seq\":7".into()] {
            assert!(audit.detail.contains(&part), "{}", audit.detail);
        }
    }
}

#[test]
fn a_replay_passes_over_nothing_and_needs_what_was_handed_out() {
    let mut log = Log::with(7);
    assert!(is_conflict(log.replay("operator", 1, 0)), "nothing was handed out");
    let epoch = log.lease("one").unwrap().epoch;
    log.drain(&Drain { limit: 5, ..after(epoch, 0) }).unwrap();
    log.ack(epoch, 3, 103).unwrap();
    log.release(epoch).unwrap();
    let before = log.rows.relay.clone();
    for beyond in [0, 5, 6, 8, u64::MAX] {
        assert!(is_conflict(log.replay("operator", beyond, 0)), "from {beyond}");
    }
    assert_eq!(log.rows.relay, before, "nothing changed");
    log.replay("operator", 4, 0).unwrap();
}

#[test]
fn while_a_relay_works_nobody_replays() {
    let mut log = Log::with(3);
    let epoch = log.lease("one").unwrap().epoch;
    log.drain(&after(epoch, 0)).unwrap();
    log.ack(epoch, 2, 102).unwrap();
    let before = log.rows.relay.clone();
    log.now += 4_000;
    assert_eq!(log.replay("operator", 1, 0), Err(LogError::Held { for_ms: LEASE_MS - 4_000 }));
    log.restart();
    assert!(matches!(log.replay("operator", 1, 0), Err(LogError::Held { .. })), "after a restart of the line too");
    assert_eq!(log.rows.relay, before, "nothing changed");
    log.ack(epoch, 3, 103).unwrap();
}

#[test]
fn a_relay_from_before_a_replay_is_refused_everywhere() {
    let mut log = Log::with(9);
    let old = log.lease("one").unwrap().epoch;
    log.drain(&Drain { limit: 6, ..after(old, 0) }).unwrap();
    log.ack(old, 4, 104).unwrap();
    // It hangs with 5 and 6 under way; its lease runs out.
    log.now += LEASE_MS;
    let lease = log.replay("operator", 1, 0).unwrap();
    for round in 0..2 {
        let before = log.rows.relay.clone();
        assert!(is_stale(log.ack(old, 6, 106)), "{round}: its ack would pass over all that is to be sent again");
        assert!(is_stale(log.drain(&Drain { ack: Some(Ack { seq: Seq(6), next_offset: 106 }), ..after(old, 6) })));
        assert!(is_stale(log.renew(old)));
        assert!(is_stale(log.release(old)));
        assert_eq!(log.rows.relay, before, "nothing changed");
        log.restart();
    }
    log.release(lease.epoch).unwrap();
    assert!(is_stale(log.ack(old, 6, 106)), "nor while nobody has the lease");
    assert!(is_stale(log.ack(lease.epoch, 6, 106)), "nor is the operator's own lease good any more");
    assert_eq!((log.rows.relay.acked, log.rows.relay.drained), (Seq(0), Seq(6)));
}
