//! `GET` and `POST /queue/events/{event}/wait`, and the assets of all pages.
//!
//! The page does everything itself where its script runs: then the Worker fills in nothing about the visitor. `?mode=plain` is the page
//! without a script: it shows where the visitor is, and its forms come here. Each is answered 303, back to the page with what was
//! `said`, or on to a shop on this very origin; a shop elsewhere gets the pass by a form of the page.

use ropeline_queue::brand::Colour;
use ropeline_queue::place::State;
use ropeline_queue::settings::{Door, VisitorIdentity};
use ropeline_queue::wire::Phase;

use super::board::matches;
use super::enter::{self, Asks};
use super::{Context, places, session, status};
use crate::boards::{self, Copy};
use crate::clock::now;
use crate::console;
use crate::credentials::{self, Browser};
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::Fields;
use crate::page::{self, Language, PageContext, Plain};
use crate::templates;

const ASSET_SECONDS: u32 = 300;
/// For clients that take the page's status for an error: when to look again. The page itself asks as it is told.
const PAGE_RETRY_SECONDS: &str = "5";
/// How long a browser keeps the language chosen.
const LANGUAGE_SECONDS: u64 = 30 * 24 * 60 * 60;
/// How long it keeps how far it has seen the line.
const SEEN_SECONDS: u64 = 2 * 24 * 60 * 60;
/// How often the page without a script loads itself.
const RELOAD_SECONDS: std::ops::RangeInclusive<u64> = 5..=60;

/// The waiting page; the first GET makes the visitor key and sets its cookie.
pub async fn page(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    let settings = &event.settings;
    let Browser { new_key, may_enter, .. } = credentials::browser(&c.deployment, &c.call, &event).await?;
    let (mut given, mut reload) = (Vec::new(), None);
    let mut plain = None;
    if c.call.query("mode") == Some("plain") {
        let mut shown = where_is(c, &event, &mut given, &mut reload).await?;
        if shown.view == "outside" && !may_enter {
            shown.trouble = "account";
        }
        plain = Some(shown);
    }
    // A page without it says no less about the line.
    let board = if settings.shuffle_at_event_start { boards::get(&c.env, &event).await.ok() } else { None };
    let commitment = board.as_ref().map_or("", commitment);
    let mut reply = document(c, &event, settings.queueing_status_code, false, commitment, plain).await;
    reply.cookies.extend(given);
    reply.cookies.extend(new_key);
    Ok(match reload {
        Some(seconds) => reply.with("refresh", seconds.to_string()),
        None => reply,
    })
}

/// What a draw was committed to; empty where there is none.
pub fn commitment(copy: &Copy) -> &str {
    copy.board.shuffle.as_ref().map_or("", |shuffle| shuffle.commitment.as_str())
}

/// The waiting page. `at_gate`: it stands in for the page that was asked for, and leads there. `plain`: the one without a script.
pub async fn document(
    c: &Context,
    event: &Event,
    status: u16,
    at_gate: bool,
    commitment: &str,
    plain: Option<Plain>,
) -> Reply {
    let id = event.id.as_str();
    let settings = &event.settings;
    let return_url = settings.return_url.as_deref().filter(|_| !at_gate);
    let own = templates::get(&c.env, event).await;
    let language = cookies::name(&c.deployment, Purpose::Language, id);
    let chosen = c.call.query("lang").and_then(Language::of_code);
    let kept = || c.call.cookie(&language).and_then(Language::of_code);
    let accepted = || Language::accepted(&c.call.header("accept-language").unwrap_or_default());
    let html = page::render(&PageContext {
        event: id,
        name: &settings.name,
        message: &settings.message,
        brand: settings.brand.as_deref(),
        return_url,
        accounts: settings.visitor_identity == VisitorIdentity::Asserted,
        at_gate,
        prefix: &c.deployment.prefix,
        seen_cookie: &cookies::name(&c.deployment, Purpose::Seen, id),
        language: chosen.or_else(kept).unwrap_or_else(accepted),
        now_ms: now().0,
        opens_at_ms: settings.event_start_time.map(|at| at.0),
        stay_seconds: settings.session_duration_seconds,
        commitment,
        plain,
        own: own.as_deref(),
    });
    let mut reply = Reply::text(status, "text/html; charset=utf-8", html)
        .with("content-security-policy", page::csp(return_url, settings.door, own.as_deref()))
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "strict-origin-when-cross-origin");
    if let Some(chosen) = chosen {
        let cookie = cookies::set(&c.deployment, Purpose::Language, id, chosen.code(), LANGUAGE_SECONDS);
        reply = reply.cookie(cookie);
    }
    if status == 200 { reply } else { reply.with("retry-after", PAGE_RETRY_SECONDS) }
}

/// Where this visitor is, for the page without a script; the cookies that go with it, and when the page should be loaded again.
async fn where_is(
    c: &Context,
    event: &Event,
    given: &mut Vec<String>,
    reload: &mut Option<u64>,
) -> Result<Plain, Problem> {
    let said = c.call.query("said").unwrap_or_default();
    let id = event.id.as_str();
    let mut plain = Plain { trouble: trouble(said), ..Plain::default() };
    let board = match boards::get(&c.env, event).await {
        Ok(board) => board,
        Err(problem) if problem.slug == Slug::Overloaded => {
            return Ok(Plain { view: "outside", trouble: "again", ..plain });
        }
        Err(problem) => return Err(problem),
    };
    let phase = board.board.phase;
    let seconds = match status::answer(c, event, &board).await {
        Ok(answer) => {
            let place = answer.place();
            plain.view = match (place.state, said) {
                (State::Admitted | State::Passthrough, _) => "admitted",
                (State::Left, _) | (_, "place-left") => "left",
                (State::Ended, _) if phase == Phase::Ended => "event_ended",
                (State::Ended, _) | (_, "session-ended") => "session_ended",
                _ if phase == Phase::SoldOut => "sold_out_place",
                (State::Called, _) => "called",
                (State::Prequeue, _) => "prequeue",
                (State::Waiting, _) if place.paused.is_some() || phase == Phase::Suspended => "paused",
                (State::Waiting, _) => "waiting",
            };
            plain.number = place.number.map(|number| number.get());
            plain.position = place.position.map(|position| position.get()).filter(|at| plain.number != Some(*at));
            plain.ahead = place.ahead;
            plain.eta = place.eta_seconds.map(|eta| (eta.low, eta.high));
            let shown = || c.call.cookie(&cookies::name(&c.deployment, Purpose::Pass, id)).map(str::to_owned);
            if plain.view == "admitted" {
                plain.pass = place.pass.clone().or_else(shown);
            }
            let seen = place.frontier.to_string();
            given.push(cookies::set(&c.deployment, Purpose::Seen, id, &seen, SEEN_SECONDS));
            let seconds = place.poll_after_seconds.ceil() as u64;
            given.extend(answer.reply(200)?.cookies);
            seconds
        }
        Err(_) => {
            plain.view = match (phase, said) {
                (_, "place-left") => "left",
                (_, "session-ended") => "session_ended",
                (Phase::Ended, _) => "event_ended",
                (Phase::SoldOut, _) => "sold_out",
                (Phase::Scheduled, _) => "scheduled",
                _ => "outside",
            };
            let opens = board.board.prequeue_start_time.or(board.board.event_start_time);
            opens.map_or(0, |at| at.since(now()).div_ceil(1_000))
        }
    };
    // Said beforehand; whoever has a place all the same finds it by the button.
    if plain.view == "outside" && event.settings.door == Door::Turnstile && !places::passes(event, &board.board) {
        plain.trouble = "door";
    }
    // Who has something to press is not torn away from it.
    if matches!(plain.view, "waiting" | "paused" | "prequeue" | "scheduled" | "sold_out_place") {
        *reload = Some(seconds.clamp(*RELOAD_SECONDS.start(), *RELOAD_SECONDS.end()));
    }
    Ok(plain)
}

/// What the page says about a problem of the last form; nothing where its view says it all.
fn trouble(said: &str) -> &'static str {
    match said {
        "visitor-missing" | "ticket-missing" => "cookies",
        "queue-closed" | "line-full" => "shut",
        "door-failed" => "door",
        "overloaded" | "internal" | "too-many-requests" => "again",
        _ => "",
    }
}

/// A form of the page without a script: `action=enter|claim|leave`, and `again=true` for a new place.
pub async fn act(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    credentials::same_origin(&c.call)?;
    let mut fields = Fields(c.call.form().await?);
    let action = fields.text("action")?;
    let again = fields.maybe_text("again")?.is_some();
    fields.done()?;
    let id = event.id.as_str();
    if !matches!(action.as_str(), "enter" | "claim" | "leave") {
        return Err(Problem::field(Slug::MalformedRequest, "action", "'action' must be enter, claim or leave"));
    }
    let outcome = match action.as_str() {
        "enter" => taken(c, &event, again).await,
        action => held(c, &event, action).await,
    };
    let (said, given) = match outcome {
        Ok((State::Left, reply)) => (Some(Slug::PlaceLeft), reply.cookies),
        Ok((State::Ended, reply)) => (Some(Slug::SessionEnded), reply.cookies),
        Ok((_, reply)) => (None, reply.cookies),
        Err(problem) => (Some(problem.slug), Vec::new()),
    };
    let page = || {
        let said = said.map(|slug| format!("&said={}", slug.text())).unwrap_or_default();
        format!("{}/events/{id}/wait?mode=plain{said}", c.deployment.prefix)
    };
    let pass = format!("{}=", cookies::name(&c.deployment, Purpose::Pass, id));
    let is_in = said.is_none() && given.iter().any(|cookie| cookie.starts_with(&pass));
    // On this origin the pass is a cookie that comes along.
    let is_here = |url: &&str| {
        url.strip_prefix(c.call.origin.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    let at_gate = event.settings.gate.as_ref().is_some_and(|gate| gate.has_host(c.call.host()));
    let shop = event.settings.return_url.as_deref().filter(is_here).or(at_gate.then_some("/"));
    let mut reply = Reply::empty(303).with("location", shop.filter(|_| is_in).map_or_else(page, str::to_owned));
    reply.cookies = given;
    Ok(reply)
}

async fn taken(c: &Context, event: &Event, again: bool) -> Result<(State, Reply), Problem> {
    let secret = credentials::secret(&c.deployment, &c.call, event)?;
    let visitor = credentials::visitor(event, &secret).await?;
    let board = boards::get(&c.env, event).await?;
    let asks = Asks { visitor: &visitor, claim: true, again, door_token: None };
    let (answer, _) = enter::take(c, event, &board, asks, true).await?;
    Ok((answer.place().state, answer.reply(200)?))
}

async fn held(c: &Context, event: &Event, action: &str) -> Result<(State, Reply), Problem> {
    let holder = credentials::holder(&c.deployment, &c.call, event).await?;
    if action == "claim" {
        return Ok((State::Called, session::claim_of(c, event, &holder).await?));
    }
    let reply = session::leave_of(c, event, &holder).await?;
    // Its ticket would go on telling where it was.
    let ticket = cookies::set(&c.deployment, Purpose::Ticket, event.id.as_str(), "", 0);
    Ok((State::Left, reply.cookie(ticket)))
}

/// A page's script or style sheet.
pub fn asset(c: &Context, name: &str) -> Result<Reply, Problem> {
    let accent = |name: &str| Colour::parse(&format!("#{}", c.call.query(name)?));
    let asset = page::asset(name, [accent("accent"), accent("accent_dark")])
        .or_else(|| console::asset(name))
        .ok_or_else(|| Problem::new(Slug::NotFound, "no such asset; the pages name those there are"))?;
    if matches(c, &asset.etag) {
        return Ok(Reply::empty(304).public(ASSET_SECONDS).with("etag", asset.etag));
    }
    let reply = Reply::text(200, asset.content_type, asset.body.into_owned());
    Ok(reply.public(ASSET_SECONDS).with("etag", asset.etag).with("x-content-type-options", "nosniff"))
}
