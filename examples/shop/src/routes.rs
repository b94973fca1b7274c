//! The shop's routes.
//!
//! | route | who | answers |
//! |---|---|---|
//! | `GET /` | anybody | a page with the way to the waiting room |
//! | `POST /enter-shop` (form: `pass`) | the waiting room sends the admitted here (`return_url`) | 303 to `/tickets` with this shop's cookie |
//! | `GET /tickets` | the admitted | the product page |
//! | `POST /order` | the admitted, once | 201 with the order's id; 409 `already-ordered` |
//!
//! Without a good pass: `pass.rs`. With one that has bought: 409, on every route.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::jwks::Refusal;
use crate::orders::Placing;
use crate::pass::{Admitted, cookie, refuse_at_the_door, wants_html};
use crate::{Shop, now_seconds, pages};

const MAX_BODY: usize = 16 * 1024;
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/style.css", get(style))
        .route("/enter-shop", post(enter_shop))
        .route("/tickets", get(tickets))
        .route("/order", post(order))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(guard))
        .with_state(shop)
}

/// Every answer is about one visitor or depends on one: nothing between us may keep it.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn landing(State(shop): State<Arc<Shop>>) -> Html<String> {
    pages::landing(&shop.config.event, &shop.config.waiting_room())
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")], pages::STYLE)
}

/// What the waiting room posts. Fields it may add later are ignored.
#[derive(Deserialize)]
struct Arrival {
    #[serde(default)]
    pass: String,
}

/// The one POST that other sites may send here: it changes nothing but whose pass this browser has.
async fn enter_shop(State(shop): State<Arc<Shop>>, headers: HeaderMap, Form(arrival): Form<Arrival>) -> Response {
    let pass = arrival.pass.trim();
    let verified = match pass {
        "" => Err(Refusal::Missing),
        pass => shop.keys.verify(pass, now_seconds()).await,
    };
    let claims = match verified {
        Ok(claims) => claims,
        Err(refusal) => return refuse_at_the_door(&refusal, &headers, &shop.config),
    };
    if let Some(order) = shop.orders.of(&claims.jti) {
        return already_ordered(order, &headers, &shop);
    }
    // 303: the browser goes on with a GET, so that neither reload nor back posts the pass again.
    ([(SET_COOKIE, cookie(pass, &claims, &shop.config))], Redirect::to("/tickets")).into_response()
}

async fn tickets(State(shop): State<Arc<Shop>>, headers: HeaderMap, visitor: Admitted) -> Response {
    let claims = visitor.claims;
    if let Some(order) = shop.orders.of(&claims.jti) {
        return already_ordered(order, &headers, &shop);
    }
    if wants_html(&headers) {
        return pages::tickets(&claims).into_response();
    }
    Json(json!({ "event": claims.evt, "number": claims.num, "seq": claims.seq, "products": [{ "id": "seat", "price": "49.00" }] })).into_response()
}

async fn order(State(shop): State<Arc<Shop>>, headers: HeaderMap, visitor: Admitted) -> Response {
    // SameSite keeps other sites out; this keeps out other hosts of the same site, too. Browsers
    // without the header are left with SameSite.
    let from_elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
    if visitor.by_cookie && from_elsewhere {
        return told(StatusCode::FORBIDDEN, "cross-site", "Orders come from this shop's own pages.", &headers);
    }
    let jti = &visitor.claims.jti;
    // First the admission is used up, then the line is told: never the other way round, or the
    // same pass could buy again while its slot already belongs to somebody else.
    let order = match shop.orders.place(jti, now_seconds()) {
        Placing::New(order) => order,
        Placing::Again(order) => return already_ordered(order, &headers, &shop),
        Placing::Full => {
            return told(StatusCode::SERVICE_UNAVAILABLE, "full", "No more orders at the moment.", &headers);
        }
    };
    if visitor.claims.is_passthrough() {
        // It holds no slot, and no other pass will ever have this `jti`.
        shop.orders.no_more_passes(jti, now_seconds());
    } else {
        shop.completer.complete(jti.clone());
    }
    if wants_html(&headers) {
        return (StatusCode::CREATED, pages::ordered(order)).into_response();
    }
    (StatusCode::CREATED, Json(json!({ "order": order }))).into_response()
}

fn already_ordered(order: u64, headers: &HeaderMap, shop: &Shop) -> Response {
    if wants_html(headers) {
        return (StatusCode::CONFLICT, pages::already_ordered(order, &shop.config.waiting_room())).into_response();
    }
    (StatusCode::CONFLICT, Json(json!({ "error": "already-ordered", "detail": "already ordered", "order": order })))
        .into_response()
}

fn told(status: StatusCode, error: &str, words: &str, headers: &HeaderMap) -> Response {
    if wants_html(headers) {
        return (status, pages::plain("Not possible", words)).into_response();
    }
    (status, Json(json!({ "error": error, "detail": words }))).into_response()
}
