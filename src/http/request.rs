//! A request, read once: path, query, headers that matter, cookies, and a bounded body: JSON, the waiting page's form, or an
//! operator's own page.

use std::cell::OnceCell;

use serde_json::{Map, Value};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{JsCast, intern};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;

use super::problem::{Problem, Slug};
use super::text;

/// The largest body taken, bytes; an operator's own page may be larger.
pub const MAX_BODY: usize = 16 * 1024;

/// A request as the routes see it.
pub struct Call {
    raw: web_sys::Request,
    headers: web_sys::Headers,
    /// The method; HEAD counts as GET.
    pub method: String,
    /// Whether it was HEAD.
    pub head: bool,
    /// `scheme://host[:port]` of the request itself.
    pub origin: String,
    /// The path, still encoded.
    pub path: String,
    query: String,
    cookies: OnceCell<Option<String>>,
}

impl Call {
    /// Reads all but the body.
    pub fn new(raw: web_sys::Request) -> Self {
        let url = raw.url();
        let headers = raw.headers();
        let (origin, path, query) = text::parts_of_url(&url);
        let method = raw.method();
        let head = method == "HEAD";
        Self {
            method: if head { "GET".to_owned() } else { method },
            head,
            origin: origin.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            cookies: OnceCell::new(),
            raw,
            headers,
        }
    }

    /// The request itself, to be sent on.
    pub fn raw(&self) -> &web_sys::Request {
        &self.raw
    }

    /// The name of the host it was sent to, without a port.
    pub fn host(&self) -> &str {
        text::host_of(&self.origin)
    }

    /// Whether a browser asks for a page that a person will see.
    pub fn is_navigation(&self) -> bool {
        match (self.header("sec-fetch-mode"), self.header("sec-fetch-dest")) {
            (Some(mode), dest) => mode == "navigate" && dest.is_none_or(|dest| dest == "document"),
            // Browsers before 2023.
            (None, _) => {
                self.header("accept").is_some_and(|accept| accept.contains("text/html"))
                    && self.header("x-requested-with").is_none()
            }
        }
    }

    /// Whether a browser asks ahead of time, for a page that nobody may ever look at.
    pub fn is_prefetch(&self) -> bool {
        let purpose = self.header("sec-purpose").or_else(|| self.header("purpose"));
        purpose.is_some_and(|purpose| purpose.contains("prefetch"))
    }

    /// Whether a browser asks if a page elsewhere may make a call.
    pub fn is_preflight(&self) -> bool {
        self.method == "OPTIONS"
            && self.header("origin").is_some()
            && self.header("access-control-request-method").is_some()
    }

    /// A header's value. Its name crosses over to the runtime once per isolate, not once per request.
    pub fn header(&self, name: &'static str) -> Option<String> {
        self.headers.get(intern(name)).ok().flatten()
    }

    /// The bearer token, if there is one.
    pub fn bearer(&self) -> Option<String> {
        text::bearer(&self.header("authorization")?).map(str::to_owned)
    }

    /// A query parameter, undecoded: those we know need no encoding.
    pub fn query(&self, name: &str) -> Option<&str> {
        text::parameter(&self.query, name)
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        text::cookie(self.cookies.get_or_init(|| self.header("cookie")).as_deref()?, name)
    }

    /// Whether a browser says that the request comes from a page of this very origin.
    ///
    /// `Sec-Fetch-Site: same-origin`; where that header is missing, an `Origin` equal to the request's own; with neither, no.
    pub fn is_same_origin(&self) -> bool {
        match self.header("sec-fetch-site") {
            Some(site) => site == "same-origin",
            None => self.header("origin").is_some_and(|origin| origin == self.origin),
        }
    }

    /// The body as a JSON object. Empty counts as `{}` where `or_empty`.
    pub async fn object(&self, or_empty: bool) -> Result<Map<String, Value>, Problem> {
        let text = self.body(MAX_BODY).await?;
        if text.trim().is_empty() && or_empty {
            return Ok(Map::new());
        }
        let media = self.media();
        let patch = self.method == "PATCH" && media == "application/merge-patch+json";
        if media != "application/json" && !patch {
            return Err(Problem::new(
                Slug::UnsupportedMediaType,
                "send the body as JSON with 'Content-Type: application/json'",
            ));
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Problem::new(
                Slug::MalformedRequest,
                "the body must be a JSON object, such as {\"event\": \"demo\"}",
            )),
            Err(error) => Err(Problem::new(
                Slug::MalformedRequest,
                format!(
                    "the body is not JSON (line {}, column {}); send one JSON object",
                    error.line(),
                    error.column()
                ),
            )),
        }
    }

    /// The body as a form's fields, undecoded: the values we know need no encoding.
    pub async fn form(&self) -> Result<Map<String, Value>, Problem> {
        let text = self.body(MAX_BODY).await?;
        if self.media() != "application/x-www-form-urlencoded" {
            return Err(Problem::new(
                Slug::UnsupportedMediaType,
                "send the form with 'Content-Type: application/x-www-form-urlencoded'",
            ));
        }
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Ok(pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(k, v)| (k.to_owned(), v.into()))
            .collect())
    }

    /// The body as HTML of at most so many bytes.
    pub async fn html(&self, most: usize) -> Result<String, Problem> {
        let text = self.body(most).await?;
        if self.media() != "text/html" {
            return Err(Problem::new(
                Slug::UnsupportedMediaType,
                "send the page with 'Content-Type: text/html; charset=utf-8'",
            ));
        }
        Ok(text)
    }

    /// The media type of the body, without parameters.
    fn media(&self) -> String {
        let media = self.header("content-type").unwrap_or_default();
        media.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }

    async fn body(&self, most: usize) -> Result<String, Problem> {
        let length = self.header("content-length").and_then(|value| value.parse::<usize>().ok());
        match length {
            Some(length) if length > most => Err(too_large(most)),
            // The runtime keeps to the length that was told.
            Some(_) => self.text().await,
            None => self.text_in_chunks(most).await,
        }
    }

    async fn text(&self) -> Result<String, Problem> {
        let promise = self.raw.array_buffer().map_err(|_| broken())?;
        let buffer = JsFuture::from(promise).await.map_err(|_| broken())?;
        utf8(Uint8Array::new(&buffer).to_vec())
    }

    /// The body as text when its length was not told, up to so many bytes.
    async fn text_in_chunks(&self, most: usize) -> Result<String, Problem> {
        let Some(body) = self.raw.body() else { return Ok(String::new()) };
        let reader: web_sys::ReadableStreamDefaultReader = body.get_reader().dyn_into().map_err(|_| broken())?;
        let mut bytes = Vec::new();
        loop {
            let chunk = JsFuture::from(reader.read()).await.map_err(|_| broken())?;
            let get = |name: &str| worker::js_sys::Reflect::get(&chunk, &name.into());
            if get("done").is_ok_and(|done| done.is_truthy()) {
                break;
            }
            let chunk: Uint8Array = get("value").map_err(|_| broken())?.dyn_into().map_err(|_| broken())?;
            if bytes.len() + chunk.length() as usize > most {
                return Err(too_large(most));
            }
            bytes.extend(chunk.to_vec());
        }
        utf8(bytes)
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes)
        .map_err(|_| Problem::new(Slug::MalformedRequest, "the body is not UTF-8; send it as UTF-8"))
}

fn too_large(most: usize) -> Problem {
    Problem::new(Slug::TooLarge, format!("the body may have at most {most} bytes"))
}

fn broken() -> Problem {
    Problem::new(Slug::MalformedRequest, "the body broke off; send it again")
}

/// Reads the fields of a body, each by name and type, and refuses what is left.
pub struct Fields(pub Map<String, Value>);

impl Fields {
    /// A text that must be there.
    pub fn text(&mut self, name: &str) -> Result<String, Problem> {
        self.maybe_text(name)?.ok_or_else(|| missing(name))
    }

    /// A text, if it is there.
    pub fn maybe_text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a text")),
        }
    }

    /// A flag; false when it is not there.
    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// An integer that is not negative and must be there.
    pub fn integer(&mut self, name: &str) -> Result<u64, Problem> {
        self.maybe_integer(name)?.ok_or_else(|| missing(name))
    }

    /// An integer that is not negative, if it is there.
    pub fn maybe_integer(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        const LIMIT: u64 = 1 << 53;
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().filter(|value| *value < LIMIT) {
                Some(value) => Ok(Some(value)),
                None => Err(wrong(name, "an integer, 0 or more")),
            },
        }
    }

    /// An object, if it is there.
    pub fn maybe_object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self(object))),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    /// Refuses what nobody asked for.
    pub fn done(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                Err(Problem::field(
                    Slug::UnknownField,
                    &shown,
                    format!("there is no field '{shown}' here; leave it out"),
                ))
            }
        }
    }
}

fn missing(name: &str) -> Problem {
    Problem::field(Slug::MalformedRequest, name, format!("'{name}' is missing"))
}

fn wrong(name: &str, expected: &str) -> Problem {
    Problem::field(Slug::MalformedRequest, name, format!("'{name}' must be {expected}"))
}
