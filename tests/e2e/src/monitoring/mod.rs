//! The real Prometheus, twice, and Alertmanager with the files of `ops/`, in which only the addresses that are marked for it are changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use xtask::process::{Output, Process};
use xtask::tools::monitoring::Monitoring as Programs;
use xtask::ui::Ui;
use xtask::{free_port, paths};

pub mod prometheus;
pub mod receiver;

use crate::now_ms;
use crate::world::HOW_TO_GET_IT;
use receiver::{Receiver, Recovery};

/// What is watched.
#[derive(Debug)]
pub struct Watched<'a> {
    /// `host:port` of the Worker.
    pub worker: String,
    /// The bearer secret of the role `metrics`.
    pub metrics_key: &'a str,
    /// `host:port` of the relay's listener.
    pub relay: String,
    /// What starts the relay again, as a shell command.
    pub restart: String,
}

/// The programs, running.
#[derive(Debug)]
pub struct Monitoring {
    /// What Slack and the dead man's switch get.
    pub receiver: Receiver,
    /// Where Prometheus answers, on this machine: the second of the two, which goes on while the first one alone stands still.
    pub port: u16,
    both: [Process; 2],
    _alertmanager: Process,
}

/// The programs.
///
/// # Panics
/// When they are not there and cannot be built.
#[must_use]
pub fn programs() -> Programs {
    Programs::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}; {HOW_TO_GET_IT}"))
}

impl Monitoring {
    /// Starts them in `dir`.
    ///
    /// # Panics
    /// When a file is not what is expected, or a program does not come up.
    #[must_use]
    pub fn start(dir: &Path, watched: &Watched<'_>) -> Self {
        let programs = programs();
        let receiver = Receiver::start();
        let [first, port, alertmanager_port] = std::array::from_fn(|_| free_port().expect("a port"));
        let dir = dir.join("monitoring");
        std::fs::create_dir_all(dir.join("recovery")).expect("a directory");
        let write = |name: &str, text: String| std::fs::write(dir.join(name), text).expect("a file");
        write("slack-url", format!("http://127.0.0.1:{}/slack", receiver.port));
        write("watchdog-url", format!("http://127.0.0.1:{}/watchdog", receiver.port));
        write("metrics-key", watched.metrics_key.to_owned());
        let settings = vec![
            ("ROPELINE_RECOVERY_HEALTH", format!("http://{}/healthz", watched.relay)),
            ("ROPELINE_RECOVERY_RESTART", watched.restart.clone()),
            ("ROPELINE_RECOVERY_STATE", dir.join("recovery").display().to_string()),
            ("ROPELINE_RECOVERY_SLACK_URL_FILE", dir.join("slack-url").display().to_string()),
        ];
        let recovery = Recovery { settings, log: dir.join("recovery.log") }.start();
        for file in ["prometheus/alerts.yml", "alertmanager/slack.tmpl"] {
            let from = paths::root().join("ops").join(file);
            std::fs::copy(&from, dir.join(from.file_name().expect("a name"))).expect("a copy");
        }
        changed(
            "prometheus/prometheus.yml",
            &dir,
            &[
                ("scheme: https", "scheme: http"),
                ("queue.example.com", &watched.worker),
                ("relay:9464", &watched.relay),
                ("prometheus:9090", &format!("127.0.0.1:{first}")),
                ("prometheus-2:9090", &format!("127.0.0.1:{port}")),
                ("alertmanager:9093", &format!("127.0.0.1:{alertmanager_port}")),
            ],
        );
        changed(
            "alertmanager/alertmanager.yml",
            &dir,
            &[("127.0.0.1:9465", &format!("127.0.0.1:{recovery}")), ("/etc/alertmanager", &dir.display().to_string())],
        );
        let mut command = Command::new(&programs.alertmanager);
        command
            .arg(format!("--config.file={}", dir.join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", dir.join("alertmanager").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{alertmanager_port}"))
            .arg("--cluster.listen-address=");
        let alertmanager = spawn("Alertmanager", command, dir.join("alertmanager.log"), alertmanager_port);
        let both = [("prometheus", first), ("prometheus-2", port)].map(|(name, port)| {
            let mut command = Command::new(&programs.prometheus);
            command
                .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", dir.join(name).display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--rules.alert.resend-delay=5s");
            spawn("Prometheus", command, dir.join(name).with_extension("log"), port)
        });
        Self { receiver, port, both, _alertmanager: alertmanager }
    }

    /// Whether this query has a value now; none when it cannot be asked.
    pub async fn shows(&self, query: &str) -> Option<bool> {
        let now = now_ms() as f64 / 1_000.0;
        let series = prometheus::query_range(self.port, query, (now, now), Duration::from_secs(1)).await.ok()?;
        Some(series.iter().any(|series| !series.points.is_empty()))
    }

    /// So many of the two Prometheus stand still: they hold their connections, and neither read nor scrape.
    pub fn stall(&mut self, how_many: usize) {
        for prometheus in &mut self.both[..how_many] {
            prometheus.signal(Signal::STOP);
        }
    }

    /// They go on.
    pub fn resume(&mut self) {
        for prometheus in &mut self.both {
            prometheus.signal(Signal::CONT);
        }
    }
}

fn spawn(name: &str, mut command: Command, log: PathBuf, port: u16) -> Process {
    let mut process = Process::spawn(name, &mut command, Output::Log(&log)).expect("a program");
    let ready = process.wait_until(Duration::from_secs(30), || xtask::process::port_answers(port));
    ready.unwrap_or_else(|error| panic!("{error:#}"));
    process
}

/// A file of `ops/` with other addresses, in `dir`.
fn changed(file: &str, dir: &Path, changes: &[(&str, &str)]) {
    let from = paths::root().join("ops").join(file);
    let mut text = std::fs::read_to_string(&from).expect("a file of ops/");
    for (old, new) in changes {
        assert!(text.contains(old), "{file} has no {old}");
        text = text.replace(old, new);
    }
    std::fs::write(dir.join(from.file_name().expect("a name")), text).expect("a file");
}
