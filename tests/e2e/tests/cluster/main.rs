//! The relay against a cluster as in production: three brokers, three copies, TLS and SASL, ACLs; and what happens to it when
//! brokers are killed, fall silent, are restarted one by one, or are too few.
//!
//! One cluster for all tests. Those that only use it run side by side; one that hurts it runs alone, and leaves it whole.

mod check;
mod compression;
mod crowd;
mod leaders;
mod security;

use std::sync::OnceLock;
use std::time::Duration;

use ropeline_e2e::broker;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use xtask::kafka::{Cluster, create_copied_topic};

static HURT: RwLock<()> = RwLock::const_new(());

/// Topics that start with this may be used by everybody who has a name.
const OPEN: &str = "e2e.";
/// Topics that start with this may be read, and not written.
const READ_ONLY: &str = "readonly.";

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = broker::start_cluster();
        let relays = ["User:relay", "User:CN=relay"];
        let allow = |operations: &[&str], prefix| {
            cluster.allow(&relays, operations, prefix).unwrap_or_else(|error| panic!("no ACLs: {error:#}"));
        };
        allow(&["Describe", "Read", "Write"], OPEN);
        allow(&["Describe", "Read"], READ_ONLY);
        cluster
    })
}

/// The cluster, whole as long as the guard lives.
async fn whole() -> (&'static Cluster, RwLockReadGuard<'static, ()>) {
    let guard = HURT.read().await;
    (tokio::task::block_in_place(cluster), guard)
}

/// The cluster for one test alone, which may hurt it.
async fn alone() -> (&'static Cluster, RwLockWriteGuard<'static, ()>) {
    let guard = HURT.write().await;
    let cluster = tokio::task::block_in_place(|| {
        // A test that failed may have left it hurt.
        cluster().start_all().unwrap_or_else(|error| panic!("a broker does not come up: {error:#}"));
        cluster()
    });
    (cluster, guard)
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
