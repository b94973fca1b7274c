//! The incident, as it was, by the real k6 against the real runtime, with nginx before it as `ops/nginx` has it: 7,600 visitors enter at once.
//! Counts and order are the gates; latency only coarsely, since k6 with 7,600 visitors and the servers share the machine (`cargo xtask k6 incident` has
//! the finer gates). And servers that only look as if they worked do not pass.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ropeline_e2e::{WorldOptions, front, json, within};
use ropeline_load::{Outcome, Place, Run, Scenario};
use tokio::sync::Mutex;
use xtask::ui::Ui;
use xtask::{k6, paths, tools};

const VISITORS: usize = 7_600;
/// The slowest answer to an enter there may be, milliseconds, connecting included.
const SLOWEST_MS: &str = "5000";
/// By then everybody has a place, milliseconds, however often they were put off.
const PLACED_MS: u64 = 30_000;

/// One k6 at a time has the machine.
static K6: Mutex<()> = Mutex::const_new(());

/// The incident against this deployment's event `load`, with these settings.
async fn incident(url: String, dir: &Path, settings: &[(&str, &str)]) -> Outcome {
    let _alone = K6.lock().await;
    let program = tools::k6::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
    let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let dir = dir.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let scenario = Scenario::Incident;
        let run = Run { program: &program, scenario, url: &url, event: "load", settings: &settings, dir };
        k6::play(&run).unwrap_or_else(|error| panic!("{error:#}"))
    });
    within("k6", Duration::from_secs(300), run).await.expect("k6")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_fails_nobody_and_keeps_the_order() {
    xtask::bench::raise_descriptors().unwrap_or_else(|error| panic!("{error:#}"));
    let world = WorldOptions::default().var("ROPELINE_TRACE", "false").start();
    world.create("load", &json!({"total_active_users": 2_000, "new_users_per_minute": 6_000})).await;
    let settings = [
        // Whoever is not called within half a minute goes home.
        ("PATIENCE", "30"),
        ("VISIT", "1"),
        ("P95_MS", SLOWEST_MS),
        ("P99_MS", SLOWEST_MS),
        ("SLOWEST_MS", SLOWEST_MS),
    ];
    let front = front(&world.authority, &world.dir);
    let outcome = incident(format!("http://{}/queue", front.authority), &world.dir.join("k6"), &settings).await;
    for count in ["ropeline_failed", "ropeline_disorder", "ropeline_transport_errors"] {
        assert_eq!(outcome.value(count, "count"), 0.0, "{count}");
    }
    outcome.check().unwrap_or_else(|error| panic!("{error:#}: {}", outcome.summary["metrics"]));
    let longest = outcome.places.iter().map(|place| place.answered - place.sent).max().expect("places");
    println!("ms: the slowest answer {}, the slowest place {longest}", outcome.value("ropeline_enter", "max"));
    assert!(longest <= PLACED_MS, "somebody had a place after {longest} ms only");
    let numbers: BTreeSet<u64> = outcome.places.iter().map(|Place { number, .. }| *number).collect();
    assert_eq!(
        (outcome.places.len(), numbers),
        (VISITORS, (1..=VISITORS as u64).collect()),
        "each has a number, none is missing"
    );
    let stats = world.stats("load").await;
    assert_eq!((&stats["entered"], &stats["over_limit"], &stats["voided"]), (&json!(VISITORS), &json!(0), &json!(0)));
    let admitted = outcome.value("ropeline_admitted", "count");
    assert!(admitted > 100.0 && stats["admitted"].as_f64() >= Some(admitted), "{admitted} were let in: {stats}");
}

async fn put_off() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response()
}

async fn page() -> Response {
    "<!doctype html>Welcome".into_response()
}

async fn the_same_number_for_all() -> Response {
    Json(json!({"number": 1, "ticket": "t", "state": "ended", "ahead": 0, "frontier": 0})).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_looks_as_if_it_worked_does_not_pass() {
    let servers = [
        ("put-off", post(put_off), "nobody got a place"),
        ("page", post(page), "nobody got a place"),
        ("same-number", post(the_same_number_for_all), "number 1 was given twice"),
    ];
    for (name, enter, wrong) in servers {
        let routes = Router::new()
            .route("/queue/enter", enter)
            .route("/queue/events/load", get(|| async { Json(json!({"last_number": 0})) }))
            .route("/queue/leave", post(|| async { StatusCode::NO_CONTENT }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/queue", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let dir = paths::target().join(format!("e2e/load-{name}"));
        let outcome = incident(url, &dir, &[("VISITORS", "5"), ("PATIENCE", "2")]).await;
        let error = outcome.check().expect_err(name).to_string();
        assert!(error.contains(wrong), "{name}: {error}");
        // k6 alone sees it, too, but for the order of all.
        assert_eq!(outcome.within, name == "same-number", "{name}: {}", outcome.summary["metrics"]);
    }
}
