//! The short form of `cargo xtask soak`: the promises under load and a few kills.

use std::time::Duration;

use ropeline_e2e::soak::{self, Options};
use ropeline_e2e::{seed, within};

#[tokio::test(flavor = "multi_thread")]
async fn the_promises_hold_under_load_and_kills() {
    let at_most = Duration::from_secs(35);
    let options = Options { rounds: 6, entries: 2_000, clients: 24, seed: seed::seed(), at_most, outage: None };
    let report = within("the soak", Duration::from_secs(240), soak::run(options, |line| println!("{line}"))).await;
    println!("{report}");
    assert!(report.kills >= 3 && report.entries > 500, "the machine is too slow: {} kills", report.kills);
    assert!(report.holds(), "replay with ROPELINE_SEED={}\n{report}", options.seed);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_admission_reaches_kafka_over_kills_of_broker_relays_and_worker() {
    let at_most = Duration::from_secs(75);
    let outage = Some(Duration::from_secs(5));
    let options = Options { rounds: 5, entries: 200, clients: 8, seed: seed::seed(), at_most, outage };
    let report = within("the soak", Duration::from_secs(300), soak::run(options, |line| println!("{line}"))).await;
    println!("{report}");
    assert!(report.rounds >= 3 && report.entries > 100, "the machine is too slow: {} rounds", report.rounds);
    assert!(report.holds(), "replay with ROPELINE_SEED={}\n{report}", options.seed);
}
