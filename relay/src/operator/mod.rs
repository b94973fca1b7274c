//! What operators do with the relay: see how far it is ([`status`]), and let a stopped event begin anew ([`replay`]).
//!
//! Invariant: only [`replay::carry_out`] changes anything; all else looks. Every call has the limit that the settings give it.

pub mod log;
pub mod replay;
pub mod status;

use std::time::Duration;

use crate::broker::Kafka;
use crate::config::Config;
use crate::worker::{BuildError, HttpWorker};

/// The two sides of a relay, for one command.
#[derive(Debug)]
pub struct Sides {
    /// The Worker.
    pub worker: HttpWorker,
    /// Kafka.
    pub kafka: Kafka,
    /// The limit of one call to Kafka.
    pub kafka_timeout: Duration,
}

impl Sides {
    /// As the settings say; `name` is what this process calls itself in a lease.
    ///
    /// # Errors
    /// When HTTP cannot be set up.
    pub fn new(config: &Config, name: String) -> Result<Self, BuildError> {
        let settings = &config.settings;
        let limit = Duration::from_millis(settings.worker.request_timeout_ms);
        Ok(Self {
            worker: HttpWorker::new(settings.worker_base(), &config.key, name, limit)?,
            kafka: Kafka::new(config.kafka.clone(), settings.kafka.compression),
            kafka_timeout: Duration::from_millis(settings.kafka.call_timeout_ms),
        })
    }
}
