//! Trouble with the answers that are not a produce's: versions, topics, leaders, ends of the log, records read back.

use std::time::Duration;

use tokio::task::JoinSet;

use super::proxy::{Fault, Kind};
use super::rig::{Rig, Settings};
use super::support::Line;

const SOON: Duration = Duration::from_secs(40);

/// Every way to spoil an answer of this kind, one after the other, each while a batch has to be looked for.
async fn survives(kind: Kind, faults: &[Fault]) {
    let mut rig = Rig::start(&Settings::new(100)).await;
    rig.until_acked(SOON).await;
    let mut event = "demo".to_owned();
    for (round, fault) in faults.iter().enumerate() {
        let met = rig.proxy.met();
        rig.proxy.inject(kind, *fault, 1);
        if kind == Kind::Ends {
            // They are asked for when an event begins.
            event = format!("ends-{round}");
            rig.door.worker.with(|lines| lines.insert(event.clone(), Line::new(&event, 50)));
        } else {
            rig.proxy.inject(Kind::Produce, Fault::LostAfter, 1);
            rig.admit(&event, 50);
        }
        rig.until(&format!("{fault:?} of {kind:?} is met"), SOON, |rig| rig.proxy.met() > met).await;
        rig.until_acked(SOON).await;
        assert_eq!(rig.assert_promise_7(&event, false).await, 0, "{fault:?} of {kind:?}");
    }
    rig.stop();
}

const TORN: [Fault; 9] = [
    Fault::LostBefore,
    Fault::LostAfter,
    Fault::Silent,
    Fault::Half,
    Fault::Huge,
    Fault::Negative,
    Fault::Garbage,
    Fault::WrongNumber,
    Fault::Http,
];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_that_comes_torn_late_or_wrong_stops_or_misleads_the_relay() {
    let more = |more: &[Fault]| [&TORN[..], more].concat();
    let mut running = JoinSet::new();
    running.spawn(async { survives(Kind::Versions, &TORN).await });
    let topics = more(&[Fault::Throttle(300), Fault::NoLeader]);
    running.spawn(async move { survives(Kind::Topics, &topics).await });
    let leader = more(&[Fault::Throttle(300), Fault::NoLeader, Fault::Code(3), Fault::Code(5)]);
    running.spawn(async move { survives(Kind::Leader, &leader).await });
    let ends = more(&[Fault::Throttle(300), Fault::Code(3), Fault::Code(6), Fault::Code(56)]);
    running.spawn(async move { survives(Kind::Ends, &ends).await });
    let fetch = more(&[Fault::Throttle(300), Fault::Code(3), Fault::Code(6), Fault::Code(56), Fault::Code(1)]);
    running.spawn(async move { survives(Kind::Fetch, &fetch).await });
    running.join_all().await;
}
