//! The brake: a sale slows down by itself while something is wrong, and opens again step by step.

use std::process::Command;
use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{HealthOf, Method, Value, World, WorldOptions, json, new_key};
use xtask::bundle::Programs;
use xtask::services::Relay;

use crate::canary;

const SALE: &str = "sale";

/// A relay that watches over the sale.
fn relay(world: &World, brake: &str) -> (Relay, HealthOf) {
    canary::relay(world, "canary", &format!("[brake]\nevents = [\"{SALE}\"]\n{brake}\n"))
}

async fn world() -> World {
    let world = WorldOptions::default().faults().start();
    for (event, settings) in [("canary", json!({"test": true})), (SALE, json!({"new_users_per_minute": 1_000}))] {
        world.create(event, &settings).await;
    }
    world
}

/// Percent of the limit that is left, and the counts that say so.
async fn left(world: &World) -> (u64, Value) {
    let stats = world.stats(SALE).await;
    (stats["brake"]["percent"].as_u64().unwrap_or(100), stats)
}

async fn until(world: &World, reached: impl Fn(u64) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let (percent, stats) = left(world).await;
        if reached(percent) {
            return stats;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{stats}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_canary_fails_the_sale_slows_down_and_then_opens_step_by_step() {
    let world = world().await;
    world.fault(Rule::lane("enter", Fault::OVERLOADED).times(15)).await;
    let _relay = relay(&world, "lag_seconds = 0");
    let stats = until(&world, |percent| percent <= 25).await;
    assert_eq!(stats["brake"]["cause"], "canary");
    let in_force = stats["brake"]["percent"].as_u64().map(|percent| percent * 10);
    assert_eq!(stats["new_users_per_minute"].as_u64(), in_force, "of 1,000: {stats}");
    // The fault is over by itself, and nobody does anything.
    let (lowest, _) = left(&world).await;
    let mut seen = vec![lowest];
    let began = Instant::now();
    while seen.last() < Some(&100) {
        let (percent, stats) = left(&world).await;
        if seen.last() != Some(&percent) {
            seen.push(percent);
        }
        assert!(began.elapsed() < Duration::from_secs(150), "{seen:?} {stats}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let lowest = seen.iter().position(|percent| Some(percent) == seen.iter().min()).expect("one");
    let opening = &seen[lowest..];
    assert!(opening.len() >= 7 && opening.windows(2).all(|pair| pair[1] > pair[0]), "gradually: {seen:?}");
    let audit = world.admin(Method::GET, "/queue/admin/events/sale/audit", &Value::Null).await.text().to_owned();
    assert_eq!(audit.matches(r#""action":"brake""#).count(), 1, "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_too_far_behind_the_sale_slows_down() {
    let world = world().await;
    let _relay = relay(&world, "lag_seconds = 3\ncanary_failures_percent = 0");
    let mut visitor = world.visitor(SALE);
    visitor.must_enter().await;
    visitor.go_in(Duration::from_secs(20)).await.expect("somebody who goes in");
    let stats = until(&world, |percent| percent == 0).await;
    assert_eq!((&stats["brake"]["cause"], &stats["paused"]), (&json!("lag"), &json!("relay")));
    assert_eq!(stats["over_limit"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_which_events_are_watched_over_and_which_are_not_there() {
    let world = world().await;
    let config = world.dir.join("check.toml");
    let settings = format!("[canary]\nevent = \"canary\"\n[brake]\nevents = [\"{SALE}\", \"sael\"]\n");
    std::fs::write(&config, settings).expect("a file");
    let output = Command::new(Programs::built().relay)
        .args(["check", "--config"])
        .arg(&config)
        .env("ROPELINE_RELAY_WORKER_URL", &world.issuer)
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .env("ROPELINE_RELAY_KEY", &world.keys.relay)
        .env("ROPELINE_RELAY_CANARY_KEY", new_key())
        .output()
        .expect("the relay's program");
    let said = String::from_utf8_lossy(&output.stdout);
    for line in [
        "ok   canary canary: a rehearsal",
        "ok   brake sale: is slowed down",
        "warn brake sael: there is no such event",
    ] {
        assert!(said.contains(line), "{line:?} is not in: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
}
