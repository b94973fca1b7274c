//! Certificates for one run of a cluster, made on the spot: an authority, a broker, a client, and a second authority that
//! nobody trusts. PEM, as brokers and the relay take it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// The directory that holds them.
#[derive(Debug, Clone)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes all of them in `dir`, anew.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn generate(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let made = Self { dir: dir.to_path_buf() };
        let (ca, ca_pem) = authority("Ropeline tests")?;
        let (other, other_pem) = authority("Nobody trusts this")?;
        let (broker, broker_key) = leaf(&ca, "broker", &["localhost"], ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client, client_key) = leaf(&ca, "relay", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        let (stranger, stranger_key) = leaf(&other, "relay", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        for (name, text) in [
            ("ca.pem", ca_pem),
            ("other-ca.pem", other_pem),
            ("broker.pem", format!("{broker_key}{broker}")),
            ("client.pem", client),
            ("client.key", client_key),
            ("stranger.pem", stranger),
            ("stranger.key", stranger_key),
        ] {
            let path = made.path(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(made)
    }

    /// Where they are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The authority that brokers and their clients come from.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Another one, which signed no broker.
    #[must_use]
    pub fn other_ca(&self) -> PathBuf {
        self.path("other-ca.pem")
    }

    /// Certificate and private key of a client, `CN=relay`.
    #[must_use]
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.path("client.pem"), self.path("client.key"))
    }

    /// The same name from the other authority.
    #[must_use]
    pub fn stranger(&self) -> (PathBuf, PathBuf) {
        (self.path("stranger.pem"), self.path("stranger.key"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String)> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

/// Certificate and private key.
fn leaf(
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    hosts: &[&str],
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String)> {
    let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}
