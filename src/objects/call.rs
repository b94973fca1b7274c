//! Calls from a Worker or an object to a Durable Object, each with a bound.
//!
//! The runtime has no hang detection (an object that panicked hangs its caller), so no call waits longer than its bound.
//! `.retryable` errors are tried twice more on a new stub, so that a deploy is not seen by most visitors; `.overloaded` ones
//! never, since that would make it worse.

use std::time::Duration;

use futures_util::future::{Either, select};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use worker::js_sys::Reflect;
use worker::wasm_bindgen::JsValue;
use worker::{Delay, Env, Method, Request, RequestInit, Stub};

/// How long a Worker waits for an object.
pub const CALL_BOUND: Duration = Duration::from_secs(10);
const RETRIES: usize = 2;

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

    /// The same, to be created there.
    pub const fn near(self, location_hint: Option<&'a str>) -> Self {
        Self { location_hint, ..self }
    }

    fn stub(&self, env: &Env) -> Result<Stub, worker::Error> {
        let namespace = env.durable_object(self.binding)?;
        match self.location_hint {
            Some(hint) => namespace.get_by_name_with_location_hint(self.name, hint),
            None => namespace.get_by_name(self.name),
        }
    }
}

/// Sends a command and reads its answer, within [`CALL_BOUND`].
pub async fn call<A: DeserializeOwned>(env: &Env, to: Address<'_>, command: &impl Serialize) -> Result<A, CallError> {
    within(CALL_BOUND, ask(env, to, command, RETRIES)).await
}

/// The same with another bound, and without retries.
pub async fn call_once<A: DeserializeOwned>(
    env: &Env,
    to: Address<'_>,
    command: &impl Serialize,
    bound: Duration,
) -> Result<A, CallError> {
    within(bound, ask(env, to, command, 0)).await
}

/// The first of the answer and the bound.
pub async fn within<A>(bound: Duration, work: impl Future<Output = Result<A, CallError>>) -> Result<A, CallError> {
    let work = std::pin::pin!(work);
    match select(work, Delay::from(bound)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(CallError::Unavailable(format!("no answer within {} s", bound.as_secs()))),
    }
}

async fn ask<A: DeserializeOwned>(
    env: &Env,
    to: Address<'_>,
    command: &impl Serialize,
    mut retries: usize,
) -> Result<A, CallError> {
    let body = serde_json::to_string(command).map_err(|error| CallError::Unavailable(error.to_string()))?;
    loop {
        match once(env, to, &body).await {
            Ok((200, text)) => {
                return serde_json::from_str(&text).map_err(|error| CallError::Unavailable(error.to_string()));
            }
            Ok((404, _)) => return Err(CallError::Absent),
            Ok((503, _)) => return Err(CallError::Overloaded),
            Ok((status, text)) => return Err(CallError::Unavailable(format!("{status}: {text}"))),
            Err(error) => {
                let (retryable, overloaded) = nature(&error);
                if overloaded {
                    return Err(CallError::Overloaded);
                }
                if !retryable || retries == 0 {
                    return Err(CallError::Unavailable(error.to_string()));
                }
                retries -= 1;
            }
        }
    }
}

async fn once(env: &Env, to: Address<'_>, body: &str) -> Result<(u16, String), worker::Error> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(JsValue::from(body)));
    let request = Request::new_with_init("http://object/", &init)?;
    let mut response = to.stub(env)?.fetch_with_request(request).await?;
    Ok((response.status_code(), response.text().await?))
}

/// (`.retryable`, `.overloaded`) of what the runtime threw.
fn nature(error: &worker::Error) -> (bool, bool) {
    let worker::Error::UnknownJsError { original, .. } = error else {
        return (false, false);
    };
    let flag = |name: &str| Reflect::get(original, &JsValue::from(name)).is_ok_and(|value| value.is_truthy());
    (flag("retryable"), flag("overloaded"))
}

/// The name of a lane.
pub fn lane_name(event: &str, lane: ropeline_queue::LaneId) -> String {
    format!("{event}:{lane}")
}
