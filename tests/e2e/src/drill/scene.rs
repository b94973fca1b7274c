//! A small sale with everything around it: Worker, Kafka, relay, monitoring, recovery, and visitors who come all the time.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use xtask::free_port;
use xtask::http::{Client, bearer};
use xtask::kafka::Kafka;
use xtask::services::{Relay, RelayOptions};

use crate::monitoring::{Monitoring, Watched};
use crate::relay_health::HealthOf;
use crate::{World, WorldOptions, broker, lock, new_key};

/// The event on sale.
const EVENT: &str = "demo";

/// The canary's own event.
const CANARY: &str = "canary";

/// The whole.
pub struct Scene {
    /// The Worker, with doubles before its objects.
    pub world: World,
    /// The broker; none while it is being started again.
    pub kafka: Option<Kafka>,
    /// What the relay says.
    pub health: HealthOf,
    /// Prometheus, Alertmanager, and what they send.
    pub monitoring: Monitoring,
    relay: Arc<Mutex<Relay>>,
    crowd: Crowd,
    over: Arc<AtomicBool>,
    /// Scrapers that have asked and do not read.
    hanging: Vec<TcpStream>,
}

impl Scene {
    /// Starts all of it, with a canary in the relay.
    pub async fn start() -> Self {
        let world = WorldOptions::default().faults().start();
        let kafka = broker::start("drill");
        let topic = "drill.admissions";
        kafka.create_topic(topic, 1).unwrap_or_else(|error| panic!("no topic: {error:#}"));
        world.create(EVENT, &json!({"lanes": 2, "total_active_users": 10_000, "new_users_per_minute": 6_000})).await;
        world.create(CANARY, &json!({"test": true, "lanes": 1})).await;
        let port = free_port().expect("a port");
        let config = world.dir.join("relay.toml");
        let key = world.dir.join("canary.key");
        std::fs::write(&key, new_key()).expect("a file");
        let canary = format!("[canary]\nevent = \"{CANARY}\"\nvisitor_key_file = \"{}\"\n", key.display());
        std::fs::write(&config, canary).expect("a file");
        let log = world.dir.join("logs/relay.log");
        let options = RelayOptions {
            health: Some(port),
            config: Some(config),
            ..RelayOptions::new(&world.issuer, &kafka.bootstrap(), topic, &world.keys.relay, &log)
        };
        let relay = Arc::new(Mutex::new(start(&options)));
        let over = Arc::new(AtomicBool::new(false));
        let wanted = world.dir.join("restart-the-relay");
        supervise(Arc::clone(&relay), options, wanted.clone(), Arc::clone(&over));
        let watched = Watched {
            worker: world.issuer.trim_start_matches("http://").to_owned(),
            metrics_key: &world.keys.metrics,
            relay: format!("127.0.0.1:{port}"),
            restart: format!("touch '{}'", wanted.display()),
        };
        let monitoring = Monitoring::start(&world.dir, &watched);
        let crowd = Crowd::start(&world.authority, Arc::clone(&over));
        let health = HealthOf::at(port);
        Self { world, kafka: Some(kafka), health, monitoring, relay, crowd, over, hanging: Vec::new() }
    }

    /// With the relay as it is.
    pub fn with_relay(&self, work: impl FnOnce(&mut Relay)) {
        work(&mut lock(&self.relay));
    }

    /// Prometheus stands still, and forty other scrapers ask for metrics and never read the answer.
    pub fn stall_monitoring(&mut self) {
        self.monitoring.stall();
        let ask = format!(
            "GET /queue/metrics HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
            self.world.authority,
            bearer(&self.world.keys.metrics)
        );
        for _ in 0..40 {
            let mut stream = TcpStream::connect(&self.world.authority).expect("a connection");
            // As often as it takes to fill what the system buffers.
            stream.write_all(ask.repeat(50).as_bytes()).expect("sent");
            self.hanging.push(stream);
        }
    }

    /// All of it goes on.
    pub fn resume_monitoring(&mut self) {
        self.hanging.clear();
        self.monitoring.resume();
    }

    /// Whether a visitor who comes now is given a place within a second.
    pub async fn serves(&self) -> bool {
        enter(&mut Client::new(&self.world.authority).patience(Duration::from_secs(1))).await.is_some()
    }

    /// Whether the relay is well, and nothing waits for Kafka for more than a moment.
    pub async fn carries(&self) -> bool {
        let ready = self.health.ready().await.0 == 200;
        let lag = self.health.sample(&format!("ropeline_relay_lag_seconds{{event=\"{EVENT}\"}}")).await;
        ready && lag.unwrap_or_default() < 2.0
    }

    /// Whether the canary finds the Worker's clock in step with this machine's.
    pub async fn is_in_step(&self) -> bool {
        let offset = self.health.sample("ropeline_canary_clock_offset_seconds").await;
        offset.is_some_and(|offset| offset.abs() < 5.0)
    }

    /// The slowest hundredth of the enters that were answered in this time, and how many there were.
    pub fn p99(&self, from: Instant, to: Instant) -> (Duration, usize) {
        let log = lock(&self.crowd.took);
        let mut took: Vec<_> = log.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, took)| *took).collect();
        took.sort_unstable();
        (took.get(took.len() * 99 / 100).copied().unwrap_or_default(), took.len())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn start(options: &RelayOptions) -> Relay {
    Relay::start(options).unwrap_or_else(|error| panic!("no relay: {error:#}"))
}

/// What systemd does when it is told to start the relay again.
fn supervise(relay: Arc<Mutex<Relay>>, options: RelayOptions, wanted: PathBuf, over: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            if std::fs::remove_file(&wanted).is_ok() {
                let mut relay = lock(&relay);
                relay.kill9();
                *relay = start(&options);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

/// Visitors who come one after the other, are let in at once, and go.
struct Crowd {
    took: Arc<Mutex<Vec<(Instant, Duration)>>>,
}

impl Crowd {
    fn start(authority: &str, over: Arc<AtomicBool>) -> Self {
        let took = Arc::<Mutex<Vec<_>>>::default();
        for _ in 0..4 {
            let (authority, over, took) = (authority.to_owned(), Arc::clone(&over), Arc::clone(&took));
            tokio::spawn(async move {
                let mut client = Client::new(&authority).patience(Duration::from_secs(5));
                while !over.load(Ordering::Relaxed) {
                    let at = Instant::now();
                    match enter(&mut client).await {
                        Some(()) => lock(&took).push((at, at.elapsed())),
                        None => client = Client::new(&authority).patience(Duration::from_secs(5)),
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
        Self { took }
    }
}

async fn enter(client: &mut Client) -> Option<()> {
    let body = json!({"event": EVENT, "visitor": new_key(), "claim": true});
    let answer = client.post("/queue/enter", &[], &body).await.ok()?;
    answer.status.is_success().then_some(())
}
