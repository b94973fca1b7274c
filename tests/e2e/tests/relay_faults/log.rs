//! What others do to the log: transactions, records of their own, retention, deletion.

use std::time::Duration;

use super::proxy::{Fault, Kind};
use super::rig::{Rig, Settings};
use super::support::Line;

const SOON: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_of_others_holds_nothing_up_and_repeats_nothing() {
    let mut rig = Rig::new(&Settings::new(700)).await;
    let (topic, partition) = (rig.topic.clone(), rig.partition("demo"));
    let mut open = rig.raw.begin(&format!("{topic}.first")).await;
    rig.raw.write(&topic, partition, &[(Some("other"), Some("{}"))], Some(&mut open)).await;
    rig.begin();
    // Nothing of this event is there yet: the broker's word is enough.
    rig.until_acked(Duration::from_secs(10)).await;
    assert!(rig.raw.read(&topic, partition, 0).await.is_empty(), "hidden, all of it");
    // Now a batch comes further on than expected, and cannot be looked at: the same client has been told where it is.
    rig.raw.write(&topic, partition, &[(Some("other"), None), (None, Some("?"))], Some(&mut open)).await;
    rig.admit("demo", 600);
    rig.until_acked(Duration::from_secs(15)).await;
    assert!(rig.raw.read(&topic, partition, 0).await.is_empty(), "still hidden");
    rig.raw.end_transaction(open, true).await;
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
    rig.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_open_transaction_hides_is_waited_for_and_then_sent_again_but_never_lost() {
    let mut rig = Rig::start(&Settings::new(100)).await;
    rig.until_acked(SOON).await;
    let (topic, partition) = (rig.topic.clone(), rig.partition("demo"));
    let mut open = rig.raw.begin(&format!("{topic}.hides")).await;
    rig.raw.write(&topic, partition, &[(Some("other"), Some("{}"))], Some(&mut open)).await;
    rig.proxy.inject(Kind::Produce, Fault::LostAfter, 1);
    rig.admit("demo", 50);
    rig.until_said("records not visible yet", SOON).await;
    rig.until_said("the read-back met its bound", SOON).await;
    rig.until_acked(SOON).await;
    rig.raw.end_transaction(open, false).await;
    let repeats = rig.assert_promise_7("demo", false).await;
    assert_eq!(repeats, 50, "the batch of which nobody knew");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marks_of_finished_transactions_do_not_hold_up_a_read_back() {
    let mut rig = Rig::start(&Settings { scan_seconds: 60, ..Settings::new(100) }).await;
    rig.until_acked(SOON).await;
    // A last batch so small that the mark behind it comes in the same answer.
    rig.admit("demo", 1);
    rig.until_acked(SOON).await;
    let (topic, partition) = (rig.topic.clone(), rig.partition("demo"));
    let mut open = rig.raw.begin(&format!("{topic}.mark")).await;
    rig.raw.write(&topic, partition, &[(Some("other"), Some("{}"))], Some(&mut open)).await;
    rig.raw.end_transaction(open, true).await;
    for (round, fault) in [Fault::LostBefore, Fault::LostAfter].into_iter().enumerate() {
        rig.proxy.inject(Kind::Produce, fault, 1);
        rig.admit("demo", 50);
        rig.until_acked(Duration::from_secs(15)).await;
        let mut next = rig.raw.begin(&format!("{topic}.mark-{round}")).await;
        rig.raw.write(&topic, partition, &[(Some("other"), Some("{}"))], Some(&mut next)).await;
        rig.raw.end_transaction(next, round == 0).await;
    }
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
    assert_eq!(rig.said("the read-back met its bound"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_other_events_and_of_strangers_do_no_harm() {
    // These three share a partition.
    let mut settings = Settings::new(800);
    let mut rig = Rig::new(&settings).await;
    let names = (0..).map(|n| format!("event-{n}"));
    let same: Vec<String> = names.filter(|name| rig.partition(name) == rig.partition("demo")).take(2).collect();
    settings.events.extend(same.iter().map(|name| (name.clone(), 800)));
    rig.door.worker.with(|lines| lines.extend(same.iter().map(|name| (name.clone(), Line::new(name, 800)))));
    rig.begin();
    let (topic, partition) = (rig.topic.clone(), rig.partition("demo"));
    for round in 0..6 {
        rig.proxy.inject(Kind::Produce, [Fault::LostAfter, Fault::LostBefore][round % 2], 1);
        let strangers = [(None, None), (Some("demo-2"), Some("{\"seq\":1}")), (Some(""), Some("\u{0}"))];
        rig.raw.write(&topic, partition, &strangers, None).await;
        for (event, _) in &settings.events {
            rig.admit(event, 100);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    rig.until_acked(SOON).await;
    for (event, _) in &settings.events {
        rig.assert_promise_7(event, false).await;
    }
    rig.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_that_took_the_last_acked_record_stops_nothing() {
    let mut rig = Rig::start(&Settings::new(500)).await;
    rig.until_acked(SOON).await;
    rig.stop();
    let (topic, partition) = (rig.topic.clone(), rig.partition("demo"));
    let end = rig.raw.end(&topic, partition).await;
    rig.raw.retain(&topic, partition, end).await;
    rig.admit("demo", 200);
    rig.begin();
    rig.until_acked(Duration::from_secs(15)).await;
    let left = rig.raw.read(&topic, partition, end).await;
    let seqs: Vec<u64> = left.iter().filter_map(|record| record.json()["seq"].as_u64()).collect();
    assert_eq!(seqs, (501..=700).collect::<Vec<u64>>());
    assert_eq!(rig.stopped(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_stops_its_event_and_neither_it_nor_a_new_one_of_that_name_gets_a_gap() {
    let mut rig = Rig::start(&Settings::new(500)).await;
    rig.until_acked(SOON).await;
    let (topic, partition) = (rig.topic.clone(), rig.partition("demo"));
    rig.raw.delete(&topic).await;
    rig.admit("demo", 10);
    rig.until("the deleted log is noticed", SOON, |rig| {
        rig.stopped().is_some_and(|words| words.contains("is no longer there: the log was deleted"))
    })
    .await;
    assert!(!rig.raw.topics().await.contains(&topic), "the relay has created it anew");
    // An empty one of that name.
    rig.raw.create(&topic, 3, &[]).await;
    rig.until("the new log is noticed", SOON, |rig| {
        rig.stopped().is_some_and(|words| words.contains("the log ends before offset 499, where seq 500 was acked"))
    })
    .await;
    // Others have filled it: at the anchor there is a record, and it is not ours.
    for _ in 0..6 {
        rig.raw.write(&topic, partition, &[(Some("other"), Some("{}")); 100], None).await;
    }
    rig.until("the other record is noticed", SOON, |rig| {
        rig.stopped().is_some_and(|words| words.contains("offset 499 does not hold seq 500"))
    })
    .await;
    let records = rig.raw.read(&topic, partition, 0).await;
    assert!(records.iter().all(|record| record.key == "other"), "nothing was sent into a log that lost its past");
    assert!(rig.stopped().is_some_and(|words| words.contains("docs/kafka.md")), "how to go on");
    rig.stop();
}
