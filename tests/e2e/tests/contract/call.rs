//! Requests as clients send them, each answer held to `docs/openapi.yaml`.

use std::cell::RefCell;

use bytes::Bytes;
use ropeline_e2e::{Answer, Client, Method, Role, StatusCode, Value, World, WorldOptions, assert_problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use xtask::http::bearer;

use crate::spec::Spec;

/// A deployment with the file beside it.
pub struct Judged {
    /// The deployment.
    pub world: World,
    /// The file.
    pub spec: RefCell<Spec>,
}

impl Judged {
    /// A fresh deployment.
    pub fn start() -> Self {
        Self::with(WorldOptions::default())
    }

    /// A fresh deployment with these options.
    pub fn with(options: WorldOptions) -> Self {
        Self { world: options.start(), spec: RefCell::new(Spec::load()) }
    }

    /// A request, not sent yet.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call { judged: self, method, path: path.to_owned(), headers: Vec::new(), body: None, json: None }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    /// `POST`.
    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    /// A POST whose body is sent in chunks, without a length told before.
    pub async fn post_chunked(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> StatusCode {
        let mut stream = TcpStream::connect(&self.world.authority).await.expect("a connection");
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.world.authority);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.expect("the head");
        for chunk in body.chunks(4_096) {
            let sent = async {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
                stream.write_all(chunk).await?;
                stream.write_all(b"\r\n").await
            };
            // A server that has read enough may have answered and closed.
            if sent.await.is_err() {
                break;
            }
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        StatusCode::from_u16(status.unwrap_or_else(|| panic!("no answer: {text}"))).expect("a status")
    }
}

/// One request.
#[must_use]
pub struct Call<'a> {
    judged: &'a Judged,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Bytes>,
    json: Option<Value>,
}

impl Call<'_> {
    /// With a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a token or secret.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", bearer(token))
    }

    /// With a role's key.
    pub fn role(self, role: Role) -> Self {
        let secret = self.judged.world.secret(role).to_owned();
        self.bearer(&secret)
    }

    /// With a JSON body.
    pub fn json(mut self, body: Value) -> Self {
        self = self.raw("application/json", body.to_string());
        self.json = Some(body);
        self
    }

    /// With any body.
    pub fn raw(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", kind)
    }

    /// The answer, which fits the file.
    pub async fn send(self) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut client = Client::new(&self.judged.world.authority);
        let sent = client.send(self.method.clone(), &self.path, &headers, self.body.clone()).await;
        let answer = sent.unwrap_or_else(|error| panic!("{} {}: {error:#}", self.method, self.path));
        // HEAD has no body to judge; its own test compares it with GET. OPTIONS is told in prose.
        if self.method != Method::HEAD && self.method != Method::OPTIONS {
            self.judged.spec.borrow_mut().judge(&self.method, &self.path, self.json.as_ref(), &answer);
        }
        answer
    }

    /// The answer, which has this status.
    pub async fn expect(self, status: u16) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let answer = self.send().await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
        answer
    }

    /// The answer, which is this problem.
    pub async fn problem(self, status: u16, slug: &str) -> Answer {
        let answer = self.send().await;
        assert_problem(&answer, status, slug);
        answer
    }
}
