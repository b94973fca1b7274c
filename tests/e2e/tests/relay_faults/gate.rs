//! What stands in front of the fake Worker: it passes calls on, or does to them what the test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::support::http::FakeWorker;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A problem with this status and slug; the Worker never sees the call.
    Problem(u16, &'static str, Option<u64>),
    /// The Worker has done it, and the answer is a 500 all the same.
    LostAnswer,
    /// The Worker has done it; the answer's body ends in the middle.
    Cut,
    /// The answer's body never ends.
    Endless,
    /// A byte now and then.
    Trickle,
    /// 200, and garbage.
    Garbage,
    /// Nothing at all.
    Silence,
    /// To this address.
    Redirect(String),
}

#[derive(Default)]
struct Script {
    trouble: Option<(&'static str, Trouble, usize)>,
    met: usize,
}

#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<Script>>);

/// The fake Worker behind its gate, on a port that it keeps.
pub struct Door {
    pub worker: FakeWorker,
    pub gate: Gate,
    pub url: String,
    address: std::net::SocketAddr,
    serving: Option<JoinHandle<()>>,
}

impl Gate {
    fn with<T>(&self, work: impl FnOnce(&mut Script) -> T) -> T {
        work(&mut self.0.lock().expect("the script"))
    }

    /// So many calls whose path ends like this meet `trouble`.
    pub fn inject(&self, path: &'static str, trouble: Trouble, times: usize) {
        self.with(|script| script.trouble = Some((path, trouble, times)));
    }

    pub fn met(&self) -> usize {
        self.with(|script| script.met)
    }

    fn next(&self, path: &str) -> Option<Trouble> {
        self.with(|script| {
            let (end, trouble, times) = script.trouble.as_mut()?;
            if !path.ends_with(*end) {
                return None;
            }
            let met = trouble.clone();
            *times -= 1;
            if *times == 0 {
                script.trouble = None;
            }
            script.met += 1;
            Some(met)
        })
    }
}

impl Door {
    pub async fn open(worker: FakeWorker) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut door = Self { worker, gate: Gate::default(), url: format!("http://{address}"), address, serving: None };
        door.serve(listener);
        door
    }

    fn serve(&mut self, listener: TcpListener) {
        let router = self.worker.router().layer(from_fn_with_state(self.gate.clone(), meet));
        self.serving = Some(tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") }));
    }

    /// Nobody listens any more.
    pub async fn close(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    pub async fn reopen(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("the same port again");
        socket.bind(self.address).expect("the same port again");
        self.serve(socket.listen(64).expect("a listener"));
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn meet(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Some(trouble) = gate.next(request.uri().path()) else { return next.run(request).await };
    match trouble {
        Trouble::Problem(status, slug, retry_after) => {
            let body =
                format!(r#"{{"type":"urn:ropeline:problem:{slug}","status":{status},"detail":"as the test says"}}"#);
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Trouble::LostAnswer => {
            next.run(request).await;
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Trouble::Cut => {
            let answer = next.run(request).await;
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
            let half = body.slice(..body.len() / 2);
            let pieces = [Ok(half), Err(std::io::Error::other("cut"))];
            let mut response = Body::from_stream(stream::iter(pieces)).into_response();
            response.headers_mut().insert(header::CONTENT_LENGTH, body.len().max(2).into());
            response
        }
        Trouble::Endless => {
            let piece = Bytes::from_static(&[b' '; 16 * 1024]);
            Body::from_stream(stream::repeat(piece).map(Ok::<_, std::io::Error>)).into_response()
        }
        Trouble::Trickle => {
            let pieces = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
            });
            Body::from_stream(pieces).into_response()
        }
        Trouble::Garbage => "\u{0}<html>\u{7f} no JSON".into_response(),
        Trouble::Silence => std::future::pending().await,
        Trouble::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
    }
}
