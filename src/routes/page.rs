//! `GET /queue/events/{event}/wait` and the page's two assets.

use super::Context;
use super::board::matches;
use crate::credentials;
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::page::{self, PageContext};

const ASSET_SECONDS: u32 = 300;
/// For clients that take the page's status for an error: when to look again. The page itself asks as it is told.
const PAGE_RETRY_SECONDS: &str = "5";

/// The waiting page; the first GET makes the visitor key and sets its cookie.
pub async fn page(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    let (_, new_key) = credentials::browser_key(&c.deployment, &c.call, &event)?;
    let mut reply = document(c, &event, event.settings.queueing_status_code, false);
    reply.cookies.extend(new_key);
    Ok(reply)
}

/// The waiting page. `at_gate`: it stands in for the page that was asked for, and leads there.
pub fn document(c: &Context, event: &Event, status: u16, at_gate: bool) -> Reply {
    let id = event.id.as_str();
    let settings = &event.settings;
    let return_url = settings.return_url.as_deref().filter(|_| !at_gate);
    let html = page::render(&PageContext {
        event: id,
        name: &settings.name,
        message: &settings.message,
        return_url,
        at_gate,
        prefix: &c.deployment.prefix,
        seen_cookie: &cookies::name(&c.deployment, Purpose::Seen, id),
    });
    let reply = Reply::text(status, "text/html; charset=utf-8", html)
        .with("content-security-policy", page::csp(return_url))
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "strict-origin-when-cross-origin");
    if status == 200 { reply } else { reply.with("retry-after", PAGE_RETRY_SECONDS) }
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
