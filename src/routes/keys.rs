//! `GET /queue/jwks.json` and `GET /queue/healthz`.

use ropeline_queue::json;

use super::Context;
use super::board::{etag, matches};
use crate::http::problem::Problem;
use crate::http::reply::Reply;

const JWKS_SECONDS: u32 = 300;

/// The public keys, RFC 7517.
pub fn jwks(c: &Context) -> Result<Reply, Problem> {
    let jwks = c.deployment.jwks.clone();
    let etag = etag(&jwks);
    if matches(c, &etag) {
        return Ok(Reply::empty(304).public(JWKS_SECONDS).with("etag", etag));
    }
    let reply = Reply::text(200, "application/jwk-set+json", jwks);
    Ok(reply.public(JWKS_SECONDS).with("etag", etag).with("access-control-allow-origin", "*"))
}

/// Alive, with the build's version.
pub fn healthz() -> Result<Reply, Problem> {
    Ok(Reply::of(200, json::object(&[("status", &"ok"), ("version", &env!("CARGO_PKG_VERSION"))])))
}
