//! `PUT`, `GET` and `DELETE /queue/admin/events/{event}/page`: the operator's own page around the room.
//!
//! It is checked here, kept by the line, and shown by every isolate within seconds, since the registry tells them of its version.

use ropeline_queue::EventId;

use super::admin::{self, reservation};
use super::{Context, read as read_answer};
use crate::directory;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::keyring::Role;
use crate::objects::call::{Address, Message};
use crate::objects::command::{Configuring, LineCommand, PageRow, Reservation};
use crate::page::own::{MOST_BYTES, Own};

/// Puts a page around the room, or another one.
pub async fn put(c: &Context, id: &str) -> Result<Reply, Problem> {
    let by = c.require(Role::Admin)?;
    let event = admin::parse(id)?;
    let html = c.call.html(MOST_BYTES).await?;
    Own::read(&html)
        .map_err(|fault| Problem::field(Slug::MalformedRequest, "page", format!("{fault} (see docs/page.md)")))?;
    let version = set(c, &event, Some(html), by).await?;
    let reply = Reply::empty(204);
    Ok(match version {
        Some(version) => reply.with("etag", format!("\"{version}\"")),
        None => reply,
    })
}

/// Gives our own page back; also when it is there.
pub async fn delete(c: &Context, id: &str) -> Result<Reply, Problem> {
    let by = c.require(Role::Admin)?;
    set(c, &admin::parse(id)?, None, by).await?;
    Ok(Reply::empty(204))
}

/// The page as it was uploaded.
pub async fn read(c: &Context, id: &str) -> Result<Reply, Problem> {
    c.require(Role::Admin)?;
    let event = live(c, admin::parse(id)?).await?;
    let answer = c.ask(Address::line(event.as_str()), Message::of(&LineCommand::Page)).await?;
    let page: Option<PageRow> = read_answer(answer)?;
    let none = || Problem::new(Slug::NotFound, "the event has no page of its own: it shows ours; put one with PUT");
    let PageRow { version, html } = page.ok_or_else(none)?;
    Ok(Reply::text(200, "text/html; charset=utf-8", html)
        .with("etag", format!("\"{version}\""))
        // For programs: nobody should be shown it here.
        .with("content-security-policy", "default-src 'none'; sandbox")
        .with("x-content-type-options", "nosniff"))
}

/// The registry knows whether the id lives: no object is named for one that does not.
async fn live(c: &Context, event: EventId) -> Result<EventId, Problem> {
    match reservation(c, &event).await? {
        Reservation::Live => Ok(event),
        _ => Err(Problem::unknown_event(event.as_str())),
    }
}

/// The version of the page there is then.
async fn set(c: &Context, event: &EventId, page: Option<String>, by: String) -> Result<Option<u64>, Problem> {
    let event = live(c, event.clone()).await?;
    let if_version = admin::if_match(c)?.version();
    let command = LineCommand::SetPage { page, if_version, by };
    let made = read_answer(c.ask(Address::line(event.as_str()), Message::of(&command)).await?)?;
    let configured = match made {
        Configuring::Done { configured } => configured,
        _ => {
            return Err(Problem::new(
                Slug::PreconditionFailed,
                "the page has another version by now, or is gone; read it and try again",
            ));
        }
    };
    // This isolate shows it at once, the others within seconds.
    if let Err(error) = directory::refresh(&c.env).await {
        worker::console_warn!("template: {error}");
    }
    Ok(configured.settings.page)
}
