//! The two native programs beside the Worker: the relay and the example shop.
//! Secrets go to them by environment, never on a command line.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::bundle::Programs;
use crate::process::{self, Output, Process};

/// A relay to be started.
#[derive(Clone)]
pub struct RelayOptions {
    /// The program.
    pub program: PathBuf,
    /// Where the Worker is, as `http://localhost:8787`.
    pub worker_url: String,
    /// `host:port` of a broker.
    pub bootstrap: String,
    /// The topic of events that have none of their own.
    pub topic: String,
    /// The bearer secret of the role `relay`.
    pub key: String,
    /// A TOML file with more settings.
    pub config: Option<PathBuf>,
    /// Its health listener, on 127.0.0.1.
    pub health: Option<u16>,
    /// Both outputs are appended to it.
    pub log: PathBuf,
}

impl RelayOptions {
    /// The relay of [`Programs::built`] with its defaults.
    #[must_use]
    pub fn new(worker_url: &str, bootstrap: &str, topic: &str, key: &str, log: &Path) -> Self {
        Self {
            program: Programs::built().relay,
            worker_url: worker_url.to_owned(),
            bootstrap: bootstrap.to_owned(),
            topic: topic.to_owned(),
            key: key.to_owned(),
            config: None,
            health: None,
            log: log.to_path_buf(),
        }
    }
}

/// A running relay. Dropped, it is killed.
#[derive(Debug)]
pub struct Relay {
    process: Process,
}

impl Relay {
    /// Starts it. It waits for the Worker and the broker by itself.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(options: &RelayOptions) -> Result<Self> {
        let mut command = Command::new(&options.program);
        command
            .arg("run")
            .env("ROPELINE_RELAY_WORKER_URL", &options.worker_url)
            .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", &options.bootstrap)
            .env("ROPELINE_RELAY_TOPIC", &options.topic)
            .env("ROPELINE_RELAY_KEY", &options.key);
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        if let Some(port) = options.health {
            command.env("ROPELINE_RELAY_HEALTH_LISTEN", format!("127.0.0.1:{port}"));
        }
        let process = Process::spawn("the relay", &mut command, Output::Log(&options.log))?;
        Ok(Self { process })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// SIGKILL, at once.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGSTOP: it stands still until [`Relay::resume`], and knows nothing of it.
    pub fn pause(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// Memory it has in use, in KiB (`VmRSS`).
    ///
    /// # Errors
    /// When it does not run, or the system does not say.
    pub fn resident_kib(&self) -> Result<u64> {
        process::resident_kib(self.process.id())
    }

    /// SIGTERM: it finishes its batch, acks and leaves. Says how it ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop(Duration::from_secs(20))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }
}

/// A shop to be started.
#[derive(Clone)]
pub struct ShopOptions {
    /// The program.
    pub program: PathBuf,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Where the Worker is, as `http://localhost:8787`.
    pub worker_url: String,
    /// The event whose passes it takes.
    pub event: String,
    /// The bearer secret of the role `origin`.
    pub key: String,
    /// Both outputs are appended to it.
    pub log: PathBuf,
}

impl ShopOptions {
    /// The shop of [`Programs::built`].
    #[must_use]
    pub fn new(port: u16, worker_url: &str, event: &str, key: &str, log: &Path) -> Self {
        Self {
            program: Programs::built().shop,
            port,
            worker_url: worker_url.to_owned(),
            event: event.to_owned(),
            key: key.to_owned(),
            log: log.to_path_buf(),
        }
    }
}

/// A running shop. Dropped, it is killed.
#[derive(Debug)]
pub struct Shop {
    process: Process,
    port: u16,
}

impl Shop {
    /// Starts it; comes back when it listens.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start(options: &ShopOptions) -> Result<Self> {
        let mut command = Command::new(&options.program);
        command
            .env("SHOP_LISTEN", format!("127.0.0.1:{}", options.port))
            .env("SHOP_QUEUE_URL", format!("{}/queue", options.worker_url))
            .env("SHOP_ISSUER", &options.worker_url)
            .env("SHOP_EVENT", &options.event)
            .env("ROPELINE_ORIGIN_KEY", &options.key);
        let mut process = Process::spawn("the shop", &mut command, Output::Log(&options.log))?;
        let port = options.port;
        process.wait_until(Duration::from_secs(20), || process::port_answers(port))?;
        Ok(Self { process, port })
    }

    /// `http://127.0.0.1:port`: another host than the Worker's `localhost`, as
    /// a real shop is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the waiting page posts the pass: the event's `return_url`.
    #[must_use]
    pub fn return_url(&self) -> String {
        format!("{}/enter-shop", self.url())
    }

    /// `127.0.0.1:port`, for [`crate::http::Client`].
    #[must_use]
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// SIGTERM, and waits. Says how it ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop(Duration::from_secs(10))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }
}
