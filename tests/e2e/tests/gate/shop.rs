//! A shop that tells what reached it, and keeps it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{any, get};
use ropeline_e2e::{Value, json};

/// A request that got through.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A running shop.
pub struct Shop {
    pub port: u16,
    seen: Log,
}

impl Shop {
    pub async fn start() -> Self {
        let seen = Log::default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port for the shop");
        let port = listener.local_addr().expect("its address").port();
        let routes = Router::new()
            .route("/ws", get(echo_frames))
            .route("/moved", any(moved))
            .route("/stream", any(echo_body))
            .fallback(tell)
            .with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, routes).await.expect("the shop serves") });
        Self { port, seen }
    }

    /// What has got through since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("the shop's log"))
    }

    /// The one request that has got through since the last call.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

async fn note(log: &Log, request: Request) -> Seen {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let target = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let seen = Seen { method: head.method.to_string(), target, headers: head.headers, body };
    log.lock().expect("the shop's log").push(seen.clone());
    seen
}

async fn tell(State(log): State<Log>, request: Request) -> Response {
    let seen = note(&log, request).await;
    let told: Value = json!({
        "method": seen.method,
        "target": seen.target,
        "pass": seen.header("ropeline-pass"),
        "body": String::from_utf8_lossy(&seen.body),
    });
    let cookies = AppendHeaders([("set-cookie", "basket=1; Path=/"), ("set-cookie", "theme=dark; Path=/; HttpOnly")]);
    (StatusCode::OK, cookies, axum::Json(told)).into_response()
}

async fn moved(State(log): State<Log>, request: Request) -> Response {
    note(&log, request).await;
    let headers = AppendHeaders([("location", "https://elsewhere.example/login"), ("set-cookie", "state=7; Path=/")]);
    (StatusCode::FOUND, headers).into_response()
}

/// Gives back each piece of the body as it comes.
async fn echo_body(request: Request) -> Response {
    Response::new(Body::from_stream(request.into_body().into_data_stream()))
}

async fn echo_frames(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(_) = message
                && socket.send(message).await.is_err()
            {
                return;
            }
        }
    })
}
