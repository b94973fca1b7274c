//! Each kind of security works; each that is wrong is said, with what to do, by a relay that goes on and tells no secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ropeline_e2e::{World, json};
use xtask::kafka::{Cluster, Listener};

use super::{topic, until, whole};

/// A password that is not the one.
pub const WRONG: &str = "not-the-password-7d1f0c";

pub fn tls(ca: &Path, client: Option<(PathBuf, PathBuf)>) -> String {
    let client = client.map_or(String::new(), |(certificate, key)| {
        format!("certificate_file = {certificate:?}\nkey_file = {key:?}\n")
    });
    format!("[kafka.tls]\nenabled = true\nca_file = {ca:?}\n{client}")
}

pub fn sasl(mechanism: &str, password: &Path) -> String {
    format!("[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"relay\"\npassword_file = {password:?}\n")
}

pub fn secret(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.dir.join(name);
    std::fs::write(&path, format!("{text}\n")).expect("a secret's file");
    path
}

/// Fails when `text` has this password (or key), in whatever form it is sent.
#[track_caller]
pub fn assert_kept(text: &str, password: &str) {
    let plain = BASE64_STANDARD.encode(format!("\0relay\0{password}"));
    for form in [password, BASE64_STANDARD.encode(password).as_str(), plain.as_str()] {
        assert!(!text.contains(form), "a secret is shown");
    }
}

/// Nothing that a relay was given to keep stands in its log.
#[track_caller]
fn assert_secrets_kept(world: &World, cluster: &Cluster) {
    let log = world.relay_log();
    for secret in [cluster.password(), WRONG, world.keys.relay.as_str()] {
        assert_kept(&log, secret);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_security_carries_admissions() {
    let (cluster, _whole) = whole().await;
    let world = World::start();
    let topic = tokio::task::block_in_place(|| topic(cluster, "e2e.security"));
    let password = secret(&world, "password", cluster.password());
    let certificates = cluster.certificates();
    let (ca, client) = (certificates.ca(), certificates.client());
    let kinds = [
        ("tls", Listener::Tls, tls(&ca, None)),
        ("client-certificate", Listener::MutualTls, tls(&ca, Some(client))),
        ("plain", Listener::Sasl, sasl("PLAIN", &password)),
        ("scram-256", Listener::Sasl, sasl("SCRAM-SHA-256", &password)),
        ("scram-512", Listener::Sasl, sasl("SCRAM-SHA-512", &password)),
        ("plain-tls", Listener::SaslTls, tls(&ca, None) + &sasl("PLAIN", &password)),
        ("scram-tls", Listener::SaslTls, tls(&ca, None) + &sasl("SCRAM-SHA-512", &password)),
    ];
    for (event, listener, settings) in &kinds {
        // With all that the library below has to say.
        let settings = format!("{settings}[log]\nlevel = \"trace\"\n");
        world.start_configured_relay(&cluster.bootstrap(*listener), &topic, &settings);
        world.create(event, &json!({})).await;
        world.admitted(event).await;
        world.wait_until_acked(event, Duration::from_secs(30)).await;
        world.stop_relay();
    }
    let console = cluster.console();
    let records = tokio::task::block_in_place(|| console.consume(&topic, kinds.len(), Duration::from_secs(15)));
    let records = records.unwrap_or_else(|error| panic!("{error:#}"));
    let read: Vec<&str> = records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(read, kinds.each_ref().map(|(event, ..)| *event));
    assert_secrets_kept(&world, cluster);
}

/// A relay that cannot get at Kafka.
struct Locked {
    bootstrap: String,
    topic: &'static str,
    settings: String,
    /// What it must say: the cause, or what to do about it.
    says: &'static str,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_a_remedy_and_the_relay_goes_on() {
    let (cluster, _whole) = whole().await;
    let world = World::start();
    tokio::task::block_in_place(|| ["e2e.locked", "closed.locked", "readonly.locked"].map(|name| topic(cluster, name)));
    let right = secret(&world, "password", cluster.password());
    let wrong = secret(&world, "wrong", WRONG);
    let certificates = cluster.certificates();
    let ca = certificates.ca();
    let at = |listener| cluster.bootstrap(listener);
    let locked = |bootstrap: String, settings: String, says| Locked { bootstrap, topic: "e2e.locked", settings, says };
    let by_address = format!("127.0.0.1:{}", cluster.address(1, Listener::Tls).rsplit(':').next().expect("a port"));
    let cases = [
        locked(at(Listener::Tls), tls(&certificates.other_ca(), None), "name its CA in kafka.tls.ca_file"),
        locked(by_address, tls(&ca, None), "the broker's certificate is for another name"),
        locked(
            at(Listener::MutualTls),
            tls(&ca, None),
            "the broker wants a client certificate, or another one: set kafka.tls.certificate_file",
        ),
        locked(
            at(Listener::MutualTls),
            tls(&ca, Some(certificates.stranger())),
            "the broker wants a client certificate, or another one",
        ),
        locked(at(Listener::Sasl), sasl("PLAIN", &wrong), "check kafka.sasl.username, the password"),
        locked(at(Listener::Sasl), sasl("SCRAM-SHA-512", &wrong), "check kafka.sasl.username, the password"),
        locked(at(Listener::Sasl), String::new(), "does this port want TLS (kafka.tls.enabled) or SASL"),
        locked(at(Listener::Tls), String::new(), "does this port want TLS (kafka.tls.enabled) or SASL"),
        locked(at(Listener::Plain), tls(&ca, None), "this port does not speak TLS"),
        Locked {
            topic: "closed.locked",
            ..locked(at(Listener::Sasl), sasl("SCRAM-SHA-256", &right), "may not describe it")
        },
        Locked {
            topic: "readonly.locked",
            ..locked(
                at(Listener::Sasl),
                sasl("SCRAM-SHA-256", &right),
                "allow its principal Describe, Read and Write on it",
            )
        },
    ];
    for (number, case) in cases.iter().enumerate() {
        let event = format!("locked-{number}");
        // Its own topic: a relay that drains an event fixes where it goes, and each of them sees all that wait.
        world.create(&event, &json!({"topic": case.topic})).await;
        world.admitted(&event).await;
        let before = world.relay_log().len();
        world.start_configured_relay(&case.bootstrap, case.topic, &case.settings);
        let said = || world.relay_log().get(before..).unwrap_or_default().to_owned();
        until(&format!("{number}: {:?} in {}", case.says, world.dir.display()), Duration::from_secs(30), async || {
            said().lines().any(|line| line.contains(case.says) && line.contains(&event))
        })
        .await;
        assert!(world.relay_is_running(), "case {number} ended the relay: {}", said());
        let stats = world.stats(&event).await;
        assert_eq!(stats["acked_seq"], 0, "case {number} got through: {stats}");
        world.stop_relay();
    }
    assert_secrets_kept(&world, cluster);
    // Set right, everything goes where it was to go.
    world.start_configured_relay(
        &at(Listener::SaslTls),
        "e2e.locked",
        &(tls(&ca, None) + &sasl("SCRAM-SHA-512", &right)),
    );
    for number in 0..9 {
        world.wait_until_acked(&format!("locked-{number}"), Duration::from_secs(30)).await;
    }
    world.stop_relay();
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_do_not_answer_do_not_hold_up_the_start() {
    let (cluster, _whole) = whole().await;
    let world = World::start();
    let topic = tokio::task::block_in_place(|| topic(cluster, "e2e.silent"));
    // They take connections, and say nothing.
    let silent: Vec<_> = (0..6).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let mut bootstrap: Vec<String> =
        silent.iter().map(|silent| silent.local_addr().expect("an address").to_string()).collect();
    bootstrap.push(cluster.address(1, Listener::Plain));
    bootstrap.push("127.0.0.1:1".to_owned());
    world.create("silent", &json!({})).await;
    world.admitted("silent").await;
    world.start_relay(&bootstrap.join(","), &topic);
    let took = until("acked", Duration::from_secs(60), async || world.stats("silent").await["acked_seq"] == 1).await;
    println!("six silent brokers of eight: in Kafka after {took:?}");
    let log = world.relay_log();
    assert!(!log.contains("Kafka call failed"), "the first client found the one that answers: {log}");
    world.stop_relay();
}
