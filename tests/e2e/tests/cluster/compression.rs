//! Every compression: the broker stores it as it was sent, and a consumer that is not ours reads it.

use std::time::Duration;

use ropeline_e2e::{World, broker, json};
use tokio::task::JoinSet;
use xtask::kafka::Listener;

use super::{topic, whole};

/// Name in the settings, and number in a record batch (Kafka protocol, attributes bits 0 to 2).
const ALL: [(&str, u8); 5] = [("none", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)];
const VISITORS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn every_compression_reaches_kafka_as_set_and_is_read_by_others() {
    let (cluster, _whole) = whole().await;
    let world = World::start();
    for (name, number) in ALL {
        let topic = tokio::task::block_in_place(|| topic(cluster, &format!("e2e.{name}")));
        let settings = json!({"total_active_users": 1_000, "new_users_per_minute": 6_000, "topic": topic});
        world.create(name, &settings).await;
        let (crowd, world) = (JoinSet::from_iter((0..VISITORS).map(|_| enter(&world, name))), &world);
        crowd.join_all().await;
        world.start_configured_relay(
            &cluster.bootstrap(Listener::Plain),
            &topic,
            &format!("[kafka]\ncompression = \"{name}\"\n"),
        );
        world.wait_until_acked(name, Duration::from_secs(30)).await;
        world.stop_relay();
        let records = tokio::task::block_in_place(|| broker::read(&cluster.console(), &topic, name));
        let seqs: Vec<u64> = records.iter().filter_map(|record| record.json()["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=VISITORS).collect::<Vec<_>>(), "{name}");
        let stored = cluster.log(1, &topic, 0).unwrap_or_else(|error| panic!("{error:#}"));
        // base_offset 8, batch_length 4, partition_leader_epoch 4, magic 1, crc 4: then the attributes.
        let attributes = stored.get(22).unwrap_or_else(|| panic!("{name}: a log of {} bytes", stored.len()));
        assert_eq!(attributes & 7, number, "{name}: the first batch in the log");
    }
}

fn enter(world: &World, event: &str) -> impl Future<Output = ()> + Send + 'static {
    let mut visitor = world.visitor(event);
    async move {
        visitor.enter_with(&json!({"claim": true})).await.unwrap_or_else(|error| panic!("enter: {error:#}"));
        visitor.go_in(Duration::from_secs(30)).await.unwrap_or_else(|error| panic!("{error:#}"));
    }
}
