//! Faults, from the fault to the message and back.

use std::time::Duration;

use ropeline_e2e::drill::{self, Fault};
use ropeline_e2e::within;
use xtask::paths;

/// One that a person mends, one that mends itself, and the watchers themselves: one of them, and both. `cargo xtask drill` has all.
#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_and_healed_within_a_minute() {
    let faults = [Fault::LineRefusing, Fault::RelayHung, Fault::PrometheusStalled, Fault::MonitoringStalled];
    let picture = paths::target().join("e2e/dashboard.svg");
    let report =
        within("the drill", Duration::from_secs(600), drill::run(&faults, Some(&picture), |line| println!("{line}")))
            .await;
    println!("{report}");
    assert!(report.holds(), "{report}");
    // Drawn from what Prometheus has of it: a panel that shows nothing asks for what there is not.
    let picture = std::fs::read_to_string(picture).expect("a picture");
    assert!(picture.contains(">Entering per second</text>") && picture.contains(">Ready</text>"));
    let nothing = picture.matches("nothing to show").count();
    assert!(nothing <= 1, "only \"Opens in\" may: {nothing} panels are empty");
}
