//! An example origin behind Ropeline: a shop that lets in only whom the line admitted.
//!
//! Invariant: nothing is shown or sold without a pass that was verified here, offline, with the
//! published keys; and one admission (`jti`) buys once.
//!
//! | file | what to copy |
//! |---|---|
//! | `jwks.rs` | fetch the keys, keep them, look again when an unknown one turns up; closed when in doubt |
//! | `pass.rs` | find the pass in a request, verify it, and what to answer without a good one |
//! | `orders.rs` | one order per admission |
//! | `complete.rs` | tell the line that a visit is over, so that the next visitor comes in |
//! | `routes.rs`, `pages.rs` | the shop itself |

mod complete;
mod config;
mod jwks;
mod orders;
mod pages;
mod pass;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::complete::Completer;
use crate::config::Config;
use crate::jwks::Keys;
use crate::orders::Orders;

/// How long a stopping shop still tries to hand slots back.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What all requests share.
pub(crate) struct Shop {
    config: Config,
    keys: Keys,
    orders: Arc<Orders>,
    completer: Completer,
}

impl Shop {
    fn new(config: Config) -> Result<Self, reqwest::Error> {
        // A redirect would hand the origin key to another host: the line never sends one.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(3))
            .build()?;
        let orders = Arc::new(Orders::default());
        Ok(Self {
            keys: Keys::new(client.clone(), &config),
            completer: Completer::new(client, &config, Arc::clone(&orders)),
            orders,
            config,
        })
    }
}

/// Seconds since 1970. A clock before that is as good as no clock: every pass is then from the future.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let shop = Arc::new(Shop::new(Config::parse())?);
    if !shop.completer.is_able() {
        tracing::warn!("no ROPELINE_ORIGIN_KEY: slots are free again only when sessions run out");
    }
    let listener = tokio::net::TcpListener::bind(shop.config.listen).await?;
    tracing::info!(address = %listener.local_addr()?, event = %shop.config.event, "the shop is open");
    tokio::spawn(jwks::refresh_forever(Arc::clone(&shop)));
    axum::serve(listener, routes::router(Arc::clone(&shop))).with_graceful_shutdown(stop_signal()).await?;
    shop.completer.finish(STOP_LIMIT).await;
    Ok(())
}

async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
