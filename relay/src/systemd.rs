//! What the service manager is told (`sd_notify(3)`, a unit of `Type=notify`): that the relay runs, what it does, that it
//! stops; and, as its watchdog, that it is alive.
//!
//! Invariant: `WATCHDOG=1` is sent only while [`Health::hangs`] finds nothing: every call of every event has come back within
//! its bound and the loops turn. No timer alone ever sends it. That a call brings an error does not count: a Kafka or Worker that is
//! down makes the relay unready (`/readyz`, the status line), and restarting the relay would mend nothing, but break off what
//! its other events have under way.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{debug, error, info};

use crate::health::Health;

/// Between two looks at the status line, at most.
const LOOK: Duration = Duration::from_secs(2);

/// The way to the service manager; leads nowhere when there is none.
#[derive(Debug)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// What `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say.
    ///
    /// # Errors
    /// When there is a socket, and it cannot be used.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> io::Result<Self> {
        let Some(path) = env("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Ok(Self { socket: None, watchdog: None });
        };
        let address = match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&path)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A manager that does not read must not hold the relay up.
        socket.set_nonblocking(true)?;
        let ours = env("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let micros = env("WATCHDOG_USEC").and_then(|usec| usec.parse().ok()).filter(|usec| *usec > 0);
        Ok(Self { socket: Some(socket), watchdog: micros.filter(|_| ours).map(Duration::from_micros) })
    }

    /// The watchdog's period, when there is one.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The relay runs.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    fn send(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            debug!(%error, state, "the service manager does not listen");
        }
    }

    /// Feeds the watchdog while the relay is alive, and keeps the status line. Returns when `stop` turns true, and says so.
    pub async fn tell(&self, health: Arc<Health>, mut stop: watch::Receiver<bool>) {
        if self.socket.is_none() {
            return;
        }
        // Four times in its period: a signal that is late by a moment does not count as none.
        let every = self.watchdog.map_or(LOOK, |period| LOOK.min(period / 4));
        let mut shown = String::new();
        let mut hung: Option<Instant> = None;
        loop {
            match (health.hangs(), hung) {
                (None, since) => {
                    if let Some(since) = since {
                        info!(seconds = since.elapsed().as_secs(), "what hung goes on: the watchdog is fed again");
                    }
                    hung = None;
                    if self.watchdog.is_some() {
                        self.send("WATCHDOG=1");
                    }
                }
                (Some(what), None) => {
                    error!(what, "the relay hangs: the watchdog is not fed");
                    hung = Some(Instant::now());
                }
                (Some(_), Some(_)) => {}
            }
            let status = health.status();
            if status != shown {
                self.send(&format!("STATUS={status}"));
                shown = status;
            }
            if timeout(every, stop.wait_for(|stop| *stop)).await.is_ok() {
                break;
            }
        }
        self.send("STOPPING=1\nSTATUS=finishing what is under way");
    }
}
