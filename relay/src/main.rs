//! The `ropeline-relay` program: settings, log, signals, and the fleet in between.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ropeline_relay::broker::Kafka;
use ropeline_relay::config::{Config, ConfigError};
use ropeline_relay::fleet::{Fleet, Stopped};
use ropeline_relay::task::Shared;
use ropeline_relay::telemetry;
use ropeline_relay::worker::HttpWorker;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

const AFTER_HELP: &str = "\
The relay asks the Worker once a second which events have admissions that are not in Kafka yet, takes a lease on each,
and carries their entries into one partition per event, in order and without a gap. Several relays may run: one works on
an event, the others stand by. It keeps no state of its own and may be stopped, killed and started again at any time.

The topic must exist: the relay never creates one (docs/kafka.md).

Environment (takes precedence over the file; an empty variable counts as absent):
  ROPELINE_RELAY_KEY              the relay key: a bearer secret whose SHA-256 the Worker has under \"relay\"
  ROPELINE_RELAY_WORKER_URL       worker.url, like https://queue.example.com
  ROPELINE_RELAY_KAFKA_BOOTSTRAP  kafka.bootstrap, like broker-1:9092,broker-2:9092
  ROPELINE_RELAY_TOPIC            kafka.topic

SIGTERM and SIGINT: finish and ack the batch under way, give the leases back, exit with 0 (at most 15 seconds; 1 when
that was not enough). A second signal ends it at once. Nothing is lost either way. Exit code 2: the settings are wrong.";

/// Carries Ropeline's admission logs into Apache Kafka, in order.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the relay until it is told to stop
    #[command(after_help = AFTER_HELP)]
    Run(File),
    /// Reads and checks the settings, connects to nothing, and exits with 0 or 2
    Check(File),
}

#[derive(Args)]
struct File {
    /// The settings, in TOML; see ropeline-relay.sample.toml. Without it: the defaults and the environment
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl File {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), |name| std::env::var(name).ok())
    }
}

fn main() -> ExitCode {
    let (file, run) = match Cli::parse().command {
        Command::Run(file) => (file, true),
        Command::Check(file) => (file, false),
    };
    let config = match file.load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("ropeline-relay: {error}");
            return ExitCode::from(2);
        }
    };
    if !run {
        println!("the settings are fine");
        return ExitCode::SUCCESS;
    }
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
    if settings.key_in_the_clear() {
        warn!(url = %settings.worker.url, "worker.url is plain http: the relay key crosses the network in the clear");
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        %relay,
        worker = %settings.worker_base(),
        kafka = %settings.kafka.bootstrap.join(","),
        topic = %settings.kafka.topic,
        "relay started"
    );
    let worker = HttpWorker::new(
        settings.worker_base(),
        &config.key,
        relay,
        Duration::from_millis(settings.worker.request_timeout_ms),
    )
    .map_err(|error| error.to_string())?;
    let shared = Shared {
        worker,
        broker: Kafka::new(settings.kafka.bootstrap.clone(), settings.kafka.client_id.clone()),
        rules: settings.rules(),
        kafka_timeout: Duration::from_millis(settings.kafka.call_timeout_ms),
        started: Instant::now(),
    };
    let fleet = Fleet::new(Arc::new(shared), settings.fleet_rules(), seed);
    let stopped = fleet.run(stop).await;
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
