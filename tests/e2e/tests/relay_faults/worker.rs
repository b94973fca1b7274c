//! Trouble on the Worker's side: refusals, overload, answers that are cut, endless, garbage or never come, and no Worker at all.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::gate::Trouble;
use super::rig::{Rig, Settings};

const SOON: Duration = Duration::from_secs(40);
/// Progress is due so long after the Worker's return.
const RETURN: Duration = Duration::from_secs(10);

/// Each of the relay's calls meets the trouble a few times; it goes on by itself, and repeats nothing.
async fn survives(trouble: Trouble) {
    let mut rig = Rig::new(&Settings::new(600)).await;
    rig.door.gate.inject("/relay/lease", trouble.clone(), 2);
    rig.begin();
    rig.until(&format!("{trouble:?} at the lease"), SOON, |rig| rig.door.gate.met() == 2).await;
    rig.until_acked(SOON).await;
    for path in ["/relay/drain", "/relay/events"] {
        let met = rig.door.gate.met();
        rig.door.gate.inject(path, trouble.clone(), 2);
        rig.admit("demo", 700);
        rig.until(&format!("{trouble:?} at {path}"), SOON, |rig| rig.door.gate.met() == met + 2).await;
        let since = Instant::now();
        rig.until_acked(SOON).await;
        assert!(since.elapsed() < RETURN, "{trouble:?} at {path}: {:?} to go on", since.elapsed());
    }
    assert_eq!(rig.assert_promise_7("demo", false).await, 0, "{trouble:?}");
    rig.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_worker_answers_the_relay_goes_on_within_ten_seconds_and_repeats_nothing() {
    let troubles = [
        Trouble::Problem(401, "unauthorized", None),
        Trouble::Problem(403, "forbidden", None),
        Trouble::Problem(409, "stale-epoch", None),
        Trouble::Problem(409, "conflict", None),
        Trouble::Problem(500, "internal", None),
        Trouble::Problem(503, "overloaded", Some(1)),
        Trouble::LostAnswer,
        Trouble::Cut,
        Trouble::Endless,
        Trouble::Trickle,
        Trouble::Garbage,
        Trouble::Silence,
    ];
    for some in troubles.chunks(6) {
        let mut running = JoinSet::new();
        for trouble in some.iter().cloned() {
            running.spawn(survives(trouble));
        }
        running.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed_and_bounded() {
    let mut rig = Rig::start(&Settings::new(100)).await;
    rig.until_acked(SOON).await;
    rig.door.gate.inject("/relay/drain", Trouble::Problem(503, "overloaded", Some(4)), 1);
    rig.until("the 503 is met", SOON, |rig| rig.door.gate.met() == 1).await;
    let since = Instant::now();
    rig.admit("demo", 100);
    rig.until_acked(SOON).await;
    assert!(since.elapsed() > Duration::from_millis(3_500), "after {:?} already", since.elapsed());
    // Hours are not believed; what was decided stands in the log.
    for path in ["/relay/events", "/relay/drain"] {
        let line = if path == "/relay/events" { "cannot ask the Worker" } else { "call to the Worker failed" };
        let (met, said) = (rig.door.gate.met(), rig.said(line));
        rig.door.gate.inject(path, Trouble::Problem(503, "overloaded", Some(100_000)), 1);
        rig.admit("demo", 1);
        rig.until("the next 503 is met", SOON, |rig| rig.door.gate.met() == met + 1).await;
        rig.until("it is said", SOON, |rig| rig.said(line) > said).await;
        assert_eq!(rig.said("\"retry_ms\":5000"), if path == "/relay/events" { 1 } else { 2 }, "{path}\n{}", rig.log());
    }
    rig.kill9();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_away_is_found_again_within_ten_seconds() {
    let mut rig = Rig::start(&Settings::new(100)).await;
    rig.until_acked(SOON).await;
    for away in [Duration::from_millis(500), Duration::from_secs(6), Duration::from_secs(14)] {
        rig.door.close().await;
        rig.admit("demo", 200);
        tokio::time::sleep(away).await;
        rig.door.reopen().await;
        let since = Instant::now();
        rig.until_acked(SOON).await;
        assert!(since.elapsed() < RETURN, "{:?} after {away:?} away", since.elapsed());
    }
    assert!(rig.log().to_lowercase().contains("connection refused"), "it says why");
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
    rig.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_refused_and_the_key_goes_nowhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", elsewhere.local_addr().unwrap());
    let listening = tokio::spawn(async move {
        let (mut caller, _) = elsewhere.accept().await.unwrap();
        let mut asked = vec![0; 4_096];
        let read = caller.read(&mut asked).await.unwrap_or(0);
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    let mut rig = Rig::new(&Settings::new(100)).await;
    rig.door.gate.inject("/relay/lease", Trouble::Redirect(address), 2);
    rig.begin();
    let words = rig.until_stopped(SOON).await;
    assert!(words.contains("307") && words.contains("redirects"), "{words}");
    rig.until_acked(Duration::from_secs(20)).await;
    assert!(!listening.is_finished(), "the redirect was followed: {}", listening.await.unwrap());
    listening.abort();
    assert_eq!(rig.assert_promise_7("demo", false).await, 0);
}
