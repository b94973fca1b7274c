//! The HTTP listener: `GET /healthz`, `/readyz` and `/metrics`, for probes and Prometheus.
//!
//! Invariants: at most `MOST_CONNECTIONS` at a time, each for at most `LIMIT` and one request of at most `MOST_BYTES`;
//! answers are made from what the relay has told, so that nothing here waits for it or makes it wait.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::Health;
use super::metrics::{Format, Metrics};

/// Connections at a time. Further ones wait in the system's backlog.
const MOST_CONNECTIONS: usize = 32;
/// A request with its headers.
const MOST_BYTES: usize = 8 * 1024;
/// One connection, from its beginning to its end.
const LIMIT: Duration = Duration::from_secs(5);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[error(
    "health.listen: cannot listen on {address}: {source}. Does another relay run here? Choose another address, or \"off\""
)]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What the system says.
    pub source: std::io::Error,
}

/// Takes the address.
///
/// # Errors
/// When it is taken already, or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Answers for ever.
pub async fn serve(listener: TcpListener, health: Arc<Health>) {
    let metrics = Arc::new(Metrics::new(&health));
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, as a rule.
                debug!(%error, "health: no connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (health, metrics) = (Arc::clone(&health), Arc::clone(&metrics));
        tokio::spawn(async move {
            let _ = timeout(LIMIT, converse(stream, &health, &metrics)).await;
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, health: &Health, metrics: &Metrics) {
    let service =
        service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(health, metrics, &request)) });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LIMIT)
        .max_buf_size(MOST_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = conversation.await {
        debug!(%error, "health: connection broken");
    }
}

fn answer(health: &Health, metrics: &Metrics, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(request.method(), &Method::GET | &Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/healthz" => match health.hangs() {
            None => text(StatusCode::OK, "ok\n"),
            Some(what) => text(StatusCode::SERVICE_UNAVAILABLE, format!("hangs: {what}\n")),
        },
        "/readyz" => {
            let readiness = health.readiness();
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            // Strings and numbers: this cannot fail.
            let mut body = serde_json::to_vec_pretty(&readiness).unwrap_or_default();
            body.push(b'\n');
            response(status, "application/json", body)
        }
        "/metrics" => {
            let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let format = Format::wanted(accept);
            response(StatusCode::OK, format.content_type(), metrics.encode(format))
        }
        _ => text(StatusCode::NOT_FOUND, "/healthz, /readyz or /metrics\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
