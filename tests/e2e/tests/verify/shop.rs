//! The shop behind nginx or Envoy: it says of each request what the proxy has told it of the pass.

use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_e2e::{Value, json};
use tokio::task::JoinHandle;

pub struct Shop {
    pub port: u16,
    task: JoinHandle<()>,
}

impl Shop {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let router = Router::new().route("/checkout", get(checkout));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { port, task }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn checkout(headers: HeaderMap) -> Json<Value> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(claims) = text("ropeline-claims") {
        // Envoy's.
        let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        return Json(json!({"visitor": claims["sub"], "number": claims["num"]}));
    }
    // nginx's: a header that the answer about the pass did not have is not there.
    let number = text("ropeline-number").and_then(|number| number.parse::<u64>().ok());
    Json(json!({"visitor": text("ropeline-subject").map(|text| decoded(&text)), "number": number}))
}

/// The subject is percent-encoded where a header could not carry it.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}
