//! The relay's settings: a TOML file, with environment overrides for what differs per machine and for the secret.
//!
//! Invariants: every field has a default or is named when it is missing; an unknown field is an error; no message and no
//! `Debug` output carries the key. `ropeline-relay.sample.toml` documents every setting; a test holds it to [`Settings`].

mod secret;
mod settings;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use secret::Secret;
pub use settings::{
    BatchSettings, IntervalSettings, KafkaSettings, LimitSettings, LogFormat, LogSettings, ScanSettings, Settings,
    WorkerSettings,
};

/// Environment variables that take precedence over the file.
pub const KEY: &str = "ROPELINE_RELAY_KEY";
/// Overrides `worker.url`.
pub const WORKER_URL: &str = "ROPELINE_RELAY_WORKER_URL";
/// Overrides `kafka.bootstrap`; addresses separated by commas.
pub const KAFKA_BOOTSTRAP: &str = "ROPELINE_RELAY_KAFKA_BOOTSTRAP";
/// Overrides `kafka.topic`.
pub const TOPIC: &str = "ROPELINE_RELAY_TOPIC";

/// Key files are short; anything longer is another file.
const MOST_KEY_BYTES: u64 = 4_096;

/// Settings that were checked, with the key.
#[derive(Clone, Debug)]
pub struct Config {
    /// What file and environment say together.
    pub settings: Settings,
    /// The relay key.
    pub key: Secret,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A setting's value cannot be used.
    #[error("{field}: {what}")]
    Value {
        /// The setting.
        field: &'static str,
        /// What is wrong and what to do.
        what: String,
    },
}

impl Config {
    /// Reads `path` (all defaults without one), lays the environment over it, checks everything and gets the key.
    ///
    /// # Errors
    /// With the name of the file or field and what to do.
    pub fn load(path: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut settings = match path {
            None => Settings::default(),
            Some(path) => {
                let text =
                    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
                Settings::parse(&text)
                    .map_err(|error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() })?
            }
        };
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        if let Some(url) = env(WORKER_URL) {
            settings.worker.url = url;
        }
        if let Some(list) = env(KAFKA_BOOTSTRAP) {
            settings.kafka.bootstrap = list.split(',').map(|a| a.trim().to_owned()).collect();
        }
        if let Some(topic) = env(TOPIC) {
            settings.kafka.topic = topic;
        }
        settings.check()?;
        let key = match (env(KEY), &settings.worker.key_file) {
            (Some(key), _) => Secret::new(key.trim()),
            (None, Some(path)) => read_key(path)?,
            (None, None) => {
                return Err(ConfigError::Value {
                    field: "worker.key_file",
                    what: format!("there is no relay key: set {KEY}, or name a file that holds it"),
                });
            }
        };
        if key.expose().is_empty() {
            return Err(ConfigError::Value { field: "worker.key_file", what: "the relay key is empty".to_owned() });
        }
        Ok(Self { settings, key })
    }
}

fn read_key(path: &Path) -> Result<Secret, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MOST_KEY_BYTES {
        return Err(ConfigError::Value {
            field: "worker.key_file",
            what: format!("the file has {length} bytes; a key has one line"),
        });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Ok(Secret::new(text.trim()))
}
