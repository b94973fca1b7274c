//! The PEM files of `[kafka.tls]`: what is in them, and for how long it is valid.
//!
//! That the files can be read, and that the private key belongs to the certificate, the settings have seen to already
//! ([`crate::config`]): with a key of another certificate there is no TLS to be had, and no configuration.

use std::path::Path;

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::report::{Level, Line};
use crate::config::TlsSettings;

const CHECK: &str = "certificate";
/// One that ends sooner is warned of, in days.
const SOON_DAYS: i64 = 30;
/// Names shown of a file with many.
const SHOWN: usize = 3;

/// One certificate of a file.
struct Certificate {
    subject: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// What is to say about the date of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Valid,
    Soon,
    Expired,
    NotYet,
}

impl Certificate {
    fn state(&self, now: DateTime<Utc>) -> State {
        match self {
            _ if now > self.until => State::Expired,
            _ if now < self.from => State::NotYet,
            _ if (self.until - now).num_days() < SOON_DAYS => State::Soon,
            _ => State::Valid,
        }
    }

    fn says(&self, now: DateTime<Utc>) -> String {
        let (from, until) = (self.from.format("%F"), self.until.format("%F"));
        match self.state(now) {
            State::Valid => format!("{}, valid until {until}", self.subject),
            State::Soon => format!("{} expires on {until}, in {} days", self.subject, (self.until - now).num_days()),
            State::Expired => format!("{} expired on {until}", self.subject),
            State::NotYet => format!("{} is not valid before {from}", self.subject),
        }
    }
}

/// One line for each file, at the time `now`.
pub fn check(tls: &TlsSettings, now: DateTime<Utc>) -> Vec<Line> {
    if !tls.enabled {
        return Vec::new();
    }
    let mut lines = Vec::new();
    match &tls.ca_file {
        Some(file) => lines.push(line(file, now, authorities)),
        None => lines.push(Line::ok(CHECK, "kafka.tls.ca_file", "not set: the public authorities are trusted")),
    }
    if let Some(file) = &tls.certificate_file {
        lines.push(line(file, now, chain));
    }
    lines
}

fn line(file: &Path, now: DateTime<Utc>, judge: fn(String, &[Certificate], DateTime<Utc>) -> Line) -> Line {
    let about = file.display().to_string();
    match read(file) {
        Ok(found) => judge(about, &found, now),
        Err(cause) => Line::new(Level::Fail, CHECK, about, cause, "put certificates in PEM there"),
    }
}

fn read(file: &Path) -> Result<Vec<Certificate>, String> {
    let ders: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let ders = ders.map_err(|error| format!("cannot be read ({error})"))?;
    if ders.is_empty() {
        return Err("has no certificate in it".to_owned());
    }
    ders.iter().map(|der| parse(der)).collect()
}

fn parse(der: &CertificateDer<'_>) -> Result<Certificate, String> {
    let (_, found) = x509_parser::parse_x509_certificate(der).map_err(|error| format!("cannot be read ({error})"))?;
    let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let validity = found.validity();
    Ok(Certificate {
        subject: found.subject().to_string(),
        from: time(validity.not_before.timestamp()),
        until: time(validity.not_after.timestamp()),
    })
}

/// The states that need somebody, the names of those in them, and the worst first.
fn bad(found: &[Certificate], now: DateTime<Utc>, states: &[State]) -> Option<String> {
    let named: Vec<String> =
        found.iter().filter(|one| states.contains(&one.state(now))).map(|one| one.says(now)).collect();
    let more = named.len().saturating_sub(SHOWN);
    let mut text = named.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        text = format!("{text} and {more} more");
    }
    (!named.is_empty()).then_some(text)
}

/// `kafka.tls.ca_file`. Each is trusted by itself, so that one of several may be over.
fn authorities(about: String, found: &[Certificate], now: DateTime<Utc>) -> Line {
    let renew = "put the authority's present certificate into kafka.tls.ca_file, or set this machine's clock";
    let over = [State::Expired, State::NotYet];
    if let Some(said) = bad(found, now, &over) {
        let all = found.iter().all(|one| over.contains(&one.state(now)));
        return Line::new(if all { Level::Fail } else { Level::Warn }, CHECK, about, said, renew);
    }
    if let Some(said) = bad(found, now, &[State::Soon]) {
        let remedy = "add the authority's next certificate to kafka.tls.ca_file before that day";
        return Line::new(Level::Warn, CHECK, about, said, remedy);
    }
    Line::ok(CHECK, about, describe(found, now))
}

/// `kafka.tls.certificate_file`. Brokers refuse the whole of it for any of them.
fn chain(about: String, found: &[Certificate], now: DateTime<Utc>) -> Line {
    if let Some(said) = bad(found, now, &[State::Expired, State::NotYet]) {
        let remedy = "renew kafka.tls.certificate_file and key_file, or set this machine's clock";
        return Line::new(Level::Fail, CHECK, about, said, remedy);
    }
    if let Some(said) = bad(found, now, &[State::Soon]) {
        let remedy = "renew kafka.tls.certificate_file and key_file before that day, and restart the relay";
        return Line::new(Level::Warn, CHECK, about, said, remedy);
    }
    Line::ok(CHECK, about, format!("{}; the private key belongs to it", describe(found, now)))
}

fn describe(found: &[Certificate], now: DateTime<Utc>) -> String {
    match found {
        [one] => one.says(now),
        _ => {
            let first = found.iter().min_by_key(|one| one.until).map(|one| one.says(now)).unwrap_or_default();
            format!("{} certificates, the first to expire is {first}", found.len())
        }
    }
}
