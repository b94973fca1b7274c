//! Each kind of security works, and the relay tells no secret; brokers that do not answer hold nothing up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ropeline_e2e::{World, json};
use xtask::kafka::{Cluster, Listener};

use super::{cluster, topic, until};

fn tls(ca: &Path, client: Option<(PathBuf, PathBuf)>) -> String {
    let client = client.map_or(String::new(), |(certificate, key)| {
        format!("certificate_file = {certificate:?}\nkey_file = {key:?}\n")
    });
    format!("[kafka.tls]\nenabled = true\nca_file = {ca:?}\n{client}")
}

fn sasl(mechanism: &str, password: &Path) -> String {
    format!("[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"relay\"\npassword_file = {password:?}\n")
}

fn secret(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.dir.join(name);
    std::fs::write(&path, format!("{text}\n")).expect("a secret's file");
    path
}

/// Nothing that a relay was given to keep stands in its log, in whatever form it is sent.
#[track_caller]
fn assert_secrets_kept(world: &World, cluster: &Cluster) {
    let log = world.relay_log();
    let password = cluster.password();
    let plain = BASE64_STANDARD.encode(format!("\0relay\0{password}"));
    for form in [password, BASE64_STANDARD.encode(password).as_str(), plain.as_str()] {
        assert!(!log.contains(form), "the log has the password");
    }
    assert!(!log.contains(world.keys.relay.as_str()), "the log has the relay key");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_security_carries_admissions() {
    let cluster = tokio::task::block_in_place(cluster);
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

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_do_not_answer_do_not_hold_up_the_start() {
    let cluster = tokio::task::block_in_place(cluster);
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
