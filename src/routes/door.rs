//! What a visitor without a place passes before it is given one.
//!
//! * A soft limit for each network address, where the deployment has the binding `ADDRESS_LIMIT`: many share an address, so it only
//!   says "later", and where it cannot be asked it does not stand in the way.
//! * Turnstile, where the event's `door` says so: closed whenever a token cannot be checked.
//!
//! Invariant: whoever has a place is answered before the door, and the door alone changes nothing: a lost answer costs no place,
//! because the same token of the same visitor is good again.

use std::net::IpAddr;

use ropeline_queue::Subject;
use ropeline_queue::settings;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use worker::js_sys::{Promise, Reflect};
use worker::wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use super::Context;
use crate::deployment::Turnstile;
use crate::directory::Event;
use crate::http::problem::{Challenge, Problem, Slug};
use crate::http::text;

/// The binding of the limit for each address.
const ADDRESS_LIMIT: &str = "ADDRESS_LIMIT";
/// When to come again, seconds: limits count by 10 or 60 seconds.
const CROWDED_RETRY_SECONDS: u64 = 20;
/// A binding that answers for Turnstile, in tests.
const SITEVERIFY: &str = "SITEVERIFY";
/// What the challenge is rendered with.
const ACTION: &str = "enter";
/// The longest token of Turnstile, bytes.
const MAX_TOKEN: usize = 2_048;
/// When to try again where the door cannot be opened at all, seconds.
const CLOSED_RETRY_SECONDS: u64 = 30;
/// When to try again while Turnstile does not answer, seconds.
const OUTAGE_RETRY_SECONDS: u64 = 5;

#[wasm_bindgen(module = "/src/routes/door.js")]
extern "C" {
    /// Asks for one of `key`; resolves to whether there is one left.
    fn within(limit: &JsValue, key: &str) -> Promise;
    /// Resolves to the text of the answer; to an empty one where there is none.
    fn siteverify(service: &JsValue, question: &str) -> Promise;
}

/// What stands before new places.
pub enum Door {
    /// Too many came from this address.
    Crowded,
    /// Turnstile.
    Turnstile,
}

/// What stands before new places of this event for whoever calls.
pub async fn before(c: &Context, event: &Event) -> Option<Door> {
    if is_crowded(c, event).await {
        return Some(Door::Crowded);
    }
    (event.settings.door == settings::Door::Turnstile).then_some(Door::Turnstile)
}

impl Door {
    /// Lets this visitor take a place, or says what is missing.
    pub async fn open(&self, c: &Context, event: &Event, sub: Subject, token: Option<&str>) -> Result<(), Problem> {
        match self {
            Self::Crowded => Err(Problem::retry(
                Slug::TooManyRequests,
                CROWDED_RETRY_SECONDS,
                "very many ask for a place from this network address; ask again after the seconds in Retry-After",
            )),
            Self::Turnstile => verify(c, event, sub, token).await,
        }
    }
}

async fn is_crowded(c: &Context, event: &Event) -> bool {
    let Ok(limit) = Reflect::get(&c.env, &JsValue::from(ADDRESS_LIMIT)) else { return false };
    if limit.is_undefined() {
        return false;
    }
    let Some(address) = c.call.header("cf-connecting-ip").and_then(|text| network(&text)) else { return false };
    match JsFuture::from(within(&limit, &format!("{}|{address}", event.id))).await {
        Ok(within) => within.is_falsy(),
        Err(error) => {
            worker::console_warn!("door: the limit for addresses does not answer: {error:?}");
            false
        }
    }
}

/// An IPv4 address, or the network of an IPv6 one: a household has 2^64 of those.
fn network(text: &str) -> Option<String> {
    match text.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

/// Whether Turnstile says that this token was solved for this event, on a page of ours, and not used by anybody else.
async fn verify(c: &Context, event: &Event, sub: Subject, token: Option<&str>) -> Result<(), Problem> {
    let Some(turnstile) = c.deployment.turnstile.as_ref() else {
        worker::console_error!("door: '{}' has a door, and this Worker no keys for it: nobody gets in", event.id);
        // Not "overloaded": that would open a gate which its event wants open while the line cannot be asked.
        return Err(Problem::retry(
            Slug::QueueClosed,
            CLOSED_RETRY_SECONDS,
            "the door of this event is not configured, so that nobody new gets a place; tell the operator",
        ));
    };
    let Some(token) = token else {
        return Err(refused(
            turnstile,
            event,
            "this event asks first whether a person is there: solve the challenge in 'door' and send its token as 'door_token'",
        ));
    };
    if token.len() > MAX_TOKEN {
        let detail = format!("a 'door_token' has at most {MAX_TOKEN} characters; send it as the challenge gave it");
        return Err(Problem::field(Slug::MalformedRequest, "door_token", detail));
    }
    let question = json!({
        "secret": turnstile.secret,
        "response": token,
        "remoteip": c.call.header("cf-connecting-ip"),
        "idempotency_key": idempotency_key(sub, token),
    });
    let service = Reflect::get(&c.env, &JsValue::from(SITEVERIFY)).unwrap_or(JsValue::UNDEFINED);
    let answer = JsFuture::from(siteverify(&service, &question.to_string())).await.ok();
    let verdict: Option<Value> = answer.and_then(|text| serde_json::from_str(&text.as_string()?).ok());
    let Some(verdict) = verdict else { return Err(outage()) };
    let said = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or_default();
    let codes: Vec<_> = verdict.get("error-codes").and_then(Value::as_array).into_iter().flatten().collect();
    let is_ours = |code: &&Value| {
        matches!(code.as_str(), Some("internal-error" | "missing-input-secret" | "invalid-input-secret"))
    };
    if let Some(code) = codes.iter().find(|code| is_ours(code)) {
        worker::console_error!("door: Turnstile says {code}");
        return Err(outage());
    }
    if verdict.get("success") != Some(&Value::Bool(true)) {
        return Err(refused(
            turnstile,
            event,
            "this 'door_token' is not good, or was used; solve the challenge again: a token is good once, for five minutes",
        ));
    }
    let is_of_here =
        said("action") == ACTION && said("cdata") == event.id.as_str() && has_host(c, event, said("hostname"));
    if !is_of_here {
        return Err(refused(
            turnstile,
            event,
            "this 'door_token' was solved on another page or for another event; render the challenge with the parts of 'door'",
        ));
    }
    Ok(())
}

/// The same for the same token of the same visitor, whose answer may have been lost, and for nobody else: a UUID, which says nothing.
fn idempotency_key(sub: Subject, token: &str) -> String {
    let digest =
        Sha256::new().chain_update("ropeline door").chain_update(sub.to_string()).chain_update(token).finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Whether it is a host on which this event's challenge may be solved.
fn has_host(c: &Context, event: &Event, hostname: &str) -> bool {
    let is_host_of = |origin: &str| text::host_of(origin).eq_ignore_ascii_case(hostname);
    !hostname.is_empty()
        && (is_host_of(&c.deployment.issuer)
            || event.settings.gate.as_ref().is_some_and(|gate| gate.has_host(hostname))
            || event.settings.allowed_origins.iter().any(|origin| is_host_of(origin)))
}

fn refused(turnstile: &Turnstile, event: &Event, detail: &'static str) -> Problem {
    Problem::new(Slug::DoorFailed, detail).opened_by(Challenge {
        kind: "turnstile",
        site_key: turnstile.site_key.clone(),
        action: ACTION,
        cdata: event.id.to_string(),
    })
}

/// Closed: nobody new comes in. Who was on the way keeps its token.
fn outage() -> Problem {
    Problem::retry(
        Slug::Overloaded,
        OUTAGE_RETRY_SECONDS,
        "whether a person is there cannot be checked right now; ask again after the seconds in Retry-After, with the same token",
    )
}
