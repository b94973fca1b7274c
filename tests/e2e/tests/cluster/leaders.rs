//! Brokers that are killed, fall silent, are restarted one by one, or are too few, while visitors are let in: nothing is lost or
//! reordered, repeats only where an outcome was unknown, and progress again within 30 seconds.
//!
//! A broker that dies leads on in the metadata until the controller misses its heartbeats: 9 seconds
//! (`broker.session.timeout.ms`), of which the relay can see nothing but refused or silent connections.

use std::time::Duration;

use tokio::task::block_in_place;
use xtask::kafka::Cluster;

use super::crowd::Crowd;
use super::{alone, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A topic that node 1 leads, as long as it is there.
fn led_by_one(cluster: &Cluster, name: &str) {
    cluster.create_topic(name, [1, 2, 3]).unwrap_or_else(|error| panic!("no topic: {error:#}"));
}

fn leader(cluster: &Cluster, topic: &str) -> Option<usize> {
    cluster.state(topic).unwrap_or_else(|error| panic!("{error:#}")).leader
}

fn start(cluster: &Cluster, node: usize) {
    cluster.start(node).unwrap_or_else(|error| panic!("node {node} does not come up: {error:#}"));
}

fn wait_in_sync(cluster: &Cluster, topic: &str) {
    cluster.wait_in_sync(topic, PATIENCE).unwrap_or_else(|error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_costs_nothing_but_time_and_leads_again() {
    let (cluster, _alone) = alone().await;
    let topic = "e2e.killed";
    block_in_place(|| led_by_one(cluster, topic));
    let crowd = Crowd::start(cluster, topic).await;
    block_in_place(|| cluster.kill9(1));
    crowd.goes_on("kill -9 of the leader").await;
    block_in_place(|| {
        assert_ne!(leader(cluster, topic), Some(1));
        start(cluster, 1);
        wait_in_sync(cluster, topic);
        cluster.elect_preferred().unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(leader(cluster, topic), Some(1));
    });
    crowd.goes_on("the move of the leader back").await;
    crowd.check(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_falls_silent_and_wakes_up_later_does_no_harm() {
    let (cluster, _alone) = alone().await;
    let topic = "e2e.silenced";
    block_in_place(|| led_by_one(cluster, topic));
    let crowd = Crowd::start(cluster, topic).await;
    cluster.freeze(1);
    crowd.goes_on("the leader fell silent").await;
    cluster.thaw(1);
    crowd.goes_on("the old leader woke up").await;
    block_in_place(|| wait_in_sync(cluster, topic));
    crowd.check(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_all_three_is_survived() {
    let (cluster, _alone) = alone().await;
    let topic = "e2e.rolling";
    block_in_place(|| led_by_one(cluster, topic));
    let crowd = Crowd::start(cluster, topic).await;
    for node in 1..=3 {
        block_in_place(|| cluster.stop(node).unwrap_or_else(|error| panic!("{error:#}")));
        crowd.goes_on(&format!("node {node} was stopped")).await;
        block_in_place(|| {
            start(cluster, node);
            wait_in_sync(cluster, topic);
        });
    }
    crowd.goes_on("the last node was back").await;
    crowd.check(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_of_three_down_the_relay_waits_and_goes_on_when_they_are_back() {
    let (cluster, _alone) = alone().await;
    let topic = "e2e.few";
    block_in_place(|| led_by_one(cluster, topic));
    let crowd = Crowd::start(cluster, topic).await;
    block_in_place(|| {
        for node in [3, 2] {
            cluster.stop(node).unwrap_or_else(|error| panic!("{error:#}"));
        }
    });
    until("too few copies are said", Duration::from_secs(30), async || {
        crowd.world.relay_log().contains("min.insync.replicas")
    })
    .await;
    let before = crowd.stat("acked_seq").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(crowd.stat("acked_seq").await, before, "what one broker has is not acked");
    assert!(crowd.stat("head_seq").await > before, "admissions go on");
    block_in_place(|| start(cluster, 2));
    crowd.goes_on("the second of three was back").await;
    block_in_place(|| {
        start(cluster, 3);
        wait_in_sync(cluster, topic);
    });
    crowd.check(cluster).await;
}
