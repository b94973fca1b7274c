//! Who may do what: bearer secrets with roles, known here only by their SHA-256.
//!
//! Several secrets per role, so that they can be rotated. Every secret given is compared with all hashes in constant time.

use serde::Deserialize;
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lists {
    admin: Vec<String>,
    origin: Vec<String>,
    relay: Vec<String>,
    metrics: Vec<String>,
}

impl Keyring {
    /// Reads `{"admin": ["<SHA-256 in hex>", …], "origin": […], "relay": […], "metrics": […]}`.
    ///
    /// # Errors
    /// [`KeyringError`], which never holds what was read.
    pub fn from_json(json: &str) -> Result<Self, KeyringError> {
        let object: serde_json::Map<_, _> = serde_json::from_str(json).map_err(|_| KeyringError::Malformed)?;
        let lists = Lists::deserialize(serde_json::Value::Object(object)).map_err(|_| KeyringError::Malformed)?;
        let mut hashes = Vec::new();
        for (role, name, list) in [
            (Role::Admin, "admin", lists.admin),
            (Role::Origin, "origin", lists.origin),
            (Role::Relay, "relay", lists.relay),
            (Role::Metrics, "metrics", lists.metrics),
        ] {
            for text in list {
                hashes.push((role, hex(&text).ok_or(KeyringError::NoHash { role: name })?));
            }
        }
        Ok(Self(hashes))
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

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
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
    fn a_broken_keyring_is_refused() {
        for bad in
            ["", "[]", r#"{"root": []}"#, r#"{"admin": "x"}"#, r#"{"admin": ["plain secret"]}"#, r#"{"admin": ["zz"]}"#]
        {
            assert!(Keyring::from_json(bad).is_err(), "{bad}");
        }
    }
}
