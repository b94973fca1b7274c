//! The waiting room's public keys, kept so that no request waits for them but the first and those of a new key.
//!
//! Invariant: they are fetched when five minutes old, and when a pass names a key that is not among them; never twice within ten
//! seconds, whatever comes and whether a fetch worked or not. While they cannot be fetched the old ones stay, for an hour at most:
//! then nobody is let in.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use ropeline_ticket::Jwks;
use ropeline_ticket::native::Verifier;
use tokio::sync::Mutex;
use tokio::time::Instant;

const REFRESH: Duration = Duration::from_secs(300);
const AGAIN: Duration = Duration::from_secs(10);
const MAX_AGE: Duration = Duration::from_secs(3_600);
const TIMEOUT: Duration = Duration::from_secs(3);

/// There are no keys, or they are too old: nothing is known about the pass.
pub(crate) struct NoKeys;

pub(crate) struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    url: String,
    issuer: String,
    audience: String,
    current: RwLock<Option<(Instant, Arc<Verifier>)>>,
    /// When the last fetch ended. Held while one is under way, so that there is only one.
    tried: Mutex<Option<Instant>>,
}

impl Keys {
    /// Fetches nothing yet.
    pub(crate) fn new(url: String, issuer: String, audience: String) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        let (current, tried) = (RwLock::new(None), Mutex::new(None));
        Ok(Self { inner: Arc::new(Inner { client, url, issuer, audience, current, tried }) })
    }

    /// A verifier with the keys that are known. Waits for them only where there are none.
    pub(crate) async fn current(&self) -> Result<Arc<Verifier>, NoKeys> {
        match self.inner.known() {
            Some((age, verifier)) => {
                if age > REFRESH {
                    let inner = Arc::clone(&self.inner);
                    tokio::spawn(async move { inner.refresh().await });
                }
                Ok(verifier)
            }
            None => self.newer().await,
        }
    }

    /// The same after the keys were fetched again, unless that was tried a moment ago.
    pub(crate) async fn newer(&self) -> Result<Arc<Verifier>, NoKeys> {
        self.inner.refresh().await;
        self.inner.known().map(|(_, verifier)| verifier).ok_or(NoKeys)
    }
}

impl Inner {
    fn known(&self) -> Option<(Duration, Arc<Verifier>)> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let (fetched, verifier) = current.as_ref()?;
        let age = fetched.elapsed();
        (age <= MAX_AGE).then(|| (age, Arc::clone(verifier)))
    }

    async fn refresh(&self) {
        let mut tried = self.tried.lock().await;
        if tried.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        let began = Instant::now();
        let fetched = self.fetch().await;
        *tried = Some(Instant::now());
        match fetched {
            Ok(verifier) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some((began, Arc::new(verifier)));
            }
            Err(error) => eprintln!("{}: {error:#}", self.url),
        }
    }

    async fn fetch(&self) -> anyhow::Result<Verifier> {
        let answer = self.client.get(&self.url).send().await?.error_for_status()?;
        let jwks: Jwks = answer.json().await.context("no JWK Set")?;
        Ok(Verifier::new(&jwks, &self.issuer, &self.audience)?)
    }
}
