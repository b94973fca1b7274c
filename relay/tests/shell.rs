//! The tokio shell with a fake Worker and a fake Kafka, in paused time: several events at once, trouble in one of them,
//! two relays, a clean stop.

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ropeline_relay::broker::{Broker, BrokerClient, Log};
use ropeline_relay::entry::Entry;
use ropeline_relay::fleet::{Fleet, FleetRules, Stopped};
use ropeline_relay::machine::{
    Bounds, BrokerFailure, DrainRequest, Drained, Fetched, Lease, Mark, Rules, WorkerFailure,
};
use ropeline_relay::murmur2::partition_of;
use ropeline_relay::task::Shared;
use ropeline_relay::types::{Epoch, EventId, Offset, Partition as Number};
use ropeline_relay::worker::WorkerApi;
use support::{Line, Partition, event};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const PARTITIONS: u32 = 4;

/// What happens to a produce.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The broker never answers; the records are in the log.
    HangAfter,
    /// The connection is refused.
    Refuse,
    /// Another event's records get in between.
    Shift,
}

#[derive(Default)]
struct State {
    lines: BTreeMap<EventId, Line>,
    partitions: Vec<Partition>,
    missing_topic: Option<&'static str>,
    faults: VecDeque<Fault>,
    clients: usize,
    worker_is_down: bool,
    panics: usize,
    /// How often a lease was asked for.
    asked: usize,
}

#[derive(Clone)]
struct World {
    state: Arc<Mutex<State>>,
    started: Instant,
}

impl World {
    fn new(events: &[(&str, u64)]) -> Self {
        let lines = events.iter().map(|(name, head)| (event(name), Line::new(name, *head))).collect();
        let state = State { lines, partitions: vec![Partition::default(); 4], ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), started: Instant::now() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    fn line<T>(&self, name: &EventId, look: impl FnOnce(&mut Line, u64) -> T) -> T {
        let now = self.now();
        self.with(|state| look(state.lines.get_mut(name).unwrap(), now))
    }

    fn seqs(&self, name: &str) -> Vec<u64> {
        let partition = partition_of(name, PARTITIONS).unwrap().0;
        self.with(|state| state.partitions[usize::try_from(partition).unwrap()].seqs(&event(name)))
    }

    fn all_acked(&self) -> bool {
        self.with(|state| state.lines.values().all(|line| !line.busy()))
    }

    async fn until(&self, what: &str, seconds: u64, reached: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !reached(self) {
            assert!(Instant::now() < end, "not within {seconds} s: {what}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn relay(&self, name: &str) -> Relay {
        self.relay_of(name, 3)
    }

    fn relay_of(&self, name: &str, max_events: usize) -> Relay {
        let shared = Shared {
            worker: FakeWorker { world: self.clone(), relay: name.to_owned() },
            broker: FakeBroker(self.clone()),
            rules: Rules::default(),
            kafka_timeout: Duration::from_secs(10),
            started: Instant::now(),
            health: Arc::default(),
        };
        let rules = FleetRules {
            poll: Duration::from_secs(1),
            max_events,
            stopped_retry: Duration::from_secs(30),
            stop_within: Duration::from_secs(15),
        };
        let (stop, stopped) = watch::channel(false);
        let fleet = Fleet::new(Arc::new(shared), rules, 7);
        Relay { stop, fleet: tokio::spawn(fleet.run(stopped)) }
    }
}

struct Relay {
    stop: watch::Sender<bool>,
    fleet: JoinHandle<Stopped>,
}

impl Relay {
    async fn stop(self) -> Stopped {
        self.stop.send_replace(true);
        self.fleet.await.unwrap()
    }
}

struct FakeWorker {
    world: World,
    relay: String,
}

impl FakeWorker {
    async fn answer<T>(
        &self,
        event: &EventId,
        act: impl FnOnce(&mut Line, u64) -> Result<T, WorkerFailure>,
    ) -> Result<T, WorkerFailure> {
        sleep(Duration::from_millis(5)).await;
        if self.world.with(|state| state.worker_is_down) {
            return Err(WorkerFailure::Later { cause: "connection refused".into(), retry_after_ms: None });
        }
        self.world.line(event, act)
    }
}

impl WorkerApi for FakeWorker {
    async fn busy_events(&self) -> Result<Vec<EventId>, WorkerFailure> {
        sleep(Duration::from_millis(5)).await;
        if self.world.with(|state| state.worker_is_down) {
            return Err(WorkerFailure::Later { cause: "connection refused".into(), retry_after_ms: None });
        }
        Ok(self.world.with(|state| {
            let busy = state.lines.values().filter(|line| line.busy());
            busy.map(|line| line.event.clone()).collect()
        }))
    }

    async fn take(&self, event: &EventId) -> Result<Lease, WorkerFailure> {
        self.world.with(|state| state.asked += 1);
        let relay = self.relay.clone();
        self.answer(event, |line, now| line.take(now, &relay)).await
    }

    async fn renew(&self, event: &EventId, epoch: Epoch) -> Result<u64, WorkerFailure> {
        self.answer(event, |line, now| line.renew(now, epoch)).await
    }

    async fn release(&self, event: &EventId, epoch: Epoch) -> Result<(), WorkerFailure> {
        self.answer(event, |line, _| line.release(epoch)).await
    }

    async fn drain(&self, event: &EventId, request: &DrainRequest) -> Result<Drained, WorkerFailure> {
        self.answer(event, |line, now| line.drain(now, request)).await
    }

    async fn ack(&self, event: &EventId, epoch: Epoch, mark: Mark) -> Result<(), WorkerFailure> {
        self.answer(event, |line, _| line.ack(epoch, mark)).await
    }
}

struct FakeBroker(World);

struct FakeClient(World);

struct FakeLog(World, usize);

impl Broker for FakeBroker {
    type Client = FakeClient;

    async fn connect(&self) -> Result<FakeClient, BrokerFailure> {
        sleep(Duration::from_millis(3)).await;
        self.0.with(|state| state.clients += 1);
        Ok(FakeClient(self.0.clone()))
    }
}

impl BrokerClient for FakeClient {
    type Log = FakeLog;

    async fn partitions(&self, topic: &str) -> Result<Option<u32>, BrokerFailure> {
        let there = self.0.with(|state| state.missing_topic != Some(topic));
        Ok(there.then_some(PARTITIONS))
    }

    async fn open(&self, _: &str, partition: Number) -> Result<FakeLog, BrokerFailure> {
        let number = usize::try_from(partition.0).unwrap();
        Ok(FakeLog(self.0.clone(), number))
    }
}

impl Log for FakeLog {
    async fn bounds(&self) -> Result<Bounds, BrokerFailure> {
        Ok(self.0.with(|state| state.partitions[self.1].bounds()))
    }

    async fn fetch(&self, event: &EventId, offset: Offset, _: u32) -> Result<Fetched, BrokerFailure> {
        sleep(Duration::from_millis(3)).await;
        self.0.with(|state| state.partitions[self.1].fetch(event, offset, 1_000))
    }

    async fn produce(&self, event: &EventId, _: Epoch, batch: &[Entry]) -> Result<Vec<Offset>, BrokerFailure> {
        sleep(Duration::from_millis(10)).await;
        let fault = self.0.with(|state| {
            if state.panics > 0 {
                state.panics -= 1;
                return None;
            }
            Some(state.faults.pop_front())
        });
        let fault = fault.expect("a panic of a library");
        match fault {
            Some(Fault::Refuse) => {
                return Err(BrokerFailure::Unknown { cause: "connection refused".into() });
            }
            Some(Fault::Shift) => self.0.with(|state| state.partitions[self.1].foreign(3)),
            _ => {}
        }
        let offsets = self.0.with(|state| state.partitions[self.1].append(event, batch));
        if matches!(fault, Some(Fault::HangAfter)) {
            std::future::pending::<()>().await;
        }
        Ok(offsets)
    }
}

fn all(head: u64) -> Vec<u64> {
    (1..=head).collect()
}

#[tokio::test(start_paused = true)]
async fn every_event_arrives_in_order_once_and_is_left() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let events: Vec<(&str, u64)> = names.iter().map(|name| (*name, 1_234)).collect();
    let world = World::new(&events);
    let relay = world.relay("one");
    world.until("all acked", 60, World::all_acked).await;
    for name in names {
        assert_eq!(world.seqs(name), all(1_234), "{name}");
    }
    // Nothing to do: the leases are given back.
    world
        .until("all left", 10, |world| world.with(|state| state.lines.values().all(|line| line.owner.is_none())))
        .await;
    // And taken up again when there is news.
    world.line(&event("c"), |line, _| line.head += 10);
    world.until("all acked", 5, World::all_acked).await;
    assert_eq!(world.seqs("c"), all(1_244));
    assert_eq!(relay.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_answers_costs_its_time_limit_and_repeats_nothing() {
    let world = World::new(&[("demo", 700)]);
    world.with(|state| {
        state.faults = [Fault::HangAfter, Fault::Refuse, Fault::Shift].into();
    });
    let relay = world.relay("one");
    world.until("all acked", 30, World::all_acked).await;
    assert!(world.now() >= 10_000, "the limit of one call");
    assert_eq!(world.seqs("demo"), all(700));
    assert_eq!(world.with(|state| state.clients), 3, "a new client after each fault, and none for a batch further on");
    assert_eq!(relay.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_event_does_not_stop_the_others_and_is_looked_at_again() {
    let world = World::new(&[("lost", 5), ("well", 50)]);
    // The line says that seq 3 is at offset 99; the log has nothing there.
    world.line(&event("lost"), |line, _| {
        line.drained = 3;
        line.acked = 3;
        line.pin = Some(ropeline_relay::machine::Pin {
            topic: "ropeline.admissions".into(),
            partition: partition_of("lost", PARTITIONS).unwrap(),
            next_offset: Offset(100),
        });
    });
    let relay = world.relay("one");
    world.until("the other one arrives", 10, |world| world.seqs("well").len() == 50).await;
    sleep(Duration::from_secs(100)).await;
    assert!(world.seqs("lost").is_empty(), "nothing is sent into a log that lost its past");
    let takes = world.line(&event("lost"), |line, _| line.takes);
    assert!((3..=5).contains(&takes), "{takes} takes in 110 s");
    assert_eq!(relay.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_comes_later_is_found() {
    let world = World::new(&[("demo", 5)]);
    world.with(|state| state.missing_topic = Some("ropeline.admissions"));
    let relay = world.relay("one");
    sleep(Duration::from_secs(20)).await;
    assert!(world.seqs("demo").is_empty());
    world.with(|state| state.missing_topic = None);
    world.until("all acked", 10, World::all_acked).await;
    assert_eq!(relay.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_without_a_test_topic_is_acked_and_stays_out_of_kafka() {
    let world = World::new(&[("demo", 1_200), ("real", 30)]);
    world.line(&event("demo"), |line, _| line.test = true);
    world.with(|state| state.missing_topic = Some("ropeline.admissions.test"));
    let relay = world.relay("one");
    world.until("all acked", 20, World::all_acked).await;
    assert!(world.seqs("demo").is_empty());
    assert_eq!(world.seqs("real"), all(30), "the others' topic is there");
    // The topic comes too late for this one: it is in Kafka whole or not at all.
    world.with(|state| state.missing_topic = None);
    world.until("left", 10, |world| world.with(|state| state.lines.values().all(|line| line.owner.is_none()))).await;
    world.line(&event("demo"), |line, _| line.head += 10);
    world.until("all acked", 10, World::all_acked).await;
    assert!(world.seqs("demo").is_empty());
    assert_eq!(relay.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_with_a_test_topic_arrives_there() {
    let world = World::new(&[("demo", 1_200)]);
    world.line(&event("demo"), |line, _| line.test = true);
    world.with(|state| state.missing_topic = Some("ropeline.admissions"));
    let relay = world.relay("one");
    world.until("all acked", 20, World::all_acked).await;
    assert_eq!(world.seqs("demo"), all(1_200));
    assert_eq!(relay.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_second_relay_stands_by_and_takes_over_from_one_that_died() {
    let world = World::new(&[("demo", 20)]);
    let first = world.relay("first");
    world.until("first acks", 10, World::all_acked).await;
    // The registry still lists the event: the first one keeps the lease.
    world.line(&event("demo"), |line, _| line.head += 1);
    world.until("first acks", 10, World::all_acked).await;
    world.line(&event("demo"), |line, _| line.head += 1_000);
    let second = world.relay("second");
    sleep(Duration::from_millis(1_030)).await;
    first.fleet.abort(); // kill -9
    world.until("the second one takes over", 30, World::all_acked).await;
    assert_eq!(support::first_copies(&world.seqs("demo")), all(1_021));
    assert_eq!(second.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_finishes_the_batch_acks_it_and_gives_the_lease_back() {
    let world = World::new(&[("demo", 100_000)]);
    let relay = world.relay("one");
    world.until("some arrive", 10, |world| !world.seqs("demo").is_empty()).await;
    assert_eq!(relay.stop().await, Stopped::Cleanly);
    let arrived = world.seqs("demo");
    assert!(arrived.len() < 100_000, "it was stopped in the middle");
    assert_eq!(arrived, all(u64::try_from(arrived.len()).unwrap()));
    world.line(&event("demo"), |line, _| {
        assert_eq!(line.owner, None);
        assert_eq!(line.acked, *arrived.last().unwrap());
    });
    // The next one goes on, and repeats nothing.
    let relay = world.relay("two");
    world.until("all acked", 60, World::all_acked).await;
    assert_eq!(world.seqs("demo"), all(100_000));
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_bounded_when_kafka_hangs_and_the_worker_is_down() {
    let world = World::new(&[("demo", 10)]);
    world.with(|state| state.faults = [Fault::HangAfter].into());
    let relay = world.relay("one");
    world.until("the batch hangs", 10, |world| !world.seqs("demo").is_empty()).await;
    world.with(|state| state.worker_is_down = true);
    let before = Instant::now();
    relay.stop().await;
    assert!(before.elapsed() <= Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_breaks_down_is_started_again() {
    let world = World::new(&[("demo", 10)]);
    world.with(|state| state.panics = 1);
    let relay = world.relay("one");
    world.until("all acked", 60, World::all_acked).await;
    assert_eq!(world.seqs("demo"), all(10));
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_works_on_every_event_within_a_second_of_a_clean_stop() {
    let names = ["a", "b", "c"];
    let world = World::new(&names.map(|name| (name, 200_000)));
    let first = world.relay("first");
    world.until("the first one works", 5, |world| names.iter().all(|name| !world.seqs(name).is_empty())).await;
    let second = world.relay("second");
    sleep(Duration::from_millis(1_500)).await;
    let owned = |world: &World, owner: &str| {
        names.iter().all(|name| world.line(&event(name), |line, _| line.owner.as_deref() == Some(owner)))
    };
    assert!(owned(&world, "first") && !world.all_acked());
    assert_eq!(first.stop().await, Stopped::Cleanly);
    let left = Instant::now();
    world.until("the second one has them all", 1, |world| owned(world, "second")).await;
    world.until("the second one works", 30, World::all_acked).await;
    assert!(left.elapsed() < Duration::from_secs(30));
    for name in names {
        assert_eq!(world.seqs(name), all(200_000), "a clean stop repeats nothing");
    }
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_of_many_events_does_not_hammer_the_worker() {
    let names: Vec<String> = (0..100).map(|n| format!("e{n}")).collect();
    let world = World::new(&names.iter().map(|name| (name.as_str(), 5)).collect::<Vec<_>>());
    for name in &names {
        world.line(&event(name), |line, _| {
            line.owner = Some("other".to_owned());
            line.lease_until = u64::MAX / 2;
        });
    }
    let standby = world.relay_of("standby", 256);
    sleep(Duration::from_secs(100)).await;
    // One in turn every 250 ms, and each by itself after as long as the Worker said, cut to 30 seconds.
    let asked = world.with(|state| state.asked);
    assert!((300..=900).contains(&asked), "{asked} questions in 100 s");
    assert_eq!(standby.stop().await, Stopped::Cleanly);
}

#[tokio::test(start_paused = true)]
async fn events_go_on_within_ten_seconds_of_the_workers_return_however_long_it_was_away() {
    for away in [1_u64, 7, 20, 61, 300, 301, 302, 303] {
        let world = World::new(&[("demo", 1_000_000)]);
        let relay = world.relay("one");
        world.until("some arrive", 10, |world| !world.seqs("demo").is_empty()).await;
        world.with(|state| state.worker_is_down = true);
        sleep(Duration::from_secs(away)).await;
        let before = world.line(&event("demo"), |line, _| line.acked);
        world.with(|state| state.worker_is_down = false);
        world.until("progress", 10, |world| world.line(&event("demo"), |line, _| line.acked) > before).await;
        relay.fleet.abort();
    }
}
