//! The way to the Worker: its name, its certificate, and the clocks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use ropeline_report::{Level, Line};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::address::is_here;
use crate::client::{Answer, Client};

/// A certificate that ends sooner is warned of.
const SOON_DAYS: i64 = 14;
/// Clocks that differ by more are warned of.
const MOST_MS: i64 = 5_000;
/// How long a name may take.
const LOOKUP: Duration = Duration::from_secs(5);

/// Whether the name is known; a Worker that answers all the same is reached through a proxy.
pub async fn name(client: &Client, answers: bool) -> Vec<Line> {
    const CHECK: &str = "dns";
    let Some((host, port)) = Url::parse(client.base()).ok().and_then(|url| {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some((host, url.port_or_known_default()?))
    }) else {
        return Vec::new();
    };
    let failed = |cause: String| {
        let (level, remedy) = match answers {
            true => (Level::Note, "nothing is to be done: the Worker is reached through a proxy"),
            false => (Level::Fail, "check the name in --url, and its DNS record at Cloudflare (proxied)"),
        };
        vec![Line::new(level, CHECK, &host, cause, remedy)]
    };
    match tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host.as_str(), port))).await {
        Err(_) => failed(format!("no answer within {} s", LOOKUP.as_secs())),
        Ok(Err(error)) => failed(error.to_string()),
        Ok(Ok(found)) => {
            let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            addresses.sort();
            addresses.dedup();
            if addresses.is_empty() {
                failed("has no address".to_owned())
            } else {
                vec![Line::ok(CHECK, &host, addresses.join(", "))]
            }
        }
    }
}

/// Whether the certificate lasts.
pub fn tls(client: &Client, answer: Option<&Answer>) -> Line {
    const CHECK: &str = "tls";
    let base = client.base();
    if Url::parse(base).is_ok_and(|url| url.scheme() == "http" && is_here(&url)) {
        let remedy = "nothing is to be done on one machine; a deployment is https";
        return Line::new(Level::Note, CHECK, base, "not encrypted", remedy);
    }
    let Some(answer) = answer else {
        return Line::new(
            Level::Note,
            CHECK,
            base,
            "not looked at: no answer",
            "mend the Worker's line, and check again",
        );
    };
    let until = answer.certificate.as_deref().and_then(end_of);
    match until {
        Some(until) => lasts(base, until, std::time::SystemTime::now().into()),
        None => Line::ok(CHECK, base, "the certificate is one of public trust"),
    }
}

/// Until when a certificate is valid.
fn end_of(der: &[u8]) -> Option<DateTime<Utc>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
}

fn lasts(about: &str, until: DateTime<Utc>, now: DateTime<Utc>) -> Line {
    let days = (until - now).num_days();
    let found = format!("the certificate is trusted, and lasts {days} days more");
    if days >= SOON_DAYS {
        return Line::ok("tls", about, found);
    }
    Line::new(
        Level::Warn,
        "tls",
        about,
        found,
        "see that it is renewed: Cloudflare renews its own, not one you have uploaded",
    )
}

/// The Worker's `Date` beside this machine's clock.
pub fn clock(date: Option<&str>, now: DateTime<Utc>) -> Line {
    const CHECK: &str = "clock";
    const ABOUT: &str = "this machine and the Worker";
    let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        let remedy = "nothing is to be done where this machine's clock is set by NTP";
        return Line::new(Level::Note, CHECK, ABOUT, "not compared: the answer has no Date", remedy);
    };
    // It has no fraction of a second: on the average half of one is cut off.
    let ms = (now - date.to_utc()).num_milliseconds() - 500;
    let found = format!("{:.1} s apart", ms.abs() as f64 / 1_000.0);
    if ms.abs() <= MOST_MS {
        return Line::ok(CHECK, ABOUT, found);
    }
    Line::new(Level::Warn, CHECK, ABOUT, found, "set this machine's clock (NTP): verifiers allow passes a few seconds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["queue.example.com".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 5, 17);
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(end_of(certificate.der()).unwrap().to_rfc3339(), "2030-05-17T00:00:00+00:00");
        assert_eq!(end_of(b"no certificate"), None);
    }

    #[test]
    fn a_certificate_that_ends_soon_is_warned_of() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(lasts("a", now + TimeDelta::days(20), now).level, Level::Ok);
        let line = lasts("a", now + TimeDelta::days(3), now);
        assert_eq!((line.level, line.found.contains("3 days")), (Level::Warn, true));
    }

    #[test]
    fn clocks_that_differ_are_warned_of() {
        let date = "Fri, 15 Jan 2027 08:00:00 GMT";
        let at = |ms: i64| DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap();
        assert_eq!(clock(Some(date), at(600)).level, Level::Ok);
        assert_eq!(clock(Some(date), at(10_000)).level, Level::Warn);
        assert_eq!(clock(Some(date), at(-10_000)).level, Level::Warn);
        assert_eq!(clock(None, at(0)).level, Level::Note);
    }
}
