//! More than can be served: the short form of `cargo xtask overload`.

use std::time::Duration;

use ropeline_e2e::overload::knee::Climb;
use ropeline_e2e::overload::{self, Scale, connections};
use ropeline_e2e::within;

/// Other tests run beside this one: the command asks for a second.
const ANSWER: Duration = Duration::from_secs(5);

/// What the connections below may take of memory, MB.
const ROOM_MB: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn five_times_what_can_be_served_takes_no_place_away_and_leaves_no_trace() {
    let world = overload::world().await;
    let climb = Climb { step: Duration::from_secs(1), growth: 1.5 };
    let scale = Scale { climb, burst: Duration::from_secs(4), bare: None };
    let run = overload::run(&world, scale, |line| println!("{line}"));
    let report =
        within("the overload", Duration::from_secs(240), run).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    let misses = report.misses(ANSWER);
    assert!(misses.is_empty(), "{misses:?}\n{report}");
    assert!(report.burst().outcome.count(&overload::Answered::NotAsked) > 0, "it was no overload: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_only_take_room_take_little_and_keep_nobody_out() {
    xtask::bench::raise_descriptors().unwrap_or_else(|error| panic!("{error:#}"));
    let world = overload::world().await;
    let held = within("the connections", Duration::from_secs(90), connections::hold(&world, "overload")).await;
    let seen = held.unwrap_or_else(|error| panic!("{error:#}"));
    let at_first = seen[0].resident_mb;
    for look in &seen {
        println!("{look:?}");
        assert!(look.resident_mb < at_first + ROOM_MB, "{look:?}, {at_first} MB before");
        assert!(look.slowest < ANSWER, "{look:?}");
    }
    assert_eq!(connections::huge_header(&world).unwrap_or_else(|error| panic!("{error:#}")), "HTTP/1.1 431");
}
