//! Many who come at once to an isolate that has nothing to answer them with, or nothing new: what all of them need is asked for once, whatever
//! becomes of the question.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{Answer, Visitor, World, assert_status, within};
use tokio::task::JoinSet;

use super::{EVENT, assert_come_back, world};

/// Who polls at the same moment.
const POLLS: usize = 200;

/// A Worker that has just started, with somebody in its line.
async fn cold() -> (World, Visitor) {
    let world = world().await;
    let mut visitor = world.visitor(EVENT);
    visitor.must_enter().await;
    world.kill9();
    world.restart();
    (world, visitor)
}

/// Each over a connection of its own; how long each took.
async fn polls(world: &World, visitor: &Visitor) -> Vec<(Answer, Duration)> {
    let all = JoinSet::from_iter((0..POLLS).map(|_| {
        let mut same = Visitor::with_key(&world.authority, EVENT, &visitor.key);
        same.ticket.clone_from(&visitor.ticket);
        async move {
            let began = Instant::now();
            (same.status().await.expect("an answer"), began.elapsed())
        }
    }));
    within("polls", Duration::from_secs(30), all.join_all()).await
}

/// How often the registry was asked for its list, and a lane for a board.
async fn asked(world: &World) -> (usize, usize) {
    (world.calls("REGISTRY", "list").await.len(), world.calls("LANE", "board").await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_come_at_once_one_asks() {
    let (world, visitor) = cold().await;
    for rule in [Rule::registry("list", Fault::Delay { ms: 200 }), Rule::lane("board", Fault::Delay { ms: 200 })] {
        world.fault(rule.times(u32::MAX)).await;
    }
    for (answer, _) in polls(&world, &visitor).await {
        assert_status(&answer, 200);
    }
    assert_eq!(asked(&world).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_answered_another_one_asks_again() {
    let (world, visitor) = cold().await;
    for rule in [Rule::registry("list", Fault::Hang), Rule::lane("board", Fault::Hang)] {
        world.fault(rule).await;
    }
    let polls = polls(&world, &visitor).await;
    for (answer, _) in &polls {
        assert_status(answer, 200);
    }
    // The two who asked go on when they have waited long enough.
    let late = polls.iter().filter(|(_, took)| *took > Duration::from_secs(5)).count();
    assert!(late <= 2, "{late} waited for long");
    // Who asked the registry comes to the board when what the others had of it is old.
    assert_eq!(asked(&world).await, (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_never_answers_is_asked_once_a_second_and_the_others_are_told_to_come_again() {
    let (world, visitor) = cold().await;
    world.fault(Rule::registry("list", Fault::Hang).times(u32::MAX)).await;
    let polls = polls(&world, &visitor).await;
    for (answer, _) in &polls {
        assert_come_back(answer);
    }
    let (asked, _) = asked(&world).await;
    assert!((1..=4).contains(&asked), "{asked}");
    let late = polls.iter().filter(|(_, took)| *took > Duration::from_secs(5)).count();
    assert_eq!(late, asked, "who asked waited for the answer, and nobody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_registry_gives_no_answer_those_who_have_a_copy_do_not_wait_for_it() {
    let failing = Fault::Throw { overloaded: true, retryable: false, after_ms: 300 };
    let outages = [Fault::Hang, failing].map(|fault| async move {
        let world = world().await;
        let mut visitor = world.visitor(EVENT);
        visitor.must_enter().await;
        world.forget_faults().await;
        world.fault(Rule::registry("list", fault).times(u32::MAX)).await;
        world.clock_ahead(20_000).await;
        // The first ones wait until the question seems to be lost, or is; those who come later know.
        for patience in [Duration::from_secs(3), Duration::from_millis(900)] {
            let polls = polls(&world, &visitor).await;
            for (answer, _) in &polls {
                assert_status(answer, 200);
            }
            let late: Vec<_> = polls.iter().filter(|(_, took)| *took > patience).collect();
            assert!(late.len() <= 2, "{} waited for more than {patience:?}", late.len());
        }
        let (asked, _) = asked(&world).await;
        assert!((1..=15).contains(&asked), "{asked}");
    });
    JoinSet::from_iter(outages).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_fails_is_asked_by_one_after_the_other() {
    let (world, visitor) = cold().await;
    let fails = Fault::Throw { overloaded: true, retryable: false, after_ms: 100 };
    world.fault(Rule::lane("board", fails).times(u32::MAX)).await;
    for (answer, _) in polls(&world, &visitor).await {
        assert_come_back(&answer);
    }
    let (_, asked) = asked(&world).await;
    assert!((1..=40).contains(&asked), "{asked}");
}
