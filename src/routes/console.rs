//! `GET /queue/admin/`: the operator's console, a page without data; what it shows it asks of [`super::admin`] with the operator's key.

use super::Context;
use crate::console;
use crate::http::problem::Problem;
use crate::http::reply::Reply;

/// The document, for everybody.
pub fn page(c: &Context) -> Result<Reply, Problem> {
    Ok(Reply::text(200, "text/html; charset=utf-8", console::render(&c.deployment.prefix))
        .with("content-security-policy", console::CSP)
        .with("cross-origin-opener-policy", "same-origin")
        .with("referrer-policy", "no-referrer")
        .with("x-content-type-options", "nosniff")
        .with("x-frame-options", "DENY")
        .with("x-robots-tag", "noindex, nofollow"))
}

/// The way there for whoever leaves out the slash.
pub fn redirect(c: &Context) -> Result<Reply, Problem> {
    Ok(Reply::empty(308).with("location", format!("{}/admin/", c.deployment.prefix)))
}
