//! Every way a configured key can be wrong, said so that an operator knows what to do.
//!
//! Invariant: no variant can hold text of the keys: only indexes, lengths and fixed words.

/// Why a key or a set of keys cannot be used. `index` counts the entries of `keys` from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not JSON.
    #[error("the keys are not JSON (line {line}, column {column}): set them to {{\"keys\":[…]}}")]
    NotJson {
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// JSON, but no JWK Set.
    #[error("the keys are no JWK Set: wrap them as {{\"keys\":[…]}}")]
    NotAKeySet,
    /// No key at all.
    #[error("there is no key: put at least one into \"keys\"")]
    Empty,
    /// More keys than a rotation ever needs.
    #[error("there are more than {max} keys: remove those that signed nothing that still lives")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// A `kty` of no use here.
    #[error("keys[{index}] is of another type: use a key with {expected}")]
    WrongType {
        /// Which entry.
        index: usize,
        /// What is needed.
        expected: &'static str,
    },
    /// A `crv` of no use here, or not one of its `kty`.
    #[error("keys[{index}] is on another curve: use EC with \"P-256\" or OKP with \"Ed25519\"")]
    WrongCurve {
        /// Which entry.
        index: usize,
    },
    /// A member is missing or is not text.
    #[error("keys[{index}] has no text member \"{member}\": add it (a private key needs all of its JWK)")]
    Missing {
        /// Which entry.
        index: usize,
        /// Which member.
        member: &'static str,
    },
    /// A member is not base64url.
    #[error("keys[{index}].{member} is not base64url without padding: encode it again")]
    NotBase64Url {
        /// Which entry.
        index: usize,
        /// Which member.
        member: &'static str,
    },
    /// A member has another number of bytes.
    #[error("keys[{index}].{member} has the wrong length: it must be {expected} bytes")]
    WrongLength {
        /// Which entry.
        index: usize,
        /// Which member.
        member: &'static str,
        /// How many bytes.
        expected: &'static str,
    },
    /// A member says that the key is for something else.
    #[error("keys[{index}].{member} contradicts the key: remove it or set it to \"{wanted}\"")]
    Conflict {
        /// Which entry.
        index: usize,
        /// Which member.
        member: &'static str,
        /// What it would have to be.
        wanted: &'static str,
    },
    /// The same key twice.
    #[error("keys[{index}] is the same key as keys[{first}]: remove one of them")]
    Duplicate {
        /// The second one.
        index: usize,
        /// The first one.
        first: usize,
    },
    /// The numbers are no key: not on the curve, out of range, or private and public part do not belong together.
    #[error("keys[{index}] is not a valid key pair: make a new one")]
    Invalid {
        /// Which entry.
        index: usize,
    },
}
