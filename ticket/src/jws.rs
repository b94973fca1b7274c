//! Compact JWS (RFC 7515 §7.1): `base64url(header).base64url(claims).base64url(signature)`.
//!
//! The header is exactly `alg`, `typ` and `kid`. Everything that could send a verifier elsewhere for a
//! key or change its rules (`jku`, `jwk`, `x5u`, `crit`, …) is refused, as is every other member.
//!
//! Invariant: of all texts, only the one that was signed is read as that token: no padding, no white
//! space, no trailing bits, no member twice; at most [`MAX_TOKEN_LENGTH`] bytes are looked at.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base64url;
use crate::check::TokenError;
use crate::keys::Algorithm;
use crate::members::{Members, Wrong};

/// The longest token that is read, bytes.
pub const MAX_TOKEN_LENGTH: usize = 4096;

/// Both algorithms make signatures of this length, bytes.
pub const SIGNATURE_LENGTH: usize = 64;

const SIGNATURE_TEXT_LENGTH: usize = 86;

#[derive(Serialize)]
struct OwnHeader<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

/// The first segment of a token. It is the same for all tokens of one key and type: keep it.
///
/// # Errors
/// [`TokenError::Unserializable`], which texts never are.
pub fn encoded_header(alg: Algorithm, typ: &str, kid: &str) -> Result<String, TokenError> {
    let header = OwnHeader { alg: alg.name(), typ, kid };
    let json = serde_json::to_vec(&header).map_err(|_| TokenError::Unserializable)?;
    Ok(base64url::encode(&json))
}

/// What is signed: header and claims, with room for the signature.
///
/// # Errors
/// [`TokenError::Unserializable`] if the claims are no JSON or the token would be too large to be read.
pub fn signing_input(alg: Algorithm, typ: &str, kid: &str, claims: &impl Serialize) -> Result<String, TokenError> {
    signing_input_with(&encoded_header(alg, typ, kid)?, claims)
}

/// [`signing_input`] with a header from [`encoded_header`] that was kept.
///
/// # Errors
/// As [`signing_input`].
pub fn signing_input_with(encoded_header: &str, claims: &impl Serialize) -> Result<String, TokenError> {
    let json = serde_json::to_vec(claims).map_err(|_| TokenError::Unserializable)?;
    // The claims without padding, the signature, two dots.
    let length = encoded_header.len() + (json.len() * 4).div_ceil(3) + SIGNATURE_TEXT_LENGTH + 2;
    if length > MAX_TOKEN_LENGTH {
        return Err(TokenError::Unserializable);
    }
    let mut input = String::with_capacity(length);
    input.push_str(encoded_header);
    input.push('.');
    base64url::encode_into(&json, &mut input);
    Ok(input)
}

/// The token: what was signed, and the signature.
#[must_use]
pub fn assemble(signing_input: String, signature: &[u8]) -> String {
    let mut token = signing_input;
    token.push('.');
    base64url::encode_into(signature, &mut token);
    token
}

/// A token that has the right form, of which nothing else is known yet.
#[derive(Clone, Debug)]
pub struct Unverified<'a> {
    signing_input: &'a str,
    payload: &'a str,
    signature: [u8; SIGNATURE_LENGTH],
    alg: Algorithm,
    kid: String,
}

/// Takes a token apart. Nothing it says may be believed before its signature (or, for a ticket that
/// only reads, its MAC) and its claims are checked.
///
/// # Errors
/// [`TokenError::TooLarge`], [`TokenError::Malformed`], [`TokenError::WrongType`], [`TokenError::WrongAlgorithm`].
pub fn parse<'a>(token: &'a str, expected_typ: &str) -> Result<Unverified<'a>, TokenError> {
    take_apart(token, |header| {
        let [alg, typ, kid] = [header.text("alg")?, header.text("typ")?, header.text("kid")?];
        Ok(Header { alg, kid, fits: typ == expected_typ })
    })
}

/// What a header says, and whether its type is one that is wanted.
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: String,
    pub(crate) fits: bool,
}

/// [`parse`] with another reader of headers. What that leaves is refused.
pub(crate) fn take_apart(
    token: &str,
    read: impl FnOnce(&mut Members) -> Result<Header, Wrong>,
) -> Result<Unverified<'_>, TokenError> {
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(TokenError::TooLarge { max: MAX_TOKEN_LENGTH });
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed { part: "token" })?;
    let (header, payload) = signing_input.split_once('.').ok_or(TokenError::Malformed { part: "token" })?;
    if payload.contains('.') {
        return Err(TokenError::Malformed { part: "token" });
    }
    let Header { alg, kid, fits } = base64url::decode_text(header)
        .and_then(|json| {
            let mut members: Members = serde_json::from_str(&json).ok()?;
            let header = read(&mut members).ok()?;
            members.done().ok().map(|()| header)
        })
        .ok_or(TokenError::Malformed { part: "header" })?;
    if !fits {
        return Err(TokenError::WrongType);
    }
    let alg = Algorithm::from_name(&alg).ok_or(TokenError::WrongAlgorithm)?;
    let signature = base64url::decode_array(signature).ok_or(TokenError::Malformed { part: "signature" })?;
    Ok(Unverified { signing_input, payload, signature, alg, kid })
}

impl Unverified<'_> {
    /// The name of the key it claims to be signed with; empty where an assertion names none.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm it claims; it must be the key's.
    #[must_use]
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The text that was signed.
    #[must_use]
    pub fn signing_input(&self) -> &str {
        self.signing_input
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; SIGNATURE_LENGTH] {
        &self.signature
    }

    /// What it claims. Unknown claims are ignored, missing ones are an error.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, TokenError> {
        let json = base64url::decode_text(self.payload).ok_or(TokenError::Malformed { part: "claims" })?;
        serde_json::from_str(&json).map_err(|_| TokenError::Malformed { part: "claims" })
    }
}
