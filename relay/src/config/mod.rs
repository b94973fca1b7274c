//! The relay's settings: a TOML file, with environment overrides for what differs per machine and for the secret.
//!
//! Invariants: every field has a default or is named when it is missing; an unknown field is an error; whatever is wrong
//! is said at once ([`ConfigError`]); no message and no `Debug` output carries a secret. `ropeline-relay.sample.toml`
//! documents every setting; a test holds it to [`Settings`].

mod file;
mod kafka;
mod mistakes;
mod secret;
mod settings;

use std::path::Path;
use std::time::Duration;
use std::{fmt, fs};

pub use kafka::{
    Compression, KAFKA_PASSWORD, KafkaAccess, KafkaSettings, Sasl, SaslMechanism, SaslSettings, TlsSettings,
};
pub use mistakes::{ConfigError, Mistake};
pub use secret::Secret;
pub use settings::{
    BatchSettings, BrakeSettings, CanarySettings, HealthSettings, IntervalSettings, LimitSettings, LogFormat,
    LogSettings, OFF, ScanSettings, Settings, WorkerSettings,
};

use crate::canary::Plan;
use crate::types::EventId;
use mistakes::Mistakes;
use secret::SecretSource;

/// Environment variables that take precedence over the file.
pub const KEY: &str = "ROPELINE_RELAY_KEY";
/// Overrides `worker.url`.
pub const WORKER_URL: &str = "ROPELINE_RELAY_WORKER_URL";
/// Overrides `kafka.bootstrap`; addresses separated by commas.
pub const KAFKA_BOOTSTRAP: &str = "ROPELINE_RELAY_KAFKA_BOOTSTRAP";
/// Overrides `kafka.topic`.
pub const TOPIC: &str = "ROPELINE_RELAY_TOPIC";
/// Overrides `health.listen`.
pub const HEALTH_LISTEN: &str = "ROPELINE_RELAY_HEALTH_LISTEN";

/// The canary's visitor key, instead of `canary.visitor_key_file`.
pub const CANARY_KEY: &str = "ROPELINE_RELAY_CANARY_KEY";

const RELAY_KEY: SecretSource = SecretSource { setting: "worker.key_file", variable: KEY, name: "relay key" };

/// Settings that were checked, with the secrets and certificates that they name.
#[derive(Clone, Debug)]
pub struct Config {
    /// What file and environment say together.
    pub settings: Settings,
    /// The relay key.
    pub key: Secret,
    /// How to get at Kafka.
    pub kafka: KafkaAccess,
    /// What the canary does, where there is one.
    pub canary: Option<Plan>,
}

const VISITOR_KEY: SecretSource =
    SecretSource { setting: "canary.visitor_key_file", variable: CANARY_KEY, name: "canary's visitor key" };

impl Settings {
    /// What the canary does, if there is one.
    fn canary_plan(&self, key: Option<String>, mistakes: &mut Mistakes) -> Option<Plan> {
        let canary = &self.canary;
        if !canary.is_on() {
            return None;
        }
        let visitor = VISITOR_KEY.get(key, canary.visitor_key_file.as_deref(), mistakes)?;
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(22..=128).contains(&visitor.expose().len()) || !visitor.expose().bytes().all(is_key) {
            let what =
                "is no visitor key: 22 to 128 characters of A-Z, a-z, 0-9, - and _, like `openssl rand -hex 32` prints";
            mistakes.add(VISITOR_KEY.setting, None, what);
            return None;
        }
        let event = EventId::new(&canary.event)?;
        let url = canary.url.as_ref().unwrap_or(&self.worker.url).trim_end_matches('/');
        Some(Plan {
            base: format!("{url}{}", self.worker.prefix),
            event,
            visitor,
            every: Duration::from_secs(canary.interval_seconds),
            timeout: Duration::from_millis(canary.timeout_ms),
        })
    }
}

/// Something that is allowed, and most likely a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The setting.
    pub setting: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.setting, self.what, self.remedy)
    }
}

impl Config {
    /// Reads `path` (all defaults without one), lays the environment over it, checks everything, and gets secrets and
    /// certificates.
    ///
    /// # Errors
    /// With everything that is wrong: the setting, its value and what to do.
    pub fn load(path: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut mistakes = Mistakes::default();
        let settings = match path {
            None => Some(Settings::default()),
            Some(path) => match fs::read_to_string(path) {
                Ok(text) => file::read(&text, &mut mistakes),
                Err(error) => {
                    let what = format!("cannot be read: {error}; name the file with the settings");
                    mistakes.add("--config", Some(format!("\"{}\"", path.display())), what);
                    None
                }
            },
        };
        // Without the file everything else would look missing.
        let Some(mut settings) = settings else { return Err(mistakes.into()) };
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
        if let Some(listen) = env(HEALTH_LISTEN) {
            settings.health.listen = listen;
        }
        settings.find_mistakes(&mut mistakes);
        let key = RELAY_KEY.get(env(KEY), settings.worker.key_file.as_deref(), &mut mistakes);
        let kafka = settings.kafka.access(env(KAFKA_PASSWORD), &mut mistakes);
        if let Some(key) = &key
            && !key.expose().bytes().all(|byte| byte.is_ascii_graphic())
        {
            let what =
                format!("the relay key (from {KEY} or this file) has blanks or other characters that no key has");
            mistakes.add(RELAY_KEY.setting, None, what);
        }
        let canary = settings.canary_plan(env(CANARY_KEY), &mut mistakes);
        match key {
            Some(key) if mistakes.is_empty() => Ok(Self { settings, key, kafka, canary }),
            _ => Err(mistakes.into()),
        }
    }

    /// What is allowed, and most likely a mistake.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.settings.key_in_the_clear() {
            warnings.push(Warning {
                setting: "worker.url",
                what: "is plain http: the relay key crosses the network in the clear",
                remedy: "use https",
            });
        }
        if self.settings.kafka.password_in_the_clear() {
            warnings.push(Warning {
                setting: "kafka.sasl.mechanism",
                what: "is PLAIN without kafka.tls: the password crosses the network in the clear",
                remedy: "set kafka.tls.enabled = true, or use SCRAM-SHA-512",
            });
        }
        let brake = &self.settings.brake;
        if !brake.events.is_empty() && brake.canary_failures_percent > 0 && self.canary.is_none() {
            warnings.push(Warning {
                setting: "brake.canary_failures_percent",
                what: "is of no use without a canary",
                remedy: "name its event in canary.event, or set this to 0",
            });
        }
        warnings
    }
}
