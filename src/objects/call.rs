//! Calls from a Worker or an object to a Durable Object, each with a bound.
//!
//! The runtime has no hang detection (an object that panicked hangs its caller), so no call waits longer than its bound.
//! `.retryable` errors are tried twice more on a new stub, so that a deploy is not seen by most visitors; `.overloaded` ones
//! never, since that would make it worse.
//!
//! A call is most of what an `enter` costs, so it goes as directly as the runtime allows: namespaces and ids are kept by the isolate,
//! a short command travels in the address and a short answer in the status text ([`super::reply`]), which saves a stream and a
//! promise on each side; and one promise with one text is all that crosses over to the runtime (`ask.js`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_queue::LaneId;
use ropeline_queue::json::{self, FromJson, Misread};
use thiserror::Error;
use worker::Env;
use worker::js_sys::{Array, Date, Object, Promise, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{self, JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::worker_sys::types::{DurableObject, DurableObjectId, DurableObjectNamespace};

use super::command::Command;

/// How long a Worker waits for an object.
pub const CALL_BOUND: Duration = Duration::from_secs(10);
const RETRIES: usize = 2;
/// Ids kept at most by an isolate: 256 lanes of some events, and their lines.
const MOST_IDS: usize = 4_096;

/// Why an object gave no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The object was never created, or has been purged.
    #[error("there is no such object")]
    Absent,
    /// It has too much to do; asking again at once makes it worse.
    #[error("the object is overloaded")]
    Overloaded,
    /// It could not be reached in time, or failed; the outcome is unknown.
    #[error("the object is not available: {0}")]
    Unavailable(String),
}

/// Where a Durable Object is found.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// Its binding.
    pub binding: &'static str,
    /// Its name.
    pub name: &'a str,
    /// Where it should be made, if this is the first call.
    pub location_hint: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// The registry.
    pub const REGISTRY: Self = Self { binding: "REGISTRY", name: "registry", location_hint: None };

    /// The line of an event.
    pub const fn line(event: &'a str) -> Self {
        Self { binding: "LINE", name: event, location_hint: None }
    }

    /// A lane, by the name [`lane_name`] makes.
    pub const fn lane(name: &'a str) -> Self {
        Self { binding: "LANE", name, location_hint: None }
    }

    /// The event it belongs to; the registry's own name for the registry.
    pub fn event(&self) -> &'a str {
        self.name.split(':').next().unwrap_or(self.name)
    }

    /// The same, to be created there.
    pub const fn near(self, location_hint: Option<&'a str>) -> Self {
        Self { location_hint, ..self }
    }
}

/// The name of a lane.
pub fn lane_name(event: &str, lane: LaneId) -> String {
    format!("{event}:{lane}")
}

/// What an isolate keeps of the bindings. A stub belongs to one request; namespaces and ids do not.
#[derive(Default)]
struct Bindings {
    namespaces: HashMap<&'static str, DurableObjectNamespace>,
    ids: HashMap<(&'static str, String), DurableObjectId>,
}

thread_local! {
    static BINDINGS: RefCell<Bindings> = RefCell::default();
}

impl Bindings {
    fn stub(&mut self, env: &Env, to: Address<'_>) -> Result<DurableObject, JsValue> {
        if !self.namespaces.contains_key(to.binding) {
            let namespace = Reflect::get(env, &JsValue::from(to.binding))?;
            if namespace.is_undefined() {
                return Err(JsValue::from(format!("the binding {} is missing", to.binding)));
            }
            self.namespaces.insert(to.binding, namespace.unchecked_into());
        }
        let namespace = self.namespaces.get(to.binding).ok_or(JsValue::UNDEFINED)?;
        let key = (to.binding, to.name.to_owned());
        if !self.ids.contains_key(&key) {
            if self.ids.len() >= MOST_IDS {
                self.ids.clear();
            }
            self.ids.insert(key.clone(), namespace.id_from_name(to.name)?);
        }
        let id = self.ids.get(&key).ok_or(JsValue::UNDEFINED)?;
        match to.location_hint {
            None => namespace.get(id),
            Some(hint) => {
                let options = Object::new();
                Reflect::set(&options, &"locationHint".into(), &hint.into())?;
                namespace.get_with_options(id, &options)
            }
        }
    }
}

/// Sends a command and awaits its answer, within [`CALL_BOUND`]. What waits knows neither the command's type nor the answer's: a
/// future for each of them would be much code.
pub async fn call(env: &Env, to: Address<'_>, message: Message) -> Result<Answer, CallError> {
    ask(env, to, message, CALL_BOUND, RETRIES).await
}

/// The same with another bound, and without retries.
pub async fn call_once(env: &Env, to: Address<'_>, message: Message, bound: Duration) -> Result<Answer, CallError> {
    ask(env, to, message, bound, 0).await
}

/// Sends each of these once, all at the same time; none for whoever gave no answer. The runtime waits for all of them in one promise: a
/// future for each would be much code.
pub async fn call_each(env: &Env, calls: &[(Address<'_>, &Message)], bound: Duration) -> Vec<Option<Answer>> {
    let promises = Array::new();
    for (to, message) in calls {
        match message.promise(env, *to, bound.as_secs_f64() * 1_000.0) {
            Ok(promise) => promises.push(&promise),
            Err(error) => promises.push(&Promise::reject(&error)),
        };
    }
    let settled = JsFuture::from(Promise::all_settled(&promises)).await;
    // It always settles. Were it otherwise, nobody would have answered.
    let settled = settled.map_or_else(|_| Array::new(), JsCast::unchecked_into::<Array>);
    let answer = |outcome: JsValue| {
        let text = Reflect::get(&outcome, &"value".into()).ok()?.as_string()?;
        settle(&text).ok().map(Answer)
    };
    settled.iter().map(answer).collect()
}

/// The text of an answer.
pub struct Answer(pub String);

impl Answer {
    /// What it says.
    pub fn read<A: FromJson>(self) -> Result<A, CallError> {
        json::read(&self.0).map_err(CallError::from)
    }
}

impl From<Misread> for CallError {
    fn from(error: Misread) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[wasm_bindgen(module = "/src/objects/ask.js")]
extern "C" {
    /// Status (three digits) and answer as one text; undefined when there is none within `ms`.
    #[wasm_bindgen(js_name = ask)]
    fn ask_object(stub: &DurableObject, address: &str, body: Option<&str>, ms: f64) -> Promise;
}

async fn ask(
    env: &Env,
    to: Address<'_>,
    message: Message,
    bound: Duration,
    mut retries: usize,
) -> Result<Answer, CallError> {
    let late = || CallError::Unavailable(format!("no answer within {} s", bound.as_secs()));
    let began = Date::now();
    let mut left = bound.as_secs_f64() * 1_000.0;
    while left > 0.0 {
        match message.send(env, to, left).await {
            Ok(answer) => return settle(&answer.ok_or_else(late)?).map(Answer),
            Err(error) => {
                let flag = |name: &str| Reflect::get(&error, &name.into()).is_ok_and(|value| value.is_truthy());
                if flag("overloaded") {
                    return Err(CallError::Overloaded);
                }
                if !flag("retryable") || retries == 0 {
                    return Err(CallError::Unavailable(format!("{error:?}")));
                }
                retries -= 1;
                left = bound.as_secs_f64() * 1_000.0 - (Date::now() - began);
            }
        }
    }
    Err(late())
}

/// What status and answer mean.
fn settle(answer: &str) -> Result<String, CallError> {
    let (status, text) = answer.split_at_checked(3).unwrap_or(("", answer));
    match status {
        "200" => Ok(text.to_owned()),
        "404" => Err(CallError::Absent),
        "503" => Err(CallError::Overloaded),
        _ => Err(CallError::Unavailable(format!("{status}: {text}"))),
    }
}

/// A command as it goes out.
pub enum Message {
    /// In the address.
    Url(String),
    /// In the body.
    Body(String),
}

impl Message {
    /// Writes it.
    pub fn of<C: Command>(command: &C) -> Self {
        Self::written(json::write(command), command.is_in_address())
    }

    fn written(json: String, in_address: bool) -> Self {
        if !in_address {
            return Self::Body(json);
        }
        let mut url = "http://object/?".to_owned();
        URL_SAFE_NO_PAD.encode_string(json, &mut url);
        Self::Url(url)
    }

    async fn send(&self, env: &Env, to: Address<'_>, ms: f64) -> Result<Option<String>, JsValue> {
        Ok(JsFuture::from(self.promise(env, to, ms)?).await?.as_string())
    }

    fn promise(&self, env: &Env, to: Address<'_>, ms: f64) -> Result<Promise, JsValue> {
        let stub = BINDINGS.with_borrow_mut(|bindings| bindings.stub(env, to))?;
        Ok(match self {
            Self::Url(url) => ask_object(&stub, url, None, ms),
            Self::Body(body) => ask_object(&stub, "http://object/", Some(body), ms),
        })
    }
}
