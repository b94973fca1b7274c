//! Signing and verifying in pure Rust: what an origin uses, and what tests compare WebCrypto with.
//!
//! Invariant: a token is accepted only under the key its `kid` names, with that key's own algorithm,
//! whatever its header says; Ed25519 strictly (no small-order points, no second encoding).

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::base64url;
use crate::check::{Expect, TokenError};
use crate::claims::{Claims, PassClaims, TicketClaims};
use crate::jws::{self, SIGNATURE_LENGTH, Unverified};
use crate::keys::{Algorithm, Jwks, KeyError, PrivateJwk, PrivateKeys, PublicJwk};
use crate::keyset;

// The vectors are a native dev-dependency.
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod vectors;

/// How far an origin's clock may be off unless it says otherwise.
pub const DEFAULT_LEEWAY_SECONDS: u64 = 5;

/// Signs tickets and passes with the first of the private keys.
pub struct Signer {
    key: SigningKey,
    alg: Algorithm,
    kid: String,
}

enum SigningKey {
    Es256(p256::ecdsa::SigningKey),
    EdDsa(Box<ed25519_dalek::SigningKey>),
}

impl Signer {
    /// A signer with the signing key of the set.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] if any key of the set is no key pair.
    pub fn new(keys: &PrivateKeys) -> Result<Self, KeyError> {
        // A pair that does not fit would be found only after it was moved to the front: look at all.
        for (index, key) in keys.iter().enumerate() {
            SigningKey::of(key).ok_or(KeyError::Invalid { index })?;
        }
        let first = keys.signing();
        let key = SigningKey::of(first).ok_or(KeyError::Invalid { index: 0 })?;
        Ok(Self { key, alg: first.algorithm(), kid: first.kid().to_owned() })
    }

    /// A signed ticket; its `jti` comes from [`MacKeys::jti`](crate::mac::MacKeys::jti).
    ///
    /// # Errors
    /// [`TokenError::Unserializable`] if it would be too large to be read.
    pub fn sign_ticket(&self, claims: &TicketClaims) -> Result<String, TokenError> {
        self.sign(TicketClaims::TYP, claims)
    }

    /// A signed pass.
    ///
    /// # Errors
    /// [`TokenError::Unserializable`] if it would be too large to be read.
    pub fn sign_pass(&self, claims: &PassClaims) -> Result<String, TokenError> {
        self.sign(PassClaims::TYP, claims)
    }

    /// Any claims under any `typ`: the two above are what the product uses.
    ///
    /// # Errors
    /// [`TokenError::Unserializable`].
    pub fn sign(&self, typ: &str, claims: &impl serde::Serialize) -> Result<String, TokenError> {
        let input = jws::signing_input(self.alg, typ, &self.kid, claims)?;
        let signature = self.key.sign(input.as_bytes());
        Ok(jws::assemble(input, &signature))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// `None` if the numbers are no key, or private and public part do not belong together.
    fn of(jwk: &PrivateJwk) -> Option<Self> {
        let (key, public) = match jwk.algorithm() {
            Algorithm::Es256 => {
                let key = p256::ecdsa::SigningKey::from_slice(jwk.secret()).ok()?;
                let public = es256_public(&key)?;
                (Self::Es256(key), public)
            }
            Algorithm::EdDsa => {
                let key = ed25519_dalek::SigningKey::from_bytes(jwk.secret());
                let public = ed25519_public(&key);
                (Self::EdDsa(Box::new(key)), public)
            }
        };
        (public == *jwk.public()).then_some(key)
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        match self {
            Self::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
            Self::EdDsa(key) => key.sign(message).to_bytes(),
        }
    }
}

/// Verifies passes (and tickets) offline, with the published keys.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<NamedKey>,
    issuer: String,
    audience: String,
    leeway_seconds: u64,
}

#[derive(Clone, Debug)]
struct NamedKey {
    kid: String,
    key: VerifyingKey,
}

#[derive(Clone, Debug)]
enum VerifyingKey {
    Es256(p256::ecdsa::VerifyingKey),
    EdDsa(ed25519_dalek::VerifyingKey),
}

impl Verifier {
    /// A verifier for tokens of `issuer` meant for `audience`.
    ///
    /// # Errors
    /// [`KeyError`] if there is no key, a key is broken, or two have the same name.
    pub fn new(jwks: &Jwks, issuer: impl Into<String>, audience: impl Into<String>) -> Result<Self, KeyError> {
        Ok(Self {
            keys: named_keys(jwks)?,
            issuer: issuer.into(),
            audience: audience.into(),
            leeway_seconds: DEFAULT_LEEWAY_SECONDS,
        })
    }

    /// The same with another tolerance for clocks, in place of [`DEFAULT_LEEWAY_SECONDS`].
    #[must_use]
    pub fn with_leeway(mut self, leeway_seconds: u64) -> Self {
        self.leeway_seconds = leeway_seconds;
        self
    }

    /// The same with other keys: for a verifier that is shared and swapped as a whole.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub fn with_keys(&self, jwks: &Jwks) -> Result<Self, KeyError> {
        Ok(Self { keys: named_keys(jwks)?, ..self.clone() })
    }

    /// Replaces the keys after the JWKS was fetched again. On an error the old ones stay.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub fn set_jwks(&mut self, jwks: &Jwks) -> Result<(), KeyError> {
        self.keys = named_keys(jwks)?;
        Ok(())
    }

    /// The claims of a pass that is good now, for `event` or (with `None`) for any event of this audience.
    ///
    /// # Errors
    /// Why it is refused. On [`TokenError::UnknownKey`] fetch the JWKS again (at most once a minute), then refuse.
    pub fn verify_pass(&self, token: &str, event: Option<&str>, now_seconds: u64) -> Result<PassClaims, TokenError> {
        self.verify(token, event, now_seconds)
    }

    /// The claims of a ticket that is good now. A ticket's audience is the issuer itself.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify_ticket(
        &self,
        token: &str,
        event: Option<&str>,
        now_seconds: u64,
    ) -> Result<TicketClaims, TokenError> {
        self.verify(token, event, now_seconds)
    }

    fn verify<C: Claims>(&self, token: &str, event: Option<&str>, now_seconds: u64) -> Result<C, TokenError> {
        let unverified = jws::parse(token, C::TYP)?;
        self.verify_signature(&unverified)?;
        let claims: C = unverified.claims()?;
        let expect = Expect {
            issuer: &self.issuer,
            audience: &self.audience,
            event: event.unwrap_or(claims.event()),
            now_seconds,
            leeway_seconds: self.leeway_seconds,
        };
        expect.check(&claims)?;
        Ok(claims)
    }

    /// Checks only the signature, under the key that the token names.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`], [`TokenError::WrongAlgorithm`], [`TokenError::BadSignature`].
    pub fn verify_signature(&self, token: &Unverified<'_>) -> Result<(), TokenError> {
        let named = self
            .keys
            .iter()
            .find(|named| named.kid == token.kid())
            .ok_or_else(|| TokenError::UnknownKey { kid: token.kid().to_owned() })?;
        named.key.verify(token.alg(), token.signing_input().as_bytes(), token.signature())
    }
}

fn named_keys(jwks: &Jwks) -> Result<Vec<NamedKey>, KeyError> {
    if jwks.keys.len() > keyset::MAX_KEYS {
        return Err(KeyError::TooMany { max: keyset::MAX_KEYS });
    }
    let mut keys: Vec<NamedKey> = Vec::with_capacity(jwks.keys.len());
    for (index, jwk) in jwks.keys.iter().enumerate() {
        if let Some(first) = keys.iter().position(|known| known.kid == jwk.kid) {
            return Err(KeyError::Duplicate { index, first });
        }
        let key = VerifyingKey::of(jwk).ok_or(KeyError::Invalid { index })?;
        keys.push(NamedKey { kid: jwk.kid.clone(), key });
    }
    if keys.is_empty() { Err(KeyError::Empty) } else { Ok(keys) }
}

impl VerifyingKey {
    fn of(jwk: &PublicJwk) -> Option<Self> {
        let x: [u8; 32] = base64url::decode_array(&jwk.x)?;
        match (jwk.alg, jwk.kty.as_str(), jwk.crv.as_str(), &jwk.y) {
            (Algorithm::Es256, "EC", "P-256", Some(y)) => {
                let y: [u8; 32] = base64url::decode_array(y)?;
                let point = p256::Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
                p256::ecdsa::VerifyingKey::from_sec1_point(&point).ok().map(Self::Es256)
            }
            (Algorithm::EdDsa, "OKP", "Ed25519", None) => {
                ed25519_dalek::VerifyingKey::from_bytes(&x).ok().filter(|key| !key.is_weak()).map(Self::EdDsa)
            }
            _ => None,
        }
    }

    /// The header's algorithm is only compared: the key alone says how it is verified (RFC 8725 §3.1).
    fn verify(&self, alg: Algorithm, message: &[u8], signature: &[u8; SIGNATURE_LENGTH]) -> Result<(), TokenError> {
        match (self, alg) {
            (Self::Es256(key), Algorithm::Es256) => {
                let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| TokenError::BadSignature)?;
                key.verify(message, &signature).map_err(|_| TokenError::BadSignature)
            }
            (Self::EdDsa(key), Algorithm::EdDsa) => {
                let signature = ed25519_dalek::Signature::from_bytes(signature);
                key.verify_strict(message, &signature).map_err(|_| TokenError::BadSignature)
            }
            _ => Err(TokenError::WrongAlgorithm),
        }
    }
}

/// A new ES256 key from 32 random bytes. The same bytes make the same key.
#[must_use]
pub fn generate_es256(seed: [u8; 32]) -> PrivateJwk {
    let seed = Zeroizing::new(seed);
    let mut attempt: u64 = 0;
    loop {
        // The curve's order is a little below 2^256: about one hash in 2^32 is no key and the next is taken.
        let hash = Sha256::new().chain_update(b"ropeline es256 key").chain_update(attempt.to_be_bytes());
        let candidate: Zeroizing<[u8; 32]> = Zeroizing::new(hash.chain_update(*seed).finalize().into());
        let key = p256::ecdsa::SigningKey::from_slice(candidate.as_slice()).ok();
        if let Some(public) = key.as_ref().and_then(es256_public) {
            return PrivateJwk::new(public, candidate);
        }
        attempt = attempt.wrapping_add(1);
    }
}

/// A new Ed25519 key from 32 random bytes, which are the private key themselves (RFC 8032 §5.1.5).
#[must_use]
pub fn generate_ed25519(seed: [u8; 32]) -> PrivateJwk {
    let public = ed25519_public(&ed25519_dalek::SigningKey::from_bytes(&seed));
    PrivateJwk::new(public, Zeroizing::new(seed))
}

fn es256_public(key: &p256::ecdsa::SigningKey) -> Option<PublicJwk> {
    let point = key.verifying_key().to_sec1_point(false);
    let x: [u8; 32] = (*point.x()?).into();
    let y: [u8; 32] = (*point.y()?).into();
    Some(PublicJwk::new(Algorithm::Es256, &x, Some(&y)))
}

fn ed25519_public(key: &ed25519_dalek::SigningKey) -> PublicJwk {
    PublicJwk::new(Algorithm::EdDsa, &key.verifying_key().to_bytes(), None)
}
