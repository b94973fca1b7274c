//! Same visitor, same place: however often, from wherever, at once or later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ropeline_e2e::{Admission, Visitor, World, assert_problem, assert_status, json, new_key, within};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// The answers of many clients that enter at once with the same key: (status, number).
async fn at_once(world: &World, event: &str, key: &str, count: usize, again: bool) -> Vec<(u16, u64)> {
    let start = Arc::new(Barrier::new(count));
    let clients = JoinSet::from_iter((0..count).map(|_| {
        let (mut visitor, start) = (Visitor::with_key(&world.authority, event, key), Arc::clone(&start));
        async move {
            start.wait().await;
            let answer = visitor.enter_with(&json!({"again": again})).await.unwrap();
            assert!(answer.status.is_success(), "{}", answer.text());
            (answer.status.as_u16(), visitor.number())
        }
    }));
    within("entries at once", Duration::from_secs(20), clients.join_all()).await
}

fn numbers(answers: &[(u16, u64)]) -> BTreeSet<u64> {
    answers.iter().map(|(_, number)| *number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_parallel_entries_with_one_key_are_one_number() {
    let world = World::start();
    world.create("one", &json!({})).await;
    let other = world.visitor("one").must_enter().await;
    let key = new_key();
    let answers = at_once(&world, "one", &key, 200, false).await;
    assert_eq!(numbers(&answers), BTreeSet::from([other + 1]));
    assert!(answers.iter().any(|(status, _)| *status == 201), "one of them made it");
    assert_eq!(world.stats("one").await["entered"], 2);

    world.kill9();
    world.restart();
    let answers = at_once(&world, "one", &key, 200, false).await;
    assert_eq!(numbers(&answers), BTreeSet::from([other + 1]), "after a restart, too");
    assert!(answers.iter().all(|(status, _)| *status == 200), "it is found, not made");
    let stranger = world.visitor("one").must_enter().await;
    assert_eq!(stranger, other + 2, "nobody else gets it");
    assert_eq!(world.stats("one").await["entered"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_are_one_visitor() {
    let world = World::start();
    world.create("tabs", &json!({})).await;
    let mut left = world.visitor("tabs");
    let mut right = Visitor::with_key(&world.authority, "tabs", &left.key);
    let (one, two) = tokio::join!(left.must_enter(), right.must_enter());
    assert_eq!(one, two);
    assert_status(&right.status().await.unwrap(), 200);
    assert_eq!(right.number(), one);
    let (first, second) = tokio::join!(left.go_in(Duration::from_secs(20)), right.go_in(Duration::from_secs(20)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.number, first.seq), (second.number, second.seq), "one place, one session");
    let jti = |admission: &Admission| ropeline_e2e::tokens::pass_claims(&admission.pass).jti;
    assert_eq!(jti(&first), jti(&second));
    assert_eq!(world.stats("tabs").await["admitted"], 1);
    // Leaving in one tab ends it in the other.
    assert_status(&left.leave().await.unwrap(), 204);
    assert_problem(&right.claim().await.unwrap(), 410, "session-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn again_gives_a_new_number_at_the_end_only_after_the_old_place_is_over() {
    let world = World::start();
    // One slot, taken by somebody else: everybody else waits.
    world.create("again", &json!({"total_active_users": 1})).await;
    world.visitor("again").enter_with(&json!({"claim": true})).await.unwrap();
    let mut visitor = world.visitor("again");
    let number = visitor.must_enter().await;
    for _ in 0..3 {
        world.visitor("again").must_enter().await;
    }
    let answers = at_once(&world, "again", &visitor.key, 50, true).await;
    assert_eq!(numbers(&answers), BTreeSet::from([number]), "the place lives: there is no other one");
    assert!(answers.iter().all(|(status, _)| *status == 200));

    assert_status(&visitor.leave().await.unwrap(), 204);
    assert_status(&visitor.leave().await.unwrap(), 204);
    assert_problem(&visitor.claim().await.unwrap(), 410, "place-left");
    assert_status(&visitor.enter().await.unwrap(), 200);
    assert_eq!((visitor.number(), &visitor.place["state"]), (number, &json!("left")), "a place never revives");

    let last = world.stats("again").await["entered"].as_u64().unwrap();
    let answers = at_once(&world, "again", &visitor.key, 50, true).await;
    assert_eq!(numbers(&answers), BTreeSet::from([last + 1]), "fifty at once: one new number, at the end");
    assert_eq!(world.stats("again").await["entered"], last + 1);

    // The old ticket is for a place that is over.
    assert_problem(&visitor.claim().await.unwrap(), 410, "place-left");
    assert_status(&visitor.enter().await.unwrap(), 200);
    assert_eq!(visitor.number(), last + 1, "the new place is the visitor's place now");
    assert!(matches!(visitor.place["state"].as_str(), Some("waiting" | "called")), "{}", visitor.place);

    world.kill9();
    world.restart();
    assert_eq!(visitor.must_enter().await, last + 1, "after a restart, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn again_works_after_the_session_was_completed_or_ran_out() {
    let world = World::start();
    world.create("over", &json!({"session_duration_seconds": 10})).await;
    let (mut paid, mut idle) = (world.visitor("over"), world.visitor("over"));
    for visitor in [&mut paid, &mut idle] {
        visitor.enter_with(&json!({"claim": true})).await.unwrap();
        assert_eq!(visitor.place["state"], "admitted", "{}", visitor.place);
    }
    assert_status(&world.complete("over", "over/1").await, 204);
    assert_status(&paid.enter().await.unwrap(), 200);
    assert_eq!((paid.number(), &paid.place["state"]), (1, &json!("ended")));
    assert_eq!(numbers(&at_once(&world, "over", &paid.key, 50, true).await), BTreeSet::from([3]));

    assert_eq!(numbers(&at_once(&world, "over", &idle.key, 10, true).await), BTreeSet::from([2]), "it lives");
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_problem(&idle.claim().await.unwrap(), 410, "session-ended");
    assert_status(&idle.enter().await.unwrap(), 200);
    assert_eq!((idle.number(), &idle.place["state"]), (2, &json!("ended")));
    assert_eq!(numbers(&at_once(&world, "over", &idle.key, 50, true).await), BTreeSet::from([4]));
}
