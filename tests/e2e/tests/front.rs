//! `ops/nginx/worker.conf`: what comes at once and is too much is told so at once, and operators get through; what a visitor claims to be is not believed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use ropeline_e2e::{Client, assert_problem, json, within};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use xtask::front::Front;
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
    (ropeline_e2e::front(&authority, &dir), server)
}

/// What who asks again and again, each time over a new connection, is answered.
async fn statuses(front: &Front, path: &str) -> Vec<StatusCode> {
    let asked = async {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(Client::new(&front.authority).get(path, &[]).await.expect("an answer").status);
        }
        statuses
    };
    within(path, Duration::from_secs(20), asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_that_cannot_be_served_are_told_within_a_second_and_crowd_nobody_out() {
    let ok = || async { Json(json!({})) };
    // So that all connections which polls have to the Worker are busy.
    let slow = || async { tokio::time::sleep(Duration::from_millis(400)).await };
    let routes = Router::new()
        .route("/queue/status", get(slow))
        .route("/queue/enter", get(ok))
        .route("/queue/claim", get(ok))
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
    let visitors = within("visitors", Duration::from_secs(30), asking.join_all());
    let (operators, newcomers, called, answers) = tokio::join!(
        statuses(&front, "/queue/admin/events"),
        statuses(&front, "/queue/enter"),
        statuses(&front, "/queue/claim"),
        visitors
    );
    for statuses in [operators, newcomers, called] {
        assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    }
    let (served, put_off): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 200);
    let mut later = BTreeMap::<_, usize>::new();
    for (answer, _) in &put_off {
        assert_problem(answer, 503, "overloaded");
        *later.entry(answer.header("retry-after").expect("a time")).or_default() += 1;
    }
    // Not all at the same moment again.
    assert!(later.keys().eq(&["11", "5", "7", "9"]), "{later:?}");
    assert!(later.values().all(|count| count * 3 < put_off.len()), "{later:?}");
    let slowest = answers.iter().map(|(_, took)| *took).max().expect("answers");
    println!("{} served, {} put off, the slowest answer after {slowest:?}", served.len(), put_off.len());
    // Of the five hundred who may wait for a second those for whom there are connections.
    assert!(served.len() >= 200 && put_off.len() >= 500, "{} served, {} put off", served.len(), put_off.len());
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
    assert!(answer.header("retry-after").is_some_and(|later| ["5", "7", "9", "11"].contains(&later)));
    // Who has no place yet need not wait for so long.
    let answer = client.get("/queue/enter", &[]).await.expect("an answer");
    assert_problem(&answer, 503, "overloaded");
    assert!(answer.header("retry-after").is_some_and(|soon| ["1", "2", "3", "4"].contains(&soon)));
}
