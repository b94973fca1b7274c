//! `ropeline-relay check`: what it says of certificates and clocks, how lines are written, and how it ends.

mod support;

use std::path::PathBuf;
use std::process::{Output, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use ropeline_relay::check::certificates;
use ropeline_relay::check::report::{Level, Line, Report};
use ropeline_relay::check::worker::clock;
use ropeline_relay::config::TlsSettings;
use support::http::{FakeWorker, KEY};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

/// A directory that is gone afterwards.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ropeline-check-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A certificate, valid from 2020 until 1 June of that year, and its key.
fn certificate(name: &str, until: i32) -> (String, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 6, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn on(day: &str) -> DateTime<Utc> {
    format!("{day}T12:00:00Z").parse().unwrap()
}

#[test]
fn a_certificate_authority_is_warned_of_before_it_ends_and_fails_when_none_is_left() {
    let dir = Dir::new("authorities");
    let (first, second) = (certificate("First", 2030).0, certificate("Second", 2040).0);
    let one = dir.file("one.pem", &first);
    let two = dir.file("two.pem", &(first + &second));
    for (file, day, level, words) in [
        (&one, "2026-01-01", Level::Ok, "First, valid until 2030-06-01"),
        (&one, "2030-05-10", Level::Warn, "expires on 2030-06-01, in 21 days"),
        (&one, "2030-06-02", Level::Fail, "First expired on 2030-06-01"),
        (&one, "2019-12-31", Level::Fail, "First is not valid before 2020-01-01"),
        (&two, "2026-01-01", Level::Ok, "2 certificates, the first to expire is"),
        (&two, "2031-01-01", Level::Warn, "First expired"),
        (&two, "2041-01-01", Level::Fail, "Second expired"),
    ] {
        let tls = TlsSettings { enabled: true, ca_file: Some(file.clone()), ..TlsSettings::default() };
        let lines = certificates::check(&tls, on(day));
        let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
        assert!(line.level == level && line.found.contains(words), "{day}: {line}");
        assert_eq!(line.remedy.is_some(), level != Level::Ok, "{line}");
    }
}

#[test]
fn a_client_certificate_that_is_over_fails_and_one_that_ends_soon_is_warned_of() {
    let dir = Dir::new("client");
    let (chain, key) = certificate("relay", 2030);
    let tls = TlsSettings {
        enabled: true,
        ca_file: None,
        certificate_file: Some(dir.file("client.pem", &chain)),
        key_file: Some(dir.file("client.key", &key)),
    };
    for (day, level) in [
        ("2026-01-01", Level::Ok),
        ("2030-05-31", Level::Warn),
        ("2030-06-02", Level::Fail),
        ("2019-01-01", Level::Fail),
    ] {
        let lines = certificates::check(&tls, on(day));
        assert_eq!(lines.len(), 2, "authorities and client: {lines:?}");
        assert!(lines[0].level == Level::Ok && lines[0].found.contains("public authorities"), "{}", lines[0]);
        assert_eq!(lines[1].level, level, "{day}: {}", lines[1]);
        assert!(!lines.iter().any(|line| line.to_string().contains("PRIVATE KEY")));
    }
    assert!(certificates::check(&TlsSettings::default(), on("2026-01-01")).is_empty(), "without TLS there are none");
}

#[test]
fn a_line_is_one_line_and_the_last_one_counts() {
    let lines = vec![
        Line::ok("topic", "a.topic", "12 partitions"),
        Line::new(Level::Note, "topic", "a.topic.test", "does not exist", "nothing"),
        Line::new(Level::Warn, "setting", "a.topic", "too\nshort\u{1b}", "make it longer"),
        Line::new(Level::Fail, "broker", "b:9092", "connect failed", "is it up?"),
    ];
    let report = Report::new(lines);
    assert_eq!(
        report.to_string(),
        "ok   topic a.topic: 12 partitions\n\
         note topic a.topic.test: does not exist: nothing\n\
         warn setting a.topic: too short : make it longer\n\
         FAIL broker b:9092: connect failed: is it up?\n\
         1 ok, 1 note, 1 warn, 1 FAIL"
    );
    assert!(!report.is_well());
    assert!(Report::new(report.lines[..3].to_vec()).is_well(), "what is no failure keeps nobody from anything");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["failures"], &json["lines"][3]["level"]), (&1.into(), &"fail".into()));
    assert!(json["lines"][0]["remedy"].is_null());
}

#[test]
fn clocks_that_are_more_than_five_seconds_apart_are_warned_of_in_both_directions() {
    let date = Some("Wed, 25 Nov 2026 12:00:00 GMT");
    for (seconds, level, words) in [
        (0, Level::Ok, "apart"),
        (5, Level::Ok, "apart"),
        (-4, Level::Ok, "apart"),
        (30, Level::Warn, "ahead"),
        (-30, Level::Warn, "behind"),
    ] {
        let line = clock(date, on("2026-11-25") + TimeDelta::seconds(seconds));
        assert!(line.level == level && line.found.contains(words), "{seconds}: {line}");
    }
    for date in [None, Some("yesterday")] {
        assert_eq!(clock(date, on("2026-11-25")).level, Level::Note, "{date:?}");
    }
}

async fn check(worker: &str, key: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ropeline-relay"));
    command
        .arg("check")
        .args(words)
        .env("ROPELINE_RELAY_KEY", key)
        .env("ROPELINE_RELAY_WORKER_URL", worker)
        // Nobody listens there.
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.output().await.unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn what_cannot_be_reached_fails_by_itself_and_the_rest_is_looked_at() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = FakeWorker::new(Vec::new()).router();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let output = check(&url, KEY, &[]).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [
        "FAIL broker 127.0.0.1:1: connect failed",
        "note topic ropeline.admissions: not looked at",
        "ok   worker ",
        "ok   clock ",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}\nis not in\n{said}");
    }
    assert!(said.trim_end().ends_with("1 FAIL"), "{said}");

    let output = check(&url, "another-key-7d1f", &[]).await;
    assert!(text(&output).contains("does not know this relay key"), "{}", text(&output));
    assert!(!text(&output).contains("another-key-7d1f"));

    let output = check("http://127.0.0.1:1", KEY, &["--json"]).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["failures"]), (Some(1), &2.into()), "{report}");
}

#[tokio::test]
async fn wrong_settings_end_the_check_with_2_before_anything_is_looked_at() {
    let output = check("nonsense", KEY, &["--json"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("worker.url"));
}

#[tokio::test]
async fn a_broker_that_says_nothing_or_nonsense_is_named_and_holds_nothing_up_for_long() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nonsense = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (first, second) = (silent.local_addr().unwrap().to_string(), nonsense.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = nonsense.accept().await {
            // Read whole, or what is left of it becomes a reset.
            let _ = client.read(&mut [0; 1_024]).await;
            let _ = client.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await;
        }
    });
    let before = std::time::Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_ropeline-relay"))
        .arg("check")
        .env("ROPELINE_RELAY_KEY", KEY)
        .env("ROPELINE_RELAY_WORKER_URL", "http://127.0.0.1:1")
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", format!("{first},{second}"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = text(&output);
    assert!(before.elapsed() < std::time::Duration::from_secs(10), "{said}");
    for line in [
        format!("FAIL broker {first}: Kafka protocol failed: no answer within 5 s"),
        format!("FAIL broker {second}: Kafka protocol failed: this is no Kafka broker"),
    ] {
        assert!(said.lines().any(|said| said.starts_with(&line)), "{line}\nis not in\n{said}");
    }
    drop(silent);
}
