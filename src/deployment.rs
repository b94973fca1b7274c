//! What the deployment was configured with: read once per isolate from variables and secrets.
//!
//! Nothing here comes from a request. A missing or broken value is said by name in the log and answered 500, never guessed.

use std::cell::RefCell;
use std::rc::Rc;

use ropeline_queue::UnixMillis;
use ropeline_ticket::keys::PrivateKeys;
use ropeline_ticket::mac::MacKeys;
use ropeline_ticket::webcrypto::WebKeys;
use thiserror::Error;
use worker::Env;

use crate::keyring::{Keyring, KeyringError};
use crate::microtasks;

/// The configuration of this deployment.
pub struct Deployment {
    /// `iss` of all tokens, and `aud` of tickets.
    pub issuer: String,
    /// Under which path all routes are, without a slash at its end.
    pub prefix: String,
    /// For development on plain `http://` only.
    pub insecure_cookies: bool,
    /// Signs and verifies.
    pub keys: WebKeys,
    /// The public keys as a JWK Set.
    pub jwks: String,
    /// Makes and checks the `jti` of tickets.
    pub mac: MacKeys,
    /// Who holds which role.
    pub keyring: Keyring,
    /// Break-glass: whom the gate lets by without asking anybody.
    pub bypass: Bypass,
    /// Which keys are to be taken away, and when.
    pub removals: Vec<(String, UnixMillis)>,
    /// The keys of the door that programs fail.
    pub turnstile: Option<Turnstile>,
}

/// A widget of Cloudflare Turnstile.
#[derive(Debug)]
pub struct Turnstile {
    /// Public: pages show the challenge by it.
    pub site_key: String,
    /// Tokens are checked with it.
    pub secret: String,
}

impl Turnstile {
    fn read(env: &Env) -> Result<Option<Self>, DeploymentError> {
        const SITE_KEY: &str = "ROPELINE_TURNSTILE_SITE_KEY";
        const SECRET: &str = "ROPELINE_TURNSTILE_SECRET";
        match (text(env, SITE_KEY), text(env, SECRET)) {
            (Some(site_key), Some(secret)) => Ok(Some(Self { site_key, secret })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(DeploymentError::Missing { name: SITE_KEY }),
            (Some(_), None) => Err(DeploymentError::Missing { name: SECRET }),
        }
    }
}

/// For which events the gate stands open by hand, whatever their lines say.
#[derive(Debug, Default)]
pub struct Bypass {
    /// For all of them, and also where the list of events cannot be had.
    pub all: bool,
    events: Vec<String>,
}

impl Bypass {
    fn of(text: &str) -> Self {
        let events: Vec<_> = text.split(',').map(|event| event.trim().to_owned()).collect();
        Self { all: events.iter().any(|event| event == "*"), events }
    }

    /// Whether this event is bypassed.
    pub fn has(&self, event: &str) -> bool {
        self.all || self.events.iter().any(|bypassed| bypassed == event)
    }
}

/// Why a deployment cannot work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// A variable or secret is not set.
    #[error("{name} is not set; see docs/configuration.md")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// It does not fit.
    #[error("{name}: {reason}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What is wrong with it, without its value.
        reason: String,
    },
}

thread_local! {
    static DEPLOYMENT: RefCell<Option<Rc<Deployment>>> = const { RefCell::new(None) };
}

impl Deployment {
    /// This isolate's configuration.
    pub async fn get(env: &Env) -> Result<Rc<Self>, DeploymentError> {
        if let Some(known) = DEPLOYMENT.with_borrow(Clone::clone) {
            return Ok(known);
        }
        let made = Rc::new(Self::read(env).await?);
        DEPLOYMENT.replace(Some(Rc::clone(&made)));
        Ok(made)
    }

    async fn read(env: &Env) -> Result<Self, DeploymentError> {
        if !microtasks::are_direct() {
            worker::console_warn!("configuration: microtasks are those of the runtime");
        }
        let invalid =
            |name, reason: &dyn std::fmt::Display| DeploymentError::Invalid { name, reason: reason.to_string() };
        let prefix = text(env, "ROPELINE_PREFIX").unwrap_or_else(|| "/queue".to_owned());
        if !is_prefix(&prefix) {
            return Err(invalid(
                "ROPELINE_PREFIX",
                &"must be a path such as /queue: no slash at its end, a-z, 0-9, '-' and '/'",
            ));
        }
        let private = PrivateKeys::from_json(&secret(env, "ROPELINE_SIGNING_KEYS")?)
            .map_err(|error| invalid("ROPELINE_SIGNING_KEYS", &error))?;
        let jwks =
            serde_json::to_string(&private.public()).map_err(|error| invalid("ROPELINE_SIGNING_KEYS", &error))?;
        Ok(Self {
            issuer: secret(env, "ROPELINE_ISSUER")?,
            prefix,
            insecure_cookies: text(env, "ROPELINE_INSECURE_COOKIES").is_some_and(|value| value == "true"),
            keys: WebKeys::import(&private).await.map_err(|error| invalid("ROPELINE_SIGNING_KEYS", &error))?,
            jwks,
            mac: MacKeys::from_json(&secret(env, "ROPELINE_MAC_KEYS")?)
                .map_err(|error| invalid("ROPELINE_MAC_KEYS", &error))?,
            keyring: Keyring::from_json(&secret(env, "ROPELINE_KEYS")?)
                .map_err(|error: KeyringError| invalid("ROPELINE_KEYS", &error))?,
            bypass: text(env, "ROPELINE_BYPASS").map(|events| Bypass::of(&events)).unwrap_or_default(),
            removals: removals(&text(env, "ROPELINE_KEY_REMOVALS").unwrap_or_default()).ok_or_else(|| {
                invalid(
                    "ROPELINE_KEY_REMOVALS",
                    &"must be like '1a2b3c4d=2026-12-01T09:00:00Z', with commas between several",
                )
            })?,
            turnstile: Turnstile::read(env)?,
        })
    }
}

/// `name=time, …`: names as `ropeline keys list` shows them.
fn removals(text: &str) -> Option<Vec<(String, UnixMillis)>> {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let one = |part: &str| {
        let (name, at) = part.split_once('=')?;
        let name = name.trim();
        is_name(name).then_some((name.to_owned(), UnixMillis::parse_rfc3339(at.trim())?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect()
}

fn text(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string()).filter(|value| !value.is_empty())
}

fn secret(env: &Env, name: &'static str) -> Result<String, DeploymentError> {
    text(env, name).ok_or(DeploymentError::Missing { name })
}

fn is_prefix(prefix: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
}
