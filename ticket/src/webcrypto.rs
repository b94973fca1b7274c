//! Signing and verifying with the runtime's WebCrypto (workerd, Node ≥ 20): 20 times faster there
//! than ES256 in WebAssembly.
//!
//! Keys are imported once and kept; the encoded header of each `typ` too. A [`WebKeys`] may be kept
//! across requests, an unfinished [`WebKeys::import`] may not (workerd ties it to its request).
//!
//! Invariant: every imported pair has verified a signature of its own before it is used, and only the
//! first one's private half is kept.

use js_sys::{ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::base64url;
use crate::check::TokenError;
use crate::claims::{PASS_TYP, TICKET_TYP};
use crate::jws::{self, SIGNATURE_LENGTH, Unverified};
use crate::keys::{Algorithm, PrivateJwk, PrivateKeys, PublicJwk};

#[wasm_bindgen]
extern "C" {
    type SubtleCrypto;

    #[wasm_bindgen(method, catch, js_name = importKey)]
    fn import_key(
        this: &SubtleCrypto,
        format: &str,
        key: &Object,
        algorithm: &JsValue,
        extractable: bool,
        usages: &js_sys::Array,
    ) -> Result<Promise, JsValue>;

    // WebCrypto copies the bytes before it returns, so a view of our memory is enough.
    #[wasm_bindgen(method, catch)]
    fn sign(this: &SubtleCrypto, algorithm: &JsValue, key: &JsValue, data: &[u8]) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn verify(
        this: &SubtleCrypto,
        algorithm: &JsValue,
        key: &JsValue,
        signature: &[u8],
        data: &[u8],
    ) -> Result<Promise, JsValue>;
}

/// Why the keys cannot be used in this runtime, or a token not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebCryptoError {
    /// `globalThis.crypto.subtle` is not there.
    #[error("this runtime has no WebCrypto")]
    Missing,
    /// The runtime refuses the key, or its halves do not belong together.
    #[error("keys[{index}] is not a valid key pair: make a new one")]
    InvalidKey {
        /// Which entry, from 0.
        index: usize,
    },
    /// Signing failed.
    #[error("the runtime's signing failed")]
    SignFailed,
    /// The claims cannot be put into a token.
    #[error("no token can be made")]
    Token {
        /// Why.
        #[from]
        source: TokenError,
    },
}

/// The deployment's keys, imported.
pub struct WebKeys {
    subtle: SubtleCrypto,
    signing: JsValue,
    signing_params: JsValue,
    alg: Algorithm,
    kid: String,
    ticket_header: String,
    pass_header: String,
    verifying: Vec<VerifyingKey>,
}

struct VerifyingKey {
    kid: String,
    alg: Algorithm,
    params: JsValue,
    key: JsValue,
}

impl WebKeys {
    /// Imports all keys and tries each of them.
    ///
    /// # Errors
    /// [`WebCryptoError::Missing`] or [`WebCryptoError::InvalidKey`].
    pub async fn import(keys: &PrivateKeys) -> Result<Self, WebCryptoError> {
        let subtle = subtle()?;
        let mut verifying = Vec::new();
        let mut first = None;
        for (index, jwk) in keys.iter().enumerate() {
            let invalid = |_| WebCryptoError::InvalidKey { index };
            let params = params(jwk.algorithm()).map_err(invalid)?;
            let (private, public) = import_pair(&subtle, jwk, &params).await.map_err(invalid)?;
            let key = VerifyingKey { kid: jwk.kid().to_owned(), alg: jwk.algorithm(), params, key: public };
            key.try_pair(&subtle, &private).await.map_err(invalid)?;
            first.get_or_insert((private, key.params.clone()));
            verifying.push(key);
        }
        let (signing, signing_params) = first.ok_or(WebCryptoError::InvalidKey { index: 0 })?;
        let (alg, kid) = (keys.signing().algorithm(), keys.signing().kid().to_owned());
        Ok(Self {
            ticket_header: jws::encoded_header(alg, TICKET_TYP, &kid)?,
            pass_header: jws::encoded_header(alg, PASS_TYP, &kid)?,
            subtle,
            signing,
            signing_params,
            alg,
            kid,
            verifying,
        })
    }

    /// A signed token of this `typ`.
    ///
    /// # Errors
    /// [`WebCryptoError::Token`] or [`WebCryptoError::SignFailed`].
    pub async fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, WebCryptoError> {
        let input = match typ {
            TICKET_TYP => jws::signing_input_with(&self.ticket_header, claims)?,
            PASS_TYP => jws::signing_input_with(&self.pass_header, claims)?,
            _ => jws::signing_input(self.alg, typ, &self.kid, claims)?,
        };
        let signature = sign(&self.subtle, &self.signing_params, &self.signing, input.as_bytes())
            .await
            .map_err(|_| WebCryptoError::SignFailed)?;
        Ok(jws::assemble(input, &signature))
    }

    /// Checks only the signature, under the key that the token names, with that key's own algorithm.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`], [`TokenError::WrongAlgorithm`], [`TokenError::BadSignature`],
    /// [`TokenError::CryptoFailed`].
    pub async fn verify(&self, token: &Unverified<'_>) -> Result<(), TokenError> {
        let key = self
            .verifying
            .iter()
            .find(|key| key.kid == token.kid())
            .ok_or_else(|| TokenError::UnknownKey { kid: token.kid().to_owned() })?;
        key.check(&self.subtle, token).await
    }
}

/// Public keys of somebody else, imported: a shop's, that vouches for its accounts.
pub struct WebVerifier {
    subtle: SubtleCrypto,
    keys: Vec<VerifyingKey>,
}

impl WebVerifier {
    /// Imports all keys. Their `kid` is taken as it is; empty: a single key that nobody has named.
    ///
    /// # Errors
    /// [`WebCryptoError::Missing`]; [`WebCryptoError::InvalidKey`], for numbers that are no point of the curve, too.
    pub async fn import(jwks: &[PublicJwk]) -> Result<Self, WebCryptoError> {
        let subtle = subtle()?;
        let mut keys = Vec::new();
        for (index, jwk) in jwks.iter().enumerate() {
            let invalid = |_| WebCryptoError::InvalidKey { index };
            let params = params(jwk.alg).map_err(invalid)?;
            let key = import_one(&subtle, &members(jwk), &params, "verify").await.map_err(invalid)?;
            keys.push(VerifyingKey { kid: jwk.kid.clone(), alg: jwk.alg, params, key });
        }
        Ok(Self { subtle, keys })
    }

    /// Checks only the signature. Where there is a single key, token or key may go without a name.
    ///
    /// # Errors
    /// As [`WebKeys::verify`].
    pub async fn verify(&self, token: &Unverified<'_>) -> Result<(), TokenError> {
        let key = match self.keys.as_slice() {
            [only] if only.kid.is_empty() || token.kid().is_empty() => Some(only),
            keys => keys.iter().find(|key| key.kid == token.kid()),
        };
        key.ok_or_else(|| TokenError::UnknownKey { kid: token.kid().to_owned() })?.check(&self.subtle, token).await
    }
}

impl std::fmt::Debug for WebKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebKeys").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// The header's algorithm is only compared: the key alone says how it is verified (RFC 8725 §3.1).
    async fn check(&self, subtle: &SubtleCrypto, token: &Unverified<'_>) -> Result<(), TokenError> {
        if self.alg != token.alg() {
            return Err(TokenError::WrongAlgorithm);
        }
        match self.verify(subtle, token.signature(), token.signing_input().as_bytes()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenError::BadSignature),
            Err(_) => Err(TokenError::CryptoFailed),
        }
    }

    async fn verify(&self, subtle: &SubtleCrypto, signature: &[u8], message: &[u8]) -> Result<bool, JsValue> {
        let promise = subtle.verify(&self.params, &self.key, signature, message)?;
        Ok(JsFuture::from(promise).await?.is_truthy())
    }

    /// workerd imports an Ed25519 pair without looking whether its halves belong together.
    async fn try_pair(&self, subtle: &SubtleCrypto, private: &JsValue) -> Result<(), JsValue> {
        const PROBE: &[u8] = b"do these two belong together?";
        let signature = sign(subtle, &self.params, private, PROBE).await?;
        if self.verify(subtle, &signature, PROBE).await? { Ok(()) } else { Err(JsValue::UNDEFINED) }
    }
}

async fn sign(
    subtle: &SubtleCrypto,
    params: &JsValue,
    key: &JsValue,
    message: &[u8],
) -> Result<[u8; SIGNATURE_LENGTH], JsValue> {
    let buffer: ArrayBuffer = JsFuture::from(subtle.sign(params, key, message)?).await?.dyn_into()?;
    let bytes = Uint8Array::new(&buffer);
    let mut signature = [0; SIGNATURE_LENGTH];
    // `copy_to` panics on another length.
    if bytes.length() as usize != SIGNATURE_LENGTH {
        return Err(JsValue::UNDEFINED);
    }
    bytes.copy_to(&mut signature);
    Ok(signature)
}

async fn import_pair(subtle: &SubtleCrypto, jwk: &PrivateJwk, params: &JsValue) -> Result<(JsValue, JsValue), JsValue> {
    let mut members = members(jwk.public());
    let public = import_one(subtle, &members, params, "verify").await?;
    let d = zeroize::Zeroizing::new(base64url::encode(jwk.secret()));
    members.push(("d", &d));
    let private = import_one(subtle, &members, params, "sign").await?;
    Ok((private, public))
}

fn members(jwk: &PublicJwk) -> Vec<(&str, &str)> {
    let mut members = vec![("kty", jwk.kty.as_str()), ("crv", &jwk.crv), ("x", &jwk.x)];
    members.extend(jwk.y.as_deref().map(|y| ("y", y)));
    members
}

async fn import_one(
    subtle: &SubtleCrypto,
    members: &[(&str, &str)],
    params: &JsValue,
    usage: &str,
) -> Result<JsValue, JsValue> {
    let usages = js_sys::Array::of1(&usage.into());
    let promise = subtle.import_key("jwk", &object(members)?, params, false, &usages)?;
    JsFuture::from(promise).await
}

/// One object serves import, sign and verify: `namedCurve` is read by the first, `hash` by the others.
fn params(alg: Algorithm) -> Result<JsValue, JsValue> {
    let members: &[(&str, &str)] = match alg {
        Algorithm::Es256 => &[("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")],
        Algorithm::EdDsa => &[("name", "Ed25519")],
    };
    object(members).map(JsValue::from)
}

fn object(members: &[(&str, &str)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in members {
        Reflect::set(&object, &(*name).into(), &(*value).into())?;
    }
    Ok(object)
}

fn subtle() -> Result<SubtleCrypto, WebCryptoError> {
    let member = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).ok();
    member(&js_sys::global(), "crypto")
        .and_then(|crypto| member(&crypto, "subtle"))
        .filter(JsValue::is_object)
        .map(JsCast::unchecked_into)
        .ok_or(WebCryptoError::Missing)
}
