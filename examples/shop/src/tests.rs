//! The shop's promises, against a line of its own: a small server with real keys.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser as _;
use ropeline_ticket::native::{Signer, generate_ed25519, generate_es256};
use ropeline_ticket::{AdmittedBy, Jwks, PassClaims, PrivateJwk, PrivateKeys, TicketClaims, pass_jti, passthrough_jti};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::config::Config;
use crate::{Shop, now_seconds, routes};

const ISSUER: &str = "https://queue.example";

#[derive(Default)]
struct Line {
    jwks: Mutex<Jwks>,
    fetches: Mutex<u32>,
    /// How many calls of `complete` are answered 503 first.
    failing: Mutex<u32>,
    completed: Mutex<Vec<(String, Value)>>,
}

struct Bench {
    line: Arc<Line>,
    router: Router,
    signer: Signer,
}

fn keys(seed: u8) -> PrivateKeys {
    PrivateKeys::from_keys(vec![generate_es256([seed; 32])]).unwrap()
}

async fn serve(line: Arc<Line>) -> String {
    async fn jwks(State(line): State<Arc<Line>>) -> Json<Jwks> {
        *line.fetches.lock().unwrap() += 1;
        Json(line.jwks.lock().unwrap().clone())
    }
    async fn complete(State(line): State<Arc<Line>>, headers: HeaderMap, Json(body): Json<Value>) -> StatusCode {
        let mut failing = line.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let key = headers.get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap()).to_owned();
        line.completed.lock().unwrap().push((key, body));
        StatusCode::NO_CONTENT
    }
    let router =
        Router::new().route("/queue/jwks.json", get(jwks)).route("/queue/complete", post(complete)).with_state(line);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/queue", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn shop(queue_url: &str) -> Router {
    let mut config =
        Config::parse_from(["ropeline-shop", "--queue-url", queue_url, "--issuer", ISSUER, "--audience", "the-shop"]);
    config.origin_key = Some("origin-secret".to_owned());
    routes::router(Arc::new(Shop::new(config).unwrap()))
}

async fn bench() -> Bench {
    let keys = keys(7);
    let line = Arc::new(Line::default());
    *line.jwks.lock().unwrap() = keys.public();
    let router = shop(&serve(Arc::clone(&line)).await);
    Bench { line, router, signer: Signer::new(&keys).unwrap() }
}

fn claims(seq: u64) -> PassClaims {
    let now = now_seconds();
    PassClaims {
        iss: ISSUER.into(),
        aud: "the-shop".into(),
        sub: "visitor".into(),
        evt: "demo".into(),
        num: Some(40 + seq),
        seq: Some(seq),
        adm: None,
        iat: now,
        exp: now + 300,
        jti: pass_jti("demo", seq),
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
    fn header(&self, name: axum::http::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn with_bearer(router: &Router, method: &str, path: &str, pass: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {pass}"));
    send(router, request.body(Body::empty()).unwrap()).await
}

async fn from_the_room(router: &Router, pass: &str) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri("/enter-shop")
        .header(ACCEPT, "text/html")
        .header("sec-fetch-site", "cross-site");
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(router, request.body(Body::from(format!("event=demo&pass={pass}"))).unwrap()).await
}

#[tokio::test]
async fn without_a_pass_browsers_go_to_the_waiting_room_and_programs_get_401() {
    let Bench { line, router, .. } = bench().await;
    for (method, path) in [("GET", "/tickets"), ("POST", "/order")] {
        let browser =
            Request::builder().method(method).uri(path).header(ACCEPT, "text/html,*/*").body(Body::empty()).unwrap();
        let answer = send(&router, browser).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(answer.header(LOCATION).ends_with("/queue/events/demo/wait"), "{}", answer.header(LOCATION));
        let answer = send(&router, Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["error"], "pass-missing");
    }
    assert_eq!(*line.fetches.lock().unwrap(), 0, "nothing to check, nothing to fetch");
}

#[tokio::test]
async fn only_a_pass_for_this_shop_and_event_opens_it() {
    let Bench { line, router, signer } = bench().await;
    let now = now_seconds();
    let good = signer.sign_pass(&claims(1)).unwrap();
    let stranger = Signer::new(&keys(8)).unwrap();
    let mut altered = good.clone();
    let at = altered.find('.').unwrap() + 20;
    let other = if altered.as_bytes()[at] == b'A' { "B" } else { "A" };
    altered.replace_range(at..=at, other);
    let ticket = TicketClaims {
        iss: ISSUER.into(),
        aud: ISSUER.into(),
        sub: "visitor".into(),
        evt: "demo".into(),
        num: 1,
        com: None,
        pos: None,
        iat: now,
        exp: now + 300,
        jti: "mac".into(),
    };
    let bad = [
        ("altered", altered, "pass-invalid"),
        ("cut", good[..good.len() - 1].to_owned(), "pass-invalid"),
        ("empty", String::new(), "pass-invalid"),
        (
            "expired",
            signer.sign_pass(&PassClaims { iat: now - 400, exp: now - 60, ..claims(1) }).unwrap(),
            "pass-expired",
        ),
        (
            "from the future",
            signer.sign_pass(&PassClaims { iat: now + 600, exp: now + 900, ..claims(1) }).unwrap(),
            "pass-invalid",
        ),
        (
            "another event",
            signer.sign_pass(&PassClaims { evt: "other".into(), jti: pass_jti("other", 1), ..claims(1) }).unwrap(),
            "pass-invalid",
        ),
        (
            "another audience",
            signer.sign_pass(&PassClaims { aud: "demo".into(), ..claims(1) }).unwrap(),
            "pass-invalid",
        ),
        (
            "another issuer",
            signer.sign_pass(&PassClaims { iss: "https://evil.example".into(), ..claims(1) }).unwrap(),
            "pass-invalid",
        ),
        ("another purpose", signer.sign_ticket(&ticket).unwrap(), "pass-invalid"),
        ("another key", stranger.sign_pass(&claims(1)).unwrap(), "pass-invalid"),
    ];
    for (what, pass, error) in &bad {
        for (method, path) in [("GET", "/tickets"), ("POST", "/order")] {
            let answer = with_bearer(&router, method, path, pass).await;
            assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::UNAUTHORIZED, &json!(error)), "{what}");
        }
        let answer = from_the_room(&router, pass).await;
        assert_eq!(answer.header(SET_COOKIE), "", "{what}");
        // Never in circles: only what the room can mend goes back to it.
        let back = matches!(*what, "empty" | "expired");
        assert_eq!(answer.status, if back { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED }, "{what}");
    }
    assert!(line.completed.lock().unwrap().is_empty());
    assert_eq!(with_bearer(&router, "GET", "/tickets", &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn from_the_waiting_room_to_an_order_once() {
    let Bench { line, router, signer } = bench().await;
    *line.failing.lock().unwrap() = 2;
    let pass = signer.sign_pass(&claims(3)).unwrap();

    let arrived = from_the_room(&router, &pass).await;
    assert_eq!((arrived.status, arrived.header(LOCATION)), (StatusCode::SEE_OTHER, "/tickets"));
    let cookie = arrived.header(SET_COOKIE).to_owned();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let by_cookie = |method: &str, path: &str, site: &str| {
        let request = Request::builder().method(method).uri(path).header(COOKIE, format!("a=b; {cookie}"));
        request.header(ACCEPT, "text/html").header("sec-fetch-site", site).body(Body::empty()).unwrap()
    };
    let product = send(&router, by_cookie("GET", "/tickets", "cross-site")).await;
    assert_eq!(product.status, StatusCode::OK);
    assert!(product.body.contains("<strong>43</strong>"), "{}", product.body);
    assert_eq!(product.header(axum::http::header::CACHE_CONTROL), "no-store");

    for site in ["cross-site", "same-site"] {
        assert_eq!(send(&router, by_cookie("POST", "/order", site)).await.status, StatusCode::FORBIDDEN, "{site}");
    }
    let ordered = send(&router, by_cookie("POST", "/order", "same-origin")).await;
    assert_eq!(ordered.status, StatusCode::CREATED);

    // The pass is used up, on every route, and so is a renewed one of the same admission.
    let renewed = signer.sign_pass(&PassClaims { exp: now_seconds() + 900, ..claims(3) }).unwrap();
    for pass in [&pass, &renewed] {
        let again = with_bearer(&router, "POST", "/order", pass).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert_eq!(again.json(), json!({ "error": "already-ordered", "detail": "already ordered", "order": 1 }));
        assert_eq!(with_bearer(&router, "GET", "/tickets", pass).await.status, StatusCode::CONFLICT);
        let arrival = from_the_room(&router, pass).await;
        assert_eq!((arrival.status, arrival.header(SET_COOKIE)), (StatusCode::CONFLICT, ""));
    }

    // The line is told, though it was down twice; once, with the key.
    for _ in 0..100 {
        if !line.completed.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let completed = line.completed.lock().unwrap().clone();
    assert_eq!(completed, [("Bearer origin-secret".to_owned(), json!({ "event": "demo", "jti": "demo/3" }))]);
}

#[tokio::test]
async fn who_comes_while_no_queue_is_in_force_buys_once_and_frees_no_slot() {
    let Bench { line, router, signer } = bench().await;
    let passthrough = |random: u8| {
        let jti = passthrough_jti(&[random; 16]);
        let claims = PassClaims { num: None, seq: None, adm: Some(AdmittedBy::Passthrough), jti, ..claims(1) };
        signer.sign_pass(&claims).unwrap()
    };
    let (pass, another) = (passthrough(1), passthrough(2));
    let arrived = from_the_room(&router, &pass).await;
    assert_eq!((arrived.status, arrived.header(LOCATION)), (StatusCode::SEE_OTHER, "/tickets"));
    let product = with_bearer(&router, "GET", "/tickets", &pass).await;
    assert_eq!((product.status, &product.json()["number"]), (StatusCode::OK, &Value::Null));
    let request = Request::builder().uri("/tickets").header("ropeline-pass", &pass).header(ACCEPT, "text/html");
    let page = send(&router, request.body(Body::empty()).unwrap()).await;
    assert!(page.body.contains("There is no line at the moment."), "{}", page.body);

    assert_eq!(with_bearer(&router, "POST", "/order", &pass).await.status, StatusCode::CREATED);
    assert_eq!(with_bearer(&router, "POST", "/order", &pass).await.status, StatusCode::CONFLICT);
    assert_eq!(with_bearer(&router, "POST", "/order", &another).await.status, StatusCode::CREATED);
    // Of the two kinds only an admission from the line is told to it.
    assert_eq!(
        with_bearer(&router, "POST", "/order", &signer.sign_pass(&claims(9)).unwrap()).await.status,
        StatusCode::CREATED
    );
    for _ in 0..100 {
        if !line.completed.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let completed = line.completed.lock().unwrap().clone();
    assert_eq!(completed, [("Bearer origin-secret".to_owned(), json!({ "event": "demo", "jti": "demo/9" }))]);
}

#[tokio::test]
async fn one_admission_buys_once_however_many_ask_at_the_same_time() {
    let Bench { router, signer, .. } = bench().await;
    let pass = signer.sign_pass(&claims(5)).unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (router, pass) = (router.clone(), pass.clone());
        asking.spawn(async move { with_bearer(&router, "POST", "/order", &pass).await.status });
    }
    let statuses = asking.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::CREATED).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::CONFLICT).count(), 49);
}

#[tokio::test]
async fn the_pass_header_works_and_a_bad_bearer_is_not_mended_by_it() {
    let Bench { router, signer, .. } = bench().await;
    let pass = signer.sign_pass(&claims(2)).unwrap();
    let request = || Request::builder().uri("/tickets").header("ropeline-pass", &pass);
    let answer = send(&router, request().body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, &answer.json()["number"]), (StatusCode::OK, &json!(42)));
    let answer = send(&router, request().header(AUTHORIZATION, "Bearer x").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_however_many_come() {
    let Bench { line, router, signer } = bench().await;
    let good = signer.sign_pass(&claims(1)).unwrap();
    assert_eq!(with_bearer(&router, "GET", "/tickets", &good).await.status, StatusCode::OK);
    for seed in 100..130 {
        let pass = Signer::new(&keys(seed)).unwrap().sign_pass(&claims(1)).unwrap();
        assert_eq!(with_bearer(&router, "GET", "/tickets", &pass).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(*line.fetches.lock().unwrap(), 1);
}

async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_new_key_is_found_by_itself_and_a_removed_one_counts_no_more() {
    let Bench { line, router, signer } = bench().await;
    let old = signer.sign_pass(&claims(1)).unwrap();
    assert_eq!(with_bearer(&router, "GET", "/tickets", &old).await.status, StatusCode::OK);
    *line.jwks.lock().unwrap() = keys(8).public();
    let new = Signer::new(&keys(8)).unwrap().sign_pass(&claims(2)).unwrap();
    assert_eq!(
        with_bearer(&router, "GET", "/tickets", &new).await.status,
        StatusCode::UNAUTHORIZED,
        "asked a moment ago"
    );
    later(11).await;
    assert_eq!(with_bearer(&router, "GET", "/tickets", &new).await.status, StatusCode::OK);
    assert_eq!(with_bearer(&router, "GET", "/tickets", &old).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(*line.fetches.lock().unwrap(), 2);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_again_count_for_an_hour() {
    let Bench { line, router, signer } = bench().await;
    let pass = signer.sign_pass(&claims(1)).unwrap();
    assert_eq!(with_bearer(&router, "GET", "/tickets", &pass).await.status, StatusCode::OK);
    *line.jwks.lock().unwrap() = Jwks::default(); // unusable
    later(3_500).await;
    assert_eq!(with_bearer(&router, "GET", "/tickets", &pass).await.status, StatusCode::OK);
    later(200).await;
    assert_eq!(with_bearer(&router, "GET", "/tickets", &pass).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn every_published_key_opens_the_shop() {
    let made: Vec<PrivateJwk> = vec![generate_es256([1; 32]), generate_ed25519([2; 32])];
    let both = PrivateKeys::from_keys(made.clone()).unwrap();
    let line = Arc::new(Line::default());
    *line.jwks.lock().unwrap() = both.public();
    let router = shop(&serve(Arc::clone(&line)).await);
    for key in made {
        let signer = Signer::new(&PrivateKeys::from_keys(vec![key]).unwrap()).unwrap();
        let pass = signer.sign_pass(&claims(9)).unwrap();
        assert_eq!(with_bearer(&router, "GET", "/tickets", &pass).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn without_the_lines_keys_nobody_comes_in() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/queue", listener.local_addr().unwrap());
    drop(listener);
    let line = Arc::new(Line::default()); // answers an empty JWK Set
    let pass = Signer::new(&keys(7)).unwrap().sign_pass(&claims(1)).unwrap();
    for queue_url in [nobody, serve(line).await] {
        let router = shop(&queue_url);
        let answer = with_bearer(&router, "POST", "/order", &pass).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("pass-not-checked"))
        );
        let answer = from_the_room(&router, &pass).await;
        assert_eq!((answer.status, answer.header(SET_COOKIE)), (StatusCode::SERVICE_UNAVAILABLE, ""));
    }
}

#[tokio::test]
async fn bad_requests_are_refused_and_the_next_good_one_works() {
    let Bench { router, signer, .. } = bench().await;
    let form = "application/x-www-form-urlencoded";
    for (kind, body, status) in [
        ("application/json", "{}".to_owned(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (form, format!("pass={}", "a".repeat(20_000)), StatusCode::PAYLOAD_TOO_LARGE),
        (form, "pass=%00%ff&pass=x".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (form, String::new(), StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::builder().method("POST").uri("/enter-shop").header(CONTENT_TYPE, kind);
        assert_eq!(send(&router, request.body(Body::from(body)).unwrap()).await.status, status);
    }
    let wrong = Request::builder().uri("/order").body(Body::empty()).unwrap();
    assert_eq!(send(&router, wrong).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let pass = signer.sign_pass(&claims(1)).unwrap();
    assert_eq!(from_the_room(&router, &pass).await.status, StatusCode::SEE_OTHER);
}

#[test]
fn the_issuer_and_audience_default_to_what_the_addresses_say() {
    let config =
        Config::parse_from(["ropeline-shop", "--queue-url", "https://queue.example:8443/queue/", "--event", "demo-1"]);
    assert_eq!((config.issuer().as_str(), config.audience().as_str()), ("https://queue.example:8443", "demo-1"));
    assert_eq!(config.waiting_room(), "https://queue.example:8443/queue/events/demo-1/wait");
    for bad in [["--event", "Demo"], ["--event", "a/b"], ["--queue-url", "ftp://x"], ["--queue-url", "http://x/?a"]] {
        assert!(Config::try_parse_from(["ropeline-shop"].into_iter().chain(bad)).is_err(), "{bad:?}");
    }
}
