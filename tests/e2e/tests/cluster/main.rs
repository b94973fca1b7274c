//! The relay against a cluster as in production: three brokers, three copies, TLS and SASL, ACLs.
//! One cluster for all tests.

mod compression;
mod security;

use std::sync::OnceLock;
use std::time::Duration;

use ropeline_e2e::broker;
use xtask::kafka::{Cluster, create_copied_topic};

/// What every relay's user may do, it may do with topics that start with this.
const OPEN: &str = "e2e.";

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = broker::start_cluster();
        let relays = ["User:relay", "User:CN=relay"];
        let allowed = cluster.allow(&relays, &["Describe", "Read", "Write"], OPEN);
        allowed.unwrap_or_else(|error| panic!("no ACLs: {error:#}"));
        cluster
    })
}

/// A topic with one partition and three copies.
fn topic(cluster: &Cluster, name: &str) -> String {
    let bootstrap = cluster.bootstrap(xtask::kafka::Listener::Plain);
    create_copied_topic(&bootstrap, name, 1, 3).unwrap_or_else(|error| panic!("no topic: {error:#}"));
    name.to_owned()
}

/// Waits until something is true, and says how long it took.
async fn until(what: &str, bound: Duration, mut reached: impl AsyncFnMut() -> bool) -> Duration {
    let start = std::time::Instant::now();
    while !reached().await {
        assert!(start.elapsed() < bound, "not within {} s: {what}", bound.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    start.elapsed()
}
