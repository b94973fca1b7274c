//! The keys of the vectors. **Everybody knows their secrets**: they are made from fixed bytes and published in `keys.json`, for tests
//! alone. A deployment that signed with one of them would let everybody in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_ticket::native::{generate_ed25519, generate_es256};
use ropeline_ticket::{Algorithm, PrivateJwk, PrivateKeys};
use serde_json::{Value, json};

/// A key that can sign anything, as the product's own never would.
#[derive(Clone)]
pub struct Key {
    /// As the product knows it.
    pub jwk: PrivateJwk,
    secret: [u8; 32],
}

/// The one that signs.
#[must_use]
pub fn first() -> Key {
    Key::of(generate_es256([1; 32]))
}

/// Published as well: a rotation is under way.
#[must_use]
pub fn second() -> Key {
    Key::of(generate_es256([2; 32]))
}

/// Published as well, of the other kind.
#[must_use]
pub fn ed25519() -> Key {
    Key::of(generate_ed25519([3; 32]))
}

/// In no key set: somebody else's.
#[must_use]
pub fn foreign() -> Key {
    Key::of(generate_es256([4; 32]))
}

/// In no key set at first: published by a rotation.
#[must_use]
pub fn next() -> Key {
    Key::of(generate_es256([5; 32]))
}

/// Signs ES384. It is in the key set, and no verifier may use it for a pass.
#[must_use]
pub fn p384() -> p384::ecdsa::SigningKey {
    p384::ecdsa::SigningKey::from_slice(&[6; 48]).unwrap_or_else(|_| unreachable!("a number below the order"))
}

/// The key's name is its thumbprint, as always (RFC 7638).
#[must_use]
pub fn p384_jwk() -> Value {
    use sha2::Digest as _;
    let point = p384().verifying_key().to_sec1_point(false);
    let coordinate = |bytes: Option<&[u8]>| encode(bytes.unwrap_or_default());
    let (x, y) = (coordinate(point.x().map(AsRef::as_ref)), coordinate(point.y().map(AsRef::as_ref)));
    let required = format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let kid = encode(sha2::Sha256::digest(required));
    json!({"kty": "EC", "crv": "P-384", "x": x, "y": y, "kid": kid, "alg": "ES384", "use": "sig"})
}

/// The private JWK Set of what is published and of ours, as the Worker's secret wants it.
///
/// # Panics
/// Never: the keys differ.
#[must_use]
pub fn private() -> PrivateKeys {
    let keys = [first(), second(), ed25519()].map(|key| key.jwk).to_vec();
    PrivateKeys::from_keys(keys).expect("three different keys")
}

/// The JWK Set that verifiers are given: [`private`]'s public keys, and one of another curve.
///
/// # Panics
/// Never: public keys can be written as JSON.
#[must_use]
pub fn jwks() -> Value {
    let mut jwks = serde_json::to_value(private().public()).expect("JSON");
    if let Some(keys) = jwks["keys"].as_array_mut() {
        keys.push(p384_jwk());
    }
    jwks
}

/// `keys.json`.
#[must_use]
pub fn published() -> Value {
    let private: Value = private().to_secret_json().parse().unwrap_or_default();
    json!({
        "about": "TEST KEYS, known to everybody. Never give one of them to a deployment: everybody could sign passes for it.",
        "jwks": jwks(),
        "private": private,
    })
}

impl Key {
    fn of(jwk: PrivateJwk) -> Self {
        let value: Value = jwk.to_secret_json().parse().unwrap_or_default();
        let secret = value["d"].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let secret = secret.and_then(|bytes| bytes.try_into().ok()).unwrap_or_else(|| unreachable!("32 bytes"));
        Self { jwk, secret }
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.jwk.kid()
    }

    /// The header of a good pass of this key, as JSON.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"alg": self.jwk.algorithm().name(), "typ": ropeline_ticket::PASS_TYP, "kid": self.kid()})
    }

    /// A right signature over `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self.jwk.algorithm() {
            Algorithm::Es256 => self.ecdsa(message).to_bytes().into(),
            Algorithm::EdDsa => {
                use ed25519_dalek::Signer as _;
                ed25519_dalek::SigningKey::from_bytes(&self.secret).sign(message).to_bytes()
            }
        }
    }

    /// The same, to be taken apart; deterministic (RFC 6979).
    ///
    /// # Panics
    /// When this is no ES256 key.
    #[must_use]
    pub fn ecdsa(&self, message: &[u8]) -> p256::ecdsa::Signature {
        use p256::ecdsa::signature::Signer as _;
        p256::ecdsa::SigningKey::from_slice(&self.secret).expect("an ES256 key").sign(message)
    }

    /// A token with this header and these claims, whatever they say, rightly signed.
    #[must_use]
    pub fn token(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.over(&format!("{}.{}", encode(header), encode(claims)))
    }

    /// `input` with a right signature.
    #[must_use]
    pub fn over(&self, input: &str) -> String {
        format!("{input}.{}", encode(self.sign(input.as_bytes())))
    }
}

/// base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
