//! The relay's canary: it sees what a visitor sees, and nothing it meets touches the relay's work.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{HealthOf, World, WorldOptions, json, new_key};
use xtask::free_port;
use xtask::services::{Relay, RelayOptions};

/// A relay with a canary that visits each second, and no broker to work with.
fn relay(world: &World, event: &str) -> (Relay, HealthOf) {
    let port = free_port().expect("a port");
    let (config, key) = (world.dir.join("relay.toml"), world.dir.join("canary.key"));
    std::fs::write(&key, new_key()).expect("a file");
    let settings = format!(
        "[canary]\nevent = \"{event}\"\nvisitor_key_file = \"{}\"\ninterval_seconds = 1\ntimeout_ms = 700\n",
        key.display()
    );
    std::fs::write(&config, settings).expect("a file");
    let log = world.dir.join("relay.log");
    let options = RelayOptions {
        health: Some(port),
        config: Some(config),
        ..RelayOptions::new(&world.issuer, "127.0.0.1:1", "none", &world.keys.relay, &log)
    };
    (Relay::start(&options).expect("a relay"), HealthOf::at(port))
}

fn requests(step: &str, outcome: &str) -> String {
    format!("ropeline_canary_requests_total{{step=\"{step}\",outcome=\"{outcome}\"}}")
}

async fn until(health: &HealthOf, series: &str, reached: impl Fn(f64) -> bool) -> f64 {
    let began = Instant::now();
    loop {
        let value = health.sample(series).await;
        if let Some(value) = value.filter(|value| reached(*value)) {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{series} is {value:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_what_a_visitor_sees_and_leaves_no_line_behind() {
    let world = WorldOptions::default().faults().start();
    world.create("canary", &json!({"test": true})).await;
    let (_relay, health) = relay(&world, "canary");
    until(&health, "ropeline_canary_rounds_total", |rounds| rounds >= 5.0).await;
    until(&health, "ropeline_canary_up", |up| up == 1.0).await;
    for step in ["enter", "status", "leave"] {
        assert!(health.sample(&requests(step, "ok")).await >= Some(5.0), "{step}");
        for outcome in ["refused", "failed", "unreachable", "timeout", "wrong"] {
            assert_eq!(health.sample(&requests(step, outcome)).await, Some(0.0), "{step} {outcome}");
        }
    }
    let stats = world.stats("canary").await;
    let alive = stats["waiting"].as_u64().zip(stats["called"].as_u64()).map(|(waiting, called)| waiting + called);
    assert!(alive <= Some(1) && stats["left"].as_u64() >= Some(4), "{stats}");
    let offset = health.sample("ropeline_canary_clock_offset_seconds").await.expect("an offset");
    assert!(offset.abs() < 2.0, "{offset}");
    assert!(health.sample("ropeline_canary_last_success_timestamp_seconds").await > Some(1_700_000_000.0));

    world.clock_ahead(-60_000).await;
    until(&health, "ropeline_canary_clock_offset_seconds", |offset| offset < -50.0).await;
    world.clock_ahead(0).await;

    world.fault(Rule::lane("enter", Fault::OVERLOADED).times(2)).await;
    until(&health, &requests("enter", "refused"), |count| count >= 2.0).await;
    until(&health, "ropeline_canary_up", |up| up == 1.0).await;

    world.fault(Rule::lane("enter", Fault::Hang).times(3)).await;
    until(&health, &requests("enter", "timeout"), |count| count >= 3.0).await;
    assert_eq!(
        health.get("/healthz").await.map(|answer| answer.status.as_u16()),
        Some(200),
        "the relay is not touched"
    );

    world.kill9();
    let killed = Instant::now();
    until(&health, &requests("enter", "unreachable"), |count| count >= 1.0).await;
    assert!(killed.elapsed() < Duration::from_secs(3), "{:?}", killed.elapsed());
    assert_eq!(health.sample("ropeline_canary_up").await, Some(0.0));
    world.restart();
    until(&health, "ropeline_canary_up", |up| up == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_there_is_said_once_with_what_to_do() {
    let world = World::start();
    let (_relay, health) = relay(&world, "nobody-made-it");
    until(&health, &requests("enter", "failed"), |count| count >= 3.0).await;
    let log = std::fs::read_to_string(world.dir.join("relay.log")).expect("a log");
    let said: Vec<&str> = log.lines().filter(|line| line.contains("canary: no good answer")).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].contains("unknown-event") && said[0].contains("make the canary's event again"), "{}", said[0]);
}
