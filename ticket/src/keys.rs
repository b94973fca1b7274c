//! Signing keys: private JWKs in one secret, public JWKs for everybody (RFC 7517, 7518 §6.2, 8037).
//!
//! The first private key signs, all verify, which is what makes rotation safe: append the new key
//! (published, not yet signing), move it to the front when every cache has it, remove the old one
//! when nothing it signed can still live.
//!
//! Invariant: `kid` is the RFC 7638 thumbprint of the key, so a name never changes its key; no two
//! keys of a set have the same; the secret is in no `Debug` text and in no error.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::base64url;
use crate::keyset;

pub use crate::key_error::KeyError;

/// How a key signs. It follows from the key's type, never from a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4); signature is `r ‖ s`, 64 bytes.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037 §3.1); signature is 64 bytes.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The header's `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a header's `alg`, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }

    fn of_key(index: usize, kty: &str, crv: &str) -> Result<Self, KeyError> {
        match (kty, crv) {
            ("EC", "P-256") => Ok(Self::Es256),
            ("OKP", "Ed25519") => Ok(Self::EdDsa),
            ("EC" | "OKP", _) => Err(KeyError::WrongCurve { index }),
            _ => Err(KeyError::WrongType { index, expected: "kty \"EC\" or \"OKP\"" }),
        }
    }

    fn kty(self) -> &'static str {
        match self {
            Self::Es256 => "EC",
            Self::EdDsa => "OKP",
        }
    }

    fn crv(self) -> &'static str {
        match self {
            Self::Es256 => "P-256",
            Self::EdDsa => "Ed25519",
        }
    }
}

/// What a verifier needs of a key, as published in the JWKS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicJwk {
    /// `EC` or `OKP`.
    pub kty: String,
    /// `P-256` or `Ed25519`.
    pub crv: String,
    /// x coordinate, or the Ed25519 public key: base64url of 32 bytes.
    pub x: String,
    /// y coordinate: base64url of 32 bytes; only with `EC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The key's name in a token's header.
    pub kid: String,
    /// The one algorithm this key is for.
    pub alg: Algorithm,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl PublicJwk {
    /// The published form of a key: `y` for ES256 only.
    pub(crate) fn new(alg: Algorithm, x: &[u8; 32], y: Option<&[u8; 32]>) -> Self {
        let mut jwk = Self {
            kty: alg.kty().to_owned(),
            crv: alg.crv().to_owned(),
            x: base64url::encode(x),
            y: y.map(|y| base64url::encode(y)),
            kid: String::new(),
            alg,
            usage: "sig".to_owned(),
        };
        jwk.kid = jwk.thumbprint();
        jwk
    }

    /// RFC 7638: SHA-256 over the required members in the one order and spelling, base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // serde writes fields in order: alphabetical, as §3.3 wants. Members of another type are left out.
        #[derive(Serialize)]
        struct Required<'a> {
            crv: &'a str,
            kty: &'a str,
            x: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            y: Option<&'a str>,
        }
        let required = Required { crv: &self.crv, kty: &self.kty, x: &self.x, y: self.y.as_deref() };
        // Four texts always serialize; were it not so, the empty name matches no other key's.
        serde_json::to_vec(&required).map(|json| base64url::encode(&Sha256::digest(json))).unwrap_or_default()
    }
}

/// A JWK Set of public keys: the body of `GET /queue/jwks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys, the signing one first. Entries of a kind we do not know are dropped when reading (RFC 7517 §5).
    #[serde(deserialize_with = "known_keys")]
    pub keys: Vec<PublicJwk>,
}

fn known_keys<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PublicJwk>, D::Error> {
    let entries = Vec::<Value>::deserialize(deserializer)?;
    Ok(entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect())
}

/// A key that can sign.
#[derive(Clone)]
pub struct PrivateJwk {
    public: PublicJwk,
    secret: Zeroizing<[u8; 32]>,
}

impl PrivateJwk {
    #[cfg(feature = "native")]
    pub(crate) fn new(public: PublicJwk, secret: Zeroizing<[u8; 32]>) -> Self {
        Self { public, secret }
    }

    /// The algorithm this key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.alg
    }

    /// RFC 7638 thumbprint: the key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// What may be published of it.
    #[must_use]
    pub fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// The private JWK as JSON text. **This is the secret**: for writing a new key into a secret store.
    #[must_use]
    pub fn to_secret_json(&self) -> String {
        self.to_value().to_string()
    }

    fn to_value(&self) -> Value {
        let PublicJwk { kty, crv, x, y, .. } = &self.public;
        let d = base64url::encode(&*self.secret);
        match y {
            Some(y) => json!({"kty": kty, "crv": crv, "x": x, "y": y, "d": d}),
            None => json!({"kty": kty, "crv": crv, "x": x, "d": d}),
        }
    }

    /// The private scalar or seed.
    #[cfg_attr(not(any(feature = "native", target_arch = "wasm32")), allow(dead_code))]
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    fn from_entry(index: usize, entry: &Value) -> Result<Self, KeyError> {
        let kty = keyset::text(index, entry, "kty")?;
        let alg = match kty {
            "EC" | "OKP" => Algorithm::of_key(index, kty, keyset::text(index, entry, "crv")?)?,
            _ => Algorithm::of_key(index, kty, "")?,
        };
        // Optional members must not contradict what the key is for.
        for (member, wanted) in [("alg", alg.name()), ("use", "sig")] {
            if entry.get(member).is_some_and(|value| value != wanted) {
                return Err(KeyError::Conflict { index, member, wanted });
            }
        }
        let x = bytes32(index, entry, "x")?;
        let y = match alg {
            Algorithm::Es256 => Some(bytes32(index, entry, "y")?),
            Algorithm::EdDsa => None,
        };
        let secret = Zeroizing::new(bytes32(index, entry, "d")?);
        Ok(Self { public: PublicJwk::new(alg, &x, y.as_ref()), secret })
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateJwk").field("public", &self.public).field("secret", &"redacted").finish()
    }
}

/// All signing keys of a deployment; never empty. The first signs, all verify.
#[derive(Clone, Debug)]
pub struct PrivateKeys {
    first: PrivateJwk,
    others: Vec<PrivateJwk>,
}

impl PrivateKeys {
    /// Reads a JWK Set of `{"kty":"EC","crv":"P-256","x","y","d"}` and `{"kty":"OKP","crv":"Ed25519","x","d"}`.
    /// A `kid` in it is ignored: the name is always the thumbprint.
    ///
    /// # Errors
    /// Names the entry and what to do about it, never the secret.
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        let entries = keyset::entries(json)?;
        let keys = entries.iter().enumerate().map(|(index, entry)| PrivateJwk::from_entry(index, entry));
        Self::from_keys(keys.collect::<Result<_, _>>()?)
    }

    /// The set of these keys, in this order.
    ///
    /// # Errors
    /// [`KeyError::Empty`], [`KeyError::TooMany`] or [`KeyError::Duplicate`].
    pub fn from_keys(keys: Vec<PrivateJwk>) -> Result<Self, KeyError> {
        if keys.len() > keyset::MAX_KEYS {
            return Err(KeyError::TooMany { max: keyset::MAX_KEYS });
        }
        for (index, key) in keys.iter().enumerate() {
            match keys.iter().position(|other| other.kid() == key.kid()) {
                Some(first) if first != index => return Err(KeyError::Duplicate { index, first }),
                _ => {}
            }
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyError::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> &PrivateJwk {
        &self.first
    }

    /// All keys, the signing one first.
    pub fn iter(&self) -> impl Iterator<Item = &PrivateJwk> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// What to publish: every key, the signing one first.
    #[must_use]
    pub fn public(&self) -> Jwks {
        Jwks { keys: self.iter().map(|key| key.public.clone()).collect() }
    }

    /// The JWK Set as JSON text, as [`PrivateKeys::from_json`] reads it. **This is the secret.**
    #[must_use]
    pub fn to_secret_json(&self) -> String {
        json!({ "keys": self.iter().map(PrivateJwk::to_value).collect::<Vec<_>>() }).to_string()
    }
}

fn bytes32(index: usize, entry: &Value, member: &'static str) -> Result<[u8; 32], KeyError> {
    let text = keyset::text(index, entry, member)?;
    let bytes = base64url::decode(text).map(Zeroizing::new).ok_or(KeyError::NotBase64Url { index, member })?;
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::WrongLength { index, member, expected: "exactly 32" })
}

#[cfg(test)]
mod tests;
