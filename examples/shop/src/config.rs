//! Settings, from flags or the environment. The origin key comes from the environment only: flags
//! are seen by everybody who may list processes.

use std::net::SocketAddr;

use clap::Parser;

/// A shop that lets in only whom Ropeline admitted.
#[derive(Clone, Parser)]
#[command(name = "ropeline-shop", version)]
pub(crate) struct Config {
    /// Address to listen on
    #[arg(long, env = "SHOP_LISTEN", default_value = "127.0.0.1:8788")]
    pub(crate) listen: SocketAddr,
    /// Ropeline's address with its path prefix
    #[arg(long, env = "SHOP_QUEUE_URL", default_value = "http://localhost:8787/queue", value_parser = queue_url)]
    pub(crate) queue_url: String,
    /// The event whose passes open this shop
    #[arg(long, env = "SHOP_EVENT", default_value = "demo", value_parser = event_id)]
    pub(crate) event: String,
    /// The `iss` to trust: the Worker's ROPELINE_ISSUER [default: the queue URL without its path]
    #[arg(long, env = "SHOP_ISSUER")]
    issuer: Option<String>,
    /// The `aud` to accept: the event's `audience` [default: the event]
    #[arg(long, env = "SHOP_AUDIENCE")]
    audience: Option<String>,
    /// Set cookies for https only (`__Host-`, `Secure`): always, but in development
    #[arg(long, env = "SHOP_SECURE_COOKIES")]
    pub(crate) secure_cookies: bool,
    #[arg(skip = std::env::var("ROPELINE_ORIGIN_KEY").ok().filter(|key| !key.is_empty()))]
    pub(crate) origin_key: Option<String>,
}

impl Config {
    pub(crate) fn issuer(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| {
            reqwest::Url::parse(&self.queue_url)
                .map_or_else(|_| self.queue_url.clone(), |url| url.origin().ascii_serialization())
        })
    }

    pub(crate) fn audience(&self) -> String {
        self.audience.clone().unwrap_or_else(|| self.event.clone())
    }

    pub(crate) fn waiting_room(&self) -> String {
        format!("{}/events/{}/wait", self.queue_url, self.event)
    }
}

fn queue_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err("an http(s) address such as https://queue.example.com/queue is needed".into());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Ids stand in addresses: only what an id can be.
fn event_id(text: &str) -> Result<String, String> {
    let valid = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid { Ok(text.to_owned()) } else { Err("an event id has 1 to 64 of a-z, 0-9 and -".into()) }
}
