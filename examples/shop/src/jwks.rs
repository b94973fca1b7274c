//! The line's public keys, and verifying with them.
//!
//! Invariant: a pass is accepted only under keys fetched from the line within the last [`MAX_AGE`];
//! with none it is refused. A pass is never sent anywhere to be checked: the line may be down and
//! those inside shop on. Keys are fetched every [`REFRESH`], and when a pass names an unknown one
//! (a rotation), at most every [`AGAIN`] however many such passes come.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ropeline_ticket::native::Verifier;
use ropeline_ticket::{Jwks, KeyError, PassClaims, TokenError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Shop;
use crate::config::Config;

/// How often the keys are fetched, as long as it works.
const REFRESH: Duration = Duration::from_secs(300);
/// The least time between two fetches.
const AGAIN: Duration = Duration::from_secs(10);
/// Keys older than this are trusted no more: one of them may have been withdrawn meanwhile.
const MAX_AGE: Duration = Duration::from_secs(3_600);
const MAX_BYTES: usize = 64 * 1024;

/// Why there is no verified pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    #[error("there is no pass")]
    Missing,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the keys of the line cannot be had, so that no pass can be checked")]
    NoKeys,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer is longer than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the answer is no JWK Set: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the keys cannot be used: {0}")]
    Keys(#[from] KeyError),
}

pub(crate) struct Keys {
    client: reqwest::Client,
    url: String,
    issuer: String,
    audience: String,
    event: String,
    current: RwLock<Option<(Instant, Arc<Verifier>)>>,
    /// When the last fetch began. Held while one is under way, so that there is only one.
    fetching: Mutex<Option<Instant>>,
}

impl Keys {
    pub(crate) fn new(client: reqwest::Client, config: &Config) -> Self {
        Self {
            client,
            url: format!("{}/jwks.json", config.queue_url),
            issuer: config.issuer(),
            audience: config.audience(),
            event: config.event.clone(),
            current: RwLock::new(None),
            fetching: Mutex::new(None),
        }
    }

    /// The claims of a pass that is good for this shop and event at `now_seconds`.
    pub(crate) async fn verify(&self, pass: &str, now_seconds: u64) -> Result<PassClaims, Refusal> {
        match self.try_verify(pass, now_seconds) {
            Err(Refusal::NoKeys | Refusal::Token(TokenError::UnknownKey { .. })) => {
                self.refresh().await;
                self.try_verify(pass, now_seconds)
            }
            settled => settled,
        }
    }

    fn try_verify(&self, pass: &str, now_seconds: u64) -> Result<PassClaims, Refusal> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (fetched, verifier) = current.ok_or(Refusal::NoKeys)?;
        if fetched.elapsed() > MAX_AGE {
            return Err(Refusal::NoKeys);
        }
        Ok(verifier.verify_pass(pass, Some(&self.event), now_seconds)?)
    }

    /// Fetches the keys unless that was tried a moment ago. On failure the old ones stay.
    async fn refresh(&self) {
        let mut last = self.fetching.lock().await;
        if last.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        let began = Instant::now();
        *last = Some(began);
        match self.fetch().await {
            Ok(verifier) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some((began, Arc::new(verifier)));
            }
            Err(error) => tracing::warn!(url = %self.url, %error, "the keys cannot be fetched"),
        }
    }

    async fn fetch(&self) -> Result<Verifier, FetchError> {
        let mut answer = self.client.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let jwks: Jwks = serde_json::from_slice(&body)?;
        Ok(Verifier::new(&jwks, &self.issuer, &self.audience)?)
    }

    fn is_fresh(&self) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|(fetched, _)| fetched.elapsed() < REFRESH)
    }
}

/// Keeps the keys fresh, beside the requests: none of them waits for it.
pub(crate) async fn refresh_forever(shop: Arc<Shop>) {
    loop {
        if !shop.keys.is_fresh() {
            shop.keys.refresh().await;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
