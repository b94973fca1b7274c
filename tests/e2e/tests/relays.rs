//! Several relays on the real Worker and a real broker: one works, others stand by; and how soon they go on after what they
//! need was away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ropeline_e2e::{HealthOf, Value, World, broker, json};
use xtask::kafka::Record;

/// What a machine that also does other things may add to the promised times.
const SLACK: Duration = Duration::from_secs(2);

fn settings() -> Value {
    json!({"total_active_users": 100_000, "new_users_per_minute": 6_000, "session_duration_seconds": 600})
}

/// Visitors who enter and claim, some twenty a second, until told to stop. What fails meanwhile is theirs to try again.
fn crowd(world: &Arc<World>, event: &'static str) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (world, told) = (Arc::clone(world), Arc::clone(&stop));
    let visitors = tokio::spawn(async move {
        while !told.load(Ordering::Relaxed) {
            let mut visitor = world.visitor(event);
            let claim = json!({"claim": true});
            let _ = tokio::time::timeout(Duration::from_secs(5), visitor.enter_with(&claim)).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    (stop, visitors)
}

async fn seq(world: &World, event: &str, name: &str) -> u64 {
    world.stats(event).await[name].as_u64().expect("a seq")
}

/// How long it takes until more than `before` is acked.
async fn until_acked_beyond(world: &World, event: &str, before: u64, bound: Duration) -> Duration {
    let since = Instant::now();
    while seq(world, event, "acked_seq").await <= before {
        assert!(since.elapsed() < bound, "nothing reached Kafka within {bound:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    since.elapsed()
}

/// First copies are 1, 2, 3 … `head`, and every copy is the same; the seqs that are there more than once.
fn assert_order(records: &[Record], head: u64) -> BTreeSet<u64> {
    let mut first: Vec<&Record> = Vec::new();
    let mut repeated = BTreeSet::new();
    for record in records {
        let seq = record.json()["seq"].as_u64().expect("a seq");
        match first.get(usize::try_from(seq).unwrap() - 1) {
            Some(copy) => {
                assert_eq!((&copy.key, &copy.value), (&record.key, &record.value), "a copy of {seq} differs");
                repeated.insert(seq);
            }
            None => {
                assert_eq!(seq, first.len() as u64 + 1, "out of order at offset {}", record.offset);
                first.push(record);
            }
        }
    }
    assert_eq!(first.len() as u64, head, "every admission is in Kafka");
    repeated
}

#[tokio::test(flavor = "multi_thread")]
async fn one_relay_works_and_another_stands_by_and_takes_over() {
    let world = Arc::new(World::start());
    let kafka = broker::shared();
    let topic = broker::topic(kafka, "relays");
    world.create("sale", &settings()).await;
    let (stop, visitors) = crowd(&world, "sale");
    let start = |name: &str| world.one_more_relay(name, &kafka.bootstrap(), &topic);

    let (mut one, one_says) = start("one");
    one_says.until_role("sale", "leading", Duration::from_secs(20)).await;
    until_acked_beyond(&world, "sale", 20, Duration::from_secs(20)).await;
    let (mut two, two_says) = start("two");
    two_says.until_role("sale", "standby", Duration::from_secs(20)).await;
    two_says.until("a standby is ready", Duration::from_secs(10), |status, _| status == 200).await;
    one_says.until("the leader is ready", Duration::from_secs(10), |status, _| status == 200).await;
    let held = "ropeline_relay_lease_held{event=\"sale\"}";
    assert_eq!((one_says.sample(held).await, two_says.sample(held).await), (Some(1.0), Some(0.0)));
    assert_eq!(two_says.sample("ropeline_relay_events{role=\"standby\"}").await, Some(1.0));
    assert!(one_says.sample("ropeline_relay_produced_records_total").await.unwrap() > 0.0);
    assert_eq!(two_says.sample("ropeline_relay_produced_records_total").await, Some(0.0));

    assert!(one.stop().expect("the end of a relay").success());
    let clean = two_says.until_role("sale", "leading", Duration::from_secs(1) + SLACK).await;
    let acked = seq(&world, "sale", "acked_seq").await;
    let clean_ack = until_acked_beyond(&world, "sale", acked, Duration::from_secs(3) + SLACK).await;
    println!("after a clean stop: the lease after {clean:?}, the next ack {clean_ack:?} later");

    let (mut three, three_says) = start("three");
    three_says.until_role("sale", "standby", Duration::from_secs(20)).await;
    let acked_at_kill = seq(&world, "sale", "acked_seq").await;
    two.kill9();
    let crashed = Instant::now();
    let taken = three_says.until_role("sale", "leading", Duration::from_secs(15) + SLACK).await;
    let acked = seq(&world, "sale", "acked_seq").await;
    until_acked_beyond(&world, "sale", acked, Duration::from_secs(5) + SLACK).await;
    println!("after kill -9: the lease after {taken:?}, the next ack after {:?}", crashed.elapsed());
    assert!(crashed.elapsed() < Duration::from_secs(15) + SLACK, "{:?}", crashed.elapsed());

    // A minute by hand: ROPELINE_PAUSE_SECONDS=60.
    let pause = std::env::var("ROPELINE_PAUSE_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(16);
    let (mut four, four_says) = start("four");
    four_says.until_role("sale", "standby", Duration::from_secs(20)).await;
    let acked_at_pause = seq(&world, "sale", "acked_seq").await;
    three.pause();
    let paused = Instant::now();
    four_says.until_role("sale", "leading", Duration::from_secs(15) + SLACK).await;
    let epoch = HealthOf::event(&four_says.ready().await.1, "sale")["epoch"].clone();
    tokio::time::sleep(Duration::from_secs(pause).saturating_sub(paused.elapsed())).await;
    let head_at_wake = seq(&world, "sale", "head_seq").await;
    three.resume();
    three_says.until_role("sale", "standby", Duration::from_secs(15) + SLACK).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = HealthOf::event(&four_says.ready().await.1, "sale").clone();
    assert_eq!((&now["role"], &now["epoch"]), (&json!("leading"), &epoch), "the woken relay took the event back");

    stop.store(true, Ordering::Relaxed);
    visitors.await.expect("the visitors");
    world.wait_until_acked("sale", Duration::from_secs(30)).await;
    assert!(three.stop().expect("the end of a relay").success());
    assert!(four.stop().expect("the end of a relay").success());
    let head = seq(&world, "sale", "head_seq").await;
    let repeated = assert_order(&broker::records(kafka, &topic, "sale"), head);
    println!("{head} admissions, {} repeated; killed at {acked_at_kill}, paused at {acked_at_pause}", repeated.len());
    // A batch whose outcome nobody knew, at the kill or at the pause: 500 entries at most, of which most were read back.
    let allowed = |seq: &u64| {
        (acked_at_kill..=acked_at_kill + 500).contains(seq) || (acked_at_pause..=head_at_wake).contains(seq)
    };
    assert!(repeated.iter().all(allowed), "{repeated:?}");
    assert!(head > 200, "only {head} admissions");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_goes_on_soon_after_what_it_needs_came_back() {
    let world = Arc::new(World::start());
    let mut kafka = broker::start("away");
    let topic = broker::topic(&kafka, "away");
    world.create("sale", &settings()).await;
    let (stop, visitors) = crowd(&world, "sale");
    let (relay, says) = world.one_more_relay("one", &kafka.bootstrap(), &topic);
    says.until_role("sale", "leading", Duration::from_secs(20)).await;
    until_acked_beyond(&world, "sale", 20, Duration::from_secs(20)).await;

    // Long enough for the longest waits, and for leases to be given up and taken anew.
    kafka.kill9();
    let down = Instant::now();
    says.until("the broker is missed", Duration::from_secs(30), |status, body| {
        status == 503 && !HealthOf::holds(body, "broker") && HealthOf::holds(body, "worker")
    })
    .await;
    says.until("the event is missed", Duration::from_secs(60), |status, body| {
        let event = HealthOf::event(body, "sale");
        let late = event["lag_seconds"].as_f64().is_some_and(|lag| lag > 25.0);
        status == 503 && !HealthOf::holds(body, "progress") && late && event["trouble"].is_string()
    })
    .await;
    assert!(HealthOf::holds(&says.ready().await.1, "alive"), "a broker that is down is no reason to be restarted");
    tokio::time::sleep(Duration::from_secs(40).saturating_sub(down.elapsed())).await;
    let (acked, head) = (seq(&world, "sale", "acked_seq").await, seq(&world, "sale", "head_seq").await);
    assert!(head > acked + 100, "visitors keep entering: {acked} of {head}");
    kafka = kafka.restart().unwrap_or_else(|error| panic!("no broker after a restart: {error:#}"));
    let back = until_acked_beyond(&world, "sale", acked, Duration::from_secs(30) + SLACK).await;
    println!("{back:?} after the broker's return, {} admissions behind", head - acked);
    says.until("all is well", Duration::from_secs(30), |status, _| status == 200).await;

    // The same for the Worker, with something left to send: the line admits nobody in its first three seconds.
    kafka.kill9();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let acked = seq(&world, "sale", "acked_seq").await;
    world.kill9();
    kafka = kafka.restart().unwrap_or_else(|error| panic!("no broker after a restart: {error:#}"));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!HealthOf::holds(&says.ready().await.1, "worker"));
    world.restart();
    let back = until_acked_beyond(&world, "sale", acked, Duration::from_secs(10) + SLACK).await;
    println!("{back:?} after the Worker's return");

    stop.store(true, Ordering::Relaxed);
    visitors.await.expect("the visitors");
    world.wait_until_acked("sale", Duration::from_secs(30)).await;
    let kib = relay.resident_kib().expect("the relay's memory");
    println!("{} MiB resident", kib / 1024);
    assert!(kib <= 64 * 1024, "{kib} KiB resident");
    drop(relay);
    let head = seq(&world, "sale", "head_seq").await;
    assert_order(&broker::records(&kafka, &topic, "sale"), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_has_just_started_says_since_when_entries_wait() {
    let world = World::start();
    world.create("sale", &settings()).await;
    drop(world.admitted("sale").await);
    let admitted = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(world.admitted("sale").await);
    // Nobody listens there: it drains nothing, and knows of the entries by its lease alone.
    let (mut relay, says) = world.one_more_relay("one", "127.0.0.1:1", "nowhere");
    says.until("the lag is known", Duration::from_secs(20), |_, body| {
        HealthOf::event(body, "sale")["lag_seconds"].as_f64().is_some()
    })
    .await;
    let event = HealthOf::event(&says.ready().await.1, "sale").clone();
    let (lag, most) = (event["lag_seconds"].as_f64().unwrap(), admitted.elapsed() + SLACK);
    assert!((4.0..most.as_secs_f64()).contains(&lag), "{event}");
    assert!(relay.stop().expect("the end of a relay").success());
}
