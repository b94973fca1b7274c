//! Faults, from the fault to the message and back.

use std::time::Duration;

use ropeline_e2e::drill::{self, Fault};
use ropeline_e2e::within;

/// One that a person mends, one that mends itself, and one that tells nobody by itself. `cargo xtask drill` has all.
#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_and_healed_within_a_minute() {
    let faults = [Fault::LineRefusing, Fault::RelayHung, Fault::MonitoringStalled];
    let report = within("the drill", Duration::from_secs(600), drill::run(&faults, |line| println!("{line}"))).await;
    println!("{report}");
    assert!(report.holds(), "{report}");
}
