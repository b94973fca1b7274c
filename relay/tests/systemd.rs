//! The service manager's side: a socket that is told, a watchdog that is fed only while the relay is alive, and the unit.

mod support;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ropeline_relay::broker::{Broker, BrokerClient, Log};
use ropeline_relay::config::Secret;
use ropeline_relay::entry::Entry;
use ropeline_relay::fleet::{Fleet, FleetRules, Stopped};
use ropeline_relay::health::Health;
use ropeline_relay::machine::{Bounds, BrokerFailure, Fetched, Rules};
use ropeline_relay::systemd::Manager;
use ropeline_relay::task::Shared;
use ropeline_relay::types::{Epoch, EventId, Offset, Partition};
use ropeline_relay::worker::HttpWorker;
use support::Line;
use support::http::{FakeWorker, KEY};
use tokio::sync::watch;

/// A service manager's socket.
struct Notified {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
}

impl Notified {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ropeline-{}-{name}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, path, heard: Vec::new() }
    }

    /// Hears what is said within `time`; how often the watchdog was fed in it.
    async fn hear(&mut self, time: Duration) -> usize {
        let end = Instant::now() + time;
        let before = self.heard.len();
        while Instant::now() < end {
            let mut message = [0; 4_096];
            if let Ok(length) = self.socket.recv(&mut message) {
                self.heard.push(String::from_utf8(message[..length].to_vec()).unwrap());
            }
            tokio::task::yield_now().await;
        }
        self.heard[before..].iter().filter(|message| *message == "WATCHDOG=1").count()
    }

    async fn until(&mut self, what: &str, seconds: u64, said: impl Fn(&str) -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.heard.iter().any(|message| said(message)) {
            assert!(Instant::now() < end, "never heard {what}: {:?}", self.heard);
            self.hear(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(worker: &FakeWorker) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = worker.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A broker that takes everything, until it misbehaves.
#[derive(Clone, Default)]
struct Moody {
    /// Calls are never answered: their time limit ends them.
    silent: Arc<AtomicBool>,
    /// A produce holds its thread, so that no time limit helps: what a fault of the relay's own looks like.
    stuck: Arc<AtomicBool>,
    log: Arc<std::sync::Mutex<support::Partition>>,
}

impl Moody {
    async fn mood(&self) {
        if self.silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl Broker for Moody {
    type Client = Self;

    async fn connect(&self) -> Result<Self, BrokerFailure> {
        self.mood().await;
        Ok(self.clone())
    }
}

impl BrokerClient for Moody {
    type Log = Self;

    async fn partitions(&self, _: &str) -> Result<Option<u32>, BrokerFailure> {
        self.mood().await;
        Ok(Some(1))
    }

    async fn open(&self, _: &str, _: Partition) -> Result<Self, BrokerFailure> {
        Ok(self.clone())
    }
}

impl Log for Moody {
    async fn bounds(&self) -> Result<Bounds, BrokerFailure> {
        Ok(self.log.lock().unwrap().bounds())
    }

    async fn fetch(&self, event: &EventId, offset: Offset, _: u32) -> Result<Fetched, BrokerFailure> {
        self.log.lock().unwrap().fetch(event, offset, 1_000)
    }

    async fn produce(&self, event: &EventId, _: Epoch, batch: &[Entry]) -> Result<Vec<Offset>, BrokerFailure> {
        self.mood().await;
        while self.stuck.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(self.log.lock().unwrap().append(event, batch))
    }
}

/// A relay in this process, its watchdog with a period of two seconds.
struct Running {
    broker: Moody,
    worker: FakeWorker,
    health: Arc<Health>,
    stop: watch::Sender<bool>,
    fleet: tokio::task::JoinHandle<Stopped>,
    told: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(notified: &Notified) -> Self {
        let worker = FakeWorker::new(vec![Line::new("demo", 3)]);
        let base = format!("{}/queue", serve(&worker).await);
        let broker = Moody::default();
        let health = Arc::new(Health::default());
        let shared = Shared {
            worker: HttpWorker::new(base, &Secret::new(KEY), "me".into(), Duration::from_secs(1)).unwrap(),
            broker: broker.clone(),
            rules: Rules::default(),
            kafka_timeout: Duration::from_secs(1),
            started: tokio::time::Instant::now(),
            health: Arc::clone(&health),
        };
        let rules = FleetRules {
            poll: Duration::from_millis(200),
            max_events: 3,
            stopped_retry: Duration::from_secs(5),
            stop_within: Duration::from_secs(5),
        };
        let path = notified.path.to_str().unwrap().to_owned();
        let manager = Manager::from_env(|name| match name {
            "NOTIFY_SOCKET" => Some(path.clone()),
            "WATCHDOG_USEC" => Some("2000000".to_owned()),
            _ => None,
        })
        .unwrap();
        manager.ready();
        let (stop, stopped) = watch::channel(false);
        let told = {
            let (health, stopped) = (Arc::clone(&health), stopped.clone());
            tokio::spawn(async move { manager.tell(health, stopped).await })
        };
        let fleet = tokio::spawn(Fleet::new(Arc::new(shared), rules, 7).run(stopped));
        Self { broker, worker, health, stop, fleet, told }
    }

    fn admit(&self, entries: u64) {
        self.worker.with(|lines| lines.get_mut("demo").unwrap().head += entries);
    }

    async fn until_acked(&self, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while self.worker.with(|lines| lines["demo"].busy()) {
            assert!(Instant::now() < end, "not acked: {:?}", self.health.readiness());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.fleet.await.unwrap();
        self.told.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_watchdog_starves_while_the_relay_hangs_and_is_fed_again_when_it_goes_on() {
    let mut notified = Notified::new("hangs");
    let relay = Running::start(&notified).await;
    relay.until_acked(10).await;
    notified.until("READY=1", 5, |message| message == "READY=1").await;
    assert!(notified.hear(Duration::from_secs(3)).await >= 3, "nothing to do is alive: {:?}", notified.heard);

    relay.broker.stuck.store(true, Ordering::Relaxed);
    relay.admit(5);
    // The limit of the call, one second, and the grace of five.
    let end = Instant::now() + Duration::from_secs(15);
    while relay.health.hangs().is_none() {
        assert!(Instant::now() < end, "a call that never returns is never noticed");
        notified.hear(Duration::from_millis(100)).await;
    }
    assert!(relay.health.hangs().unwrap().contains("demo"));
    assert!(!relay.health.readiness().ready);
    notified.hear(Duration::from_millis(600)).await;
    assert_eq!(notified.hear(Duration::from_secs(3)).await, 0, "a relay that hangs feeds its watchdog");

    relay.broker.stuck.store(false, Ordering::Relaxed);
    relay.until_acked(15).await;
    assert!(notified.hear(Duration::from_secs(3)).await >= 3, "{:?}", notified.heard);
    relay.stop().await;
    notified.until("STOPPING=1", 2, |message| message.starts_with("STOPPING=1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_broker_makes_the_relay_unready_and_a_restart_would_not_mend_it() {
    let mut notified = Notified::new("silent");
    let relay = Running::start(&notified).await;
    relay.until_acked(10).await;
    relay.broker.silent.store(true, Ordering::Relaxed);
    relay.admit(5);
    notified.hear(Duration::from_secs(9)).await;
    // Every call came back within its limit, with an error.
    assert_eq!(relay.health.hangs(), None);
    assert!(notified.hear(Duration::from_secs(3)).await >= 3, "fed: {:?}", notified.heard);
    let readiness = relay.health.readiness();
    let broker = readiness.conditions.iter().find(|condition| condition.name == "broker").unwrap();
    assert!(broker.detail.contains("no answer within 1s"), "{broker:?}");
    let state = &readiness.events[0];
    assert_eq!((state.event.as_str(), state.lag_records), ("demo", Some(5)), "{state:?}");
    assert!(state.since_progress_seconds.unwrap() >= 8.0, "{state:?}");
    assert!(state.trouble.as_deref().unwrap().contains("no answer"), "{state:?}");
    assert!(notified.heard.iter().any(|message| message.contains("5 admissions behind")), "{:?}", notified.heard);

    relay.broker.silent.store(false, Ordering::Relaxed);
    relay.until_acked(20).await;
    assert_eq!(relay.health.readiness().events.first().and_then(|state| state.trouble.clone()), None);
    relay.stop().await;
}

#[tokio::test]
async fn the_program_tells_that_it_runs_what_it_does_and_that_it_stops() {
    let mut notified = Notified::new("program");
    let worker = FakeWorker::new(vec![Line::new("demo", 3)]);
    let url = serve(&worker).await;
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_ropeline-relay"))
        .arg("run")
        .env("ROPELINE_RELAY_KEY", KEY)
        .env("ROPELINE_RELAY_WORKER_URL", &url)
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .env("NOTIFY_SOCKET", &notified.path)
        .env("WATCHDOG_USEC", "1000000")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    notified.until("READY=1", 20, |message| message == "READY=1").await;
    notified.until("the watchdog", 5, |message| message == "WATCHDOG=1").await;
    notified.until("what fails", 20, |message| message.starts_with("STATUS=") && message.contains("broker")).await;
    let status = notified.heard.iter().rfind(|message| message.starts_with("STATUS=")).unwrap();
    assert!(!status.contains(KEY) && !status.contains('\n'), "{status}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    notified.until("STOPPING=1", 5, |message| message.starts_with("STOPPING=1")).await;
    assert!(child.wait().await.unwrap().success());
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let notified = Notified::new("other");
    let path = notified.path.to_str().unwrap().to_owned();
    let manager = |pid: u32| {
        let path = path.clone();
        Manager::from_env(move |name| match name {
            "NOTIFY_SOCKET" => Some(path.clone()),
            "WATCHDOG_USEC" => Some("2000000".to_owned()),
            "WATCHDOG_PID" => Some(pid.to_string()),
            _ => None,
        })
        .unwrap()
    };
    assert_eq!(manager(std::process::id()).watchdog(), Some(Duration::from_secs(2)));
    assert_eq!(manager(1).watchdog(), None);
    let gone = Manager::from_env(|name| (name == "NOTIFY_SOCKET").then(|| "/nowhere/at/all.sock".to_owned()));
    assert!(gone.is_err(), "a socket that is not there is a wrong setting");
}

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/systemd/ropeline-relay.service")
}

fn analyze(arguments: &[&str], unit: &Path) -> std::process::Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(unit).env("SYSTEMD_LOG_COLOR", "0");
    command.output().unwrap_or_else(|error| {
        panic!("systemd-analyze cannot be run ({error}): install systemd (Debian: apt install systemd)")
    })
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let text = std::fs::read_to_string(unit()).unwrap();
    // The program is not installed where the unit expects it: verify looks for it.
    let program = env!("CARGO_BIN_EXE_ropeline-relay");
    assert!(text.contains("ExecStart=/usr/bin/ropeline-relay run"), "{text}");
    let dir = std::env::temp_dir().join(format!("ropeline-unit-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let copy = dir.join("ropeline-relay.service");
    std::fs::write(&copy, text.replace("/usr/bin/ropeline-relay", program)).unwrap();
    let output = analyze(&["verify", "--man=no"], &copy);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("ropeline-relay.service"), "{said}");

    // 0 is closed, 10 is open to everything; systemd calls up to 2 "OK".
    let output = analyze(&["security", "--offline=true", "--threshold=20"], &copy);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("Overall exposure level"), "{said}{errors}");
    std::fs::remove_dir_all(dir).unwrap();

    for needed in ["Type=notify", "WatchdogSec=60", "Restart=always", "LoadCredential=relay.key:", "TimeoutStopSec=20"]
    {
        assert!(text.lines().any(|line| line.starts_with(needed)), "{needed} is not in the unit");
    }
}

#[test]
fn the_units_of_the_recovery_are_such_that_systemd_takes() {
    let ops = unit().parent().unwrap().to_path_buf();
    let dir = std::env::temp_dir().join(format!("ropeline-recovery-units-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for name in ["ropeline-recovery.socket", "ropeline-recovery@.service"] {
        let text = std::fs::read_to_string(ops.join(name)).unwrap();
        let program = ops.join("../recovery/ropeline-recover").canonicalize().unwrap();
        std::fs::write(dir.join(name), text.replace("/usr/bin/ropeline-recover", program.to_str().unwrap())).unwrap();
    }
    let output = analyze(&["verify", "--man=no"], &dir.join("ropeline-recovery.socket"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("ropeline-recovery"), "{said}");
    std::fs::remove_dir_all(dir).unwrap();
}
