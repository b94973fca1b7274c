//! The layer: whoever gets past it has a verified pass, which is then an extension of the request.
//!
//! Invariant: what lies behind it runs only with [`PassClaims`] that are good now, for this shop and event.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ropeline_ticket::native::Verifier;
use ropeline_ticket::{PassClaims, TokenError};
use serde_json::json;

use crate::keys::{Keys, NoKeys};

/// What decides who gets in.
#[derive(Clone)]
pub(crate) struct Gate {
    keys: Arc<Keys>,
    event: Arc<str>,
}

impl Gate {
    pub(crate) fn new(keys: Keys, event: String) -> Self {
        Self { keys: Arc::new(keys), event: event.into() }
    }

    /// The claims of a pass that is good now.
    async fn verify(&self, pass: &str) -> Result<PassClaims, Refusal> {
        let now_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let verify = |verifier: &Verifier| verifier.verify_pass(pass, Some(&self.event), now_seconds);
        match verify(&*self.keys.current().await?) {
            // A rotation, perhaps: look once more.
            Err(TokenError::UnknownKey { .. }) => Ok(verify(&*self.keys.newer().await?)?),
            verdict => Ok(verdict?),
        }
    }
}

/// Lets in only whom the waiting room admitted.
pub(crate) async fn admitted(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(pass) = find(request.headers()) else {
        return Refusal::Missing.into_response();
    };
    match gate.verify(&pass).await {
        Ok(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// In `Ropeline-Pass` where the waiting room stands in front of the shop, else the bearer token.
fn find(headers: &HeaderMap) -> Option<String> {
    if let Some(pass) = headers.get("ropeline-pass") {
        // One that is no text is there all the same, and is no pass.
        return Some(pass.to_str().unwrap_or_default().to_owned());
    }
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.to_owned())
}

/// Why somebody is not let in.
enum Refusal {
    Missing,
    Bad(TokenError),
    NoKeys,
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::Bad(error)
    }
}

impl From<NoKeys> for Refusal {
    fn from(_: NoKeys) -> Self {
        Self::NoKeys
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let bearer = [(WWW_AUTHENTICATE, "Bearer")];
        match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, bearer, Json(json!({"error": "pass-missing"}))).into_response(),
            Self::Bad(error) => {
                let body = json!({"error": "pass-invalid", "detail": error.to_string()});
                (StatusCode::UNAUTHORIZED, bearer, Json(body)).into_response()
            }
            Self::NoKeys => {
                let body = json!({"error": "pass-not-checked"});
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], Json(body)).into_response()
            }
        }
    }
}
