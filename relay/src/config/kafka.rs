//! `[kafka]`: the settings, and what they come to: [`KafkaAccess`], all that it takes to open a connection.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rskafka::client::partition;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::mistakes::Mistakes;
use super::secret::{Secret, SecretSource, shown};
use crate::machine::Rules;

/// The environment variable of the SASL password.
pub const KAFKA_PASSWORD: &str = "ROPELINE_RELAY_KAFKA_PASSWORD";

const PASSWORD: SecretSource =
    SecretSource { setting: "kafka.sasl.password_file", variable: KAFKA_PASSWORD, name: "SASL password" };

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// Addresses to start from, `host:port`; required.
    pub bootstrap: Vec<String>,
    /// The topic of events that have no `topic` of their own.
    pub topic: String,
    /// The name in the broker's logs and quotas.
    pub client_id: String,
    /// The limit of one call, in milliseconds.
    pub call_timeout_ms: u64,
    /// How batches are compressed.
    pub compression: Compression,
    /// Encryption.
    pub tls: TlsSettings,
    /// Who we are.
    pub sasl: SaslSettings,
}

/// `[kafka.tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Whether connections to brokers are encrypted.
    pub enabled: bool,
    /// PEM file with the certificate authorities that brokers' certificates must come from; without it the public ones.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our certificate chain, for brokers that ask for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with its private key, unencrypted.
    pub key_file: Option<PathBuf>,
}

/// `[kafka.sasl]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaslSettings {
    /// The mechanism; without it there is no SASL.
    pub mechanism: Option<SaslMechanism>,
    /// The user.
    pub username: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
}

/// How we prove who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    /// RFC 4616: the password itself is sent.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// LZ4 frames.
    Lz4,
    /// Snappy.
    Snappy,
    /// RFC 8878.
    Zstd,
}

/// All that it takes to open a connection to a broker of the cluster.
#[derive(Clone)]
pub struct KafkaAccess {
    /// Addresses to start from, `host:port`.
    pub bootstrap: Vec<String>,
    /// The name in the broker's logs and quotas.
    pub client_id: String,
    /// With it every connection is TLS. The server's name to check is the host of the address.
    pub tls: Option<Arc<ClientConfig>>,
    /// With it every connection starts with SASL.
    pub sasl: Option<Sasl>,
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How they are used.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            topic: Rules::default().topic,
            client_id: "ropeline-relay".to_owned(),
            call_timeout_ms: 10_000,
            compression: Compression::default(),
            tls: TlsSettings::default(),
            sasl: SaslSettings::default(),
        }
    }
}

impl From<Compression> for partition::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::NoCompression,
            Compression::Gzip => Self::Gzip,
            Compression::Lz4 => Self::Lz4,
            Compression::Snappy => Self::Snappy,
            Compression::Zstd => Self::Zstd,
        }
    }
}

impl fmt::Debug for KafkaAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaAccess")
            .field("bootstrap", &self.bootstrap)
            .field("client_id", &self.client_id)
            .field("tls", &self.tls.is_some())
            .field("sasl", &self.sasl)
            .finish()
    }
}

/// The host of a `host:port`, without the brackets of an IPv6 address.
fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let whole = !inner.is_empty() && (inner == host) != inner.contains(':');
    (whole && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(inner)
}

/// Whether a host is this machine.
pub(super) fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl KafkaSettings {
    pub(super) fn check(&self, mistakes: &mut Mistakes) {
        if self.bootstrap.is_empty() {
            let what = format!(
                "is missing: set it, or {}, to the address of one or more brokers, host:port",
                super::KAFKA_BOOTSTRAP
            );
            mistakes.add("kafka.bootstrap", None, what);
        }
        for address in &self.bootstrap {
            match host(address) {
                None => mistakes.text("kafka.bootstrap", address, "is no address: must be host:port, like broker-1:9092"),
                Some(host) if self.tls.enabled && host.contains(':') => mistakes.text(
                    "kafka.bootstrap",
                    address,
                    "cannot be an IPv6 address together with kafka.tls: use the name that is in the broker's certificate",
                ),
                Some(_) => {}
            }
        }
        let topic = self.topic.as_str();
        let plain = topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !(1..=249).contains(&topic.len()) || !plain || matches!(topic, "." | "..") {
            mistakes.text("kafka.topic", topic, "must be 1 to 249 characters of A-Z, a-z, 0-9, '.', '_' and '-'");
        }
        if !(1..=249).contains(&self.client_id.len()) {
            mistakes.text("kafka.client_id", &self.client_id, "must be 1 to 249 characters");
        }
        mistakes.within("kafka.call_timeout_ms", self.call_timeout_ms, 1_000, 10_000);
        self.tls.check(mistakes);
        self.sasl.check(mistakes);
    }

    /// Reads the files that the settings name; `password` is what the environment says.
    pub(super) fn access(&self, password: Option<String>, mistakes: &mut Mistakes) -> KafkaAccess {
        KafkaAccess {
            bootstrap: self.bootstrap.clone(),
            client_id: self.client_id.clone(),
            tls: self.tls.read(mistakes),
            sasl: self.sasl.read(password, mistakes),
        }
    }

    /// Whether a password would cross a network in the clear.
    pub fn password_in_the_clear(&self) -> bool {
        let elsewhere = self.bootstrap.iter().any(|address| !host(address).is_some_and(is_here));
        self.sasl.mechanism == Some(SaslMechanism::Plain) && !self.tls.enabled && elsewhere
    }
}

impl TlsSettings {
    fn check(&self, mistakes: &mut Mistakes) {
        let files = [
            ("kafka.tls.ca_file", &self.ca_file),
            ("kafka.tls.certificate_file", &self.certificate_file),
            ("kafka.tls.key_file", &self.key_file),
        ];
        let off = !self.enabled && !mistakes.has("kafka.tls.enabled");
        for (setting, file) in files {
            if let Some(file) = file.as_ref().filter(|_| off) {
                mistakes.add(
                    setting,
                    Some(shown(file)),
                    "does nothing without kafka.tls.enabled = true: set that, or remove this",
                );
            }
        }
        let what = "is missing: a client certificate is two files, certificate_file and key_file";
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => mistakes.add("kafka.tls.key_file", None, what),
            (None, Some(_)) => mistakes.add("kafka.tls.certificate_file", None, what),
            _ => {}
        }
    }

    fn read(&self, mistakes: &mut Mistakes) -> Option<Arc<ClientConfig>> {
        if !self.enabled {
            return None;
        }
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                for certificate in certificates("kafka.tls.ca_file", file, mistakes) {
                    if let Err(error) = roots.add(certificate) {
                        mistakes.add(
                            "kafka.tls.ca_file",
                            Some(shown(file)),
                            format!("has a certificate that cannot be used: {error}"),
                        );
                    }
                }
            }
        }
        // The one provider that all of this program uses, whatever else is compiled in.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = match versions {
            Ok(builder) => builder.with_root_certificates(roots),
            Err(error) => {
                mistakes.add("kafka.tls.enabled", None, format!("TLS is not to be had: {error}"));
                return None;
            }
        };
        let (Some(chain), Some(key)) = (&self.certificate_file, &self.key_file) else {
            return Some(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificates("kafka.tls.certificate_file", chain, mistakes);
        let setting = "kafka.tls.key_file";
        let key = match PrivateKeyDer::from_pem_file(key) {
            Ok(read) => read,
            Err(error) => {
                let what = pem(&error, "an unencrypted private key (PKCS #8, PKCS #1 or SEC 1)");
                mistakes.add(setting, Some(shown(key)), what);
                return None;
            }
        };
        if chain.is_empty() {
            return None;
        }
        match builder.with_client_auth_cert(chain, key) {
            Ok(config) => Some(Arc::new(config)),
            Err(error) => {
                mistakes.add(
                    setting,
                    self.key_file.as_deref().map(shown),
                    format!("cannot be used with the certificate of kafka.tls.certificate_file: {error}"),
                );
                None
            }
        }
    }
}

/// All certificates of a PEM file; at least one, or a mistake.
fn certificates(setting: &str, file: &Path, mistakes: &mut Mistakes) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let what = match read {
        Ok(found) if !found.is_empty() => return found,
        Ok(_) => "has no certificate in it: it must be PEM, with -----BEGIN CERTIFICATE-----".to_owned(),
        Err(error) => pem(&error, "certificates"),
    };
    mistakes.add(setting, Some(shown(file)), what);
    Vec::new()
}

/// What is wrong with a PEM file, without a word of what is in it.
fn pem(error: &rustls::pki_types::pem::Error, wanted: &str) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => {
            format!("the file cannot be read: {error}; it must be PEM, with {wanted}")
        }
        _ => format!("the file is broken: it must be PEM, with {wanted}"),
    }
}

impl SaslSettings {
    fn check(&self, mistakes: &mut Mistakes) {
        let username = self.username.as_deref();
        if self.mechanism.is_some() {
            if username.is_none_or(str::is_empty) {
                mistakes.add("kafka.sasl.username", None, "is missing: set it to the relay's user at the brokers");
            }
            return;
        }
        if mistakes.has("kafka.sasl.mechanism") {
            return;
        }
        let what = "does nothing without kafka.sasl.mechanism: set that to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or remove this";
        if let Some(username) = username {
            mistakes.text("kafka.sasl.username", username, what);
        }
        if let Some(file) = &self.password_file {
            mistakes.add("kafka.sasl.password_file", Some(shown(file)), what);
        }
    }

    fn read(&self, password: Option<String>, mistakes: &mut Mistakes) -> Option<Sasl> {
        let mechanism = self.mechanism?;
        let password = PASSWORD.get(password, self.password_file.as_deref(), mistakes)?;
        Some(Sasl { mechanism, username: self.username.clone()?, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_stands_before_the_port() {
        for (address, expected) in [
            ("broker-1:9092", Some("broker-1")),
            ("10.0.0.1:9092", Some("10.0.0.1")),
            ("[::1]:9092", Some("::1")),
            ("::1:9092", None),
            ("[broker]:9092", None),
            ("broker", None),
            (":9092", None),
            ("broker:0", None),
            ("broker:99999", None),
        ] {
            assert_eq!(host(address), expected, "{address}");
        }
    }
}
