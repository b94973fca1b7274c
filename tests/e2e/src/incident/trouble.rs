//! What goes wrong while visitors come, by what it is seen, and when all is well again.

use std::time::{Duration, Instant};

use super::origin::Origin;
use crate::drill::Fault;
use crate::now_ms;
use crate::scene::{Scene, UNWATCHED};

/// A request to the shop waits for so long while the origin is slow.
const SLOW: Duration = Duration::from_secs(8);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Kafka's broker is stopped.
    BrokerStopped,
    /// One of the two Prometheus stands still, with its connections open; and others ask the Worker for metrics, and never read them.
    PrometheusStalled,
    /// The relay is killed.
    RelayKilled,
    /// The Worker's runtime is killed with -9.
    WorkerKilled,
    /// The shop takes seconds for each answer.
    OriginSlow,
}

impl Trouble {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 5] =
        [Self::BrokerStopped, Self::PrometheusStalled, Self::RelayKilled, Self::WorkerKilled, Self::OriginSlow];

    /// English and Korean.
    #[must_use]
    pub const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::BrokerStopped => ("Kafka's broker stopped", "Kafka 브로커 중지"),
            Self::PrometheusStalled => ("one Prometheus stalled", "Prometheus 하나 멈춤"),
            Self::RelayKilled => ("relay killed", "릴레이 강제 종료"),
            Self::WorkerKilled => ("runtime killed (-9)", "런타임 강제 종료 (-9)"),
            Self::OriginSlow => ("origin slow", "오리진 지연"),
        }
    }

    /// From a wave's beginning until it strikes: enters are under way, for the shop orders; and a kill comes when some have been answered.
    pub(super) const fn into_the_wave(self) -> Duration {
        Duration::from_secs(match self {
            Self::WorkerKilled => 5,
            Self::OriginSlow => 20,
            _ => 2,
        })
    }

    /// For how long. What kills is over when what was killed runs again: at once, where somebody starts it; the runtime after a scrape.
    pub(super) const fn lasts(self) -> Duration {
        match self {
            Self::BrokerStopped | Self::PrometheusStalled | Self::OriginSlow => Duration::from_secs(60),
            Self::RelayKilled => Duration::ZERO,
            Self::WorkerKilled => Duration::from_secs(6),
        }
    }

    /// The same among the faults of the drill.
    const fn fault(self) -> Option<Fault> {
        match self {
            Self::BrokerStopped => Some(Fault::BrokerStopped),
            Self::PrometheusStalled => Some(Fault::PrometheusStalled),
            Self::RelayKilled => Some(Fault::RelayKilled),
            Self::WorkerKilled => Some(Fault::WorkerDown),
            Self::OriginSlow => None,
        }
    }

    /// What asks Prometheus for it: a value while it is there.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::BrokerStopped => "max(ropeline_relay_lag_seconds) > 4",
            Self::PrometheusStalled => UNWATCHED,
            Self::RelayKilled => "up{job=\"ropeline-relay\"} == 0",
            Self::WorkerKilled => "up{job=\"ropeline-worker\"} == 0",
            Self::OriginSlow => "max(ropeline_active_sessions / ropeline_active_sessions_limit) > 0.95",
        }
    }

    pub(super) async fn begin(self, scene: &mut Scene, origin: &Origin) {
        match self.fault() {
            Some(fault) => fault.begin(scene).await,
            None => origin.delay(SLOW),
        }
    }

    pub(super) async fn end(self, scene: &mut Scene, origin: &Origin) {
        match self.fault() {
            Some(fault) => fault.end(scene).await,
            None => origin.delay(Duration::ZERO),
        }
    }

    /// The message that tells of it, if it has come.
    pub(super) fn told(self, scene: &Scene, began: Instant) -> Option<String> {
        self.fault()?.told(scene, began)
    }

    /// Whether Prometheus shows it now; none when it cannot be asked.
    pub(super) async fn shows(self, scene: &Scene) -> Option<bool> {
        scene.monitoring.shows(self.sign()).await
    }

    /// Whether nothing is left of it since `mended` (milliseconds since 1970).
    pub(super) async fn is_over(self, scene: &Scene, mended: u64) -> bool {
        if !(scene.carries().await && scene.canary_is_well(mended).await) {
            return false;
        }
        // What was scraped before is as old as this.
        now_ms() > mended + 6_000 && self.shows(scene).await == Some(false)
    }
}
