//! `ops/compose.yaml`: what is promised of each service, and that the check of it notices when that is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ropeline_e2e::hosts::project;
use ropeline_e2e::{Value, json};
use ropeline_relay::config::Settings;
use xtask::paths;
use xtask::tools::{k6, monitoring};

/// Which networks each service has any business on.
const NETWORKS: [(&str, &[&str]); 7] = [
    ("alertmanager", &["monitoring"]),
    ("grafana", &["monitoring"]),
    ("k6", &["load"]),
    ("kafka", &["broker"]),
    ("prometheus", &["monitoring", "scrape"]),
    ("prometheus-2", &["monitoring", "scrape"]),
    ("relay", &["broker", "relay", "scrape"]),
];

fn file(name: &str) -> String {
    let path = paths::root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn positive(value: &Value) -> bool {
    // Memory comes as a text of bytes.
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.is_some_and(|number| number > 0.0)
}

/// All that is wrong with a project, each as `service: what`.
fn wrong(project: &Value) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    let services = project["services"].as_object().expect("services");
    for (name, service) in services {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.insert(format!("{name}: {what}"));
            }
        };
        let resources = &service["deploy"]["resources"];
        for (of, what) in
            [("limits", "cpus"), ("limits", "memory"), ("reservations", "cpus"), ("reservations", "memory")]
        {
            must(positive(&resources[of][what]), &format!("{of}.{what}"));
        }
        must(positive(&resources["limits"]["pids"]), "limits.pids");
        must(positive(&service["cpu_shares"]), "cpu_shares");
        let user = service["user"].as_str().and_then(|user| user.split(':').next()?.parse::<u32>().ok());
        must(user.is_some_and(|user| user > 0), "user");
        must(service["read_only"] == true, "read_only");
        must(service["init"] == true, "init");
        must(service["cap_drop"] == json!(["ALL"]), "cap_drop");
        must(service["security_opt"] == json!(["no-new-privileges:true"]), "security_opt");
        let somaxconn = service["sysctls"]["net.core.somaxconn"].as_str().and_then(|most| most.parse().ok());
        must(somaxconn.is_some_and(|most: u32| most >= 4_096), "net.core.somaxconn");
        must(positive(&service["ulimits"]["nofile"]["soft"]), "ulimits.nofile");
        let check = &service["healthcheck"];
        must(check["test"].as_array().is_some_and(|test| test.len() > 1), "healthcheck.test");
        for what in ["interval", "timeout", "start_period"] {
            must(check[what].is_string(), &format!("healthcheck.{what}"));
        }
        // A load test that starts again by itself would be a second load.
        let restart = if name == "k6" { "no" } else { "unless-stopped" };
        must(service["restart"] == restart, "restart");
        let on: Vec<&str> =
            service["networks"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        must(NETWORKS.contains(&(name.as_str(), &on[..])), "networks");
        must(service["network_mode"].is_null() && service["extra_hosts"].is_null(), "the host's network");
        let tag = service["image"].as_str().and_then(|image| image.rsplit_once(':')).map(|(_, tag)| tag);
        let digits =
            tag.is_some_and(|tag| tag.trim_start_matches('v').split('.').all(|part| part.parse::<u32>().is_ok()));
        must(digits && tag.is_some_and(|tag| tag.split('.').count() == 3), "image");
        for port in service["ports"].as_array().into_iter().flatten() {
            must(port["host_ip"] == "127.0.0.1", "ports");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            if volume["type"] == "bind" {
                must(volume["read_only"] == true, "a mount that can be written");
                must(volume["source"].as_str().is_some_and(|source| Path::new(source).exists()), "a mount of nothing");
            }
        }
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let is_secret = ["KEY", "PASSWORD", "SECRET", "TOKEN"].iter().any(|word| variable.ends_with(word));
            must(!is_secret || value.is_null(), "a secret in the environment");
        }
    }
    for (name, secret) in project["secrets"].as_object().expect("secrets") {
        if !secret["file"].as_str().is_some_and(|file| file.contains("/ops/secrets/")) {
            wrong.insert(format!("{name}: a secret that is no file of ops/secrets"));
        }
    }
    for (name, network) in project["networks"].as_object().expect("networks") {
        if network["driver"] != "bridge" {
            wrong.insert(format!("{name}: no bridge"));
        }
    }
    wrong
}

#[test]
fn every_service_has_its_limits_its_networks_and_no_more_rights_than_it_needs() {
    let project = project::ours();
    assert_eq!(wrong(&project), BTreeSet::new());
    let services: Vec<&String> = project["services"].as_object().unwrap().keys().collect();
    assert_eq!(services, NETWORKS.map(|(name, _)| name));
    let internal = |network: &str| project["networks"][network]["internal"] == true;
    assert!(internal("broker") && internal("scrape"), "Kafka and the relay's metrics are reached from inside alone");
    assert!(!file("ops/compose.yaml").contains("host.docker.internal"));
    let script = project["services"]["k6"]["command"][1].as_str().expect("a script");
    assert!(paths::root().join(script.trim_start_matches('/')).is_file(), "{script}");
    assert!(file(".gitignore").contains("/ops/secrets/"), "secrets stay out of the repository");
}

#[test]
fn the_check_notices_whatever_is_taken_away() {
    let ours = project::ours();
    let gone = |pointer: &str| {
        let mut project = ours.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        project.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).expect(pointer);
        wrong(&project)
    };
    for (name, what) in [
        ("deploy/resources/limits/memory", "limits.memory"),
        ("deploy/resources/reservations/cpus", "reservations.cpus"),
        ("deploy/resources/limits/pids", "limits.pids"),
        ("cpu_shares", "cpu_shares"),
        ("user", "user"),
        ("read_only", "read_only"),
        ("init", "init"),
        ("cap_drop", "cap_drop"),
        ("security_opt", "security_opt"),
        ("sysctls", "net.core.somaxconn"),
        ("ulimits", "ulimits.nofile"),
        ("healthcheck/test", "healthcheck.test"),
        ("restart", "restart"),
        ("image", "image"),
        ("networks/broker", "networks"),
    ] {
        assert_eq!(gone(&format!("/services/relay/{name}")), BTreeSet::from([format!("relay: {what}")]));
    }
    let with = |pointer: &str, name: &str, value: Value| {
        let mut project = ours.clone();
        project.pointer_mut(pointer).unwrap()[name] = value;
        wrong(&project)
    };
    for (name, value, what) in [
        ("user", json!("0:0"), "user"),
        ("user", json!("root"), "user"),
        ("image", json!("ropeline/relay:latest"), "image"),
        ("network_mode", json!("host"), "the host's network"),
        ("extra_hosts", json!(["host.docker.internal:host-gateway"]), "the host's network"),
        ("environment", json!({"ROPELINE_RELAY_KEY": "x"}), "a secret in the environment"),
        ("volumes", json!([{"type": "bind", "source": "/nowhere", "read_only": true}]), "a mount of nothing"),
        ("volumes", json!([{"type": "bind", "source": "/"}]), "a mount that can be written"),
        ("ports", json!([{"target": 9464, "published": "9464"}]), "ports"),
    ] {
        assert_eq!(with("/services/relay", name, value), BTreeSet::from([format!("relay: {what}")]));
    }
    assert!(!with("/services/k6/networks", "monitoring", Value::Null).is_empty(), "load on the monitoring's network");
    assert!(!with("/networks/load", "driver", json!("host")).is_empty());
    assert!(!with("/secrets/relay-key", "file", json!("/etc/passwd")).is_empty());
}

#[test]
fn the_reader_refuses_what_the_specification_does_not_know() {
    let text = file("ops/compose.yaml");
    let dir = paths::target().join("e2e/compose");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("compose.yaml");
    for (old, new, says) in [
        ("read_only: true\n", "readonly: true\n", "readonly"),
        ("secrets: [relay-key]", "secrets: [relay-kee]", "relay-kee"),
        ("networks: [load]", "networks: [lode]", "lode"),
        ("memory: 64M", "memory: much", "much"),
        ("kafka: { condition: service_healthy }", "kafka: { condition: service_lucky }", "condition"),
    ] {
        assert!(text.contains(old), "{old}");
        std::fs::write(&path, text.replacen(old, new, 1)).unwrap();
        let error = project::read(&path).expect_err(new);
        assert!(error.contains(says), "{new}: {error}");
    }
}

#[test]
fn what_runs_in_containers_is_of_the_versions_that_are_tested_here() {
    let project = project::ours();
    let image = |service: &str| project["services"][service]["image"].as_str().unwrap().to_owned();
    // Prometheus 3.16 is the Go module 0.316.
    let prometheus = monitoring::PROMETHEUS.replacen("v0.3", "v3.", 1);
    for which in ["prometheus", "prometheus-2"] {
        assert_eq!(image(which), format!("prom/prometheus:{prometheus}"));
    }
    assert_eq!(image("alertmanager"), format!("prom/alertmanager:{}", monitoring::ALERTMANAGER));
    assert_eq!(image("k6"), format!("grafana/k6:{}", k6::K6.trim_start_matches('v')));
    let kafka = image("kafka").replace("apache/kafka:", "");
    assert!(
        file("ops/kafka/pom.xml")
            .contains(&format!("<artifactId>kafka_2.13</artifactId>\n      <version>{kafka}</version>"))
    );
    assert_eq!(image("relay"), format!("ropeline/relay:{}", env!("CARGO_PKG_VERSION")));
    let dockerfile = file("ops/relay.Dockerfile");
    let toolchain = file("rust-toolchain.toml");
    let rust = toolchain.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{rust}-slim-bookworm")), "{rust}");
    assert!(dockerfile.contains(&format!("RUSTUP_TOOLCHAIN={rust}")), "{rust}");
}

#[test]
fn the_image_of_the_relay_is_made_of_what_is_there_and_runs_as_nobody() {
    let dockerfile = file("ops/relay.Dockerfile");
    let (_, run) = dockerfile.split_once("\nFROM debian:").expect("a second stage");
    assert!(run.contains("\nUSER 65532:65532\n"), "{run}");
    for line in run.lines().filter(|line| line.starts_with("COPY") && !line.contains("--from=")) {
        let source = line.split_whitespace().rev().nth(1).unwrap();
        assert!(paths::root().join(source).is_file(), "{line}");
    }
    assert!(
        file("Cargo.toml").contains("\n[profile.native]\n")
            && dockerfile.contains("--profile native -p ropeline-relay")
    );
    let ignored = file("ops/relay.Dockerfile.dockerignore");
    for heavy_or_secret in [".git", "**/target", "ops/secrets"] {
        assert!(ignored.lines().any(|line| line == heavy_or_secret), "{heavy_or_secret}");
    }
}

/// Addresses in the mounted files name services, and whoever calls one is on a network with it.
#[test]
fn every_address_in_the_mounted_files_can_be_reached_by_who_has_it() {
    let settings = Settings::parse(&file("ops/relay/relay.toml")).unwrap();
    assert_eq!(settings.kafka.bootstrap, ["kafka:9092"]);
    let kafka = file("ops/kafka/compose.properties");
    assert!(kafka.contains("advertised.listeners=PLAINTEXT://kafka:9092\n"));
    let plan: BTreeMap<String, Vec<String>> = project::plan(&project::ours());
    let meet = |one: &str, other: &str| plan[one].iter().any(|network| plan[other].contains(network));
    for (from, path, to, port) in [
        ("relay", "ops/relay/relay.toml", "kafka", 9092),
        ("prometheus", "ops/prometheus/prometheus.yml", "relay", 9464),
        ("prometheus", "ops/prometheus/prometheus.yml", "alertmanager", 9093),
        ("prometheus", "ops/prometheus/prometheus.yml", "prometheus-2", 9090),
        ("prometheus-2", "ops/prometheus/prometheus.yml", "prometheus", 9090),
        ("grafana", "ops/grafana/provisioning/datasources/ropeline.yml", "prometheus", 9090),
        ("grafana", "ops/grafana/provisioning/datasources/ropeline.yml", "prometheus-2", 9090),
    ] {
        assert!(file(path).contains(&format!("{to}:{port}")), "{path} does not name {to}:{port}");
        assert!(meet(from, to), "{from} cannot reach {to}");
    }
    for from in ["k6", "relay", "prometheus"] {
        assert!(meet(from, "worker"), "{from} cannot reach the Worker");
    }
    for (from, to) in [
        ("k6", "kafka"),
        ("k6", "relay"),
        ("k6", "prometheus"),
        ("kafka", "worker"),
        ("grafana", "relay"),
        ("prometheus", "kafka"),
    ] {
        assert!(!meet(from, to), "{from} has no business with {to}");
    }
}
