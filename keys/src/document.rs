//! One of the Worker's secrets as a document: `ROPELINE_KEYS`, `ROPELINE_SIGNING_KEYS` or `ROPELINE_MAC_KEYS`, listed and rotated.
//!
//! Invariants: a change leaves a document that the Worker takes, with at least one key where there was one; a key is named by what
//! is no secret, the beginning of a hash or its `kid`; no error and no `Debug` shows what was read.

use std::collections::BTreeMap;
use std::fmt;

use ropeline_queue::hex;
use ropeline_ticket::PrivateKeys;
use ropeline_ticket::mac::{MacKeys, mac_keys_json};
use ropeline_ticket::native::generate_es256;
use serde_json::{Value, json};

use crate::sha256;

/// The shortest beginning that names a key to be dropped.
const LEAST_PREFIX: usize = 4;
/// How much of a hash names a key: as much as the audit shows.
const SHOWN: usize = 8;

/// What has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Operators.
    Admin,
    /// The shop.
    Origin,
    /// The relay.
    Relay,
    /// The scraper.
    Metrics,
    /// What signs tickets and passes.
    Signing,
    /// What makes the `jti` of tickets.
    Mac,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Admin, Self::Origin, Self::Relay, Self::Metrics, Self::Signing, Self::Mac];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Origin => "origin",
            Self::Relay => "relay",
            Self::Metrics => "metrics",
            Self::Signing => "signing",
            Self::Mac => "mac",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// The Worker's secret that has its keys.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Signing => "ROPELINE_SIGNING_KEYS",
            Self::Mac => "ROPELINE_MAC_KEYS",
            _ => "ROPELINE_KEYS",
        }
    }
}

/// Why a document cannot be used or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Neither of the three.
    #[error(
        "this is none of the Worker's key documents: ROPELINE_KEYS is {{\"admin\": [\"<SHA-256 in hex>\", …], \"origin\": […], \
         \"relay\": […], \"metrics\": […]}}, the other two are JWK Sets, {{\"keys\": […]}}"
    )]
    Unknown,
    /// An entry is no hash.
    #[error(
        "entry {entry} of '{role}' is no SHA-256 in hex (64 characters); printf %s \"$SECRET\" | sha256sum gives one"
    )]
    NoHash {
        /// In which list.
        role: &'static str,
        /// Which one, from 1 on.
        entry: usize,
    },
    /// The Worker would not take this JWK Set.
    #[error(transparent)]
    Jwk(#[from] ropeline_ticket::KeyError),
    /// The keys of this role stand elsewhere.
    #[error("the keys of '{role}' stand in {variable}, and this is {found}")]
    OtherDocument {
        /// Of which role.
        role: &'static str,
        /// Where they are.
        variable: &'static str,
        /// What was given.
        found: &'static str,
    },
    /// Too short to name one.
    #[error("say at least {LEAST_PREFIX} characters of the key's hash or kid; `ropeline keys list` shows them")]
    ShortPrefix,
    /// No such key, or several.
    #[error("{found} keys of '{role}' begin like this, one is needed; `ropeline keys list` shows them")]
    NotOne {
        /// Of which role.
        role: &'static str,
        /// How many do.
        found: usize,
    },
    /// Nobody could work any more.
    #[error(
        "this is the only key of '{role}': add a new one first (`ropeline keys rotate {role}`), then drop this one"
    )]
    Last {
        /// Of which role.
        role: &'static str,
    },
    /// Bearer secrets have no order.
    #[error("every key of '{role}' counts alike: only signing and mac keys have a first one")]
    NoOrder {
        /// Of which role.
        role: &'static str,
    },
}

/// A document, checked.
#[derive(Clone, PartialEq)]
pub enum Document {
    /// `ROPELINE_KEYS`: hashes by role.
    Roles(BTreeMap<Role, Vec<String>>),
    /// One of the JWK Sets: entries in their order, with what each is called.
    Set(Role, Vec<(String, Value)>),
}

/// One key, without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub role: Role,
    /// What it is called: the beginning of a hash, or a `kid`.
    pub name: String,
    /// What it does.
    pub does: &'static str,
}

impl Document {
    /// Reads any of the three.
    ///
    /// # Errors
    /// [`DocumentError`], which never holds what was read.
    pub fn read(text: &str) -> Result<Self, DocumentError> {
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(text) else {
            return Err(DocumentError::Unknown);
        };
        if let Some(Value::Array(entries)) = members.remove("keys") {
            return set(text, entries);
        }
        let mut roles = BTreeMap::new();
        for (name, list) in members {
            let role = Role::parse(&name).filter(|role| role.variable() == "ROPELINE_KEYS");
            let (Some(role), Value::Array(list)) = (role, list) else { return Err(DocumentError::Unknown) };
            let hashes = list.iter().enumerate().map(|(at, entry)| {
                let hash = entry.as_str().map(str::to_ascii_lowercase).filter(|text| hex::decode::<32>(text).is_some());
                hash.ok_or(DocumentError::NoHash { role: role.as_str(), entry: at + 1 })
            });
            roles.insert(role, hashes.collect::<Result<Vec<_>, _>>()?);
        }
        if roles.is_empty() { Err(DocumentError::Unknown) } else { Ok(Self::Roles(roles)) }
    }

    /// The name of the Worker's secret that this is.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Roles(_) => "ROPELINE_KEYS",
            Self::Set(role, _) => role.variable(),
        }
    }

    /// What is in it.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        match self {
            Self::Roles(roles) => {
                let all = roles.iter().flat_map(|(role, hashes)| hashes.iter().map(|hash| (*role, hash)));
                all.map(|(role, hash)| Row { role, name: short(hash), does: "is accepted" }).collect()
            }
            Self::Set(role, entries) => {
                let does = |at: usize| match (role, at) {
                    (Role::Mac, 0) => "makes and checks",
                    (Role::Mac, _) => "checks",
                    (_, 0) => "signs, is published",
                    _ => "is published",
                };
                let rows = entries.iter().enumerate();
                rows.map(|(at, (name, _))| Row { role: *role, name: name.clone(), does: does(at) }).collect()
            }
        }
    }

    /// Adds a key made of these bytes at the end: it is accepted or published, and neither signs nor makes anything yet. Answers the
    /// bearer secret, where it is one.
    ///
    /// # Errors
    /// When this document has no keys of that role, or too many.
    pub fn add(&mut self, role: Role, random: [u8; 32]) -> Result<Option<String>, DocumentError> {
        match self {
            Self::Roles(roles) if role.variable() == "ROPELINE_KEYS" => {
                let secret = hex::encode(&random);
                roles.entry(role).or_default().push(sha256(&secret));
                Ok(Some(secret))
            }
            Self::Set(kind, entries) if *kind == role => {
                let fresh = match role {
                    Role::Mac => mac_keys_json(&[random]),
                    _ => PrivateKeys::from_keys(vec![generate_es256(random)])?.to_secret_json(),
                };
                let Self::Set(_, fresh) = Self::read(&fresh)? else { return Err(DocumentError::Unknown) };
                entries.extend(fresh);
                // As the Worker would read it: there may be too many by now.
                Self::read(&self.to_json()).map(|_| None)
            }
            _ => Err(self.other(role)),
        }
    }

    /// Drops the key that begins like this; answers what it was called.
    ///
    /// # Errors
    /// When none or several do, or it is the last one.
    pub fn drop(&mut self, role: Role, prefix: &str) -> Result<String, DocumentError> {
        let at = self.find(role, prefix)?;
        let last = DocumentError::Last { role: role.as_str() };
        match self {
            Self::Roles(roles) => match roles.get_mut(&role) {
                Some(hashes) if hashes.len() > 1 => Ok(short(&hashes.remove(at))),
                _ => Err(last),
            },
            Self::Set(_, entries) if entries.len() > 1 => Ok(entries.remove(at).0),
            Self::Set(..) => Err(last),
        }
    }

    /// Moves the key that begins like this to the front: it signs from now on. Answers what it is called.
    ///
    /// # Errors
    /// When none or several do, or the role has no order.
    pub fn promote(&mut self, role: Role, prefix: &str) -> Result<String, DocumentError> {
        let at = self.find(role, prefix)?;
        let Self::Set(_, entries) = self else { return Err(DocumentError::NoOrder { role: role.as_str() }) };
        let entry = entries.remove(at);
        let name = entry.0.clone();
        entries.insert(0, entry);
        Ok(name)
    }

    /// As the Worker reads it. **That of a JWK Set is a secret.**
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Roles(roles) => {
                let lists = roles.iter().map(|(role, hashes)| (role.as_str().to_owned(), json!(hashes)));
                Value::Object(lists.collect()).to_string()
            }
            Self::Set(_, entries) => {
                json!({"keys": entries.iter().map(|(_, entry)| entry).collect::<Vec<_>>()}).to_string()
            }
        }
    }

    fn find(&self, role: Role, prefix: &str) -> Result<usize, DocumentError> {
        let names: Vec<&str> = match self {
            Self::Roles(roles) if role.variable() == "ROPELINE_KEYS" => {
                roles.get(&role).into_iter().flatten().map(String::as_str).collect()
            }
            Self::Set(kind, entries) if *kind == role => entries.iter().map(|(name, _)| name.as_str()).collect(),
            _ => return Err(self.other(role)),
        };
        if prefix.chars().count() < LEAST_PREFIX {
            return Err(DocumentError::ShortPrefix);
        }
        let mut found = names.iter().enumerate().filter(|(_, name)| name.starts_with(prefix)).map(|(at, _)| at);
        match (found.next(), found.count()) {
            (Some(at), 0) => Ok(at),
            (first, more) => {
                Err(DocumentError::NotOne { role: role.as_str(), found: usize::from(first.is_some()) + more })
            }
        }
    }

    fn other(&self, role: Role) -> DocumentError {
        DocumentError::OtherDocument { role: role.as_str(), variable: role.variable(), found: self.variable() }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.rows()).finish()
    }
}

/// A JWK Set of signing keys, or of MAC keys.
fn set(text: &str, entries: Vec<Value>) -> Result<Document, DocumentError> {
    let secret = |entry: &Value| entry.get("k").and_then(Value::as_str).map(short_of);
    if entries.iter().any(|entry| secret(entry).is_some()) {
        MacKeys::from_json(text)?;
        let names = entries.iter().map(|entry| secret(entry).unwrap_or_default());
        return Ok(Document::Set(Role::Mac, names.collect::<Vec<_>>().into_iter().zip(entries).collect()));
    }
    let keys = PrivateKeys::from_json(text)?;
    Ok(Document::Set(Role::Signing, keys.iter().map(|key| key.kid().to_owned()).zip(entries).collect()))
}

fn short(hash: &str) -> String {
    hash.chars().take(SHOWN).collect()
}

fn short_of(secret: &str) -> String {
    short(&sha256(secret))
}

#[cfg(test)]
mod tests;
