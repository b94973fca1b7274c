//! A sale with everything around it: Worker, Kafka, relay with a canary, monitoring, and a recovery that starts the relay again.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use xtask::free_port;
use xtask::front::Front;
use xtask::http::{Client, bearer};
use xtask::kafka::Kafka;
use xtask::services::{Relay, RelayOptions};

use crate::monitoring::{Monitoring, Watched};
use crate::relay_health::HealthOf;
use crate::{World, WorldOptions, broker, front, lock, new_key};

/// The event on sale.
pub const EVENT: &str = "demo";

/// What one Prometheus has of another one that stands still.
pub(crate) const UNWATCHED: &str = "up{job=\"prometheus\"} == 0";

/// The canary's own event.
const CANARY: &str = "canary";

/// What a scene is made of.
#[derive(Debug)]
pub struct Plan {
    /// What its broker's directory and its topic are called.
    pub name: &'static str,
    /// The Worker.
    pub world: WorldOptions,
    /// Settings of the event on sale.
    pub settings: Value,
    /// Whether visitors, the canary among them, come through a front.
    pub front: bool,
}

/// The whole.
pub struct Scene {
    /// The Worker.
    pub world: World,
    /// What stands before the Worker, if anything does.
    pub front: Option<Front>,
    /// The broker; none while it is being started again.
    pub kafka: Option<Kafka>,
    /// Where admissions go.
    pub topic: String,
    /// What the relay says.
    pub health: HealthOf,
    /// Prometheus, Alertmanager, and what they send.
    pub monitoring: Monitoring,
    relay: Arc<Mutex<Lives>>,
    over: Arc<AtomicBool>,
    /// Scrapers that have asked and do not read.
    hanging: Vec<TcpStream>,
}

/// The relay, each life of it with a log of its own.
struct Lives {
    relay: Relay,
    options: RelayOptions,
    logs: Vec<PathBuf>,
}

impl Lives {
    fn begin(options: RelayOptions) -> Self {
        Self { relay: start(&options), logs: vec![options.log.clone()], options }
    }

    /// Kills it, and starts it again.
    fn renew(&mut self) {
        self.relay.kill9();
        let log = self.options.log.with_extension(format!("{}.log", self.logs.len()));
        self.relay = start(&RelayOptions { log: log.clone(), ..self.options.clone() });
        self.logs.push(log);
    }
}

fn start(options: &RelayOptions) -> Relay {
    Relay::start(options).unwrap_or_else(|error| panic!("no relay: {error:#}"))
}

impl Scene {
    /// Starts all of it.
    ///
    /// # Panics
    /// When something is missing, with how to get it, or does not come up.
    pub async fn start(plan: Plan) -> Self {
        let world = plan.world.start();
        let kafka = broker::start(plan.name);
        let topic = format!("{}.admissions", plan.name);
        kafka.create_topic(&topic, 1).unwrap_or_else(|error| panic!("no topic: {error:#}"));
        world.create(EVENT, &plan.settings).await;
        world.create(CANARY, &json!({"test": true, "lanes": 1})).await;
        let port = free_port().expect("a port");
        let config = world.dir.join("relay.toml");
        let key = world.dir.join("canary.key");
        std::fs::write(&key, new_key()).expect("a file");
        let front = plan.front.then(|| front(&world.authority, &world.dir));
        let visitors =
            front.as_ref().map_or_else(|| world.issuer.clone(), |front| format!("http://{}", front.authority));
        let canary =
            format!("[canary]\nevent = \"{CANARY}\"\nvisitor_key_file = \"{}\"\nurl = \"{visitors}\"\n", key.display());
        std::fs::write(&config, canary).expect("a file");
        let log = world.dir.join("logs/relay.log");
        let options = RelayOptions {
            health: Some(port),
            config: Some(config),
            ..RelayOptions::new(&world.issuer, &kafka.bootstrap(), &topic, &world.keys.relay, &log)
        };
        let relay = Arc::new(Mutex::new(Lives::begin(options)));
        let over = Arc::new(AtomicBool::new(false));
        let wanted = world.dir.join("restart-the-relay");
        supervise(Arc::clone(&relay), wanted.clone(), Arc::clone(&over));
        let watched = Watched {
            worker: world.issuer.trim_start_matches("http://").to_owned(),
            metrics_key: &world.keys.metrics,
            relay: format!("127.0.0.1:{port}"),
            restart: format!("touch '{}'", wanted.display()),
        };
        let monitoring = Monitoring::start(&world.dir, &watched);
        let health = HealthOf::at(port);
        Self { world, front, kafka: Some(kafka), topic, health, monitoring, relay, over, hanging: Vec::new() }
    }

    /// With the relay as it is.
    pub fn with_relay(&self, work: impl FnOnce(&mut Relay)) {
        work(&mut lock(&self.relay).relay);
    }

    /// Stops the relay in order. What each of its lives said; all but the last one were killed.
    ///
    /// # Panics
    /// When it does not end well.
    #[must_use]
    pub fn stop_relay(&self) -> Vec<String> {
        self.over.store(true, Ordering::Relaxed);
        let mut lives = lock(&self.relay);
        let ended = lives.relay.stop().expect("the end of the relay");
        assert!(ended.success(), "the relay ended with {ended}: {}", lives.relay.tail());
        lives.logs.iter().map(|log| std::fs::read_to_string(log).unwrap_or_default()).collect()
    }

    /// So many of the two Prometheus stand still, and forty other scrapers ask for metrics and never read the answer.
    pub fn stall_monitoring(&mut self, how_many: usize) {
        self.monitoring.stall(how_many);
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

    /// Whether no Prometheus is seen to stand still.
    pub async fn is_watched(&self) -> bool {
        self.monitoring.shows(UNWATCHED).await == Some(false)
    }

    /// Whether a visitor who comes now is given a place within a second.
    pub async fn serves(&self) -> bool {
        enter(&mut Client::new(&self.world.authority).patience(Duration::from_secs(1))).await
    }

    /// Whether the relay is well, and nothing waits for Kafka for more than a moment.
    pub async fn carries(&self) -> bool {
        let ready = self.health.ready().await.0 == 200;
        let lag = self.health.sample(&format!("ropeline_relay_lag_seconds{{event=\"{EVENT}\"}}")).await;
        ready && lag.unwrap_or_default() < 2.0
    }

    /// Whether the canary has done all that a visitor does since this moment (milliseconds since 1970).
    pub async fn canary_is_well(&self, since_ms: u64) -> bool {
        let last = self.health.sample("ropeline_canary_last_success_timestamp_seconds").await;
        last.is_some_and(|last| last * 1_000.0 > since_ms as f64)
    }

    /// Whether the canary finds the Worker's clock in step with this machine's.
    pub async fn is_in_step(&self) -> bool {
        let offset = self.health.sample("ropeline_canary_clock_offset_seconds").await;
        offset.is_some_and(|offset| offset.abs() < 5.0)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What systemd does when it is told to start the relay again.
fn supervise(relay: Arc<Mutex<Lives>>, wanted: PathBuf, over: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            if std::fs::remove_file(&wanted).is_ok() {
                lock(&relay).renew();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

/// Somebody new, who is let in at once if there is room; whether there was a place.
pub(crate) async fn enter(client: &mut Client) -> bool {
    let body = json!({"event": EVENT, "visitor": new_key(), "claim": true});
    client.post("/queue/enter", &[], &body).await.is_ok_and(|answer| answer.status.is_success())
}
