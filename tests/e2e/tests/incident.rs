//! The short form of `cargo xtask incident`: two small waves, and the runtime killed beneath the second one.

use std::time::Duration;

use ropeline_e2e::incident::{self, Scale, Trouble};
use ropeline_e2e::within;

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_goes_through_a_kill_of_the_runtime_and_the_report_says_so() {
    xtask::bench::raise_descriptors().unwrap_or_else(|error| panic!("{error:#}"));
    let scale = Scale { visitors: 400, apart: Duration::from_secs(30), troubles: vec![Trouble::WorkerKilled] };
    let run = incident::run(&scale, |line| println!("{line}"));
    let record = within("the incident", Duration::from_secs(300), run).await;
    println!("{record}");
    let page = record.html();
    std::fs::write(xtask::paths::target().join("e2e/incident.html"), &page).expect("the report");
    assert!(record.holds(), "{record}");
    assert_eq!((record.sums.visitors, record.sums.places), (800, 800));
    assert!(record.sums.put_off > 0, "the kill met nobody: {:?}", record.sums);

    // It needs nothing but itself, and has all it says in both languages.
    for outside in ["http://", "https://", "src=", "url(", "@import", "<script"] {
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<span lang=\"en\">").count(), page.matches("<span lang=\"ko\">").count());
    assert_eq!(page.matches("<svg").count(), 10);
    assert!(!page.contains("nothing to show"), "a chart is empty");
    for verdict in &record.verdicts {
        assert!(page.contains(verdict.promise), "{}", verdict.promise);
    }
}
