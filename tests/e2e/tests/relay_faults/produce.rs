//! Whatever becomes of a produce: nothing lost, nothing out of order, and repeated only what nobody could know.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::proxy::{Fault, Kind};
use super::rig::{CALL, Rig, Settings};

/// Recovery takes a call's limit, a wait and a read-back, each a few times, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

/// The first 500 arrive; the next batches meet `fault` so many times. Gives how many records were repeated.
async fn repeats(fault: Fault, times: usize) -> usize {
    let mut rig = Rig::start(&Settings::new(500)).await;
    rig.until_acked(SOON).await;
    rig.proxy.inject(Kind::Produce, fault, times);
    rig.admit("demo", 1_100);
    rig.until(&format!("{fault:?} is met"), SOON, |rig| rig.proxy.met() == times).await;
    rig.until_acked(SOON).await;
    if let Fault::Late(after) = fault {
        // It arrives long after the relay has gone on.
        tokio::time::sleep(after).await;
    }
    let repeats = rig.assert_promise_7("demo", false).await;
    rig.stop();
    repeats
}

async fn each_repeats(faults: &[(Fault, usize, std::ops::RangeInclusive<usize>)]) {
    // A few at a time: they mostly wait.
    for some in faults.chunks(6) {
        let mut running = JoinSet::new();
        for (fault, times, expected) in some.iter().cloned() {
            running.spawn(async move {
                let repeats = repeats(fault, times).await;
                assert!(expected.contains(&repeats), "{fault:?}: {repeats} repeated, expected {expected:?}");
            });
        }
        running.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_whole_repeats_nothing_since_the_log_is_read_back() {
    each_repeats(&[
        (Fault::LostBefore, 3, 0..=0),
        (Fault::LostAfter, 3, 0..=0),
        (Fault::Silent, 2, 0..=0),
        (Fault::SilentAfter, 2, 0..=0),
        (Fault::Half, 2, 0..=0),
        (Fault::HalfThenLost, 3, 0..=0),
        (Fault::NeverReads, 2, 0..=0),
        (Fault::Huge, 2, 0..=0),
        (Fault::Negative, 2, 0..=0),
        (Fault::Garbage, 2, 0..=0),
        (Fault::WrongNumber, 2, 0..=0),
        (Fault::Http, 2, 0..=0),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_appends_late_or_while_it_throttles_is_repeated_and_stays_in_order() {
    each_repeats(&[
        // The relay sends again what it cannot find; then the first copy arrives.
        (Fault::Late(Duration::from_secs(4)), 1, 1..=500),
        (Fault::Throttle(300), 2, 1_000..=1_000),
        // Longer than the limit of a call: no copy is sent.
        (Fault::Throttle(60_000), 1, 0..=0),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_for_a_while_is_tried_again_until_it_does_not() {
    const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    const REQUEST_TIMED_OUT: i16 = 7;
    const NOT_ENOUGH_REPLICAS: i16 = 19;
    const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
    const KAFKA_STORAGE_ERROR: i16 = 56;
    const UNKNOWN_SERVER_ERROR: i16 = -1;
    each_repeats(&[
        (Fault::Code(NOT_LEADER_OR_FOLLOWER), 4, 0..=0),
        (Fault::Code(NOT_ENOUGH_REPLICAS), 4, 0..=0),
        (Fault::CodeAfter(NOT_ENOUGH_REPLICAS_AFTER_APPEND), 2, 0..=0),
        (Fault::CodeAfter(REQUEST_TIMED_OUT), 2, 0..=0),
        (Fault::Code(KAFKA_STORAGE_ERROR), 4, 0..=0),
        (Fault::CodeAfter(UNKNOWN_SERVER_ERROR), 2, 0..=0),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_broker_costs_ten_seconds_a_call_and_no_more() {
    let settings = Settings { call_timeout: Duration::from_secs(10), ..Settings::new(500) };
    let mut rig = Rig::start(&settings).await;
    rig.until_acked(SOON).await;
    rig.proxy.inject(Kind::Produce, Fault::SilentAfter, 1);
    rig.admit("demo", 1);
    rig.until("the broker is silent", SOON, |rig| rig.proxy.met() == 1).await;
    let since = Instant::now();
    rig.until_said("no answer within 10s", Duration::from_secs(14)).await;
    assert!(since.elapsed() > Duration::from_secs(9), "{:?}", since.elapsed());
    rig.until_acked(SOON).await;
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stays_silent_is_asked_again_and_again_and_found_when_it_is_back() {
    let mut rig = Rig::start(&Settings { max_failures: 3, ..Settings::new(500) }).await;
    rig.until_acked(SOON).await;
    for kind in [Kind::Produce, Kind::Versions] {
        rig.proxy.inject(kind, Fault::SilentAfter, usize::MAX);
    }
    rig.admit("demo", 600);
    rig.until_said("too many failures in a row", SOON).await;
    tokio::time::sleep(CALL * 4).await;
    assert!(rig.proxy.met() >= 4, "asked {} times", rig.proxy.met());
    rig.proxy.calm();
    rig.until_acked(Duration::from_secs(30)).await;
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
    rig.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_leaves_no_connection_behind() {
    let mut rig = Rig::start(&Settings::new(500)).await;
    rig.until_acked(SOON).await;
    let before = sockets(rig.pid());
    rig.proxy.inject(Kind::Produce, Fault::NeverReads, 6);
    rig.admit("demo", 500);
    rig.until("six produces hang", Duration::from_secs(60), |rig| rig.proxy.met() == 6).await;
    rig.until_acked(SOON).await;
    let after = sockets(rig.pid());
    assert!(after <= before + 2, "{before} connections before, {after} after");
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
}

fn sockets(pid: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the relay's open files");
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}
