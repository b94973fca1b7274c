//! Where the deployment is, and that a key may go there: https, or this machine.

use reqwest::Url;

use crate::failure::Failure;
use crate::options::Global;

/// Where the deployment is.
///
/// # Errors
/// When a key must not go there.
pub fn checked(global: &Global) -> Result<Url, Failure> {
    let text = global.url.as_deref().filter(|url| !url.is_empty());
    let text = text
        .ok_or_else(|| Failure::usage("say where the Worker is: --url https://queue.example.com, or ROPELINE_URL"))?;
    let wrong = |why: &str| Failure::usage(format!("--url '{text}' {why}"));
    let url = Url::parse(text).map_err(|_| wrong("must be an address such as https://queue.example.com"))?;
    if url.host_str().is_none() || !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("must be an address such as https://queue.example.com"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must end after the host and port: the path is --prefix"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("--url must not have a user or a password in it"));
    }
    if url.scheme() == "http" && !is_here(&url) {
        return Err(wrong("must be https: only on this machine itself a key may travel in clear"));
    }
    let prefix = &global.prefix;
    let fits = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(fits)) {
        return Err(Failure::usage(format!(
            "--prefix '{prefix}' must be a path such as /queue, without a slash at its end"
        )));
    }
    Ok(url)
}

/// Whether the address is on this machine.
#[must_use]
pub fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
