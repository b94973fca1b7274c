//! The one way to the Worker: bounded requests with a role's key, answers read as what the contract says.
//!
//! Invariants: a key travels to the address that was given and nowhere else (redirects are refused, and plain `http` is for one
//! machine only); every request has a time limit and every body a bound; nothing is sent twice.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use ropeline_queue::EventId;
use serde_json::Value;

use crate::address::{checked, is_here};
use crate::failure::{Failure, Problem};
use crate::options::Global;
use crate::secret::{ADMIN, Secret};

/// The longest answer that is read: all events of a deployment with their logos are less.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// An answer with a status of 2xx.
#[derive(Debug)]
pub struct Answer {
    /// The body, null when there is none or it is no JSON.
    pub body: Value,
    /// The version that was read or written.
    pub etag: Option<String>,
    /// The Worker's clock.
    pub date: Option<String>,
    /// The certificate that the server showed, DER.
    pub certificate: Option<Vec<u8>>,
}

/// A client of one deployment, with the key of one role, or none.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    bearer: Option<HeaderValue>,
}

impl Client {
    /// Without a key.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn public(global: &Global) -> Result<Self, Failure> {
        let url = checked(global)?;
        let timeout = Duration::from_secs(global.timeout);
        let builder = reqwest::Client::builder()
            .user_agent(concat!("ropeline/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout)
            .timeout(timeout)
            .tls_info(true);
        // A proxy of the company's has no way to this machine.
        let builder = if is_here(&url) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| Failure::Failed(format!("no HTTP client: {error}")))?;
        let base = format!("{}{}", url.as_str().trim_end_matches('/'), global.prefix);
        Ok(Self { http, base, bearer: None })
    }

    /// With the admin key.
    ///
    /// # Errors
    /// When there is none, or the address cannot be used.
    pub fn admin(global: &Global) -> Result<Self, Failure> {
        let secret = Secret::find(global.key_file.as_deref(), ADMIN)?.ok_or_else(|| {
            Failure::usage(format!(
                "no admin key: put it into the environment as {ADMIN}, or into a file for --key-file"
            ))
        })?;
        Ok(Self::public(global)?.with(&secret))
    }

    /// The same deployment with this key.
    #[must_use]
    pub fn with(&self, secret: &Secret) -> Self {
        Self { bearer: secret.bearer(), ..self.clone() }
    }

    /// What every path starts with.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET`.
    ///
    /// # Errors
    /// [`Failure::Refused`], [`Failure::Unreachable`].
    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, path, &[], None).await
    }

    /// An event's settings.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn event(&self, event: &EventId) -> Result<Answer, Failure> {
        self.get(&format!("/admin/events/{event}")).await
    }

    /// An event's settings, if there is such an event.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn find_event(&self, event: &EventId) -> Result<Option<Answer>, Failure> {
        match self.event(event).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Refused(problem)) if problem.slug == "unknown-event" => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// One call whose answer is a JSON object, or 204.
    ///
    /// # Errors
    /// [`Failure::Refused`], [`Failure::Changed`] for a 412, [`Failure::Unreachable`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let (status, answer) = self.send(method, path, headers, body).await?;
        // A page of somebody before the Worker must not be taken for "there is nothing".
        if answer.body.is_object() || status == StatusCode::NO_CONTENT {
            return Ok(answer);
        }
        Err(strange(&format!("{}{path}", self.base), format!("{status}, but no JSON object")))
    }

    /// `GET` of what is no JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_text(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::GET, path, &[], None).await.map(|_| ())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Answer), Failure> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, &url);
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| unreachable(&url, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let info = response.extensions().get::<reqwest::tls::TlsInfo>();
        let certificate = info.and_then(|info| info.peer_certificate()).map(<[u8]>::to_vec);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&url, &error))? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(strange(&url, format!("an answer of more than {MOST_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok((status, Answer { body, etag: text(ETAG), date: text(DATE), certificate }));
        }
        Err(refusal(&url, status, &headers, &body))
    }
}

/// What a status that is no 2xx means.
fn refusal(url: &str, status: StatusCode, headers: &HeaderMap, body: &Value) -> Failure {
    let is_problem =
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    let problem = Problem::read(status.as_u16(), body).filter(|_| is_problem);
    match problem {
        Some(problem) if status.is_server_error() => {
            let cause = format!("{} {}: {}", problem.status, problem.slug, problem.detail);
            let remedy = "the Worker cannot say now: look at what is there before you try again, and into its log";
            Failure::Unreachable { at: url.to_owned(), cause, remedy }
        }
        Some(problem) if status == StatusCode::PRECONDITION_FAILED => Failure::Changed(problem),
        Some(problem) => Failure::Refused(problem),
        None if status.is_redirection() => Failure::Unreachable {
            at: url.to_owned(),
            cause: format!("{status}: the address leads elsewhere, and a key must not travel"),
            remedy: "give the address where it ends with --url",
        },
        None => strange(url, status.to_string()),
    }
}

fn strange(url: &str, cause: String) -> Failure {
    let remedy = "what answers is not Ropeline's Worker: check --url and --prefix (the Worker's ROPELINE_PREFIX), the route in \
                  wrangler.toml, and access rules before it";
    Failure::Unreachable { at: url.to_owned(), cause, remedy }
}

/// What an HTTP library has to say, to its ground, and what to do.
fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    const ADVICE: [(&str, &str); 6] = [
        ("dns error", "check the name in --url, and how this machine resolves names"),
        ("invalid peer certificate", "the certificate is not one of public trust for this name: check --url"),
        ("InvalidContentType", "this port does not speak TLS: check scheme and port in --url"),
        ("Connection refused", "nothing listens there: check host and port in --url"),
        ("timed out", "does every firewall let this machine through? Or raise --timeout"),
        ("operation timed out", "does every firewall let this machine through? Or raise --timeout"),
    ];
    let cause = ground(error);
    let found = ADVICE.iter().find(|(said, _)| cause.contains(said));
    let remedy = found.map_or("try again, and check --url", |(_, advice)| *advice);
    Failure::Unreachable { at: url.to_owned(), cause, remedy }
}

/// Why there is no answer, in the words of everything below; without the address, which is said apart.
pub(crate) fn ground(error: &reqwest::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !said.iter().any(|said| said.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    // What has no ground below is the ground: a body that broke off, a time that was over.
    if said.is_empty() { "no answer".to_owned() } else { said.join(": ") }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
