//! A broker that will not take it: batches that are too large, missing permissions, a topic that is not there.

use std::time::Duration;

use super::proxy::{Fault, Kind};
use super::raw::Raw;
use super::rig::{Rig, Settings, kafka};

const SOON: Duration = Duration::from_secs(40);
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

#[tokio::test(flavor = "multi_thread")]
async fn batches_shrink_until_the_topic_takes_them() {
    let settings = Settings { topic_settings: vec![("max.message.bytes", "40000")], ..Settings::new(1_200) };
    let mut rig = Rig::start(&settings).await;
    rig.until_acked(SOON).await;
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
    let refused = rig.said("batch too large for the topic");
    assert!((1..=9).contains(&refused), "{refused} refusals: it must learn from them");
    rig.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_no_batch_can_hold_stops_the_event_until_the_topic_takes_it() {
    let settings = Settings { topic_settings: vec![("max.message.bytes", "300")], ..Settings::new(20) };
    let mut rig = Rig::start(&settings).await;
    let words = rig.until_stopped(SOON).await;
    for word in ["max.message.bytes", "seq 1 alone", rig.topic.as_str()] {
        assert!(words.contains(word), "{word}: {words}");
    }
    let topic = rig.topic.clone();
    assert_eq!(rig.raw.end(&topic, rig.partition("demo")).await, 0);
    rig.raw.set(&topic, "max.message.bytes", "1048588").await;
    rig.until_acked(Duration::from_secs(15)).await;
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_stops_the_event_with_the_remedy_and_goes_on_once_it_is_given() {
    for kind in [Kind::Produce, Kind::Fetch, Kind::Leader, Kind::Ends] {
        let settings = Settings::new(if kind == Kind::Fetch { 10 } else { 0 });
        let mut rig = Rig::start(&settings).await;
        rig.until_acked(SOON).await;
        rig.proxy.inject(kind, Fault::Code(TOPIC_AUTHORIZATION_FAILED), usize::MAX);
        if kind == Kind::Fetch {
            // Records are read back only when something has gone wrong.
            rig.proxy.inject(Kind::Produce, Fault::LostAfter, 1);
        }
        rig.admit("demo", 300);
        let words = rig.until_stopped(SOON).await;
        for word in ["Describe, Read and Write", "TopicAuthorizationFailed", rig.topic.as_str()] {
            assert!(words.contains(word), "{kind:?}: {word}: {words}");
        }
        let asked = rig.proxy.seen(kind);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let more = rig.proxy.seen(kind) - asked;
        assert!(more <= 4, "{kind:?}: asked {more} times in three seconds");
        rig.proxy.calm();
        rig.until_acked(Duration::from_secs(15)).await;
        assert_eq!(rig.assert_promise_7("demo", false).await, 0, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_never_created_although_the_broker_would() {
    let mut rig = Rig::start(&Settings { topic_exists: false, ..Settings::new(300) }).await;
    let words = rig.until_stopped(SOON).await;
    assert!(words.contains("does not exist") && words.contains("the relay never does"), "{words}");
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let topics = rig.raw.topics().await;
        assert!(!topics.contains(&rig.topic), "the relay's questions have created the topic");
    }
    assert!(rig.said("event stopped") >= 2, "it was looked at again");
    // That this broker does create topics:
    let mut careless = Raw::connect(&kafka().await.bootstrap()).await;
    let other = format!("{}.careless", rig.topic);
    careless.ask_by_name(&other).await;
    let mut tries = 0..100;
    while !careless.topics().await.contains(&other) {
        assert!(tries.next().is_some(), "this broker creates no topics, so nothing was tested");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let topic = rig.topic.clone();
    rig.raw.create(&topic, 3, &[]).await;
    rig.until_acked(Duration::from_secs(15)).await;
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
}
