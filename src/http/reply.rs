//! An answer on its way out, and the headers every answer has.

use serde::Serialize;
use worker::web_sys::{Headers, Response, ResponseInit};

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
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(Problem::internal)?;
        Ok(Self { body: Some(body), ..Self::empty(status) })
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
        let headers = Headers::new()?;
        if self.body.is_some() {
            headers.set("content-type", self.content_type)?;
        }
        match self.caching {
            Caching::NoStore => headers.set("cache-control", "no-store")?,
            Caching::Public { seconds } => headers.set("cache-control", &format!("public, max-age={seconds}"))?,
        }
        headers.set("x-request-id", request_id)?;
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        for cookie in &self.cookies {
            headers.append("set-cookie", cookie)?;
        }
        let init = ResponseInit::new();
        init.set_status(self.status);
        init.set_headers(&headers);
        let body = if head { None } else { self.body.as_deref() };
        Response::new_with_opt_str_and_init(body, &init).map_err(worker::Error::from)
    }
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
