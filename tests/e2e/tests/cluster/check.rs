//! `ropeline-relay check` against a cluster as in production: everything right is 0; each thing that is wrong has its own line, with
//! what to do, and all the rest is looked at nevertheless.

use std::process::{Command, Stdio};

use ropeline_e2e::{Value, World};
use tokio::task::block_in_place;
use xtask::bundle::Programs;
use xtask::kafka::{Cluster, Listener, create_copied_topic};

use super::security::{WRONG, assert_kept, sasl, secret, tls};
use super::{topic, whole};

/// One way of calling it.
struct Call<'a> {
    world: &'a World,
    bootstrap: String,
    topic: &'a str,
    settings: String,
    key: &'a str,
}

/// How it ended, and what it said.
struct Said {
    code: Option<i32>,
    report: Value,
    text: String,
}

impl Call<'_> {
    fn run(&self) -> Said {
        let file = self.world.dir.join("check.toml");
        std::fs::write(&file, &self.settings).expect("the settings");
        let program = |words: &[&str]| {
            let output = Command::new(Programs::built().relay)
                .args(["check", "--config"])
                .arg(&file)
                .args(words)
                .env("ROPELINE_RELAY_WORKER_URL", &self.world.issuer)
                .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", &self.bootstrap)
                .env("ROPELINE_RELAY_TOPIC", self.topic)
                .env("ROPELINE_RELAY_KEY", self.key)
                .stdin(Stdio::null())
                .output()
                .expect("the relay's program");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (code, json, errors) = program(&["--json"]);
        let report = serde_json::from_str(&json).unwrap_or_else(|error| panic!("no report ({error}): {json}{errors}"));
        let (again, text, _) = program(&[]);
        assert_eq!(code, again, "text and JSON agree: {text}");
        Said { code, report, text }
    }
}

impl Said {
    /// Fails unless there is a line of this level about this, which says all of these words.
    #[track_caller]
    fn assert_line(&self, level: &str, check: &str, about: &str, words: &[&str]) {
        let says = |line: &Value| {
            let found = format!("{}: {}", line["found"].as_str().unwrap_or_default(), line["remedy"]);
            line["check"] == check
                && line["level"] == level
                && line["about"].as_str().is_some_and(|it| it.contains(about))
                && words.iter().all(|word| found.contains(word))
        };
        let lines = self.report["lines"].as_array().expect("lines");
        assert!(lines.iter().any(says), "no {level} {check} {about} {words:?} in\n{}", self.text);
    }

    #[track_caller]
    fn assert_ends(&self, code: i32, failures: u64) {
        assert_eq!((self.code, self.report["failures"].as_u64()), (Some(code), Some(failures)), "{}", self.text);
        assert!(self.text.trim_end().ends_with(&format!("{failures} FAIL")), "{}", self.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_everything_right_over_every_kind_of_security_and_ends_with_0() {
    let (cluster, _whole) = whole().await;
    let world = World::start();
    let topic = block_in_place(|| topic(cluster, "e2e.checked"));
    let password = secret(&world, "password", cluster.password());
    let certificates = cluster.certificates();
    let ca = certificates.ca();
    let call = |listener, settings| Call {
        world: &world,
        bootstrap: cluster.bootstrap(listener),
        topic: &topic,
        settings,
        key: &world.keys.relay,
    };
    for (listener, settings, security) in [
        (Listener::SaslTls, tls(&ca, None) + &sasl("SCRAM-SHA-512", &password), "TLS 1.3, SASL SCRAM-SHA-512 as relay"),
        (Listener::SaslTls, tls(&ca, None) + &sasl("PLAIN", &password), "TLS 1.3, SASL PLAIN as relay"),
        (Listener::Sasl, sasl("SCRAM-SHA-256", &password), "no TLS, SASL SCRAM-SHA-256 as relay"),
        (Listener::MutualTls, tls(&ca, Some(certificates.client())), "TLS 1.3, no SASL"),
    ] {
        let said = call(listener, settings).run();
        said.assert_ends(0, 0);
        for node in 1..=3 {
            said.assert_line("ok", "broker", &cluster.address(node, listener), &["answers", security]);
        }
        said.assert_line("ok", "topic", &topic, &["1 partition, each with a leader", "copies: 3"]);
        said.assert_line("ok", "permissions", &topic, &["Describe, Read and Write"]);
        said.assert_line("note", "setting", &topic, &["cannot see the settings", "--operation DescribeConfigs"]);
        said.assert_line("ok", "worker", &world.issuer, &["the relay key is accepted"]);
        assert_eq!(said.report["warnings"], 0, "{}", said.text);
        for password in [cluster.password(), world.keys.relay.as_str()] {
            assert_kept(&said.text, password);
        }
    }
    // One who may see the settings.
    let said = call(Listener::Plain, String::new()).run();
    said.assert_ends(0, 0);
    for setting in
        ["cleanup.policy=delete", "min.insync.replicas=2", "retention.ms=", "CreateTime", "max.message.bytes="]
    {
        said.assert_line("ok", "setting", &topic, &[setting]);
    }
    said.assert_line("note", "topic", "e2e.checked.test", &["does not exist", "acks test events without producing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_wrong_fails_the_check_with_a_remedy_and_the_rest_is_looked_at() {
    let (cluster, _whole) = whole().await;
    let world = World::start();
    block_in_place(|| {
        topic(cluster, "e2e.right");
        topic(cluster, "readonly.checked");
        compacted(cluster, "e2e.compacted");
        let bootstrap = cluster.bootstrap(Listener::Plain);
        create_copied_topic(&bootstrap, "e2e.single", 1, 1).unwrap_or_else(|error| panic!("no topic: {error:#}"));
    });
    let right = secret(&world, "password", cluster.password());
    let wrong = secret(&world, "wrong", WRONG);
    let ca = cluster.certificates().ca();
    let at = |listener| cluster.bootstrap(listener);
    let call = |bootstrap, topic, settings| Call { world: &world, bootstrap, topic, settings, key: &world.keys.relay };
    let worker = &world.issuer;

    let said = call(at(Listener::Plain), "e2e.compacted", String::new()).run();
    said.assert_ends(1, 1);
    let fixed = "kafka-configs.sh --bootstrap-server";
    let fix = "--entity-name e2e.compacted --add-config cleanup.policy=delete";
    said.assert_line("fail", "setting", "e2e.compacted", &["cleanup.policy=compact", fixed, fix]);
    said.assert_line("warn", "setting", "e2e.compacted", &["retention.ms=60000 is less than a day"]);
    said.assert_line("warn", "setting", "e2e.compacted", &["message.timestamp.type=LogAppendTime"]);
    said.assert_line("warn", "setting", "e2e.compacted", &["max.message.bytes=100000", "batch.max_bytes"]);

    let said = call(at(Listener::Plain), "e2e.single", String::new()).run();
    said.assert_line("warn", "topic", "e2e.single", &["copies: 1", "fine for a rehearsal only"]);
    said.assert_line("warn", "setting", "e2e.single", &["min.insync.replicas=2, more than there are copies"]);
    said.assert_ends(0, 0);

    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let said = call(at(Listener::SaslTls), "e2e.right", tls(&ca, None) + &sasl(mechanism, &wrong)).run();
        said.assert_ends(1, 3);
        said.assert_line("fail", "broker", "localhost", &["SASL failed", "check kafka.sasl.username, the password"]);
        said.assert_line("note", "topic", "e2e.right", &["not looked at"]);
        said.assert_line("ok", "worker", worker, &["accepted"]);
        assert_kept(&said.text, WRONG);
    }

    let said = call(at(Listener::Sasl), "readonly.checked", sasl("SCRAM-SHA-256", &right)).run();
    said.assert_ends(1, 1);
    let allow = "--add --allow-principal User:relay --operation Write --topic readonly.checked";
    said.assert_line("fail", "permissions", "readonly.checked", &["lacks Write", allow]);
    let said = call(at(Listener::Sasl), "closed.checked", sasl("SCRAM-SHA-256", &right)).run();
    said.assert_line(
        "fail",
        "topic",
        "closed.checked",
        &["may not describe it", "--operation Describe --operation Read"],
    );

    for (key, words) in [
        ("not-a-key-of-anybody", ["401 unauthorized", "does not know this relay key", "ROPELINE_KEYS"]),
        (world.keys.admin.as_str(), ["403 forbidden", "one of another role", "\\\"relay\\\""]),
    ] {
        let said = Call { key, ..call(at(Listener::Plain), "e2e.right", String::new()) }.run();
        said.assert_ends(1, 1);
        said.assert_line("fail", "worker", worker, &words);
        said.assert_line("ok", "topic", "e2e.right", &[]);
        assert_kept(&said.text, key);
    }

    let some = format!("127.0.0.1:1,{},no-such-host.invalid:9092", cluster.address(2, Listener::Plain));
    let said = call(some, "e2e.right", String::new()).run();
    said.assert_ends(1, 2);
    said.assert_line("fail", "broker", "127.0.0.1:1", &["connect failed", "refused", "is the broker up"]);
    said.assert_line("fail", "broker", "no-such-host.invalid:9092", &["DNS failed", "check the name"]);
    said.assert_line("ok", "broker", &cluster.address(3, Listener::Plain), &["advertised, answers"]);
    said.assert_line("ok", "permissions", "e2e.right", &[]);

    let other = tls(&cluster.certificates().other_ca(), None);
    let said = call(at(Listener::Tls), "e2e.right", other).run();
    said.assert_line("fail", "broker", "localhost", &["TLS failed", "name its CA in kafka.tls.ca_file"]);
    let said = call(at(Listener::Tls), "e2e.right", String::new()).run();
    said.assert_line("fail", "broker", "localhost", &["Kafka protocol failed", "kafka.tls.enabled"]);
    let said = call(at(Listener::Sasl), "e2e.right", String::new()).run();
    said.assert_line("fail", "broker", "127.0.0.1", &["answer failed", "SASL (kafka.sasl.mechanism)"]);
}

/// A topic with everything wrong that Kafka lets be wrong.
fn compacted(cluster: &Cluster, name: &str) {
    let settings = [
        "cleanup.policy=compact",
        "retention.ms=60000",
        "message.timestamp.type=LogAppendTime",
        "max.message.bytes=100000",
    ];
    let mut words = vec!["--create", "--topic", name, "--partitions", "2", "--replication-factor", "3"];
    words.extend(settings.iter().flat_map(|setting| ["--config", setting]));
    cluster.console().output("TopicCommand", &words).unwrap_or_else(|error| panic!("no topic: {error:#}"));
}
