//! What a deploy and a broken connection do: `.retryable`, objects reset in mid-exchange, answers lost after the commit.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::tokens::pass_claims;
use ropeline_e2e::{Value, Visitor, World, json, within};
use tokio::task::JoinSet;

use super::{EVENT, assert_come_back, assert_line, assert_repeats, enter, numbering, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_retryable_error_is_tried_twice_more_on_new_stubs() {
    let world = world().await;
    let mut visitor = world.visitor(EVENT);
    world.fault(Rule::lane("enter", Fault::RETRYABLE).times(2)).await;
    assert_eq!(enter(&mut visitor).await.status, 201, "the visitor sees nothing of it");
    assert_repeats(&world.calls("LANE", "enter").await, 3);

    // Three tries, and no more.
    world.forget_faults().await;
    world.fault(Rule::lane("enter", Fault::RETRYABLE).times(9)).await;
    let mut other = world.visitor(EVENT);
    assert_come_back(&enter(&mut other).await);
    assert_repeats(&world.calls("LANE", "enter").await, 3);

    // An error of another kind may have done anything: it is the visitor who asks again.
    world.forget_faults().await;
    world.fault(Rule::lane("enter", Fault::BROKEN)).await;
    assert_come_back(&enter(&mut other).await);
    assert_eq!(world.calls("LANE", "enter").await.len(), 1);
    assert_eq!((visitor.number(), other.must_enter().await), (1, 2));
    assert_line(&world, 2, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_commit_is_had_again_and_is_the_same() {
    let world = world().await;
    let mut expected = 0;
    for (rule, retried) in [
        (Rule::lane("enter", Fault::Lost { retryable: true }), true),
        (Rule::lane("enter", Fault::Lost { retryable: false }), false),
        (Rule::line("exchange", Fault::Lost { retryable: true }), true),
        // The lane repeats its batch whatever happened to it.
        (Rule::line("exchange", Fault::Lost { retryable: false }), true),
    ] {
        world.forget_faults().await;
        world.fault(rule.clone()).await;
        let mut visitor = world.visitor(EVENT);
        let answer = enter(&mut visitor).await;
        if retried {
            assert!(answer.status.is_success(), "{rule:?}: {}", answer.text());
        } else {
            assert_come_back(&answer);
        }
        expected += 1;
        assert_eq!(visitor.must_enter().await, expected, "{rule:?}");
        let sent = numbering(&world).await;
        assert_repeats(&sent, sent.len());
        assert_line(&world, expected, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_admits_once() {
    let world = world().await;
    for (seq, (lane, fault)) in (1_u64..).zip([
        (true, Fault::Lost { retryable: true }),
        (true, Fault::ResetAfter),
        (false, Fault::Lost { retryable: false }),
        (false, Fault::ResetAfter),
    ]) {
        let mut visitor = world.visitor(EVENT);
        visitor.must_enter().await;
        world.forget_faults().await;
        let rule =
            if lane { Rule::lane("claim", fault.clone()) } else { Rule::line("exchange", fault.clone()).with("claim") };
        world.fault(rule).await;
        let until = Instant::now() + Duration::from_secs(15);
        while visitor.claim().await.unwrap().status != 200 {
            assert!(Instant::now() < until, "{fault:?}: {}", visitor.place);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let pass = visitor.pass.clone().unwrap();
        assert_eq!((visitor.place["seq"].as_u64(), pass_claims(&pass).jti), (Some(seq), format!("{EVENT}/{seq}")));
        visitor.claim().await.unwrap();
        assert_eq!(visitor.place["seq"], seq, "{fault:?}");
        let stats = world.stats(EVENT).await;
        assert_eq!(
            (stats["admitted"].as_u64(), stats["active"].as_u64()),
            (Some(seq), Some(seq)),
            "{fault:?}: {stats}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_reset_around_an_exchange_gets_the_same_batch_again() {
    let world = world().await;
    for (expected, fault) in (1..).zip([Fault::ResetBefore, Fault::ResetAfter]) {
        world.forget_faults().await;
        world.fault(Rule::line("exchange", fault.clone())).await;
        let mut visitor = world.visitor(EVENT);
        let answer = enter(&mut visitor).await;
        assert_eq!(answer.status, 201, "{fault:?}: {}", answer.text());
        assert_eq!(visitor.number(), expected);
        assert_repeats(&numbering(&world).await, 2);
        assert_line(&world, expected, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_reset_around_an_enter_gives_the_visitor_one_place() {
    let world = world().await;
    for (expected, fault) in (1..).zip([Fault::ResetBefore, Fault::ResetAfter]) {
        world.forget_faults().await;
        world.fault(Rule::lane("enter", fault.clone())).await;
        let mut visitor = world.visitor(EVENT);
        let answer = enter(&mut visitor).await;
        if !answer.status.is_success() {
            assert_come_back(&answer);
        }
        assert_eq!(visitor.must_enter().await, expected, "{fault:?}");
        assert_line(&world, expected, 0).await;
    }
}

/// Visitors whose batch the line has numbered, and the lane does not know it yet.
async fn held(world: &World, count: usize) -> JoinSet<Visitor> {
    world.fault(Rule::line("exchange", Fault::HoldAfter { name: "numbered" })).await;
    let mut first = world.visitor(EVENT);
    let mut waiting = JoinSet::new();
    waiting.spawn(async move {
        enter(&mut first).await;
        first
    });
    let until = Instant::now() + Duration::from_secs(5);
    while numbering(world).await.first().is_none_or(|call| call.answer.is_none()) {
        assert!(Instant::now() < until, "no exchange");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 1..count {
        let mut visitor = world.visitor(EVENT);
        waiting.spawn(async move {
            // The runtime may be killed meanwhile.
            let _ = visitor.enter().await;
            visitor
        });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    waiting
}

/// All of them enter again: places of their own, after the number that was lost.
async fn come_again(world: &World, waiting: JoinSet<Visitor>) {
    let mut visitors = within("the visitors", Duration::from_secs(12), waiting.join_all()).await;
    let mut numbers = BTreeSet::new();
    for visitor in &mut visitors {
        let number = visitor.must_enter().await;
        assert!(numbers.insert(number), "{number} twice");
        assert_eq!(visitor.must_enter().await, number);
    }
    let last = visitors.len() as u64 + 1;
    assert_eq!(numbers, (2..=last).collect(), "number 1 was told to nobody and is void; the others are dense");
    assert_line(world, last, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_reset_in_mid_exchange_voids_what_nobody_was_told() {
    let world = world().await;
    let waiting = held(&world, 6).await;
    let exchange = numbering(&world).await.remove(0).text;
    let error = world.reset("LANE", &format!("{EVENT}:0")).await;
    assert!(error["message"].as_str().is_some_and(|text| text.contains("updated")), "{error}");
    come_again(&world, waiting).await;

    // The message of the instance that is gone, once more and late: it is not listened to.
    let before = world.stats(EVENT).await["entered"].clone();
    let answer = world.send_to("LINE", EVENT, &exchange).await.json();
    assert_eq!(answer["numbering"], json!("stale"), "{answer}");
    assert_eq!(world.stats(EVENT).await["entered"], before);
    world.release("numbered").await;
    assert_eq!(world.visitor(EVENT).must_enter().await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_killed_in_mid_exchange_voids_what_nobody_was_told() {
    let world = world().await;
    world.fault(Rule::line("exchange", Fault::HoldAfter { name: "numbered" })).await;
    let mut visitor = world.visitor(EVENT);
    let body: Value = json!({"event": EVENT, "visitor": visitor.key});
    let waiting = {
        let mut client = world.client();
        tokio::spawn(async move { client.post("/queue/enter", &[], &body).await.is_err() })
    };
    let until = Instant::now() + Duration::from_secs(5);
    while numbering(&world).await.first().is_none_or(|call| call.answer.is_none()) {
        assert!(Instant::now() < until, "no exchange");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.kill9();
    assert!(waiting.await.unwrap(), "nobody was told");
    world.restart();
    assert_eq!(visitor.must_enter().await, 2);
    assert_line(&world, 2, 1).await;
}
