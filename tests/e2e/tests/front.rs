//! `ops/nginx/worker.conf`: what comes at once and is too much is told so at once, and operators get through; what a visitor claims to be is not believed.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use ropeline_e2e::front::Front;
use ropeline_e2e::{Client, assert_problem, json, within};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use xtask::paths;

/// Far more than go through in the second for which requests may wait.
const AT_ONCE: usize = 4_000;

/// A server in the Worker's place, behind nginx.
async fn front(name: &str, routes: Router) -> (Front, tokio::task::JoinHandle<()>) {
    xtask::bench::raise_descriptors().unwrap_or_else(|error| panic!("{error:#}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let authority = listener.local_addr().expect("an address").to_string();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("a server") });
    let dir = paths::target().join(format!("e2e/front-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    (Front::start(&authority, &dir), server)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_served_is_told_within_a_second_and_newcomers_and_operators_get_through() {
    let ok = || async { Json(json!({})) };
    let routes = Router::new()
        .route("/queue/status", get(ok))
        .route("/queue/enter", get(ok))
        .route("/queue/admin/events", get(ok));
    let (front, _server) = front("burst", routes).await;
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut client = Client::new(&front.authority);
        asking.spawn(async move {
            let began = Instant::now();
            (client.get("/queue/status", &[]).await.expect("an answer"), began.elapsed())
        });
    }
    // Who has no place yet is not crowded out by the polls of those who have.
    let newcomer = within("a newcomer", Duration::from_secs(20), async {
        Client::new(&front.authority).get("/queue/enter", &[]).await.expect("an answer").status
    });
    let operator = within("the operator", Duration::from_secs(20), async {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let answer = Client::new(&front.authority).get("/queue/admin/events", &[]).await.expect("an answer");
            statuses.push(answer.status);
        }
        statuses
    });
    let visitors = within("visitors", Duration::from_secs(30), asking.join_all());
    let (operator, newcomer, answers) = tokio::join!(operator, newcomer, visitors);
    assert_eq!(newcomer, StatusCode::OK);
    assert!(operator.iter().all(|status| *status == StatusCode::OK), "{operator:?}");
    let (served, put_off): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 200);
    for (answer, _) in &put_off {
        assert_problem(answer, 503, "overloaded");
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    let slowest = answers.iter().map(|(_, took)| *took).max().expect("answers");
    println!("{} served, {} put off, the slowest answer after {slowest:?}", served.len(), put_off.len());
    // A thousand wait for a second, and a thousand a second go through while the others come.
    assert!(served.len() >= 1_000 && put_off.len() >= 500, "{} served, {} put off", served.len(), put_off.len());
    // The bound is one second; generator, nginx and server share the machine with other tests.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_says_who_asks_passes_on_what_the_worker_says_and_answers_for_it_when_it_is_away() {
    let told = |headers: HeaderMap| async move {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Json(json!({"address": text("cf-connecting-ip"), "host": text("host")}))
    };
    let later = || async { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "by the Worker") };
    let routes = Router::new().route("/queue/status", get(told)).route("/queue/enter", get(later));
    let (front, server) = front("headers", routes).await;
    let mut client = Client::new(&front.authority);
    let answer = client.get("/queue/status", &[("CF-Connecting-IP", "203.0.113.9")]).await.expect("an answer");
    assert_eq!(answer.json(), json!({"address": "127.0.0.1", "host": front.authority}));
    let answer = client.get("/queue/enter", &[]).await.expect("an answer");
    assert_eq!((answer.header("retry-after"), answer.text().as_str()), (Some("7"), "by the Worker"));
    server.abort();
    let _ = server.await;
    // Connections that nginx has kept are gone with it, one by one.
    let away = async {
        loop {
            let answer = client.get("/queue/status", &[]).await.expect("an answer");
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let answer = within("nginx' own answer", Duration::from_secs(10), away).await;
    assert_problem(&answer, 503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("2"));
}
