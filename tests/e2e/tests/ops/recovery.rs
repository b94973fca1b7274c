//! `ops/recovery/ropeline-recover`: it looks before it acts, is not to be fooled, and knows when to stop.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ropeline_e2e::monitoring::receiver::{Receiver, Recovery};
use xtask::paths;

/// One on a port, before a relay that is well while `healthy` is there, and that is started again by making it.
struct Rig {
    dir: PathBuf,
    port: u16,
    slack: Receiver,
}

impl Rig {
    fn start(name: &str, restart: impl FnOnce(&str) -> String) -> Self {
        let dir = paths::target().join("e2e").join(format!("recovery-{name}"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        let slack = Receiver::start();
        std::fs::write(dir.join("slack-url"), format!("http://127.0.0.1:{}/slack", slack.port)).expect("a file");
        let file = |name: &str| dir.join(name).display().to_string();
        let settings = vec![
            // curl knows files, too: one that is not there is one that gives no answer.
            ("ROPELINE_RECOVERY_HEALTH", format!("file://{}", file("healthy"))),
            ("ROPELINE_RECOVERY_RESTART", restart(&file(""))),
            ("ROPELINE_RECOVERY_MOST_PER_HOUR", "2".to_owned()),
            ("ROPELINE_RECOVERY_STATE", file("state")),
            ("ROPELINE_RECOVERY_SLACK_URL_FILE", file("slack-url")),
        ];
        let port = Recovery { settings, log: dir.join("log") }.start();
        Self { dir, port, slack }
    }

    /// The status it answers to this request.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.write_all(request.as_bytes()).expect("sent");
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.lines().next().unwrap_or_default().to_owned()
    }

    fn alert(&self) {
        let body = r#"{"alerts":[{"labels":{"alertname":"$(touch /tmp/owned)"}}]}"#;
        let status = self.ask(&format!("POST /alerts HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(status, "HTTP/1.1 204 No Content");
    }

    fn restarts(&self) -> usize {
        std::fs::read_to_string(self.dir.join("restarts")).unwrap_or_default().lines().count()
    }

    fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !reached(self) {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(40), "{what}\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn messages(&self) -> Vec<String> {
        self.slack.since(Instant::now() - Duration::from_secs(600)).iter().map(|message| message.text()).collect()
    }
}

#[test]
fn an_unhealthy_relay_is_started_again_so_often_an_hour_and_slack_is_told() {
    let rig = Rig::start("often", |dir| format!("echo again >> {dir}restarts && touch {dir}healthy"));
    for nth in 1..=2 {
        let _ = std::fs::remove_file(rig.dir.join("healthy"));
        rig.alert();
        rig.until("it is started again", |rig| rig.restarts() == nth && rig.messages().len() == nth);
        let message = rig.messages().pop().expect("a message");
        assert!(message.contains("재시작했고") && message.contains("was started again"), "{message}");
    }
    std::fs::remove_file(rig.dir.join("healthy")).expect("it was healthy");
    for _ in 0..2 {
        rig.alert();
    }
    rig.until("an operator is called", |rig| rig.messages().len() == 3);
    rig.alert();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((rig.restarts(), rig.messages().len()), (2, 3), "no third start, and that is said once");
    assert!(rig.messages()[2].contains("an operator is needed"), "{:?}", rig.messages());
}

#[test]
fn a_healthy_relay_is_left_alone_whatever_is_posted() {
    let rig = Rig::start("healthy", |dir| format!("echo again >> {dir}restarts"));
    std::fs::write(rig.dir.join("healthy"), "").expect("a file");
    rig.alert();
    assert_eq!(rig.ask("GET /alerts HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(rig.ask("POST /other HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(rig.ask("POST /alerts HTTP/1.1\r\nContent-Length: x; touch y\r\n\r\n"), "HTTP/1.1 204 No Content");
    rig.until("it has looked", |rig| {
        std::fs::read_to_string(rig.dir.join("log")).unwrap_or_default().contains("the relay is healthy")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((rig.restarts(), rig.messages().len()), (0, 0));
}

#[test]
fn a_start_that_fails_is_told_as_such() {
    let rig = Rig::start("fails", |_| "false".to_owned());
    rig.alert();
    rig.until("it is told", |rig| rig.messages().len() == 1);
    assert!(rig.messages()[0].contains("could not be started again"), "{:?}", rig.messages());
}
