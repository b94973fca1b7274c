//! Who may do what: bearer secrets with roles, known here only by their SHA-256.
//!
//! Several secrets per role, so that they can be rotated. Every secret given is compared with all hashes in constant time.

use ropeline_queue::hex;
use ropeline_queue::json::{self, FromJson};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

/// What a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs events.
    Admin,
    /// The shop behind the line.
    Origin,
    /// Drains admission logs.
    Relay,
    /// Reads metrics.
    Metrics,
}

/// The hashes of all secrets.
#[derive(Debug)]
pub struct Keyring(Vec<(Role, [u8; 32])>);

/// Why a keyring cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// Not the JSON it should be.
    #[error(
        "must be JSON such as {{\"admin\": [\"<SHA-256 in hex>\"], \"origin\": [], \"relay\": [], \"metrics\": []}}"
    )]
    Malformed,
    /// An entry is no hash.
    #[error("an entry of '{role}' is no SHA-256 in hex (64 characters)")]
    NoHash {
        /// In which list.
        role: &'static str,
    },
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Origin => "origin",
            Self::Relay => "relay",
            Self::Metrics => "metrics",
        }
    }

    /// Whose key did something, for the audit: role and the first 8 hexadecimal digits of the secret's SHA-256.
    #[must_use]
    pub fn signature(self, secret: &str) -> String {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let [a, b, c, d, ..] = digest;
        format!("{}:{}", self.as_str(), hex::encode(&[a, b, c, d]))
    }
}

impl Keyring {
    /// Reads `{"admin": ["<SHA-256 in hex>", …], "origin": […], "relay": […], "metrics": […]}`.
    ///
    /// # Errors
    /// [`KeyringError`], which never holds what was read.
    pub fn from_json(json: &str) -> Result<Self, KeyringError> {
        let mut lists: Map<String, Value> = json::read(json).map_err(|_| KeyringError::Malformed)?;
        let mut hashes = Vec::new();
        for role in [Role::Admin, Role::Origin, Role::Relay, Role::Metrics] {
            let Some(mut list) = lists.remove(role.as_str()) else { continue };
            let list = Vec::<String>::from_json(&mut list).map_err(|_| KeyringError::Malformed)?;
            for text in list {
                hashes.push((role, read(&text).ok_or(KeyringError::NoHash { role: role.as_str() })?));
            }
        }
        if lists.is_empty() { Ok(Self(hashes)) } else { Err(KeyringError::Malformed) }
    }

    /// Whether the secret is known at all, and whether it has this role.
    #[must_use]
    pub fn check(&self, secret: &str, role: Role) -> (bool, bool) {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let (mut known, mut fits) = (Choice::from(0), Choice::from(0));
        for (of, hash) in &self.0 {
            let same = hash.ct_eq(&digest);
            known |= same;
            fits |= same & Choice::from(u8::from(*of == role));
        }
        (known.into(), fits.into())
    }
}

fn read(text: &str) -> Option<[u8; 32]> {
    hex::decode(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256_hex(secret: &str) -> String {
        Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_secret_opens_only_its_own_role() {
        let json = format!(
            r#"{{"admin": ["{}", "{}"], "relay": ["{}"]}}"#,
            sha256_hex("old"),
            sha256_hex("new"),
            sha256_hex("drain")
        );
        let keyring = Keyring::from_json(&json).unwrap();
        assert_eq!(keyring.check("old", Role::Admin), (true, true));
        assert_eq!(keyring.check("new", Role::Admin), (true, true));
        assert_eq!(keyring.check("drain", Role::Admin), (true, false));
        assert_eq!(keyring.check("drain", Role::Relay), (true, true));
        assert_eq!(keyring.check("guess", Role::Relay), (false, false));
        assert_eq!(keyring.check("", Role::Metrics), (false, false));
    }

    #[test]
    fn an_audit_tells_keys_apart_and_shows_none() {
        let signature = Role::Admin.signature("old");
        assert_eq!(signature, format!("admin:{}", &sha256_hex("old")[..8]));
        assert_ne!(signature, Role::Admin.signature("new"));
        assert_eq!(&Role::Origin.signature("old")[..7], "origin:");
    }

    #[test]
    fn a_broken_keyring_is_refused() {
        for bad in
            ["", "[]", r#"{"root": []}"#, r#"{"admin": "x"}"#, r#"{"admin": ["plain secret"]}"#, r#"{"admin": ["zz"]}"#]
        {
            assert!(Keyring::from_json(bad).is_err(), "{bad}");
        }
    }
}
