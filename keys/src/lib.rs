//! The secrets of a deployment: signing keys, MAC keys, and the bearer secrets of the roles, of which the Worker gets only hashes.
//!
//! * [`Keys`] makes all of them; `ropeline keys new` and `cargo xtask keys` print them with [`Keys::told`].
//! * [`document`] reads one of the Worker's three secrets, lists what is in it, and rotates it.
//!
//! Nothing here is printed by accident: what holds a secret has no `Debug`, or one that redacts, and no error quotes its input.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ropeline_queue::hex;
use ropeline_ticket::PrivateKeys;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub mod document;

/// Who each bearer secret is for.
pub const HOLDERS: [(&str, &str); 4] = [
    ("admin", "operators: /queue/admin/…"),
    ("origin", "the shop: /queue/complete"),
    ("relay", "the relay: /queue/relay/…"),
    ("metrics", "the scraper: /queue/metrics"),
];

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoKeys {
    /// The system gives none.
    #[error("the system has no randomness: {0}")]
    Randomness(getrandom::Error),
    /// What was made cannot be used.
    #[error(transparent)]
    Unusable(#[from] ropeline_ticket::KeyError),
    /// A file of keys cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of keys is not one.
    #[error("{} has no '{field}': remove it, and keys are made anew", path.display())]
    Missing {
        /// Which one.
        path: PathBuf,
        /// What is not there.
        field: &'static str,
    },
}

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
    pub fn generate() -> Result<Self, NoKeys> {
        let key = ropeline_ticket::native::generate_es256(random()?);
        Ok(Self {
            signing: PrivateKeys::from_keys(vec![key])?.to_secret_json(),
            mac: ropeline_ticket::mac::mac_keys_json(&[random()?]),
            admin: hex::encode(&random()?),
            origin: hex::encode(&random()?),
            relay: hex::encode(&random()?),
            metrics: hex::encode(&random()?),
        })
    }

    /// Those kept in `path`; on the first call they are made and kept, readable for the owner only.
    ///
    /// # Errors
    /// When the file cannot be read, understood or written.
    pub fn load_or_generate(path: &Path) -> Result<Self, NoKeys> {
        if path.is_file() {
            let text =
                std::fs::read_to_string(path).map_err(|source| NoKeys::File { path: path.to_owned(), source })?;
            return Self::from_json(&text).map_err(|field| NoKeys::Missing { path: path.to_owned(), field });
        }
        let keys = Self::generate()?;
        write_secret(path, &keys.to_json())?;
        Ok(keys)
    }

    /// The bearer secrets with their roles.
    #[must_use]
    pub fn bearers(&self) -> [(&'static str, &str); 4] {
        [("admin", &self.admin), ("origin", &self.origin), ("relay", &self.relay), ("metrics", &self.metrics)]
    }

    /// `ROPELINE_KEYS`: the SHA-256 of each role's secret.
    #[must_use]
    pub fn roles(&self) -> String {
        let lists = self.bearers().map(|(role, secret)| (role.to_owned(), json!([sha256(secret)])));
        Value::Object(Map::from_iter(lists)).to_string()
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

    /// All of them as lines `name=value`, for standard output: whoever calls this has asked for secrets.
    #[must_use]
    pub fn told(&self) -> String {
        let worker = self.worker_secrets();
        let all = worker.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(self.bearers());
        all.map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// What to do with [`Keys::told`], for people, without a secret.
    #[must_use]
    pub fn advice() -> String {
        let mut text = "Fresh secrets; nothing of this is stored. Give the first three to the Worker:\n\n".to_owned();
        for name in ["ROPELINE_SIGNING_KEYS", "ROPELINE_MAC_KEYS", "ROPELINE_KEYS"] {
            text += &format!("  npx wrangler secret put {name}   # paste what stands after the =\n");
        }
        text += "\nThe bearer secrets behind the hashes in ROPELINE_KEYS, in clear, this once:\n\n";
        for (role, who) in HOLDERS {
            text += &format!("  {role:<8} {who}\n");
        }
        text
    }

    fn to_json(&self) -> String {
        let mut all = Map::from_iter(self.bearers().map(|(role, secret)| (role.to_owned(), json!(secret))));
        all.insert("signing".to_owned(), json!(self.signing));
        all.insert("mac".to_owned(), json!(self.mac));
        Value::Object(all).to_string()
    }

    fn from_json(text: &str) -> Result<Self, &'static str> {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name: &'static str| value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(name);
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

/// What the Worker knows of a bearer secret, in hex.
#[must_use]
pub fn sha256(secret: &str) -> String {
    hex::encode(&Sha256::digest(secret.as_bytes()))
}

/// 32 random bytes of the system.
///
/// # Errors
/// When the system has none to give.
pub fn random() -> Result<[u8; 32], NoKeys> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(NoKeys::Randomness)?;
    Ok(bytes)
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<(), NoKeys> {
    let write = || {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        // A file that was there keeps its mode: make it anew.
        let _ = std::fs::remove_file(path);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|source| NoKeys::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
