//! Load on one link delays no other. Where all share one, as in the incident, it does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ropeline_e2e::hosts::{Lan, Rate, project};
use ropeline_e2e::json;
use xtask::api::Api;
use xtask::http::{Client, bearer};

use crate::scene::{KAFKA, RELAY, Scene, WORKER};

/// So slow that a full link costs no CPU, and with room for half a second of waiting, as interfaces have.
const RATE: Rate = Rate { mbit: 5, waiting_kb: 300 };

/// What a call may take, connecting included; half of them, for the machine is shared.
const BOUND: Duration = Duration::from_millis(250);

/// Where the bulk goes.
const SINK: u16 = 5_001;

/// Bulk from the generator to the Worker's machine, as much as the link takes, until it is dropped.
struct Bulk {
    over: Arc<AtomicBool>,
}

impl Bulk {
    fn start(lan: &Lan) -> Self {
        let to = (lan.route("k6", "worker").expect("a way"), SINK);
        let listener = lan.machine("worker").within(|| TcpListener::bind(to)).expect("a sink");
        let streams: Vec<TcpStream> =
            lan.machine("k6").within(|| (0..16).map(|_| TcpStream::connect(to).expect("a connection")).collect());
        let over = Arc::new(AtomicBool::new(false));
        for mut stream in streams {
            let (mut sink, _) = listener.accept().expect("the other end");
            std::thread::spawn(move || while sink.read(&mut [0; 65_536]).is_ok_and(|count| count > 0) {});
            let over = Arc::clone(&over);
            stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            std::thread::spawn(
                move || while !over.load(Ordering::Relaxed) && stream.write_all(&[0; 16_384]).is_ok() {},
            );
        }
        // Until what may wait does.
        std::thread::sleep(Duration::from_secs(3));
        Self { over }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The middle of nine.
fn usual(mut once: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..9)
        .map(|_| {
            let began = Instant::now();
            once();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}

/// How long calls take from machine to machine, each over a new connection.
fn delays(scene: &Scene) -> BTreeMap<&'static str, Duration> {
    let authorization = bearer(&scene.keys.metrics);
    let calls = [
        ("monitoring reads the Worker", "prometheus", "worker", WORKER, "/queue/metrics"),
        ("monitoring reads the relay", "prometheus", "relay", RELAY, "/metrics"),
        ("the relay asks the Worker", "relay", "worker", WORKER, "/queue/healthz"),
    ];
    let mut delays = BTreeMap::new();
    for (what, from, to, port, path) in calls {
        let authority = format!("{}:{port}", scene.lan.route(from, to).expect("a way"));
        let took = scene.lan.machine(from).within(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            usual(|| {
                let headers = [("authorization", authorization.as_str())];
                let mut client = Client::new(&authority);
                let answer =
                    runtime.block_on(client.get(path, &headers)).unwrap_or_else(|error| panic!("{what}: {error:#}"));
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            })
        });
        delays.insert(what, took);
    }
    let kafka = (scene.lan.route("relay", "kafka").expect("a way"), KAFKA);
    let took = scene.lan.machine("relay").within(|| usual(|| drop(TcpStream::connect(kafka).expect("Kafka"))));
    delays.insert("the relay reaches Kafka", took);
    delays
}

fn late(delays: &BTreeMap<&'static str, Duration>) -> Vec<&'static str> {
    delays.iter().filter(|(_, took)| **took > BOUND).map(|(what, _)| *what).collect()
}

/// Lets a visitor in, and waits until that is in Kafka; how long that took.
fn admission_reaches_kafka(scene: &Scene) -> Duration {
    // On the Worker's own machine: it is the relay's way that is looked at, not the visitor's.
    scene.lan.machine("worker").within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let authority = format!("127.0.0.1:{WORKER}");
            let mut api = Api::new(&authority, &scene.keys.admin);
            api.create_event("links", &json!({"lanes": 1})).await.expect("an event");
            let body = json!({"event": "links", "visitor": ropeline_e2e::new_key(), "claim": true});
            let began = Instant::now();
            let answer = Client::new(&authority).post("/queue/enter", &[], &body).await.expect("an answer");
            assert_eq!(answer.json()["state"], "admitted", "{}", answer.text());
            loop {
                let stats = api.stats("links").await.expect("counts");
                if stats.acked_seq == stats.admitted {
                    return began.elapsed();
                }
                assert!(began.elapsed() < Duration::from_secs(30), "not in Kafka: {stats:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    })
}

#[test]
fn load_on_the_generators_link_delays_neither_monitoring_nor_relay() {
    let scene = Scene::start("apart", &project::plan(&project::ours()), Some(RATE));
    let _bulk = Bulk::start(&scene.lan);
    let began = Instant::now();
    let delays = delays(&scene);
    println!("each on its own network: {delays:?}");
    assert!(late(&delays).is_empty(), "{delays:?}");
    let took = admission_reaches_kafka(&scene);
    assert!(took < Duration::from_secs(5), "an admission took {took:?} to Kafka");
    // Prometheus has gone on evaluating, and Alertmanager telling.
    let until = began + Duration::from_secs(45);
    while !scene.monitoring.receiver.since(began).iter().any(|message| message.path == "/watchdog") {
        assert!(Instant::now() < until, "the dead man's switch has stopped");
        std::thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn where_all_share_one_link_the_same_load_delays_them() {
    let mut plan = project::plan(&project::ours());
    plan.values_mut().for_each(|networks| *networks = vec!["shared".to_owned()]);
    let scene = Scene::start("shared", &plan, Some(RATE));
    let before = delays(&scene);
    println!("one network, no load: {before:?}");
    assert!(late(&before).is_empty(), "it is the load that does it: {before:?}");
    let _bulk = Bulk::start(&scene.lan);
    let delays = delays(&scene);
    println!("one network: {delays:?}");
    let late = late(&delays);
    for what in ["monitoring reads the Worker", "the relay asks the Worker"] {
        assert!(late.contains(&what), "{delays:?}");
    }
}
