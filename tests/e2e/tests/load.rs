//! The incident, as it was, against the real runtime by the real k6: 7,600 visitors enter at once. Counts and order are the gates; of latency only
//! that nobody waits for long, since k6 with 7,600 visitors and the runtime share two cores (`cargo xtask k6 incident` has the finer gates).

use std::collections::BTreeSet;

use ropeline_e2e::{WorldOptions, json};
use ropeline_load::{Place, Run, Scenario};
use xtask::tools;
use xtask::ui::Ui;

const VISITORS: usize = 7_600;
/// The slowest enter there may be, milliseconds.
const SLOWEST_MS: f64 = 30_000.0;

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_fails_nobody_and_keeps_the_order() {
    xtask::bench::raise_descriptors().unwrap_or_else(|error| panic!("{error:#}"));
    let world = WorldOptions::default().var("ROPELINE_TRACE", "false").start();
    world.create("load", &json!({"total_active_users": 2_000, "new_users_per_minute": 6_000})).await;
    let program = tools::k6::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
    let url = format!("{}/queue", world.issuer);
    // Whoever is not called within half a minute goes home.
    let bound = SLOWEST_MS.to_string();
    let settings = [("PATIENCE", "30"), ("VISIT", "1"), ("P95_MS", &bound), ("P99_MS", &bound), ("SLOWEST_MS", &bound)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let dir = world.dir.join("k6");
    let outcome = tokio::task::spawn_blocking(move || {
        let run = Run {
            program: &program,
            scenario: Scenario::Incident,
            url: &url,
            event: "load",
            settings: &settings,
            dir,
            report: true,
        };
        run.run().unwrap_or_else(|error| panic!("{error:#}"))
    })
    .await
    .expect("k6");
    for count in ["ropeline_failed", "ropeline_disorder", "ropeline_transport_errors"] {
        assert_eq!(outcome.value(count, "count"), 0.0, "{count}");
    }
    assert!(outcome.value("ropeline_enter", "max") <= SLOWEST_MS, "{}", outcome.summary["metrics"]["ropeline_enter"]);
    outcome.check().unwrap_or_else(|error| panic!("{error:#}: {}", outcome.summary["metrics"]));
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
