use ropeline_ticket::native::Verifier;
use ropeline_ticket::{Jwks, PassClaims, TokenError};

/// `jwks`: the body of `GET /queue/jwks.json`, fetched at start, and again when a pass names an unknown key.
pub fn verifier(jwks: &str, issuer: &str, audience: &str) -> Result<Verifier, Box<dyn std::error::Error>> {
    let jwks: Jwks = serde_json::from_str(jwks)?;
    Ok(Verifier::new(&jwks, issuer, audience)?)
}

/// Who was let in. Keep `jti` until the event's end to let each place in once.
pub fn admitted(verifier: &Verifier, pass: &str, event: &str, now_seconds: u64) -> Result<PassClaims, TokenError> {
    verifier.verify_pass(pass, Some(event), now_seconds)
}
