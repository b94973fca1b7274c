//! `.overloaded`: never retried for a request; the lane keeps its batch and sends the same again after a second.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{Answer, Value, json};

use super::{EVENT, assert_come_back, assert_line, assert_repeats, crowd, enter, numbering, world};

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_lane_is_asked_once_and_the_visitor_is_told_when_to_come_back() {
    let world = world().await;
    let mut visitor = world.visitor(EVENT);
    world.fault(Rule::lane("enter", Fault::OVERLOADED)).await;
    assert_come_back(&enter(&mut visitor).await);
    assert_eq!(world.calls("LANE", "enter").await.len(), 1, "asked once, and not again");
    assert!(world.calls("LINE", "exchange").await.is_empty(), "nothing came further than the lane");

    assert_eq!(enter(&mut visitor).await.status, 201);
    assert_eq!(visitor.number(), 1);
    visitor.go_in(Duration::from_secs(10)).await.unwrap();
    for command in ["claim", "renew", "leave"] {
        world.forget_faults().await;
        world.fault(Rule::lane(command, Fault::OVERLOADED)).await;
        let answer: Answer = match command {
            "claim" => visitor.claim().await,
            "renew" => visitor.renew().await,
            _ => visitor.leave().await,
        }
        .unwrap();
        assert_come_back(&answer);
        assert_eq!(world.calls("LANE", command).await.len(), 1, "{command}");
    }
    assert_eq!(visitor.claim().await.unwrap().status, 200, "the leave that was refused has not happened");
    assert_eq!(world.stats(EVENT).await["admitted"], 1);
    assert_line(&world, 1, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_line_gets_the_same_batch_again_after_a_second_and_nobody_waits_for_it() {
    let world = world().await;
    // Others come while the first exchange is on its way: they are in the open batch when it fails.
    world
        .fault(Rule::line("exchange", Fault::Throw { overloaded: true, retryable: true, after_ms: 300 }).times(2))
        .await;
    let began = Instant::now();
    let mut everybody = crowd(&world, 12).await;
    assert!(began.elapsed() < Duration::from_millis(900), "told when it failed: {:?}", began.elapsed());
    for (_, answer) in &everybody {
        assert_come_back(answer);
    }
    // Who comes while the lane holds back waits for its next try, which fails, too.
    let mut late = world.visitor(EVENT);
    let began = Instant::now();
    assert_come_back(&enter(&mut late).await);
    assert!(began.elapsed() < Duration::from_millis(1_900), "{:?}", began.elapsed());

    let until = Instant::now() + Duration::from_secs(5);
    while numbering(&world).await.last().is_none_or(|call| call.answer.is_none()) {
        assert!(Instant::now() < until, "the batch was never sent again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let calls = numbering(&world).await;
    assert_repeats(&calls, 3);
    for pair in calls.windows(2) {
        assert!(pair[1].at - pair[0].at >= 1_000, "again after {} ms", pair[1].at - pair[0].at);
    }
    let batch: Value = serde_json::from_str(&calls[0].text).unwrap();
    let kept = batch["exchange"]["count"].as_u64().unwrap();

    // Those of the batch have their places by now; the others get the next ones.
    let mut numbers = Vec::new();
    let mut found = 0;
    for (visitor, _) in &mut everybody {
        let answer = enter(visitor).await;
        found += u64::from(answer.status == 200);
        assert!(answer.status.is_success(), "{}", answer.text());
        numbers.push(visitor.number());
    }
    assert_eq!(found, kept, "the batch was kept as it was");
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    late.must_enter().await;
    assert_line(&world, 13, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_line_turns_claims_away_and_admits_once() {
    let world = world().await;
    let mut visitor = world.visitor(EVENT);
    visitor.must_enter().await;
    world.fault(Rule::line("exchange", Fault::OVERLOADED).with("claim")).await;
    let began = Instant::now();
    assert_come_back(&visitor.claim().await.unwrap());
    assert!(began.elapsed() < Duration::from_millis(900), "told at once: {:?}", began.elapsed());
    let admission = visitor.go_in(Duration::from_secs(10)).await.unwrap();
    assert_eq!((admission.number, admission.seq), (1, 1));
    assert_eq!(world.stats(EVENT).await["admitted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_go_on_with_the_last_board_while_lane_or_line_is_overloaded() {
    let world = world().await;
    let mut visitor = world.visitor(EVENT);
    visitor.must_enter().await;
    world.forget_faults().await;
    for (binding, ahead) in [("LANE", 8_000), ("LINE", 16_000)] {
        world.forget_faults().await;
        world.clock_ahead(ahead).await;
        let rule = if binding == "LANE" { Rule::lane } else { Rule::line };
        world.fault(rule("board", Fault::OVERLOADED)).await;
        let answer = visitor.status().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["number"], 1);
        assert_eq!(world.calls(binding, "board").await.len(), 1, "{binding}");
        assert_eq!(world.board(EVENT).await["stale"], true, "{binding}");
    }
    // Too old to be served: an honest 503, after one question.
    world.forget_faults().await;
    world.clock_ahead(60_000).await;
    world.fault(Rule::lane("board", Fault::OVERLOADED)).await;
    assert_come_back(&visitor.status().await.unwrap());
    assert_eq!(world.calls("LANE", "board").await.len(), 1);
    assert_eq!(visitor.status().await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lane_turns_newcomers_away_at_once_and_keeps_those_it_has() {
    let world = world().await;
    world.fault(Rule::line("exchange", Fault::HoldBefore { name: "full" })).await;
    let lane = format!("{EVENT}:0");
    let mut late = world.visitor(EVENT);
    tokio::join!(world.flood(&lane, 4_020), async {
        let until = Instant::now() + Duration::from_secs(4);
        while world.flooded().await["503"] != 20 {
            assert!(Instant::now() < until, "4,000 wait, and 20 are turned away: {}", world.flooded().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let began = Instant::now();
        assert_come_back(&enter(&mut late).await);
        assert!(began.elapsed() < Duration::from_millis(900), "told at once: {:?}", began.elapsed());
        world.release("full").await;
    });
    assert_eq!(world.flooded().await, json!({"200": 4_000, "503": 20}));
    assert_eq!(late.must_enter().await, 4_001);
    assert_line(&world, 4_001, 0).await;
}
