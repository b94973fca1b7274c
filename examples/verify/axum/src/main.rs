//! A shop in axum behind a Ropeline waiting room.

mod gate;
mod keys;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use ropeline_ticket::PassClaims;
use serde_json::{Value, json};

use gate::Gate;
use keys::Keys;

/// Each admission buys once, however often its pass is renewed. In a shop: a unique column `jti` beside the order.
type Used = Arc<Mutex<HashSet<String>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let need = |name| std::env::var(name).with_context(|| format!("{name} is not set; see the README"));
    let issuer = need("ROPELINE_ISSUER")?;
    let jwks = std::env::var("ROPELINE_JWKS").unwrap_or_else(|_| format!("{issuer}/queue/jwks.json"));
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let gate = Gate::new(Keys::new(jwks, issuer, need("ROPELINE_AUDIENCE")?)?, need("ROPELINE_EVENT")?);

    let shop = Router::new()
        .route("/checkout", get(checkout))
        .route("/orders", post(order))
        .with_state(Used::default())
        .layer(middleware::from_fn_with_state(gate, gate::admitted));
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    Ok(axum::serve(listener, shop).await?)
}

async fn checkout(Extension(pass): Extension<PassClaims>) -> Json<Value> {
    Json(json!({"visitor": pass.sub, "number": pass.num}))
}

async fn order(State(used): State<Used>, Extension(pass): Extension<PassClaims>) -> (StatusCode, Json<Value>) {
    if used.lock().unwrap_or_else(PoisonError::into_inner).insert(pass.jti.clone()) {
        (StatusCode::CREATED, Json(json!({"order": pass.jti})))
    } else {
        (StatusCode::CONFLICT, Json(json!({"error": "already-used"})))
    }
}
