//! Which route a request is for, who may call it, and what all answers have in common.
//!
//! | group | who |
//! |---|---|
//! | [`enter`] behind its [`door`], [`status`], [`session`] | visitors: visitor key, ticket |
//! | [`board`], [`page`], [`keys`], [`console`] | everybody |
//! | [`origin`] | `verify`: whoever holds a pass; `complete`, `redeem`, `pace`: role `origin` |
//! | [`admin`], [`support`], [`template`] | role `admin` |
//! | [`relay`] | role `relay` |
//! | [`metrics`] | role `metrics` |
//! | [`gate`] | everybody on their way to the shop |

mod admin;
mod board;
mod console;
mod door;
mod enter;
mod gate;
mod keys;
mod metrics;
mod origin;
mod page;
mod places;
mod relay;
mod session;
mod status;
mod support;
mod template;

use std::cell::RefCell;
use std::rc::Rc;

use ropeline_queue::json::FromJson;
use worker::{Env, web_sys};

use self::gate::Passed;
use crate::deployment::Deployment;
use crate::directory::{self, Event};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::Reply;
use crate::http::request::{Call, Fields};
use crate::keyring::Role;
use crate::objects::call::{Address, Answer, CallError, Message, call};

/// What every route works with.
pub struct Context {
    env: Env,
    deployment: Rc<Deployment>,
    call: Call,
    /// The event the call is about, once it is known: its list decides about CORS.
    event: RefCell<Option<Rc<Event>>>,
}

impl Context {
    /// The path below our own prefix; `None`: it is the shop's.
    fn own_path(&self) -> Option<&str> {
        self.call.path.strip_prefix(self.deployment.prefix.as_str())?.strip_prefix('/')
    }

    /// The living event with this id.
    async fn event(&self, id: &str) -> Result<Rc<Event>, Problem> {
        let event = directory::find(&self.env, id).await?;
        self.event.replace(Some(Rc::clone(&event)));
        Ok(event)
    }

    /// Asks an object; [`read`] reads its answer.
    async fn ask(&self, to: Address<'_>, message: Message) -> Result<Answer, Problem> {
        call(&self.env, to, message).await.map_err(|error| no_answer(error, to.event()))
    }

    /// Lets the call pass if it carries a secret of this role: 401 without a known one, 403 with one of another role. Answers whose
    /// key it was, as the audit says it.
    fn require(&self, role: Role) -> Result<String, Problem> {
        let unauthorized =
            || Problem::new(Slug::Unauthorized, "send a key of the right role as 'Authorization: Bearer …'");
        let secret = self.call.bearer().ok_or_else(unauthorized)?;
        match self.deployment.keyring.check(&secret, role) {
            (_, true) => Ok(role.signature(&secret)),
            (true, false) => Err(Problem::new(
                Slug::Forbidden,
                "this key has another role; use one of the role that this route is for",
            )),
            (false, false) => Err(unauthorized()),
        }
    }

    /// The body's fields, for a caller of this role.
    async fn fields_for(&self, role: Role) -> Result<Fields, Problem> {
        self.require(role)?;
        self.fields().await
    }

    /// The body's fields.
    async fn fields(&self) -> Result<Fields, Problem> {
        Ok(Fields(self.call.object(false).await?))
    }
}

/// What an object answered.
fn read<A: FromJson>(answer: Answer) -> Result<A, Problem> {
    answer.read().map_err(|error| no_answer(error, ""))
}

/// A problem for an object that gave no answer.
fn no_answer(error: CallError, event: &str) -> Problem {
    match error {
        CallError::Absent => Problem::unknown_event(event),
        CallError::Overloaded => Problem::overloaded(),
        CallError::Unavailable(detail) => {
            worker::console_warn!("{event}: {detail}");
            Problem::overloaded()
        }
    }
}

/// Answers a request.
pub async fn answer(raw: web_sys::Request, env: Env) -> Result<web_sys::Response, worker::Error> {
    let call = Call::new(raw);
    let request_id = request_id(&call);
    let head = call.head;
    let deployment = match Deployment::get(&env).await {
        Ok(deployment) => deployment,
        Err(error) => {
            worker::console_error!("configuration: {error}");
            let problem =
                Problem::new(Slug::Internal, "this deployment is not configured; its log says what is missing");
            return Reply::from(problem).into_response(&request_id, head);
        }
    };
    let context = Context { env, deployment, call, event: RefCell::new(None) };
    let mut reply = match context.own_path() {
        Some(path) => route(&context, path).await.unwrap_or_else(Reply::from),
        None => match gate::gate(&context).await {
            Ok(Passed::Response(response)) => return Ok(response),
            Ok(Passed::Reply(reply)) => reply,
            Err(problem) => Reply::from(problem),
        },
    };
    allow_origin(&context, &mut reply);
    reply.into_response(&request_id, head)
}

async fn route(c: &Context, path: &str) -> Result<Reply, Problem> {
    let segments: Vec<&str> = path.split('/').collect();
    let method = c.call.method.as_str();
    if method == "OPTIONS" {
        return Ok(preflight(c).await);
    }
    match (segments.as_slice(), method) {
        (["status"], "GET") => status::status(c).await,
        (["enter"], "POST") => enter::enter(c).await,
        (["claim"], "POST") => session::claim(c).await,
        (["renew"], "POST") => session::renew(c).await,
        (["leave"], "POST") => session::leave(c).await,
        (["events", id], "GET") => board::board(c, id).await,
        (["events", id, "draw"], "GET") => board::draw(c, id).await,
        (["events", id, "wait"], "GET") => page::page(c, id).await,
        (["events", id, "wait"], "POST") => page::act(c, id).await,
        (["assets", name], "GET") => page::asset(c, name),
        (["jwks.json"], "GET") => keys::jwks(c),
        (["healthz"], "GET") => keys::healthz(),
        (["metrics"], "GET") => metrics::metrics(c).await,
        (["verify"], "GET") => origin::verify(c).await,
        (["complete"], "POST") => origin::complete(c).await,
        (["redeem"], "POST") => origin::redeem(c).await,
        (["pace"], "POST") => origin::pace(c).await,
        (["admin"], "GET") => console::redirect(c),
        (["admin", ""], "GET") => console::page(c),
        (["admin", "events"], "GET") => admin::list(c).await,
        (["admin", "events", id], "GET") => admin::read(c, id).await,
        (["admin", "events", id], "PUT") => admin::put(c, id).await,
        (["admin", "events", id], "PATCH") => admin::patch(c, id).await,
        (["admin", "events", id], "DELETE") => admin::delete(c, id).await,
        (["admin", "events", id, "stats"], "GET") => admin::stats(c, id).await,
        (["admin", "events", id, "visitors", number], "GET") => support::visitor(c, id, number).await,
        (["admin", "events", id, "end-session"], "POST") => support::end_session(c, id).await,
        (["admin", "events", id, "audit"], "GET") => support::audit(c, id).await,
        (["admin", "events", id, "page"], "GET") => template::read(c, id).await,
        (["admin", "events", id, "page"], "PUT") => template::put(c, id).await,
        (["admin", "events", id, "page"], "DELETE") => template::delete(c, id).await,
        (["relay", "events"], "GET") => relay::events(c).await,
        (["relay", "events", id], "GET") => relay::state(c, id).await,
        (["relay", "lease"], "POST") => relay::lease(c).await,
        (["relay", "lease", "renew"], "POST") => relay::renew(c).await,
        (["relay", "lease", "release"], "POST") => relay::release(c).await,
        (["relay", "drain"], "POST") => relay::drain(c).await,
        (["relay", "ack"], "POST") => relay::ack(c).await,
        (["relay", "brake"], "POST") => relay::brake(c).await,
        (known, _) => Err(allowed(known).map_or_else(not_found, Problem::allowed)),
    }
}

/// The methods of a path; none if there is no such path.
fn allowed(segments: &[&str]) -> Option<&'static str> {
    match segments {
        ["admin", "events", _] => Some("GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ["admin", "events", _, "page"] => Some("GET, HEAD, PUT, DELETE, OPTIONS"),
        ["events", _, "wait"] => Some("GET, HEAD, POST, OPTIONS"),
        ["status" | "jwks.json" | "healthz" | "metrics" | "verify" | "admin"]
        | ["admin", ""]
        | ["events" | "assets", _]
        | ["events", _, "draw"]
        | ["admin" | "relay", "events"]
        | ["relay", "events", _]
        | ["admin", "events", _, "stats" | "audit"]
        | ["admin", "events", _, "visitors", _] => Some("GET, HEAD, OPTIONS"),
        ["enter" | "claim" | "renew" | "leave" | "complete" | "redeem" | "pace"]
        | ["admin", "events", _, "end-session"]
        | ["relay", "lease" | "drain" | "ack" | "brake"]
        | ["relay", "lease", "renew" | "release"] => Some("POST, OPTIONS"),
        _ => None,
    }
}

fn not_found() -> Problem {
    Problem::new(Slug::NotFound, "no such path; see the API description (docs/openapi.yaml)")
}

/// The caller's id for this request, if it is a plain one, or a new one.
fn request_id(call: &Call) -> String {
    let plain = |id: &String| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    call.header("x-request-id").filter(plain).unwrap_or_else(|| {
        let part = || (worker::js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        format!("{:08x}{:08x}", part(), part())
    })
}

/// The origin of a page elsewhere that made this call.
fn foreign_origin(call: &Call) -> Option<String> {
    call.header("origin").filter(|origin| *origin != call.origin)
}

/// Admits a page's origin that any living event lists; the call itself is held to its own event's list.
async fn preflight(c: &Context) -> Reply {
    let reply = Reply::empty(204).with("vary", "Origin");
    let Some(origin) = foreign_origin(&c.call) else { return reply };
    if !directory::lists_origin(&c.env, &origin).await {
        return reply;
    }
    reply
        .with("access-control-allow-origin", origin)
        .with("access-control-allow-methods", "GET, HEAD, POST")
        .with("access-control-allow-headers", "Authorization, Ropeline-Visitor, Content-Type")
        .with("access-control-max-age", "600")
}

fn allow_origin(c: &Context, reply: &mut Reply) {
    let event = c.event.borrow();
    let Some(event) = event.as_ref().filter(|event| !event.settings.allowed_origins.is_empty()) else { return };
    reply.headers.push(("vary", "Origin".to_owned()));
    if let Some(origin) = foreign_origin(&c.call).filter(|origin| event.settings.allowed_origins.contains(origin)) {
        reply.headers.push(("access-control-allow-origin", origin));
        reply.headers.push(("access-control-expose-headers", "Retry-After, X-Request-Id".to_owned()));
    }
}
