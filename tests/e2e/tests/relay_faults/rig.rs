//! One relay, the program itself, between a fake Worker behind its gate and the real broker behind its proxy; on a topic of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ropeline_e2e::copies::{self, Copies};
use ropeline_relay::murmur2::partition_of;
use serde_json::Value;
use tokio::sync::OnceCell;
use xtask::bundle::Programs;
use xtask::kafka::{Kafka, KafkaOptions};
use xtask::paths;
use xtask::services::{Relay, RelayOptions};

use super::gate::Door;
use super::proxy::Proxy;
use super::raw::Raw;
use super::support::http::{FakeWorker, KEY};
use super::support::{Line, entry_json};

pub const PARTITIONS: u32 = 3;

/// The limit of a call to Kafka in these tests: what takes ten seconds in production takes less of everybody's time here.
pub const CALL: Duration = Duration::from_millis(1_500);

/// A broker that makes any topic that is asked for by name: the worst one for a relay that must never create one.
pub async fn kafka() -> &'static Kafka {
    static KAFKA: OnceCell<Kafka> = OnceCell::const_new();
    let started = KAFKA.get_or_init(|| async {
        tokio::task::spawn_blocking(|| {
            ropeline_e2e::broker::start_with("relay-faults", |options: KafkaOptions| {
                options.with("auto.create.topics.enable", "true")
            })
        })
        .await
        .expect("a broker")
    });
    started.await
}

/// What the relay is started with.
#[derive(Clone)]
pub struct Settings {
    pub events: Vec<(String, u64)>,
    pub topic_exists: bool,
    pub topic_settings: Vec<(&'static str, &'static str)>,
    pub call_timeout: Duration,
    pub max_failures: u32,
    pub scan_seconds: u64,
}

impl Settings {
    /// One event with so many admissions.
    pub fn new(head: u64) -> Self {
        Self {
            events: vec![("demo".to_owned(), head)],
            topic_exists: true,
            topic_settings: Vec::new(),
            call_timeout: CALL,
            max_failures: 8,
            scan_seconds: 3,
        }
    }
}

pub struct Rig {
    pub door: Door,
    pub proxy: Proxy,
    pub raw: Raw,
    pub topic: String,
    relay: Option<Relay>,
    options: RelayOptions,
    dir: PathBuf,
}

impl Rig {
    /// All but the relay.
    pub async fn new(settings: &Settings) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let kafka = kafka().await;
        let dir = paths::target().join(format!("e2e/relay_faults-{number}"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        let topic = format!("faults.{number}");
        let mut raw = Raw::connect(&kafka.bootstrap()).await;
        if settings.topic_exists {
            raw.create(&topic, i32::try_from(PARTITIONS).expect("a number"), &settings.topic_settings).await;
        }
        let lines = settings.events.iter().map(|(event, head)| Line::new(event, *head)).collect();
        let door = Door::open(FakeWorker::new(lines)).await;
        let proxy = Proxy::start(&kafka.bootstrap()).await;
        let config = dir.join("relay.toml");
        let text = format!(
            "[kafka]\ncall_timeout_ms = {}\n[worker]\nrequest_timeout_ms = 1500\n[scan]\nmax_seconds = {}\n[intervals]\n\
             events_ms = 200\nidle_ms = 50\nstopped_retry_seconds = 2\n[limits]\nmax_failures = {}\n\
             [log]\nlevel = \"info,ropeline_relay=debug\"\n",
            settings.call_timeout.as_millis(),
            settings.scan_seconds,
            settings.max_failures
        );
        std::fs::write(&config, text).expect("a configuration");
        let mut options = RelayOptions::new(&door.url, &proxy.address(), &topic, KEY, &dir.join("relay.log"));
        options.config = Some(config);
        let program = Programs::built().relay;
        assert!(program.is_file(), "the relay is not built: `cargo xtask test e2e` builds everything these tests need");
        Self { door, proxy, raw, topic, relay: None, options, dir }
    }

    /// With the relay running.
    pub async fn start(settings: &Settings) -> Self {
        let mut rig = Self::new(settings).await;
        rig.begin();
        rig
    }

    pub fn begin(&mut self) {
        self.relay = Some(Relay::start(&self.options).expect("a relay"));
    }

    pub fn kill9(&mut self) {
        self.relay.take().expect("a relay").kill9();
    }

    /// In order; fails when it does not end well.
    pub fn stop(&mut self) {
        let mut relay = self.relay.take().expect("a relay");
        let ended = tokio::task::block_in_place(|| relay.stop()).expect("an end");
        assert!(ended.success(), "the relay ended with {ended}\n{}", self.log());
    }

    pub fn pid(&self) -> u32 {
        self.relay.as_ref().expect("a relay").id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("relay.log")).unwrap_or_default()
    }

    /// How many lines have this text in them.
    pub fn said(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line with this text.
    pub async fn until_said(&self, text: &str, bound: Duration) {
        self.until(text, bound, |rig| rig.said(text) > 0).await;
    }

    pub async fn until(&self, what: &str, bound: Duration, reached: impl Fn(&Self) -> bool) {
        let until = Instant::now() + bound;
        while !reached(self) {
            assert!(Instant::now() < until, "not within {bound:?}: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn line<T>(&self, event: &str, work: impl FnOnce(&mut Line) -> T) -> T {
        self.door.worker.with(|lines| work(lines.get_mut(event).expect("an event")))
    }

    pub fn admit(&self, event: &str, more: u64) {
        self.line(event, |line| line.head += more);
    }

    pub fn is_acked(&self) -> bool {
        self.door.worker.with(|lines| lines.values().all(|line| !line.busy()))
    }

    /// Waits until all is known to be in Kafka.
    pub async fn until_acked(&self, bound: Duration) {
        self.until("all acked", bound, Self::is_acked).await;
    }

    pub fn partition(&self, event: &str) -> i32 {
        partition_of(event, PARTITIONS).expect("partitions").0
    }

    /// What stands in Kafka of an event, against its log.
    pub async fn copies(&mut self, event: &str) -> Copies {
        let topic = self.topic.clone();
        let mut records = self.raw.read(&topic, self.partition(event), 0).await;
        records.retain(|record| record.key == event);
        let head = self.line(event, |line| line.head);
        let id = super::support::event(event);
        let log: Vec<String> = (1..=head).map(|seq| entry_json(&id, seq)).collect();
        copies::check(event, &records, &log)
    }

    /// Nothing lost, reordered or changed, and repeated only what the relay could not know. Gives the number of repeats.
    pub async fn assert_promise_7(&mut self, event: &str, killed: bool) -> usize {
        let copies = self.copies(event).await;
        copies.assert_whole();
        let for_nothing = copies.repeated_for_nothing(&copies::excuses(&self.log(), event, killed));
        assert!(for_nothing.is_empty(), "repeated for nothing: {for_nothing:?}\n{}", self.log());
        copies.repeats()
    }

    /// The words of the last stop of an event.
    pub fn stopped(&self) -> Option<String> {
        let stopped = |line: &str| -> Option<String> {
            let line: Value = serde_json::from_str(line).ok()?;
            let stopped = line["message"].as_str()?.starts_with("event stopped");
            stopped.then(|| line["cause"].as_str().unwrap_or_default().to_owned())
        };
        self.log().lines().rev().find_map(stopped)
    }

    /// Waits for a stop and says why.
    pub async fn until_stopped(&self, bound: Duration) -> String {
        self.until("the event stops", bound, |rig| rig.stopped().is_some()).await;
        self.stopped().expect("a stop")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.relay.take();
        if std::thread::panicking() {
            eprintln!("the relay's log is in {}", self.dir.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
