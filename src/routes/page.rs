//! `GET /queue/events/{event}/wait` and the page's two assets.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Context;
use super::board::matches;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::page::{self, PageContext};

const ASSET_SECONDS: u32 = 300;
/// For clients that take the page's status for an error: when to look again. The page itself asks as it is told.
const PAGE_RETRY_SECONDS: &str = "5";
/// How long a browser keeps its visitor key.
const VISITOR_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The waiting page; the first GET makes the visitor key and sets its cookie.
pub async fn page(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    let id = event.id.as_str();
    let settings = &event.settings;
    let return_url = settings.return_url.as_deref();
    let html = page::render(&PageContext {
        event: id,
        name: &settings.name,
        message: &settings.message,
        return_url,
        prefix: &c.deployment.prefix,
        seen_cookie: &cookies::name(&c.deployment, Purpose::Seen, id),
    });
    let mut reply = Reply::text(settings.queueing_status_code, "text/html; charset=utf-8", html)
        .with("content-security-policy", page::csp(return_url))
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "strict-origin-when-cross-origin");
    if settings.queueing_status_code != 200 {
        reply = reply.with("retry-after", PAGE_RETRY_SECONDS);
    }
    if c.call.cookie(&cookies::name(&c.deployment, Purpose::Visitor, id)).is_none() {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(Problem::internal)?;
        let key = URL_SAFE_NO_PAD.encode(key);
        reply = reply.cookie(cookies::set(&c.deployment, Purpose::Visitor, id, &key, VISITOR_SECONDS));
    }
    Ok(reply)
}

/// The page's script or style sheet.
pub fn asset(c: &Context, name: &str) -> Result<Reply, Problem> {
    let asset = page::asset(name)
        .ok_or_else(|| Problem::new(Slug::NotFound, "no such asset; the waiting page names those there are"))?;
    if matches(c, &asset.etag) {
        return Ok(Reply::empty(304).public(ASSET_SECONDS).with("etag", asset.etag));
    }
    let reply = Reply::text(200, asset.content_type, asset.body.to_owned());
    Ok(reply.public(ASSET_SECONDS).with("etag", asset.etag).with("x-content-type-options", "nosniff"))
}
