//! Stands in for Turnstile's siteverify: tokens are good once, but again for the same idempotency key, and know where they were
//! solved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ropeline_e2e::{Value, json};

pub const SECRET: &str = "the-secret-of-the-widget";

/// Where a token was solved, as the real one tells it.
#[derive(Clone)]
pub struct Solved {
    pub hostname: &'static str,
    pub action: &'static str,
    pub cdata: &'static str,
}

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// 500 with a page of HTML.
    Broken,
    /// Never.
    Silent,
    /// Its own fault.
    Confused,
}

struct Inner {
    mood: Mood,
    tokens: HashMap<String, Solved>,
    used: HashMap<String, String>,
    asked: Vec<Value>,
}

/// It runs until the test ends.
#[derive(Clone)]
pub struct Turnstile {
    pub port: u16,
    inner: Arc<Mutex<Inner>>,
}

impl Turnstile {
    pub async fn start() -> Self {
        let inner = Inner { mood: Mood::Well, tokens: HashMap::new(), used: HashMap::new(), asked: Vec::new() };
        let inner = Arc::new(Mutex::new(inner));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let routes = Router::new().route("/turnstile/v0/siteverify", post(verify)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { port, inner }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().expect("its state"))
    }

    /// Somebody has solved a challenge; the token.
    pub fn solve(&self, solved: Solved) -> String {
        self.with(|inner| {
            let token = format!("token.{}", inner.tokens.len());
            inner.tokens.insert(token.clone(), solved);
            token
        })
    }

    pub fn now_is(&self, mood: Mood) {
        self.with(|inner| inner.mood = mood);
    }

    /// What it was asked since the last call.
    pub fn asked(&self) -> Vec<Value> {
        self.with(|inner| std::mem::take(&mut inner.asked))
    }
}

async fn verify(State(inner): State<Arc<Mutex<Inner>>>, Json(question): Json<Value>) -> Response {
    let mood = inner.lock().expect("its state").mood;
    if mood == Mood::Silent {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let mut inner = inner.lock().expect("its state");
    inner.asked.push(question.clone());
    let no = |code: &str| Json(json!({"success": false, "error-codes": [code]})).into_response();
    match mood {
        Mood::Broken => return (StatusCode::INTERNAL_SERVER_ERROR, "<h1>Bad day</h1>").into_response(),
        Mood::Confused => return no("internal-error"),
        Mood::Well | Mood::Silent => {}
    }
    let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
    if text("secret") != SECRET {
        return no("invalid-input-secret");
    }
    let (token, key) = (text("response"), text("idempotency_key"));
    let Some(solved) = inner.tokens.get(&token).cloned() else { return no("invalid-input-response") };
    if inner.used.get(&token).is_some_and(|used| *used != key) {
        return no("timeout-or-duplicate");
    }
    inner.used.insert(token, key);
    let Solved { hostname, action, cdata } = solved;
    let answer = json!({
        "success": true, "error-codes": [], "challenge_ts": "2026-11-22T20:00:00.000Z",
        "hostname": hostname, "action": action, "cdata": cdata, "metadata": {"interactive": false},
    });
    Json(answer).into_response()
}
