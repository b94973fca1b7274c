//! The HTTP client against a fake Worker on a real socket, and the program itself from start to stop.

mod support;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use ropeline_relay::config::Secret;
use ropeline_relay::machine::{DrainRequest, Mark, Pin, WorkerFailure};
use ropeline_relay::types::{Epoch, Offset, Partition, Seq};
use ropeline_relay::worker::{HttpWorker, WorkerApi};
use support::http::{FakeWorker, KEY};
use support::{Line, entry_json, event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

async fn serve(worker: &FakeWorker) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = worker.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn client(address: &str, key: &str) -> HttpWorker {
    HttpWorker::new(format!("{address}/queue"), &Secret::new(key), "me".into(), Duration::from_millis(500)).unwrap()
}

#[tokio::test]
async fn the_whole_way_over_http_passes_entries_on_byte_for_byte() {
    let worker = FakeWorker::new(vec![Line::new("demo", 3), Line::new("idle", 0)]);
    let client = client(&serve(&worker).await, KEY);
    let demo = event("demo");
    assert_eq!(client.busy_events().await.unwrap(), [event("demo")]);
    let lease = client.take(&demo).await.unwrap();
    assert_eq!((lease.epoch, lease.head, lease.pin), (Epoch(1), Seq(3), None));
    let pin = Pin { topic: "t".into(), partition: Partition(4), next_offset: Offset(9) };
    let mut request = DrainRequest { epoch: lease.epoch, after: Seq(0), limit: 2, pin: Some(pin.clone()), ack: None };
    let drained = client.drain(&demo, &request).await.unwrap();
    let values: Vec<String> = drained.entries.into_iter().map(|e| e.value).collect();
    assert_eq!(values, [entry_json(&demo, 1), entry_json(&demo, 2)]);
    let mark = Mark { seq: Seq(2), next_offset: Offset(11) };
    request.after = Seq(2);
    request.pin = None;
    request.ack = Some(mark);
    let drained = client.drain(&demo, &request).await.unwrap();
    assert_eq!((drained.entries.len(), drained.head), (1, Seq(3)));
    assert_eq!(worker.with(|lines| lines["demo"].acked), 2);
    assert_eq!(client.renew(&demo, lease.epoch).await.unwrap(), 10_000);
    let mark = Mark { seq: Seq(3), next_offset: Offset(12) };
    client.ack(&demo, lease.epoch, mark).await.unwrap();
    client.release(&demo, lease.epoch).await.unwrap();
    assert_eq!(client.release(&demo, lease.epoch).await, Err(WorkerFailure::Stale));
    let again = client.take(&demo).await.unwrap();
    assert_eq!(again.acked_seq, Seq(3));
    assert_eq!(again.pin, Some(Pin { next_offset: Offset(12), ..pin }));
}

#[tokio::test]
async fn problems_become_what_the_machine_understands() {
    let worker = FakeWorker::new(vec![Line::new("demo", 3)]);
    let address = serve(&worker).await;
    worker.with(|lines| lines.get_mut("demo").unwrap().take(0, "other").unwrap());
    let relay = client(&address, KEY);
    let held = relay.take(&event("demo")).await.unwrap_err();
    assert!(
        matches!(held, WorkerFailure::Held { retry_after_ms } if (1_000..=10_000).contains(&retry_after_ms)),
        "{held:?}"
    );
    assert_eq!(relay.renew(&event("demo"), Epoch(99)).await, Err(WorkerFailure::Stale));
    assert_eq!(relay.take(&event("nobody")).await.unwrap_err(), WorkerFailure::UnknownEvent);
    let refused = client(&address, "wrong").busy_events().await.unwrap_err();
    assert!(matches!(refused, WorkerFailure::Refused { status: 401, .. }), "{refused:?}");
}

/// A server that answers each connection with `answer`, or not at all.
async fn raw(answer: Option<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = socket.read(&mut request).await;
            if let Some(answer) = &answer {
                let _ = socket.write_all(answer).await;
            } else {
                held.push(socket);
            }
        }
    });
    address
}

#[tokio::test]
async fn bad_answers_are_failures_and_never_panics() {
    let endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"
        .iter()
        .copied()
        .chain(std::iter::repeat_n(b'x', 6_000_000))
        .collect();
    for (answer, bad) in [
        (Some(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>".to_vec()), true),
        (Some(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xff\xfe\x00\x01".to_vec()), true),
        (Some(endless), true),
        (Some(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}".to_vec()), false),
        (Some(b"SSH-2.0\r\n".to_vec()), false),
        (Some(b"HTTP/1.1 503 Busy\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n".to_vec()), false),
        (None, false),
    ] {
        let shown = answer.as_ref().map(|a| String::from_utf8_lossy(&a[..a.len().min(40)]).into_owned());
        let relay = client(&raw(answer).await, KEY);
        let before = Instant::now();
        let failure = relay.take(&event("demo")).await.unwrap_err();
        assert_eq!(matches!(failure, WorkerFailure::BadAnswer { .. }), bad, "{shown:?}: {failure:?}");
        assert_eq!(matches!(failure, WorkerFailure::Later { .. }), !bad, "{shown:?}: {failure:?}");
        assert!(before.elapsed() < Duration::from_secs(5), "{shown:?}");
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_key_away() {
    let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let relay = client(&raw(Some(answer.to_vec())).await, KEY);
    let failure = relay.busy_events().await.unwrap_err();
    assert!(matches!(failure, WorkerFailure::Refused { status: 302, .. }), "{failure:?}");
}

fn program(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ropeline-relay"));
    command
        .env("ROPELINE_RELAY_KEY", KEY)
        .env("ROPELINE_RELAY_WORKER_URL", url)
        // Nobody listens there.
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn terminate(child: Child) -> (Output, Duration) {
    let before = Instant::now();
    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").arg(&pid).status().await.unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().await.unwrap();
    (output, before.elapsed())
}

#[tokio::test]
async fn sigterm_ends_the_program_with_0_and_gives_the_lease_back_and_no_line_has_the_key() {
    let worker = FakeWorker::new(vec![Line::new("demo", 3)]);
    let url = serve(&worker).await;
    let child = program(&url).arg("run").spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while worker.with(|lines| lines["demo"].owner.is_none()) {
        assert!(Instant::now() < end, "the lease was never taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (output, took) = terminate(child).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(took < Duration::from_secs(15));
    assert_eq!(worker.with(|lines| lines["demo"].owner.clone()), None);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!log.contains(KEY));
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(line["message"].is_string(), "{line}");
    }
    assert!(log.contains(r#""event":"demo""#) && log.contains(r#""epoch":1"#), "{log}");
}

#[tokio::test]
async fn wrong_settings_end_the_program_with_2_and_say_which() {
    let output = program("nonsense").arg("run").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("worker.url"));
}

#[tokio::test]
async fn the_help_tells_what_is_needed() {
    let output = program("").args(["run", "--help"]).output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["--config", "ROPELINE_RELAY_KEY", "SIGTERM", "topic must exist"] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
}
