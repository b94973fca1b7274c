//! Tickets and passes of Ropeline: what they say, how they are signed, and how they are verified.
//!
//! A *ticket* is a signed proof of a place in an event's line; only the waiting room reads it. A *pass*
//! says that its holder was admitted; an origin (the shop) verifies it offline with this crate. Both are
//! compact JWS with an explicit type, so that neither can ever stand in for the other (RFC 8725).
//!
//! # Map
//! * [`claims`]: what a ticket and a pass say.
//! * [`check`]: what must hold of that (issuer, audience, event, times), and every way to be refused.
//! * [`jws`]: the text form. Strict: exactly one text is read as a given token.
//! * [`keys`]: private keys (a secret), public keys (the JWKS), and their names.
//! * [`assertion`]: what a shop signs of its accounts, where an event asks for that.
//! * [`mac`]: the MAC in a ticket's `jti`, which a poll checks in microseconds in place of the signature.
//! * `native` (feature `native`, the default): sign and verify in pure Rust, for origins, tools and tests.
//! * `webcrypto` (feature `webcrypto`, only on wasm32): the same with the runtime's WebCrypto, for the Worker.
//!
//! Nothing here reads a clock, makes random numbers or talks to anybody: time, seeds and the JWKS are arguments.
//!
//! # An origin
//! Fetch `GET /queue/jwks.json` at start, make one `native::Verifier` and ask it at every request that
//! needs a pass. When it meets a key it does not know, fetch the JWKS again (at most once a minute) and ask once more.
//!
//! ```
//! # #[cfg(not(feature = "native"))] fn main() {}
//! # #[cfg(feature = "native")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use ropeline_ticket::{PrivateKeys, native::{Signer, generate_es256}};
//! use ropeline_ticket::native::Verifier;
//! use ropeline_ticket::{Jwks, PassClaims, TokenError, pass_jti};
//!
//! # let keys = PrivateKeys::from_keys(vec![generate_es256([1; 32])])?;
//! # let fetched = serde_json::to_string(&keys.public())?;
//! # let now_seconds = 1_795_374_000;
//! # let claims = PassClaims {
//! #     iss: "https://queue.example.com".into(), aud: "https://shop.example.com".into(), sub: "visitor".into(),
//! #     evt: "demo".into(), num: Some(42), seq: Some(7), adm: None, iat: now_seconds, exp: now_seconds + 300,
//! #     jti: pass_jti("demo", 7),
//! # };
//! # let token = Signer::new(&keys)?.sign_pass(&claims)?;
//! let jwks: Jwks = serde_json::from_str(&fetched)?;
//! let mut verifier = Verifier::new(&jwks, "https://queue.example.com", "https://shop.example.com")?;
//!
//! match verifier.verify_pass(&token, Some("demo"), now_seconds) {
//!     // Let the visitor in. Keep `jti` until the event's end to let each place in once.
//!     Ok(pass) => match pass.admission() {
//!         Some(admission) => assert_eq!((admission.num, pass.jti.as_str()), (42, "demo/7")),
//!         // No queue was in force: there is no number, but `jti` is a name all the same.
//!         None => assert!(pass.is_passthrough()),
//!     },
//!     // Fetch the JWKS again, then `verifier.set_jwks(&jwks)` and ask once more.
//!     Err(TokenError::UnknownKey { .. }) => verifier.set_jwks(&jwks)?,
//!     // To the waiting room.
//!     Err(_) => {}
//! }
//! # assert!(verifier.verify_pass(&token, Some("demo"), now_seconds).is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! The text of a pass is no name for an admission: a renewed pass is another text, and ECDSA has two
//! signatures for each one made. `jti` is the name.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod assertion;
mod base64url;
pub mod check;
pub mod claims;
pub mod jws;
mod key_error;
pub mod keys;
mod keyset;
pub mod mac;
mod members;
#[cfg(feature = "native")]
pub mod native;
#[cfg(all(feature = "webcrypto", target_arch = "wasm32"))]
pub mod webcrypto;

pub use assertion::{ASSERTION_TYP, AssertionClaims};
pub use check::{Expect, TokenError};
pub use claims::{
    Admission, AdmittedBy, Claims, PASS_TYP, PassClaims, TICKET_TYP, TicketClaims, parse_pass_jti, pass_jti,
    passthrough_jti,
};
pub use keys::{Algorithm, Jwks, KeyError, PrivateJwk, PrivateKeys, PublicJwk};
pub use mac::MacKeys;
