//! Visitors who keep coming and going in while brokers have a bad time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ropeline_e2e::{World, copies, json, soak, within};
use tokio::task::{JoinHandle, JoinSet};
use xtask::kafka::{Cluster, Listener};

use super::until;

const EVENT: &str = "storm";
/// From the moment that Kafka can take records again.
const BOUND: Duration = Duration::from_secs(30);

/// A world with one event, whose admissions go to one topic, and people who come without end.
pub struct Crowd {
    pub world: Arc<World>,
    topic: String,
    stop: Arc<AtomicBool>,
    walks: JoinHandle<usize>,
}

impl Crowd {
    /// Starts everything, and waits until the first admissions are in `topic`.
    pub async fn start(cluster: &Cluster, topic: &str) -> Self {
        let world = Arc::new(World::start());
        world.create(EVENT, &json!({"total_active_users": 100_000, "new_users_per_minute": 6_000})).await;
        let stop = Arc::new(AtomicBool::new(false));
        let walks = tokio::spawn(walk_in(Arc::clone(&world), Arc::clone(&stop)));
        world.start_relay(&cluster.bootstrap(Listener::Plain), topic);
        let crowd = Self { world, topic: topic.to_owned(), stop, walks };
        crowd.goes_on("the start").await;
        crowd
    }

    /// Fails unless what is admitted from now on is in Kafka within 30 seconds; says how long it took.
    pub async fn goes_on(&self, after: &str) -> Duration {
        let head = self.stat("head_seq").await;
        let what = format!("progress after {after}");
        let took = until(&what, BOUND, async || self.stat("acked_seq").await > head).await;
        println!("{}: progress {:.1} s after {after}", self.topic, took.as_secs_f64());
        took
    }

    /// A count of the event.
    pub async fn stat(&self, name: &str) -> u64 {
        self.world.stats(EVENT).await[name].as_u64().unwrap_or_else(|| panic!("no {name}"))
    }

    /// Ends it, and holds the topic against the admission log: nothing is lost, reordered or changed, and repeated is only
    /// what the relay did not know. Gives the number of repeats.
    pub async fn check(self, cluster: &Cluster) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let admitted = within("the crowd", Duration::from_secs(60), self.walks).await.expect("the crowd");
        self.world.wait_until_acked(EVENT, BOUND).await;
        self.world.stop_relay();
        let log = soak::log::read(&self.world, EVENT).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(log.entries.len(), admitted, "as many as were let in");
        let console = cluster.console();
        let records = tokio::task::block_in_place(|| ropeline_e2e::broker::read(&console, &self.topic, EVENT));
        let copies = copies::check(EVENT, &records, log.values());
        copies.assert_whole();
        let excuses = copies::excuses(&self.world.relay_log(), EVENT, false);
        let for_nothing = copies.repeated_for_nothing(&excuses);
        assert!(for_nothing.is_empty(), "repeated for nothing: {for_nothing:?}");
        println!("{}: {admitted} admissions, {} repeats", self.topic, copies.repeats());
        copies.repeats()
    }
}

/// Twenty a second, each of whom stays until let in. Says how many were.
async fn walk_in(world: Arc<World>, stop: Arc<AtomicBool>) -> usize {
    let mut walks = JoinSet::new();
    while !stop.load(Ordering::SeqCst) {
        let mut visitor = world.visitor(EVENT);
        walks.spawn(async move {
            visitor.enter_with(&json!({"claim": true})).await.unwrap_or_else(|error| panic!("enter: {error:#}"));
            visitor.go_in(Duration::from_secs(60)).await.unwrap_or_else(|error| panic!("{error:#}"));
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    walks.join_all().await.len()
}
