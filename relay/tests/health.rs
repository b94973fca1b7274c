//! `/healthz`, `/readyz` and `/metrics`: what they say, in which form, and that nobody who asks can do harm.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ropeline_relay::health::{Health, HealthRules, server};
use ropeline_relay::machine::{Cause, Note, Outcome, Progress, StopCause};
use ropeline_relay::types::{Epoch, Offset, Seq};
use serde_json::Value;
use support::http::{FakeWorker, KEY};
use support::{Line, event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

async fn listener(health: &Arc<Health>) -> String {
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(server::serve(listener, Arc::clone(health)));
    address
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Sends these bytes and reads to the end.
async fn raw(address: &str, request: &[u8]) -> Option<Answer> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

async fn get(address: &str, path: &str, more: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{more}\r\n");
    raw(address, request.as_bytes()).await.unwrap()
}

fn progress(head: u64, known: u64, acked: u64) -> Progress {
    let oldest_unix_ms = Some(i64::try_from(now_ms()).unwrap() - 4_000);
    Progress { epoch: Some(Epoch(3)), head: Seq(head), known: Seq(known), acked: Seq(acked), oldest_unix_ms }
}

fn now_ms() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(60)
}

fn taken() -> Note {
    Note::Taken { acked: Seq(5), drained: Seq(5), head: Seq(9) }
}

fn lost() -> Outcome {
    Outcome::Stopped(StopCause::LogLost { expected: Offset(7), seq: Seq(5) })
}

/// One event that this relay leads and three of which it knows more or less.
fn busy() -> Arc<Health> {
    let health = Arc::new(Health::default().with_canary(Arc::default()));
    health.worker_answered(0);
    health.broker(Ok(()));
    let led = health.event(&event("led"));
    health.stepped(&led, progress(9, 5, 5), &[taken()], soon());
    let produced = Note::Produced { first: Seq(6), last: Seq(7), offset: Offset(40) };
    health.stepped(&led, progress(9, 7, 5), &[produced], soon());
    health.stepped(&led, progress(9, 7, 7), &[], soon());
    let stood_by = health.event(&event("stood-by"));
    stood_by.ended(tokio::time::Instant::now(), &Outcome::Held { retry_after_ms: 10_000 });
    health
}

fn condition<'a>(body: &'a Value, name: &str) -> &'a Value {
    let conditions = body["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["name"] == name).unwrap_or_else(|| panic!("no {name} in {body}"))
}

#[tokio::test]
async fn a_relay_is_ready_when_worker_and_broker_answer_and_events_go_on() {
    let health = busy();
    let address = listener(&health).await;
    let answer = get(&address, "/readyz", "").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &body["ready"]), (200, &Value::Bool(true)), "{body}");
    assert!(
        answer.head.contains("content-type: application/json") && answer.head.contains("no-store"),
        "{}",
        answer.head
    );
    for name in ["worker", "broker", "leases", "progress", "stopped", "alive"] {
        assert_eq!(condition(&body, name)["ok"], true, "{name}");
    }
    assert_eq!(condition(&body, "leases")["detail"], "1 held, standing by for 1");
    let led = &body["events"][0];
    assert_eq!((&led["event"], &led["role"], &led["epoch"]), (&"led".into(), &"leading".into(), &3.into()));
    assert_eq!(led["lag_records"], 2);
    assert!((3.5..60.0).contains(&led["lag_seconds"].as_f64().unwrap()), "{led}");
    let stood_by = &body["events"][1];
    assert_eq!((&stood_by["role"], &stood_by["lag_records"]), (&"standby".into(), &Value::Null), "it does not know");
    assert_eq!(get(&address, "/healthz", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_relay_from_being_ready_is_named() {
    let not_ready = |health: &Health, name: &str| {
        let body = serde_json::to_value(health.readiness()).unwrap();
        assert_eq!(body["ready"], false, "{body}");
        let failed: Vec<&str> = body["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|condition| condition["ok"] == false)
            .map(|condition| condition["name"].as_str().unwrap())
            .collect();
        assert_eq!(failed, [name], "{body}");
        condition(&body, name)["detail"].as_str().unwrap().to_owned()
    };
    let health = busy();
    health.worker_answered(3);
    assert!(not_ready(&health, "leases").contains("limits.max_events"));
    health.worker_answered(0);
    assert!(health.readiness().ready);

    // A failure is shown at once, and believed when it lasts.
    health.worker_failed("connection refused");
    assert!(health.readiness().ready);
    tokio::time::advance(Duration::from_secs(16)).await;
    health.broker(Ok(()));
    assert!(not_ready(&health, "worker").contains("connection refused"));
    health.worker_answered(0);
    let led = health.event(&event("led"));
    health.stepped(&led, progress(10, 8, 7), &[], soon());
    tokio::time::advance(Duration::from_secs(6)).await;
    health.worker_answered(0);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(not_ready(&health, "broker").contains("answered 16.0 s ago"));

    tokio::time::advance(Duration::from_secs(15)).await;
    health.worker_answered(0);
    health.broker(Ok(()));
    let recovering = Note::Recovering { cause: Cause::Broker("leader not available".into()), batch: None };
    health.stepped(&led, progress(10, 8, 7), &[recovering], soon());
    assert!(not_ready(&health, "progress").contains("led (leader not available)"));
    health.stepped(&led, progress(10, 9, 7), &[], soon());
    assert!(health.readiness().ready, "one admission is progress");

    led.ended(tokio::time::Instant::now(), &lost());
    assert_eq!(not_ready(&health, "stopped"), "an operator is needed: led (log_lost); see `events` for how to go on");
    let state = &health.readiness().events[0];
    assert_eq!((state.role, state.stopped), ("stopped", Some("log_lost")));
    assert!(state.detail.as_deref().unwrap().contains("docs/kafka.md"), "{state:?}");
    // It is looked at again, and another relay looks at it, too: it is still stopped.
    health.stepped(&led, progress(9, 5, 5), &[taken()], soon());
    assert_eq!(health.readiness().events[0].role, "stopped");
    led.ended(tokio::time::Instant::now(), &Outcome::Held { retry_after_ms: 1_000 });
    assert_eq!(health.readiness().events[0].role, "stopped");
    // Its log is as it should be again.
    led.sound();
    assert_eq!(health.readiness().events[0].role, "leading");
    assert!(health.readiness().ready);

    health.stepped(&led, progress(9, 8, 8), &[], tokio::time::Instant::now() + Duration::from_secs(10));
    tokio::time::advance(Duration::from_secs(14)).await;
    assert_eq!(health.hangs(), None);
    tokio::time::advance(Duration::from_secs(2)).await;
    health.worker_answered(0);
    health.broker(Ok(()));
    assert!(not_ready(&health, "alive").contains("event led is 6 s beyond its bound"));
    health.stepped(&led, progress(9, 8, 8), &[], soon());
    health.stopping();
    not_ready(&health, "stopping");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_relay_is_not_this_ones_delay() {
    let health = busy();
    tokio::time::advance(Duration::from_secs(1_000)).await;
    let reports = health.readiness().events;
    let of = |name: &str| reports.iter().find(|state| state.event == name).unwrap();
    assert_eq!(of("stood-by").since_progress_seconds, None);
    assert!(of("led").since_progress_seconds.unwrap() >= 1_000.0);
    // Taken over now: what waited before was the other one's.
    let health_of = health.event(&event("stood-by"));
    health.stepped(&health_of, progress(9, 5, 5), &[taken()], soon());
    let reports = health.readiness().events;
    let state = reports.iter().find(|state| state.event == "stood-by").unwrap();
    assert_eq!((state.role, state.since_progress_seconds), ("leading", Some(0.0)));
}

/// Name and labels of every metric, its type and its samples.
type Families = BTreeMap<String, (String, BTreeSet<String>, Vec<(String, f64)>)>;

/// A reader of the text format 0.0.4 that knows nothing of the writer.
fn parse(text: &str) -> Families {
    let mut families = Families::new();
    let mut helped = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.len() > 20 && help.ends_with('.'), "no help for {name}: {help}");
            helped.insert(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "{name} has no help");
            let new = families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new(), Vec::new()));
            assert!(new.is_none(), "{name} is there twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line:?}"));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = of_histogram.filter(|name| families.contains_key(*name)).unwrap_or(name);
            let family = families.get_mut(name).unwrap_or_else(|| panic!("{name} has no type"));
            let labels = labels.trim_end_matches('}').split(',');
            for label in labels.filter(|label| !label.is_empty() && !label.starts_with("le=")) {
                family.1.insert(label.split_once('=').unwrap().0.to_owned());
            }
            family.2.push((series.to_owned(), value.parse().unwrap()));
        }
    }
    families
}

fn value(families: &Families, series: &str) -> f64 {
    let name = series.split('{').next().unwrap();
    let samples = &families.get(name).unwrap_or_else(|| panic!("no {name}")).2;
    samples.iter().find(|(found, _)| found == series).unwrap_or_else(|| panic!("no {series} in {samples:?}")).1
}

#[tokio::test]
async fn metrics_say_how_far_each_event_is_and_what_was_done() {
    let health = busy();
    let led = health.event(&event("led"));
    let notes = [
        Note::Recovering { cause: Cause::Unknown("no answer".into()), batch: Some((Seq(8), Seq(9))) },
        Note::Scanned { known: Seq(7), drained: Seq(9), records: 30, repeats: 2 },
        Note::WorkerTrouble { cause: "503".into(), retry_ms: 100 },
        Note::Discarded { first: Seq(1), last: Seq(4) },
    ];
    health.stepped(&led, progress(9, 7, 7), &notes, soon());
    let address = listener(&health).await;
    let answer = get(&address, "/metrics", "").await;
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let families = parse(&answer.body);
    for (series, wanted) in [
        ("ropeline_relay_produced_records_total", 2.0),
        ("ropeline_relay_acked_records_total", 2.0),
        ("ropeline_relay_discarded_records_total", 4.0),
        ("ropeline_relay_read_back_records_total", 30.0),
        ("ropeline_relay_duplicate_records_total", 2.0),
        ("ropeline_relay_unknown_outcomes_total", 1.0),
        ("ropeline_relay_retries_total{cause=\"unknown_outcome\"}", 1.0),
        ("ropeline_relay_retries_total{cause=\"worker\"}", 1.0),
        ("ropeline_relay_retries_total{cause=\"broker\"}", 0.0),
        ("ropeline_relay_lag_records{event=\"led\"}", 2.0),
        ("ropeline_relay_head_seq{event=\"led\"}", 9.0),
        ("ropeline_relay_acked_seq{event=\"led\"}", 7.0),
        ("ropeline_relay_epoch{event=\"led\"}", 3.0),
        ("ropeline_relay_lease_held{event=\"led\"}", 1.0),
        ("ropeline_relay_lease_held{event=\"stood-by\"}", 0.0),
        ("ropeline_relay_events{role=\"leading\"}", 1.0),
        ("ropeline_relay_events{role=\"standby\"}", 1.0),
        ("ropeline_relay_stopped_events{cause=\"log_lost\"}", 0.0),
        ("ropeline_relay_ready", 1.0),
        ("ropeline_relay_alive", 1.0),
        (concat!("ropeline_relay_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ] {
        assert_eq!(value(&families, series), wanted, "{series}");
    }
    assert!((3.5..60.0).contains(&value(&families, "ropeline_relay_lag_seconds{event=\"led\"}")));
    assert!(!answer.body.contains("lag_records{event=\"stood-by\"}"), "a standby does not know");
    led.ended(tokio::time::Instant::now(), &lost());
    let families = parse(&get(&address, "/metrics", "").await.body);
    assert_eq!(value(&families, "ropeline_relay_stopped_events{cause=\"log_lost\"}"), 1.0);
    assert_eq!(value(&families, "ropeline_relay_ready"), 0.0);
}

#[tokio::test]
async fn who_asks_for_openmetrics_gets_it_with_the_same_samples() {
    let address = listener(&busy()).await;
    let accept = "accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3\r\n";
    let open = get(&address, "/metrics", accept).await;
    assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
    assert!(open.body.contains("# TYPE ropeline_relay_produced_records counter"), "{}", open.body);
    let plain = get(&address, "/metrics", "").await;
    let names = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    assert_eq!(names(&open.body), names(&plain.body));
    assert!(!names(&plain.body).is_empty() && !plain.body.contains("# UNIT") && !plain.body.contains("# EOF"));
}

#[tokio::test]
async fn the_catalogue_of_metrics_is_true_and_complete() {
    let address = listener(&busy()).await;
    let families = parse(&get(&address, "/metrics", "").await.body);
    let found: BTreeSet<(String, String, String)> = families
        .into_iter()
        .map(|(name, (kind, labels, _))| (name, kind, labels.into_iter().collect::<Vec<_>>().join(", ")))
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let catalogue: BTreeSet<(String, String, String)> = text
        .lines()
        .filter(|line| line.starts_with("| `ropeline_relay_") || line.starts_with("| `ropeline_canary_"))
        .map(|line| {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            assert!(cells[4].len() > 20, "{line}");
            (cells[1].clone(), cells[2].clone(), cells[3].clone())
        })
        .collect();
    assert_eq!(catalogue, found, "docs/metrics.md says something else than /metrics");
}

#[tokio::test]
async fn names_follow_the_rules_of_prometheus() {
    let address = listener(&busy()).await;
    for (name, (kind, _, samples)) in parse(&get(&address, "/metrics", "").await.body) {
        let rest = name.strip_prefix("ropeline_relay_").or_else(|| name.strip_prefix("ropeline_canary_"));
        let rest = rest.unwrap_or_else(|| panic!("{name}"));
        assert!(rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        let units =
            ["ms", "milliseconds", "minutes", "hours", "kb", "kilobytes", "percent", "counter", "gauge", "count"];
        assert!(!rest.split('_').any(|word| units.contains(&word)), "{name}");
        assert!(!samples.is_empty(), "{name} has no sample");
    }
}

#[tokio::test]
async fn an_event_that_is_gone_disappears_and_never_more_than_the_limit_are_shown() {
    let health = Arc::new(Health::new(HealthRules { max_events: 10, ..HealthRules::default() }));
    for n in 0..50 {
        let one = health.event(&event(&format!("e{n}")));
        let outcome = if n == 33 { lost() } else { Outcome::Held { retry_after_ms: 1_000 } };
        one.ended(tokio::time::Instant::now(), &outcome);
    }
    let address = listener(&health).await;
    let shown = |text: &str| text.lines().filter(|line| line.contains("{event=\"")).count();
    let text = get(&address, "/metrics", "").await.body;
    assert!(text.contains("lease_held{event=\"e33\"}"), "what needs attention comes first: {text}");
    let held = text.lines().filter(|line| line.starts_with("ropeline_relay_lease_held{")).count();
    assert_eq!(held, 10, "{text}");
    assert_eq!(value(&parse(&text), "ropeline_relay_events{role=\"standby\"}"), 49.0, "but all are counted");
    let body: Value = serde_json::from_str(&get(&address, "/readyz", "").await.body).unwrap();
    assert_eq!((body["events"].as_array().unwrap().len(), &body["events_left_out"]), (10, &40.into()));
    health.keep(|known| *known == event("e7"));
    let text = get(&address, "/metrics", "").await.body;
    assert_eq!(shown(&text), 1, "{text}");
    health.forget(&event("e7"));
    assert_eq!(shown(&get(&address, "/metrics", "").await.body), 0);
}

#[tokio::test]
async fn other_paths_methods_and_sizes_are_refused() {
    let address = listener(&busy()).await;
    assert_eq!(get(&address, "/", "").await.status, 404);
    assert_eq!(get(&address, "/metrics/x", "").await.status, 404);
    let posted = raw(&address, b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    assert_eq!(posted.status, 405);
    assert!(posted.head.contains("allow: get, head"), "{}", posted.head);
    let head = raw(&address, b"HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for large in [
        format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
    ] {
        let answer = raw(&address, large.as_bytes()).await;
        assert!(answer.is_none_or(|answer| (400..500).contains(&answer.status)));
    }
    let nonsense = raw(&address, b"\x16\x03\x01\x02\x00").await;
    assert!(nonsense.is_none_or(|answer| answer.status == 400));
    assert_eq!(get(&address, "/healthz", "").await.status, 200, "and it goes on");
}

#[tokio::test]
async fn idle_and_slow_connections_end_by_themselves_and_others_get_their_turn() {
    let address = listener(&busy()).await;
    let mut open = Vec::new();
    for n in 0..80 {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        if n % 2 == 0 {
            socket.write_all(b"GET /metrics HTTP/1.1\r\nhos").await.unwrap();
        }
        open.push(socket);
    }
    let before = Instant::now();
    // Two rounds of 32 connections hold the places for five seconds each, at most, before this one.
    let answer = tokio::time::timeout(Duration::from_secs(20), get(&address, "/healthz", "")).await;
    assert_eq!(answer.expect("no answer behind idle connections").status, 200);
    assert!(before.elapsed() < Duration::from_secs(18), "{:?}", before.elapsed());
    for mut socket in open.drain(..).take(32) {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "an idle connection stays open");
    }
}

fn program(url: &str, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ropeline-relay"));
    command
        .arg("run")
        .env("ROPELINE_RELAY_KEY", KEY)
        .env("ROPELINE_RELAY_WORKER_URL", url)
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .env("ROPELINE_RELAY_HEALTH_LISTEN", listen)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_busy_port_ends_the_start_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = program("http://127.0.0.1:1", &address).output();
    let output = tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("health.listen") && log.contains(&address) && log.contains("in use"), "{log}");
    let output = program("http://127.0.0.1:1", "9464").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("health.listen") && errors.contains("127.0.0.1:9464"), "{errors}");
}

#[tokio::test]
async fn the_program_says_what_it_lacks_and_never_its_key() {
    let worker = FakeWorker::new(vec![Line::new("demo", 3)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = worker.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let _child = program(&url, &free).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    let body = loop {
        assert!(Instant::now() < end, "the relay never says that its broker is missing");
        tokio::time::sleep(Duration::from_millis(100)).await;
        if TcpStream::connect(&free).await.is_err() {
            continue;
        }
        let answer = get(&free, "/readyz", "").await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let tells = condition(&body, "worker")["ok"] == true && body["events"][0]["trouble"].is_string();
        if answer.status == 503 && tells {
            break body;
        }
    };
    assert_eq!(condition(&body, "broker")["ok"], false, "{body}");
    assert_eq!(body["events"][0]["event"], "demo");
    assert!(body["events"][0]["trouble"].as_str().unwrap().contains("127.0.0.1:1"), "{body}");
    for path in ["/readyz", "/metrics", "/healthz"] {
        assert!(!get(&free, path, "").await.body.contains(KEY), "{path}");
    }
}
