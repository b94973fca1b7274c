//! The relay's canary: it sees what a visitor sees, and nothing it meets touches the relay's work.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{HealthOf, World, WorldOptions, json, new_key};
use xtask::free_port;
use xtask::services::{Relay, RelayOptions};

/// A relay with a canary that visits each second, these settings beside, and no broker to work with.
pub fn relay(world: &World, event: &str, more: &str) -> (Relay, HealthOf) {
    let port = free_port().expect("a port");
    let (config, key) = (world.dir.join("relay.toml"), world.dir.join("canary.key"));
    std::fs::write(&key, new_key()).expect("a file");
    let settings = format!(
        "[canary]\nevent = \"{event}\"\nvisitor_key_file = \"{}\"\ninterval_seconds = 1\ntimeout_ms = 700\n{more}",
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
    let (_relay, health) = relay(&world, "canary", "");
    until(&health, "ropeline_canary_rounds_total", |rounds| rounds >= 8.0).await;
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

    assert!(
        health.sample("ropeline_canary_clock_offset_seconds").await.is_some_and(f64::is_nan),
        "unknown is not in step"
    );

    world.kill9();
    let killed = Instant::now();
    until(&health, &requests("enter", "unreachable"), |count| count >= 1.0).await;
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(health.sample("ropeline_canary_up").await, Some(0.0));
    world.restart();
    until(&health, "ropeline_canary_up", |up| up == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_rehearsal_is_visited_and_what_to_do_is_said_once() {
    let world = World::start();
    world.create("sale", &json!({})).await;
    for event in ["sale", "nobody-made-it"] {
        let (mut relay, health) = relay(&world, event, "");
        until(&health, "ropeline_canary_rounds_total", |rounds| rounds >= 4.0).await;
        assert_eq!(health.sample("ropeline_canary_up").await, Some(0.0));
        assert_eq!(health.sample(&requests("enter", "ok")).await, Some(0.0));
        relay.kill9();
        let log = std::fs::read_to_string(world.dir.join("relay.log")).expect("a log");
        let said: Vec<&str> =
            log.lines().filter(|line| line.contains("canary: no good answer") && line.contains(event)).collect();
        assert_eq!(said.len(), 1, "{log}");
        assert!(said[0].contains("make one, or name another in canary.event"), "{}", said[0]);
    }
    assert_eq!(world.stats("sale").await["entered"], 0, "no number of a sale was taken");
    // Made while the relay runs, it is visited.
    let (_relay, health) = relay(&world, "late", "");
    until(&health, "ropeline_canary_rounds_total", |rounds| rounds >= 2.0).await;
    world.create("late", &json!({"test": true})).await;
    until(&health, "ropeline_canary_up", |up| up == 1.0).await;
}
