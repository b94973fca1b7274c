//! An answer on its way out, and the headers every answer has.

use ropeline_queue::json::{self, ToJson};
use serde::Serialize;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{Response, ResponseInit};

use super::problem::Problem;

/// Who may keep an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// It is about one visitor, or secret.
    #[default]
    NoStore,
    /// Everybody may, for this many seconds.
    Public {
        /// `max-age`.
        seconds: u32,
    },
    /// Everybody may, for ever: it never changes.
    Immutable,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// The body, if there is one.
    pub body: Option<String>,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Cache-Control`.
    pub caching: Caching,
    /// Headers of this answer alone.
    pub headers: Vec<(&'static str, String)>,
    /// `Set-Cookie` values.
    pub cookies: Vec<String>,
}

impl Reply {
    /// An empty answer.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            content_type: "application/json",
            caching: Caching::NoStore,
            headers: Vec::new(),
            cookies: Vec::new(),
        }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &impl ToJson) -> Self {
        Self::of(status, json::write(body))
    }

    /// A text that is JSON already.
    pub fn of(status: u16, json: String) -> Self {
        Self { body: Some(json), ..Self::empty(status) }
    }

    /// A text of any type.
    pub fn text(status: u16, content_type: &'static str, body: String) -> Self {
        Self { body: Some(body), content_type, ..Self::empty(status) }
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With one more cookie.
    pub fn cookie(mut self, value: String) -> Self {
        self.cookies.push(value);
        self
    }

    /// May be kept by everybody.
    pub fn public(mut self, seconds: u32) -> Self {
        self.caching = Caching::Public { seconds };
        self
    }

    /// The response; without its body for HEAD.
    pub fn into_response(self, request_id: &str, head: bool) -> Result<Response, worker::Error> {
        let mut headers = Vec::with_capacity(4 + self.headers.len() + self.cookies.len());
        if self.body.is_some() {
            headers.push(("content-type", self.content_type));
        }
        let max_age;
        headers.push((
            "cache-control",
            match self.caching {
                Caching::NoStore => "no-store",
                Caching::Public { seconds } => {
                    max_age = format!("public, max-age={seconds}");
                    &max_age
                }
                Caching::Immutable => "public, max-age=31536000, immutable",
            },
        ));
        headers.push(("x-request-id", request_id));
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        headers.extend(self.cookies.iter().map(|cookie| ("set-cookie", cookie.as_str())));
        let init = init(self.status, &headers)?;
        let body = if head { None } else { self.body.as_deref() };
        Response::new_with_opt_str_and_init(body, &init).map_err(worker::Error::from)
    }
}

/// `ResponseInit` of the Fetch standard. Status and headers cross over to the runtime as one text: a call for each of them costs
/// more than all the rest of an answer.
///
/// # Errors
/// Not for what can be in a header.
fn init(status: u16, headers: &[(&'static str, &str)]) -> Result<ResponseInit, JsValue> {
    #[derive(Serialize)]
    struct Init<'a> {
        status: u16,
        headers: &'a [(&'static str, &'a str)],
    }
    let text = serde_json::to_string(&Init { status, headers }).map_err(|error| JsValue::from(error.to_string()))?;
    worker::js_sys::JSON::parse(&text).map(JsCast::unchecked_into)
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let mut reply = Self::text(problem.slug.status(), "application/problem+json", problem.body());
        if let Some(seconds) = problem.retry_after {
            reply = reply.with("retry-after", seconds.to_string());
        }
        if let Some(allow) = problem.allow {
            reply = reply.with("allow", allow);
        }
        if problem.slug.status() == 401 {
            reply = reply.with("www-authenticate", "Bearer");
        }
        reply
    }
}
