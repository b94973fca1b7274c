//! Forged tickets and passes: rightly signed but wrong, rightly said but signed by somebody else, and altered ones.

use ropeline_ticket::mac::MacKeys;
use ropeline_ticket::native::{Signer, generate_es256};
use ropeline_ticket::{Claims, PassClaims, PrivateKeys, TicketClaims, jws};
use xtask::keys::Keys;

/// What makes tokens: signing keys and MAC keys.
pub struct Forge {
    signer: Signer,
    mac: MacKeys,
}

impl Forge {
    /// With the deployment's own keys.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn of(keys: &Keys) -> Self {
        let signing = PrivateKeys::from_json(&keys.signing).expect("signing keys");
        Self { signer: Signer::new(&signing).expect("a signer"), mac: MacKeys::from_json(&keys.mac).expect("MAC keys") }
    }

    /// With keys of its own: somebody else.
    ///
    /// # Panics
    /// When none can be made.
    #[must_use]
    pub fn foreign() -> Self {
        let key = generate_es256(xtask::keys::random().expect("randomness"));
        let signing = PrivateKeys::from_keys(vec![key]).expect("a key set");
        let mac = ropeline_ticket::mac::mac_keys_json(&[xtask::keys::random().expect("randomness")]);
        Self { signer: Signer::new(&signing).expect("a signer"), mac: MacKeys::from_json(&mac).expect("MAC keys") }
    }

    /// A ticket with the `jti` that fits its claims.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn ticket(&self, claims: &TicketClaims) -> String {
        let mut claims = claims.clone();
        claims.jti = self.mac.jti(&claims);
        self.signer.sign_ticket(&claims).expect("a ticket")
    }

    /// A pass.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn pass(&self, claims: &PassClaims) -> String {
        self.signer.sign_pass(claims).expect("a pass")
    }

    /// Any claims under any `typ`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn signed(&self, typ: &str, claims: &impl serde::Serialize) -> String {
        self.signer.sign(typ, claims).expect("a token")
    }
}

/// What a ticket says, without believing it.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn ticket_claims(ticket: &str) -> TicketClaims {
    jws::parse(ticket, TicketClaims::TYP).expect("a ticket").claims().expect("a ticket's claims")
}

/// What a pass says, without believing it.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn pass_claims(pass: &str) -> PassClaims {
    jws::parse(pass, PassClaims::TYP).expect("a pass").claims().expect("a pass' claims")
}

/// The token with one character of a part (0 header, 1 payload, 2 signature) exchanged for another one.
///
/// # Panics
/// When the token has no such character.
#[must_use]
pub fn altered(token: &str, part: usize, at: usize) -> String {
    let mut parts: Vec<Vec<u8>> = token.split('.').map(|part| part.as_bytes().to_vec()).collect();
    let part = parts.get_mut(part).expect("three parts");
    let at = at % part.len();
    let character = part.get_mut(at).expect("a character");
    *character = if *character == b'A' { b'B' } else { b'A' };
    let parts: Vec<String> = parts.into_iter().map(|part| String::from_utf8(part).expect("ASCII")).collect();
    parts.join(".")
}
