//! A waiting room of which there is only the key set: it answers as told, and notes when it was asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ropeline_e2e::Value;
use tokio::task::JoinHandle;

/// What it does when it is asked.
#[derive(Clone)]
pub enum Answer {
    Keys(Value),
    Status(u16),
    /// It takes the question and never answers.
    Silence,
}

pub struct JwksServer {
    pub port: u16,
    state: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    asked: Mutex<Vec<Instant>>,
}

impl JwksServer {
    pub async fn start(answer: Answer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(Shared { answer: Mutex::new(answer), asked: Mutex::default() });
        let router = Router::new().route("/queue/jwks.json", get(respond)).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { port, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/queue/jwks.json", self.port)
    }

    pub fn now_answers(&self, answer: Answer) {
        *self.state.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The shortest time between two questions.
    pub fn shortest_pause(&self) -> Duration {
        let asked = self.state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(Duration::MAX)
    }
}

impl Drop for JwksServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(State(state): State<Arc<Shared>>) -> Response {
    state.asked.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    let answer = state.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match answer {
        Answer::Keys(jwks) => ([(header::CONTENT_TYPE, "application/jwk-set+json")], jwks.to_string()).into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answer::Silence => std::future::pending().await,
    }
}
