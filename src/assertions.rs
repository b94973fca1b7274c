//! Whom a shop vouches for: its assertions, checked with the keys that the event was given.
//!
//! Keys are imported once for each version of the settings and kept by the isolate; an assertion costs one verification.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ropeline_queue::visitor_keys::{VisitorKey, VisitorKeys};
use ropeline_queue::{Account, EventId};
use ropeline_ticket::webcrypto::{WebCryptoError, WebVerifier};
use ropeline_ticket::{Algorithm, AssertionClaims, PublicJwk, TokenError, assertion};

use crate::directory::Event;
use crate::http::problem::{Problem, Slug};
use crate::tokens::now_seconds;

/// Events whose keys an isolate keeps at most.
const MOST_KEPT: usize = 100;

thread_local! {
    static KEPT: RefCell<HashMap<EventId, (u64, Rc<WebVerifier>)>> = RefCell::default();
}

/// The account that this assertion is about.
///
/// # Errors
/// 401 `visitor-missing` with what is wrong with it.
pub async fn account(event: &Event, text: &str) -> Result<Account, Problem> {
    let verifier = verifier(event).await?;
    let token = assertion::parse(text).map_err(refuse)?;
    verifier.verify(&token).await.map_err(refuse)?;
    let claims: AssertionClaims = token.claims().map_err(refuse)?;
    claims.check(event.id.as_str(), now_seconds()).map_err(refuse)?;
    Account::parse(&claims.sub).map_err(|error| refused(&error.to_string()))
}

/// Whether all of these are keys.
///
/// # Errors
/// 400 with the first that is none.
pub async fn try_keys(keys: &VisitorKeys) -> Result<(), Problem> {
    match import(keys).await {
        Ok(_) => Ok(()),
        Err(WebCryptoError::InvalidKey { index }) => Err(Problem::field(
            Slug::MalformedRequest,
            &format!("visitor_keys.keys[{index}]"),
            format!("'visitor_keys.keys[{index}]' is no key: its numbers are no point of the curve it names"),
        )),
        Err(error) => Err(Problem::internal(error)),
    }
}

async fn verifier(event: &Event) -> Result<Rc<WebVerifier>, Problem> {
    let kept = KEPT.with_borrow(|kept| kept.get(&event.id).filter(|(version, _)| *version == event.version).cloned());
    if let Some((_, verifier)) = kept {
        return Ok(verifier);
    }
    // Settings that lack keys are refused, so this is none of the visitor's business.
    let keys =
        event.settings.visitor_keys.as_deref().ok_or_else(|| Problem::internal("an event without visitor_keys"))?;
    let verifier = Rc::new(import(keys).await.map_err(Problem::internal)?);
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(event.id.clone(), (event.version, Rc::clone(&verifier)));
    });
    Ok(verifier)
}

async fn import(keys: &VisitorKeys) -> Result<WebVerifier, WebCryptoError> {
    let keys: Vec<_> = keys.keys.iter().map(jwk).collect();
    WebVerifier::import(&keys).await
}

fn jwk(key: &VisitorKey) -> PublicJwk {
    PublicJwk {
        kty: key.kty.clone(),
        crv: key.crv.clone(),
        x: key.x.clone(),
        y: key.y.clone(),
        kid: key.kid.clone().unwrap_or_default(),
        alg: if key.y.is_some() { Algorithm::Es256 } else { Algorithm::EdDsa },
        usage: "sig".to_owned(),
    }
}

fn refuse(error: TokenError) -> Problem {
    match error {
        TokenError::CryptoFailed => Problem::internal(error),
        error => refused(&error.to_string()),
    }
}

fn refused(why: &str) -> Problem {
    Problem::new(Slug::VisitorMissing, format!("the assertion is refused: {why}; the shop signs a new one at sign-in"))
}
