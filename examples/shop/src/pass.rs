//! The pass of a request: where it is found, and what is answered without a good one.
//!
//! Invariant: a handler that takes [`Admitted`] runs only with a verified pass. One that is present
//! and not good is refused even if a good one comes along elsewhere in the request.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, AUTHORIZATION, COOKIE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use ropeline_ticket::{PassClaims, TokenError};
use serde_json::json;

use crate::config::Config;
use crate::jwks::Refusal;
use crate::{Shop, now_seconds, pages};

const PASS_HEADER: HeaderName = HeaderName::from_static("ropeline-pass");

/// A visitor whom the line let in: the claims of the pass, verified.
pub(crate) struct Admitted {
    pub(crate) claims: PassClaims,
    /// The browser sent the pass by itself: think of CSRF where something is changed.
    pub(crate) by_cookie: bool,
}

impl FromRequestParts<Arc<Shop>> for Admitted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, Response> {
        let Some((pass, by_cookie)) = find(&parts.headers, &shop.config) else {
            return Err(refuse(&Refusal::Missing, &parts.headers, &shop.config));
        };
        match shop.keys.verify(&pass, now_seconds()).await {
            Ok(claims) => Ok(Self { claims, by_cookie }),
            Err(refusal) => Err(refuse(&refusal, &parts.headers, &shop.config)),
        }
    }
}

/// `Authorization: Bearer`, then `Ropeline-Pass` (gate mode), then this shop's own cookie.
fn find(headers: &HeaderMap, config: &Config) -> Option<(String, bool)> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(value) = text(AUTHORIZATION) {
        let (scheme, pass) = value.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| (pass.trim().to_owned(), false));
    }
    if let Some(pass) = text(PASS_HEADER) {
        return Some((pass.to_owned(), false));
    }
    let wanted = cookie_name(config);
    headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';')).find_map(
        |pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == wanted).then(|| (value.to_owned(), true))
        },
    )
}

fn cookie_name(config: &Config) -> String {
    // `__Host-`: only this very host can have set it, over https, for all its paths.
    format!("{}shop-pass-{}", if config.secure_cookies { "__Host-" } else { "" }, config.event)
}

/// The shop's own cookie for a verified pass; it lives as long as the pass.
///
/// `SameSite=Lax`: other sites' forms do not bring it along, links do. A compact JWS has only
/// characters that a cookie may have.
pub(crate) fn cookie(pass: &str, claims: &PassClaims, config: &Config) -> String {
    let secure = if config.secure_cookies { "; Secure" } else { "" };
    let max_age = claims.exp.saturating_sub(now_seconds());
    format!("{}={pass}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", cookie_name(config))
}

/// Whether a person looks at the answer, rather than a program.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"))
}

/// Browsers go to the waiting room, which gives a new pass or says that the visit is over; programs
/// get 401 and the address. Without keys nobody comes in, and nobody is sent in circles: 503.
fn refuse(refusal: &Refusal, headers: &HeaderMap, config: &Config) -> Response {
    match refusal {
        Refusal::NoKeys => dead_end(refusal, headers, config),
        _ if wants_html(headers) => Redirect::to(&config.waiting_room()).into_response(),
        _ => dead_end(refusal, headers, config),
    }
}

/// The answer where the waiting room's form posts to. A missing or expired pass goes back into the
/// room. Any other bad one is told instead: the room would send the same pass again, for ever
/// (typically this shop has another `issuer` or `audience` configured than the line).
pub(crate) fn refuse_at_the_door(refusal: &Refusal, headers: &HeaderMap, config: &Config) -> Response {
    match refusal {
        Refusal::Missing | Refusal::Token(TokenError::Expired { .. }) => refuse(refusal, headers, config),
        _ => {
            tracing::warn!(%refusal, "a pass from the waiting room is refused");
            dead_end(refusal, headers, config)
        }
    }
}

fn dead_end(refusal: &Refusal, headers: &HeaderMap, config: &Config) -> Response {
    let (status, error) = match refusal {
        Refusal::Missing => (StatusCode::UNAUTHORIZED, "pass-missing"),
        Refusal::Token(TokenError::Expired { .. }) => (StatusCode::UNAUTHORIZED, "pass-expired"),
        Refusal::Token(_) => (StatusCode::UNAUTHORIZED, "pass-invalid"),
        Refusal::NoKeys => (StatusCode::SERVICE_UNAVAILABLE, "pass-not-checked"),
    };
    let room = config.waiting_room();
    let mut response = if wants_html(headers) {
        (status, pages::refused(status, &room)).into_response()
    } else {
        (status, Json(json!({ "error": error, "detail": refusal.to_string(), "waiting_room": room }))).into_response()
    };
    let (name, value) = match status {
        StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, "10"),
        _ => (WWW_AUTHENTICATE, "Bearer"),
    };
    response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
    response
}
