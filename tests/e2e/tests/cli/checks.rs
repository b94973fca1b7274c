//! A deployment that is well, and ones that are not; and keys from their making to their use.

use ropeline_e2e::{Value, World, json};

use crate::proxy::{self, Plain};
use crate::{Cli, Said, file};

/// The levels of the lines about one thing.
fn levels(said: &Said, check: &str) -> Vec<(String, String)> {
    let report = said.json();
    let lines = report["lines"].as_array().cloned().unwrap_or_default();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    lines.iter().filter(|line| line["check"] == check).map(|line| (text(line, "about"), text(line, "level"))).collect()
}

fn with_all_keys(world: &World) -> Cli {
    Cli::of(world)
        .var("ROPELINE_ORIGIN_KEY", &world.keys.origin)
        .var("ROPELINE_RELAY_KEY", &world.keys.relay)
        .var("ROPELINE_METRICS_KEY", &world.keys.metrics)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_well_has_no_fail() {
    let world = World::start();
    world.create("demo", &json!({"return_url": "https://shop.example/in", "total_active_users": 1_000})).await;
    let cli = with_all_keys(&world).at(proxy::start(&world.authority, Plain).await);
    let well = cli.run(&["check"]).await.ends(0);
    let says =
        ["ok   dns", "ok   worker", "ok   clock", "ok   jwks", "ok   key admin: accepted", "ok   key origin: accepted"];
    let well = well.says(&says).says(&["ok   key relay: accepted", "ok   event demo", "ok   relay demo", " 0 FAIL"]);
    for secret in [&world.keys.origin, &world.keys.relay, &world.keys.metrics] {
        assert!(!well.out.contains(secret.as_str()) && !well.err.contains(secret.as_str()));
    }
    let report = cli.run(&["check", "--json"]).await.ends(0);
    assert_eq!(report.json()["failures"], 0);
    // Accepted, or there are no metrics in this version; never refused.
    let metrics = levels(&report, "key").into_iter().find(|(about, _)| about == "metrics").expect("a line").1;
    assert!(["ok", "note"].contains(&metrics.as_str()), "{metrics}");
    let few = cli.run(&["check", "--peak-per-second", "5000"]).await.ends(0);
    few.says(&["warn event demo: 4 lanes take 1600 entries per second", "lanes = 16"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_wrong_is_told_with_its_role_and_what_to_do() {
    let world = World::start();
    world.create("demo", &json!({})).await;
    let swapped =
        Cli::of(&world).key("wrong").var("ROPELINE_ORIGIN_KEY", &world.keys.relay).var("ROPELINE_RELAY_KEY", "guess");
    let said = swapped.run(&["check"]).await.ends(1).says(&[
        "FAIL key admin: the Worker does not know this key: put its SHA-256",
        "FAIL key origin: this key is one of another role",
        "FAIL key relay: the Worker does not know this key",
        "note key metrics: not looked at",
        "3 FAIL",
    ]);
    assert!(!said.out.contains("event demo"), "events are not seen without a key: {}", said.out);
    assert!(world.board("demo").await["phase"] == "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn admissions_that_stay_out_of_kafka_fail_a_check() {
    let world = World::start();
    world.create("demo", &json!({})).await;
    world.admitted("demo").await;
    let said = with_all_keys(&world).run(&["check"]).await.ends(1);
    said.says(&[
        "FAIL relay demo: 1 admissions are not in Kafka, and nothing moves; no relay holds its lease",
        "1 FAIL",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_does_not_answer_is_told_with_what_to_do() {
    let world = World::start();
    let nobody = Cli::of(&world).at("http://127.0.0.1:9".to_owned());
    nobody.run(&["check"]).await.ends(1).says(&["FAIL worker", "nothing listens there", "note keys"]);
    let other = Cli::of(&world);
    other.run(&["check", "--prefix", "/other"]).await.ends(1).says(&["FAIL worker", "--prefix"]);
    other.run(&["check", "--url", "http://queue.example.com"]).await.ends(2).complains(&["https"]);
    other.run(&["check", "--url", "https://no-such-name.invalid"]).await.ends(1).says(&["FAIL dns"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_rotated_without_being_shown_unasked() {
    let world = World::start();
    let cli = Cli::of(&world);
    let fresh = cli.run(&["keys", "new"]).await.ends(0);
    let secret = |name: &str| {
        let line = fresh.out.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name}: {}", fresh.out)).to_owned()
    };
    let document = secret("ROPELINE_KEYS");
    for role in ["admin", "origin", "relay", "metrics"] {
        assert!(document.contains(&format!("\"{role}\":[\"{}", ropeline_e2e::key_name(&secret(role)))), "{role}");
        assert!(!fresh.err.contains(&secret(role)));
    }
    let path = file(&world, "keys.json", &document);
    let name = ropeline_e2e::key_name(&secret("admin"));
    cli.run(&["keys", "list", &path]).await.ends(0).says(&["admin", &name, "is accepted"]);
    let rotated = cli.with_input(&["keys", "rotate", "admin"], &document).await.ends(0);
    let mut lines = rotated.out.lines();
    let document = lines.next().and_then(|line| line.strip_prefix("ROPELINE_KEYS=")).expect("a document").to_owned();
    let new = lines.next().and_then(|line| line.strip_prefix("admin=")).expect("a secret").to_owned();
    assert!(document.contains(&name) && document.contains(&ropeline_e2e::key_name(&new)), "{document}");
    assert!(!rotated.err.contains(&new) && !document.contains(&new));
    let dropped = cli.with_input(&["keys", "rotate", "admin", "--drop", &name], &document).await.ends(0);
    assert!(!dropped.out.contains(&name) && dropped.out.contains(&ropeline_e2e::key_name(&new)), "{}", dropped.out);
    let last = dropped.out.lines().next().unwrap_or_default();
    let only =
        cli.with_input(&["keys", "rotate", "admin", "--drop", &ropeline_e2e::key_name(&new)], last).await.ends(2);
    assert_eq!(only.complains(&["only key of 'admin'"]).out, "");
    let broken = cli.with_input(&["keys", "rotate", "admin"], "{\"admin\": [\"5ecret\"]}").await.ends(2);
    assert!(!broken.err.contains("5ecret") && broken.out.is_empty(), "{}", broken.err);
    let signing = cli.with_input(&["keys", "rotate", "signing"], &secret("ROPELINE_SIGNING_KEYS")).await.ends(0);
    assert_eq!(signing.out.matches("\"kty\"").count(), 2, "the old key stays first, the new one comes behind it");
}
