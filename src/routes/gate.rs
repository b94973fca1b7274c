//! Everything outside the product's own prefix: the shop behind the gate.
//!
//! | who | gets |
//! |---|---|
//! | open path, CORS preflight | the shop |
//! | with a valid pass, as cookie or bearer | the shop, with `Ropeline-Pass` |
//! | everybody, where no queue is in force or the deployment bypasses the event | the shop, with a pass that says so |
//! | a browser on its way to a page | a place: with room and nobody waiting the shop at once, else the waiting page |
//! | a form that a browser sends | the waiting page, which takes a place by itself |
//! | a browser ahead of time | 409 |
//! | any other request | 202 or 429 with JSON that says where to wait |
//!
//! Invariant: a protected path reaches the shop only with a pass that this Worker has verified or just signed, but where an event
//! says `"when_unsure": "open"` and its line cannot be asked.

use std::rc::Rc;

use ropeline_queue::gate::{Gate, PlainPath, WhenUnsure};
use ropeline_queue::wire::OpAnswer;
use ropeline_queue::{Number, json};
use ropeline_ticket::claims::{Admission, PASS_TYP, PassClaims};
use ropeline_ticket::jws;
use worker::js_sys::{Promise, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{self, JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{Request, Response};

use super::enter::{self, Asks};
use super::places::{Answer, passes};
use super::{Context, not_found, page, session};
use crate::alerts::Alert;
use crate::credentials::Browser;
use crate::directory::{self, Event};
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::tokens::{self, Token, now_seconds};
use crate::{alerts, boards, credentials};

/// The binding of the shop, where it is not simply what lies behind the Worker's routes.
const SHOP: &str = "ORIGIN";
/// When to look again, for whoever does not read the waiting page.
const RETRY_SECONDS: u64 = 5;

/// What becomes of a request.
pub enum Passed {
    /// An answer of ours.
    Reply(Reply),
    /// The shop's.
    Response(Response),
}

#[wasm_bindgen(module = "/src/routes/forward.js")]
extern "C" {
    fn forward(request: &Request, shop: &JsValue, pass: Option<&str>) -> Promise;
    #[wasm_bindgen(js_name = forwardPreflight)]
    fn forward_preflight(request: &Request, shop: &JsValue) -> Promise;
    /// `cookies`: `Set-Cookie` values, one a line.
    #[wasm_bindgen(js_name = withCookies)]
    fn with_cookies(response: &Response, cookies: &str) -> Response;
}

/// Lets a request to the shop by, or tells it to wait.
pub async fn gate(c: &Context) -> Result<Passed, Problem> {
    let events = match directory::gates(&c.env).await {
        Ok(events) => events,
        Err(_) if c.deployment.bypass.all => return to_shop(c, None, &[]).await,
        Err(problem) => return Err(problem),
    };
    if events.is_empty() {
        return Err(not_found());
    }
    let host = c.call.host();
    let gates = || events.iter().filter_map(|event| Some((event, event.settings.gate.as_ref()?)));
    let here = || gates().filter(|(_, gate)| gate.has_host(host));
    if here().next().is_none() {
        return Err(Problem::new(
            Slug::Misdirected,
            "no event's 'gate' names this host; send the request to one that is named",
        ));
    }
    let path = PlainPath::of(&c.call.path).map_err(|error| Problem::new(Slug::MalformedRequest, error.to_string()))?;
    let protects = here().filter_map(|(event, gate)| Some((gate.protects(&path)?, event, gate)));
    let Some((_, event, gate)) = protects.max_by_key(|(length, ..)| *length) else {
        return to_shop(c, None, &[]).await;
    };
    if gate.opens(&path) {
        return to_shop(c, None, &[]).await;
    }
    if c.call.is_preflight() {
        return answered(forward_preflight(c.call.raw(), &shop(c)), &[]).await;
    }
    c.event.replace(Some(Rc::clone(event)));
    match judge(c, event).await {
        Err(problem) if matches!(problem.slug, Slug::Overloaded | Slug::Internal) => {
            unsure(c, event, gate, problem).await
        }
        other => other,
    }
}

async fn judge(c: &Context, event: &Event) -> Result<Passed, Problem> {
    if let Some(shown) = shown_pass(c, event).await {
        return match renewed(c, event, &shown).await {
            Some(Token { text, exp }) => {
                let cookie = pass_cookie(c, event, &text, exp);
                to_shop(c, Some(&text), &[cookie]).await
            }
            None => to_shop(c, Some(&shown.text), &[]).await,
        };
    }
    let Browser { visitor, new_key, may_enter } = credentials::browser(&c.deployment, &c.call, event).await?;
    if c.deployment.bypass.has(event.id.as_str()) {
        let Token { text, exp } = tokens::passthrough(&c.deployment, event, visitor.to_string()).await?;
        return to_shop(c, Some(&text), &[pass_cookie(c, event, &text, exp)]).await;
    }
    let board = boards::get(&c.env, event).await?;
    if passes(event, &board.board) {
        let (pass, cookies) = Answer::passing(c, event, &board, true, &visitor).await?.into_pass();
        return to_shop(c, pass.as_deref(), &cookies).await;
    }
    if c.call.is_prefetch() {
        return Err(Problem::new(Slug::NotYourTurn, "pages behind the gate are not given ahead of time; go there"));
    }
    if !c.call.is_navigation() || c.call.head {
        return Ok(Passed::Reply(told_to_wait(c, event)));
    }
    // The page says who may come.
    if c.call.method != "GET" || !may_enter {
        return Ok(waiting(c, event, &board, new_key.into_iter().collect()).await);
    }
    let asks = Asks { visitor: &visitor, claim: true, again: false, door_token: None };
    match enter::take(c, event, &board, asks, true).await {
        Ok((answer, _)) => {
            let (pass, mut cookies) = answer.into_pass();
            cookies.extend(new_key);
            match pass {
                Some(pass) => to_shop(c, Some(&pass), &cookies).await,
                None => Ok(waiting(c, event, &board, cookies).await),
            }
        }
        Err(problem) if matches!(problem.slug, Slug::Overloaded | Slug::Internal) => Err(problem),
        // Not open yet, sold out, full, over: the page asks again, and says so.
        Err(_) => Ok(waiting(c, event, &board, new_key.into_iter().collect()).await),
    }
}

/// The line cannot be asked.
async fn unsure(c: &Context, event: &Event, gate: &Gate, problem: Problem) -> Result<Passed, Problem> {
    if gate.when_unsure == WhenUnsure::Open {
        worker::console_error!("gate: {} stands open, its line cannot be asked: {}", event.id, problem.detail);
        alerts::tell(&c.env, Alert::GateOpen, event);
        return to_shop(c, None, &[]).await;
    }
    if !c.call.is_navigation() {
        return Err(problem);
    }
    Ok(Passed::Reply(page::document(c, event, problem.slug.status(), true, "", None).await))
}

async fn waiting(c: &Context, event: &Event, board: &boards::Copy, cookies: Vec<String>) -> Passed {
    let status = event.settings.queueing_status_code;
    let mut reply = page::document(c, event, status, true, page::commitment(board), None).await;
    reply.cookies.extend(cookies);
    Passed::Reply(reply)
}

/// For requests that show nothing to anybody.
fn told_to_wait(c: &Context, event: &Event) -> Reply {
    let status = if event.settings.queueing_status_code == 429 { 429 } else { 202 };
    let prefix = &c.deployment.prefix;
    let body = json::object(&[
        ("event", &event.id),
        ("message", &event.settings.message),
        ("wait_url", &format!("{prefix}/events/{}/wait", event.id)),
        ("enter_url", &format!("{prefix}/enter")),
        ("poll_after_seconds", &RETRY_SECONDS),
    ]);
    Reply::of(status, body).with("retry-after", RETRY_SECONDS.to_string())
}

struct ShownPass {
    text: String,
    claims: PassClaims,
    by_cookie: bool,
}

/// The pass that came along, if it is good. A bearer that is none of ours is the shop's own.
async fn shown_pass(c: &Context, event: &Event) -> Option<ShownPass> {
    let bearer = c.call.bearer().filter(|bearer| jws::parse(bearer, PASS_TYP).is_ok());
    let by_cookie = bearer.is_none();
    let cookie = || c.call.cookie(&cookies::name(&c.deployment, Purpose::Pass, event.id.as_str())).map(str::to_owned);
    let text = bearer.or_else(cookie)?;
    let claims = credentials::check_pass(&c.deployment, event, &text).await.ok()?;
    Some(ShownPass { text, claims, by_cookie })
}

/// A new pass for whoever is still there after half of the session.
async fn renewed(c: &Context, event: &Event, shown: &ShownPass) -> Option<Token> {
    let ShownPass { claims, by_cookie, .. } = shown;
    let left = claims.exp.saturating_sub(now_seconds());
    let settings = &event.settings;
    if !by_cookie || settings.disable_session_renewal || left * 2 > settings.session_duration_seconds {
        return None;
    }
    let (Admission { num, .. }, visitor) = (claims.admission()?, credentials::named(event, &claims.sub)?);
    let number = Number(num);
    match session::renewed(c, event, visitor.sub, number).await {
        Ok(OpAnswer::Admitted { seq, session_expires_at }) => {
            tokens::pass(&c.deployment, event, &visitor, number, seq, session_expires_at).await.ok()
        }
        // The pass is good until its end all the same.
        _ => None,
    }
}

fn pass_cookie(c: &Context, event: &Event, pass: &str, exp: u64) -> String {
    cookies::set(&c.deployment, Purpose::Pass, event.id.as_str(), pass, exp.saturating_sub(now_seconds()))
}

fn shop(c: &Context) -> JsValue {
    Reflect::get(&c.env, &JsValue::from(SHOP)).unwrap_or(JsValue::UNDEFINED)
}

async fn to_shop(c: &Context, pass: Option<&str>, cookies: &[String]) -> Result<Passed, Problem> {
    answered(forward(c.call.raw(), &shop(c), pass), cookies).await
}

async fn answered(promise: Promise, cookies: &[String]) -> Result<Passed, Problem> {
    let response: Response = match JsFuture::from(promise).await {
        Ok(response) => response.unchecked_into(),
        Err(error) => {
            worker::console_warn!("gate: the shop does not answer: {error:?}");
            return Err(Problem::retry(Slug::BadGateway, RETRY_SECONDS, "the shop does not answer; try again later"));
        }
    };
    Ok(Passed::Response(if cookies.is_empty() { response } else { with_cookies(&response, &cookies.join("\n")) }))
}
