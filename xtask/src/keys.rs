//! The secrets of a deployment: signing keys, MAC keys, and the bearer secrets
//! of the roles, of which the Worker gets only hashes.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use ropeline_ticket::PrivateKeys;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::tools::hex;

/// All secrets of one deployment. Not `Debug`: nothing prints them by accident.
#[derive(Clone)]
pub struct Keys {
    /// `ROPELINE_SIGNING_KEYS`: a private JWK Set.
    pub signing: String,
    /// `ROPELINE_MAC_KEYS`: a JWK Set of `oct` keys.
    pub mac: String,
    /// Bearer secret of the operator.
    pub admin: String,
    /// Bearer secret of the shop.
    pub origin: String,
    /// Bearer secret of the relay.
    pub relay: String,
    /// Bearer secret of the scraper.
    pub metrics: String,
}

impl Keys {
    /// Fresh ones: ES256, which every other stack verifies.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let key = ropeline_ticket::native::generate_es256(random()?);
        Ok(Self {
            signing: PrivateKeys::from_keys(vec![key])?.to_secret_json(),
            mac: ropeline_ticket::mac::mac_keys_json(&[random()?]),
            admin: hex(&random()?),
            origin: hex(&random()?),
            relay: hex(&random()?),
            metrics: hex(&random()?),
        })
    }

    /// Those kept in `path`; on the first call they are made and kept, readable
    /// for the owner only.
    ///
    /// # Errors
    /// When the file cannot be read, understood or written.
    pub fn load_or_generate(path: &Path) -> Result<Self> {
        if path.is_file() {
            let text = std::fs::read_to_string(path)?;
            return Self::from_json(&text).with_context(|| format!("cannot read the keys in {}", path.display()));
        }
        let keys = Self::generate()?;
        write_secret(path, &keys.to_json())?;
        Ok(keys)
    }

    /// `ROPELINE_KEYS`: the SHA-256 of each role's secret.
    #[must_use]
    pub fn roles(&self) -> String {
        let hash = |secret: &str| hex(&Sha256::digest(secret.as_bytes()));
        json!({
            "admin": [hash(&self.admin)],
            "origin": [hash(&self.origin)],
            "relay": [hash(&self.relay)],
            "metrics": [hash(&self.metrics)],
        })
        .to_string()
    }

    /// The Worker's secrets with their names.
    #[must_use]
    pub fn worker_secrets(&self) -> Vec<(String, String)> {
        vec![
            ("ROPELINE_SIGNING_KEYS".to_owned(), self.signing.clone()),
            ("ROPELINE_MAC_KEYS".to_owned(), self.mac.clone()),
            ("ROPELINE_KEYS".to_owned(), self.roles()),
        ]
    }

    fn to_json(&self) -> String {
        json!({
            "signing": self.signing,
            "mac": self.mac,
            "admin": self.admin,
            "origin": self.origin,
            "relay": self.relay,
            "metrics": self.metrics,
        })
        .to_string()
    }

    fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let field = |name: &str| -> Result<String> {
            let text = value.get(name).and_then(Value::as_str);
            Ok(text.with_context(|| format!("no {name}"))?.to_owned())
        };
        Ok(Self {
            signing: field("signing")?,
            mac: field("mac")?,
            admin: field("admin")?,
            origin: field("origin")?,
            relay: field("relay")?,
            metrics: field("metrics")?,
        })
    }
}

/// 32 random bytes of the system.
///
/// # Errors
/// When the system has none to give.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system has no randomness")?;
    Ok(bytes)
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    // A file that was there keeps its mode: make it anew.
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// `cargo xtask keys`: fresh secrets on stdout, with what to do with them.
///
/// # Errors
/// When they cannot be made.
pub fn print() -> Result<()> {
    let keys = Keys::generate()?;
    eprintln!("Fresh secrets; nothing of this is stored. Give the first three to the Worker:\n");
    for (name, value) in keys.worker_secrets() {
        eprintln!("npx wrangler secret put {name}   # paste what stands after the =");
        println!("{name}={value}");
    }
    eprintln!("\nThe bearer secrets behind the hashes in ROPELINE_KEYS, in clear, this once:\n");
    for (role, secret, who) in [
        ("admin", &keys.admin, "operators: /queue/admin/…"),
        ("origin", &keys.origin, "the shop: /queue/complete"),
        ("relay", &keys.relay, "the relay: /queue/relay/…"),
        ("metrics", &keys.metrics, "the scraper: /queue/metrics"),
    ] {
        println!("{role}={secret}");
        eprintln!("    {who}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_and_only_their_owner_can_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("xtask-keys-{}", std::process::id()));
        let path = dir.join("keys.json");
        let first = Keys::load_or_generate(&path).unwrap();
        let second = Keys::load_or_generate(&path).unwrap();
        assert_eq!(first.to_json(), second.to_json());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_worker_gets_hashes_and_never_a_bearer_secret() {
        let keys = Keys::generate().unwrap();
        let all: String = keys.worker_secrets().iter().map(|(_, v)| v.as_str()).collect();
        for secret in [&keys.admin, &keys.origin, &keys.relay, &keys.metrics] {
            assert!(!all.contains(secret.as_str()));
            assert!(all.contains(&hex(&Sha256::digest(secret.as_bytes()))));
        }
    }

    #[test]
    fn what_is_generated_is_what_the_ticket_package_reads() {
        let keys = Keys::generate().unwrap();
        assert!(PrivateKeys::from_json(&keys.signing).is_ok());
        assert!(ropeline_ticket::mac::MacKeys::from_json(&keys.mac).is_ok());
    }
}
