//! A shop that vouches for its accounts, with a key of its own.

use ropeline_ticket::native::Signer;
use ropeline_ticket::{PrivateJwk, PrivateKeys};
use serde_json::{Value, json};

/// Signs assertions.
pub struct Voucher {
    signer: Signer,
    /// Its public key.
    pub public: Value,
}

impl Voucher {
    /// With this key.
    ///
    /// # Panics
    /// When it is no key pair.
    #[must_use]
    pub fn new(key: PrivateJwk) -> Self {
        let public = serde_json::to_value(key.public()).expect("a public key");
        let keys = PrivateKeys::from_keys(vec![key]).expect("one key");
        Self { signer: Signer::new(&keys).expect("a key pair"), public }
    }

    /// The settings of an event that trusts it.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({"visitor_identity": "asserted", "visitor_keys": {"keys": [self.public]}})
    }

    /// An assertion for this account that is good now.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn vouches(&self, event: &str, account: &str) -> String {
        self.signs("JWT", &assertion(event, account))
    }

    /// Any claims under any `typ`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn signs(&self, typ: &str, claims: &Value) -> String {
        self.signer.sign(typ, claims).expect("an assertion")
    }
}

/// What a good assertion says.
#[must_use]
pub fn assertion(event: &str, account: &str) -> Value {
    let now = crate::now_ms() / 1_000;
    json!({"iss": "https://shop.example", "aud": event, "sub": account, "iat": now, "exp": now + 600})
}
