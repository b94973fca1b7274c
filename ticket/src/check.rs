//! What must hold of a token besides its signature, and every way a token can fail.
//!
//! Invariant: claims pass only if `iss`, `aud` and `evt` are exactly the expected ones and
//! `iat ≤ now + leeway` and `now < exp + leeway`. Nothing here reads a clock.

use crate::claims::Claims;

/// What a reader expects of a token's claims.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// The `iss` it trusts, from its own configuration.
    pub issuer: &'a str,
    /// The `aud` it is, from its own configuration.
    pub audience: &'a str,
    /// The event it asks about.
    pub event: &'a str,
    /// The reader's time, seconds since 1970.
    pub now_seconds: u64,
    /// How far the reader's clock may be off.
    pub leeway_seconds: u64,
}

impl Expect<'_> {
    /// Checks issuer, audience, event, consistency and times, in that order.
    ///
    /// It says nothing about the signature: check that first, or (for a ticket that only reads)
    /// the MAC in its `jti`.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check<C: Claims>(&self, claims: &C) -> Result<(), TokenError> {
        if claims.issuer() != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if claims.audience() != self.audience {
            return Err(TokenError::WrongAudience);
        }
        if claims.event() != self.event {
            return Err(TokenError::WrongEvent);
        }
        if !claims.is_consistent() {
            return Err(TokenError::Malformed { part: "claims" });
        }
        if claims.issued_at() > self.now_seconds.saturating_add(self.leeway_seconds) {
            return Err(TokenError::NotYetValid { iat: claims.issued_at() });
        }
        if self.now_seconds >= claims.expires_at().saturating_add(self.leeway_seconds) {
            return Err(TokenError::Expired { exp: claims.expires_at() });
        }
        Ok(())
    }
}

/// Why a token is refused (or, the last two, could not be made or judged).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than a token of ours can be.
    #[error("the token is longer than {max} bytes")]
    TooLarge {
        /// The bound, bytes.
        max: usize,
    },
    /// Not a compact JWS as we make them.
    #[error("the token's {part} is malformed")]
    Malformed {
        /// `token`, `header`, `signature` or `claims`.
        part: &'static str,
    },
    /// A token for another purpose, e.g. a ticket where a pass is needed.
    #[error("the token is of another type")]
    WrongType,
    /// An algorithm that is not ours, or not that of the key named.
    #[error("the token's algorithm is not acceptable")]
    WrongAlgorithm,
    /// A key that the reader does not have: fetch the JWKS again, then refuse.
    #[error("the token is signed with the unknown key {kid}")]
    UnknownKey {
        /// The header's `kid`.
        kid: String,
    },
    /// The signature is not one of this key over this token.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Its time is over.
    #[error("the token expired at {exp}")]
    Expired {
        /// `exp`, seconds.
        exp: u64,
    },
    /// Made in the future: one of the clocks is wrong.
    #[error("the token is valid only from {iat}")]
    NotYetValid {
        /// `iat`, seconds.
        iat: u64,
    },
    /// From another deployment.
    #[error("the token comes from another issuer")]
    WrongIssuer,
    /// For another origin.
    #[error("the token is for another audience")]
    WrongAudience,
    /// For another event.
    #[error("the token is for another event")]
    WrongEvent,
    /// It would be good for longer than such a token may be.
    #[error("the token is good for more than {max} seconds")]
    TooLong {
        /// The most, seconds.
        max: u64,
    },
    /// Claims that cannot be written as JSON, or make a token that is too large to be read.
    #[error("the claims cannot be put into a token")]
    Unserializable,
    /// The runtime's cryptography failed: nothing is known about the token.
    #[error("the runtime's cryptography failed")]
    CryptoFailed,
}
