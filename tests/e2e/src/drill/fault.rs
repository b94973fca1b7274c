//! What goes wrong, how it is told, and how it is mended.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::Crowd;
use crate::faults::{Fault as Call, Rule};
use crate::monitoring::receiver::Message;
use crate::scene::Scene;

/// The dead man's switch comes every 15 seconds; this long without it is an alarm.
const SILENCE: Duration = Duration::from_secs(25);

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Kafka's broker is killed.
    BrokerStopped,
    /// The relay is killed.
    RelayKilled,
    /// The relay stands still.
    RelayHung,
    /// The Worker's runtime is killed.
    WorkerDown,
    /// The line answers nobody: its object is overloaded.
    LineRefusing,
    /// One of the two Prometheus stands still, with its connections open, as InfluxDB did.
    PrometheusStalled,
    /// Both do.
    MonitoringStalled,
    /// The relay's key is taken from the Worker.
    KeyRemoved,
    /// The Worker's clock is a minute behind.
    ClockBehind,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::BrokerStopped,
        Self::RelayKilled,
        Self::RelayHung,
        Self::WorkerDown,
        Self::LineRefusing,
        Self::PrometheusStalled,
        Self::MonitoringStalled,
        Self::KeyRemoved,
        Self::ClockBehind,
    ];

    /// The alert that tells of it; none: the silence of the dead man's switch does.
    const fn alert(self) -> Option<&'static str> {
        Some(match self {
            Self::BrokerStopped => "RopelineKafkaUnreachable",
            Self::RelayKilled | Self::RelayHung => "RopelineRelayDown",
            Self::WorkerDown => "RopelineWorkerDown",
            Self::LineRefusing => "RopelineLineDown",
            Self::PrometheusStalled => "RopelinePrometheusDown",
            Self::KeyRemoved => "RopelineRelayCannotReachWorker",
            Self::ClockBehind => "RopelineClockOff",
            Self::MonitoringStalled => return None,
        })
    }

    /// Whether nobody needs to come.
    #[must_use]
    pub const fn heals_by_itself(self) -> bool {
        matches!(self, Self::RelayKilled | Self::RelayHung)
    }

    pub(crate) async fn begin(self, scene: &mut Scene) {
        match self {
            Self::BrokerStopped => scene.kafka.as_mut().expect("a broker").kill9(),
            Self::RelayKilled => scene.with_relay(|relay| relay.kill9()),
            Self::RelayHung => scene.with_relay(|relay| relay.pause()),
            Self::WorkerDown => scene.world.kill9(),
            Self::LineRefusing => {
                for command in ["exchange", "board", "stats"] {
                    scene.world.fault(Rule::line(command, Call::OVERLOADED).times(u32::MAX)).await;
                }
            }
            Self::PrometheusStalled => scene.stall_monitoring(1),
            Self::MonitoringStalled => scene.stall_monitoring(2),
            Self::KeyRemoved => with_keys(scene, |keys| keys["relay"] = json!([])),
            Self::ClockBehind => scene.world.clock_ahead(-60_000).await,
        }
    }

    /// The text by which somebody is told, if it has come.
    pub(crate) fn told(self, scene: &Scene, began: Instant) -> Option<String> {
        let Some(alert) = self.alert() else {
            let last = scene.monitoring.receiver.since(began - 2 * SILENCE);
            let last = last.iter().rfind(|message| message.path == "/watchdog")?;
            return (last.at.elapsed() > SILENCE).then(|| "the dead man's switch has fallen silent".to_owned());
        };
        // What heals within seconds may be told by the recovery alone: the alert is over before its message is due.
        let is_meant = |message: &Message| {
            let text = message.text();
            let is_alert = text.contains(alert) && (text.contains("Critical") || text.contains("Warning"));
            message.path == "/slack" && (is_alert || self.heals_by_itself() && text.contains("was started again"))
        };
        let message = scene.monitoring.receiver.first(began, is_meant)?;
        Some(message.text().lines().next().unwrap_or_default().to_owned())
    }

    /// What visitors felt of it.
    pub(super) fn measured(self, crowd: &Crowd, began: Instant) -> String {
        if self != Self::MonitoringStalled {
            return String::new();
        }
        let now = Instant::now();
        let (before, _) = crowd.p99(began - (now - began), began);
        let (during, count) = crowd.p99(began, now);
        format!("p99 of {count} enters {} ms, {} ms before", during.as_millis(), before.as_millis())
    }

    pub(crate) async fn end(self, scene: &mut Scene) {
        match self {
            Self::BrokerStopped => {
                let kafka = scene.kafka.take().expect("a broker");
                scene.kafka = Some(kafka.restart().unwrap_or_else(|error| panic!("no Kafka: {error:#}")));
            }
            Self::RelayKilled | Self::RelayHung => {}
            Self::WorkerDown => scene.world.restart(),
            Self::LineRefusing => scene.world.forget_faults().await,
            Self::PrometheusStalled | Self::MonitoringStalled => scene.resume_monitoring(),
            Self::KeyRemoved => with_keys(scene, |_| {}),
            Self::ClockBehind => scene.world.clock_ahead(0).await,
        }
    }

    /// Whether all is well again, which was mended at `mended`.
    pub(super) async fn is_over(self, scene: &Scene, mended: Instant) -> bool {
        match self {
            Self::BrokerStopped | Self::RelayKilled | Self::RelayHung | Self::KeyRemoved => scene.carries().await,
            Self::WorkerDown | Self::LineRefusing => scene.serves().await,
            Self::ClockBehind => scene.is_in_step().await,
            Self::PrometheusStalled => scene.is_watched().await,
            Self::MonitoringStalled => {
                scene.monitoring.receiver.first(mended, |message| message.path == "/watchdog").is_some()
            }
        }
    }
}

/// The Worker with its keys, but for this change, started again.
fn with_keys(scene: &Scene, change: impl FnOnce(&mut Value)) {
    let mut keys: Value = serde_json::from_str(&scene.world.keys.roles()).expect("JSON");
    change(&mut keys);
    let file = scene.world.dir.join("state/bindings/ROPELINE_KEYS");
    std::fs::write(file, keys.to_string()).expect("the Worker's keys");
    scene.world.restart();
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BrokerStopped => "Kafka's broker stopped",
            Self::RelayKilled => "relay killed",
            Self::RelayHung => "relay hung",
            Self::WorkerDown => "Worker down",
            Self::LineRefusing => "line refusing",
            Self::PrometheusStalled => "one Prometheus stalled",
            Self::MonitoringStalled => "monitoring stalled",
            Self::KeyRemoved => "relay key removed",
            Self::ClockBehind => "clock a minute behind",
        })
    }
}
