//! `ropeline-relay run`: settings, log, signals, and the fleet in between.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ropeline_relay::brake;
use ropeline_relay::broker::Kafka;
use ropeline_relay::canary;
use ropeline_relay::config::Config;
use ropeline_relay::fleet::{Fleet, Stopped};
use ropeline_relay::health::{self, Health};
use ropeline_relay::systemd::Manager;
use ropeline_relay::task::Shared;
use ropeline_relay::telemetry;
use ropeline_relay::worker::HttpWorker;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::File;

/// Runs the relay until it is told to stop.
pub fn run(file: &File) -> ExitCode {
    let config = match file.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::start(&config.settings.log);
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
        .and_then(|runtime| {
            let ended = runtime.block_on(serve(config));
            // A lookup of a name that hangs must not hold the process.
            runtime.shutdown_timeout(Duration::from_millis(200));
            ended
        });
    match ended {
        Ok(Stopped::Cleanly) => ExitCode::SUCCESS,
        Ok(Stopped::Dropped(tasks)) => {
            warn!(tasks, "not everything ended in time; the next relay reads the log back and goes on");
            ExitCode::FAILURE
        }
        Err(cause) => {
            error!(%cause, "cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<Stopped, String> {
    let settings = &config.settings;
    let seed = getrandom::u64().map_err(|error| format!("no randomness: {error}"))?;
    let name = getrandom::u64().map_err(|error| format!("no randomness: {error}"))?;
    let relay = format!("{name:016x}");
    let stop = stop_signal().map_err(|error| format!("no signals: {error}"))?;
    let manager = Manager::from_env(|name| std::env::var(name).ok())
        .map_err(|error| format!("NOTIFY_SOCKET: cannot reach the service manager: {error}"))?;
    let worker = || {
        let timeout = Duration::from_millis(settings.worker.request_timeout_ms);
        HttpWorker::new(settings.worker_base(), &config.key, relay.clone(), timeout).map_err(|error| error.to_string())
    };
    let mut health = Health::new(settings.health_rules());
    let canary = config.canary.clone().map(|plan| (plan, Arc::<canary::Counters>::default()));
    if let Some((plan, counters)) = &canary {
        health = health.with_canary(Arc::clone(counters));
        tokio::spawn(canary::run(plan.clone(), worker()?, Arc::clone(counters)));
    }
    let health = Arc::new(health);
    if let Some(rules) = settings.brake.rules() {
        info!(events = settings.brake.events.join(","), "brake: looks every 5 s");
        brake::start(&rules, worker()?, &health, canary.as_ref().map(|(_, counters)| counters));
    }
    if let Some(address) = settings.health.address() {
        let listener = health::server::listen(address).await.map_err(|error| error.to_string())?;
        info!(%address, "health: /healthz, /readyz and /metrics");
        tokio::spawn(health::server::serve(listener, Arc::clone(&health)));
    }
    for warning in config.warnings() {
        warn!("{warning}");
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        %relay,
        worker = %settings.worker_base(),
        kafka = %settings.kafka.bootstrap.join(","),
        topic = %settings.kafka.topic,
        "relay started"
    );
    let shared = Shared {
        worker: worker()?,
        broker: Kafka::new(config.kafka.clone(), settings.kafka.compression),
        rules: settings.rules(),
        kafka_timeout: Duration::from_millis(settings.kafka.call_timeout_ms),
        started: Instant::now(),
        health: Arc::clone(&health),
    };
    let shared = Arc::new(shared);
    tokio::spawn(health::watch_broker(Arc::clone(&shared)));
    manager.ready();
    let told = {
        let stop = stop.clone();
        tokio::spawn(async move { manager.tell(health, stop).await })
    };
    let fleet = Fleet::new(shared, settings.fleet_rules(), seed);
    let stopped = fleet.run(stop).await;
    let _ = told.await;
    info!(cleanly = (stopped == Stopped::Cleanly), "relay stopped");
    Ok(stopped)
}

/// True after the first SIGTERM or SIGINT; the second one ends the process.
fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if !first {
                std::process::exit(1);
            }
            stop.send_replace(true);
        }
    });
    Ok(stopped)
}
