//! Clocks that step, by which the product's waits and windows are measured.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{Visitor, World, WorldOptions, json};

use super::{EVENT, assert_line, enter, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_back_in_mid_exchange_keeps_nobody_waiting() {
    let world = world().await;
    world.clock_ahead(10_000).await;
    world.fault(Rule::line("exchange", Fault::HoldBefore { name: "step" })).await;
    let mut first = world.visitor(EVENT);
    let first = tokio::spawn(async move {
        let answer = enter(&mut first).await;
        (answer.status, first)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.clock_ahead(0).await;
    world.release("step").await;
    assert_eq!(first.await.unwrap().0, 201);
    let began = Instant::now();
    assert_eq!(world.visitor(EVENT).must_enter().await, 2);
    assert!(began.elapsed() < Duration::from_secs(1), "the lane waited {:?}", began.elapsed());
    // The board is not one of the future, and goes on.
    world.board_until(EVENT, "that both are called", |board| board["frontier"] == 2).await;
    assert_line(&world, 2, 0).await;
}

/// Everybody claims; how many are in.
async fn claimed(visitors: &mut [Visitor]) -> usize {
    let mut admitted = 0;
    for visitor in visitors {
        let answer = visitor.claim().await.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 202 | 409), "{} {}", answer.status, answer.text());
        admitted += usize::from(answer.status == 200);
    }
    admitted
}

async fn admitted_within(world: &World, visitors: &mut [Visitor], seconds: u64) -> usize {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut admitted = 0;
    while Instant::now() < until {
        admitted = claimed(visitors).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(world.stats(EVENT).await["admitted"], admitted);
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_by_ten_seconds_lets_nobody_in_too_early() {
    let world = WorldOptions::default().faults().start();
    world.create(EVENT, &json!({"lanes": 1, "total_active_users": 100, "new_users_per_minute": 3})).await;
    let mut visitors: Vec<_> = (0..6).map(|_| world.visitor(EVENT)).collect();
    for visitor in &mut visitors {
        visitor.must_enter().await;
    }
    // One in five seconds, two in twenty: a minute is not used up in its first moments.
    assert_eq!(admitted_within(&world, &mut visitors, 23).await, 3, "all that a minute allows");
    for ahead in [10_000, -10_000, 20_000] {
        world.clock_ahead(ahead).await;
        assert_eq!(admitted_within(&world, &mut visitors, 1).await, 3, "after a step to {ahead} ms");
    }
    world.clock_ahead(70_000).await;
    assert_eq!(admitted_within(&world, &mut visitors, 23).await, 6, "the minute is over");
}
