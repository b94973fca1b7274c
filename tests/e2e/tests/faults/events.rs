//! Events that open and end by time: right whether the alarm rings, rings twice, rings late, or never does.

use std::time::Duration;

use ropeline_e2e::faults::Alarms;
use ropeline_e2e::{Value, Visitor, World, WorldOptions, assert_problem, json, now_ms, rfc3339};

use super::EVENT;

const HOUR: u64 = 3_600_000;
const VISITORS: usize = 8;

/// A world with an event that opens with a draw, and ends, so many milliseconds from now; all visitors have come before.
async fn scheduled(alarms: Alarms, opens_in: u64, ends_in: u64) -> (World, Vec<Visitor>) {
    let world = WorldOptions::default().faults().start();
    world.alarms(alarms).await;
    let now = now_ms();
    let settings = json!({
        "lanes": 1, "shuffle_at_event_start": true, "prequeue_start_time": rfc3339(now - HOUR),
        "event_start_time": rfc3339(now + opens_in), "event_end_time": rfc3339(now + ends_in),
    });
    world.create(EVENT, &settings).await;
    let mut visitors: Vec<_> = (0..VISITORS).map(|_| world.visitor(EVENT)).collect();
    for visitor in &mut visitors {
        visitor.must_enter().await;
    }
    (world, visitors)
}

/// The line's own board.
async fn board(world: &World) -> Value {
    world.send_to("LINE", EVENT, "\"board\"").await.json()
}

/// The draw took place once, with everybody in it; answers when.
#[track_caller]
fn cut_at(board: &Value) -> u64 {
    let shuffle = &board["shuffle"];
    assert_eq!(shuffle["count"], VISITORS, "{board}");
    assert!(shuffle["seed"].is_string(), "{board}");
    shuffle["cut_at"].as_u64().unwrap_or_else(|| panic!("not drawn: {board}"))
}

/// All of them are let in, each at a position of its own.
async fn all_go_in(world: &World, visitors: &mut [Visitor]) {
    for visitor in visitors.iter_mut() {
        let number = visitor.number();
        visitor.must_enter().await;
        visitor.go_in(Duration::from_secs(20)).await.unwrap_or_else(|error| panic!("{number}: {error:#}"));
        assert_eq!(visitor.number(), number);
    }
    let stats = world.stats(EVENT).await;
    assert_eq!((&stats["entered"], &stats["admitted"]), (&json!(VISITORS), &json!(VISITORS)), "{stats}");
}

/// Nobody gets a place any more.
async fn is_over(world: &World) {
    assert_eq!(board(world).await["phase"], "ended");
    let mut late = world.visitor(EVENT);
    assert_problem(&late.enter().await.unwrap(), 410, "event-ended");
    assert_eq!(world.stats(EVENT).await["entered"], VISITORS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alarm_opens_and_ends_an_event_that_nobody_asks_for() {
    tokio::join!(nobody_asks(), nobody_asks_a_line_that_starts_anew());
}

async fn nobody_asks() {
    let begun = now_ms();
    let (world, _visitors) = scheduled(Alarms::On, 2_500, 4_000).await;
    assert_eq!(board(&world).await["phase"], "prequeue");
    let before = now_ms() - begun;
    tokio::time::sleep(Duration::from_millis(7_000 - before)).await;
    assert!(world.alarms_rung().await >= 2, "one to open, one to end");
    let board = board(&world).await;
    let late = cut_at(&board) - board["event_start_time"].as_u64().unwrap();
    assert!(late < 1_000, "opened {late} ms late, and not just now");
    is_over(&world).await;
}

async fn nobody_asks_a_line_that_starts_anew() {
    let (world, _visitors) = scheduled(Alarms::On, 3_000, HOUR).await;
    world.kill9();
    world.restart();
    tokio::time::sleep(Duration::from_millis(5_000)).await;
    let board = board(&world).await;
    let late = cut_at(&board) - board["event_start_time"].as_u64().unwrap();
    assert!(late < 2_500, "opened {late} ms late, and not just now");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_alarms_the_first_command_opens_and_ends_the_event() {
    let (world, mut visitors) = scheduled(Alarms::Never, HOUR / 2, 2 * HOUR).await;
    assert_eq!(board(&world).await["phase"], "prequeue");
    let waiting = visitors[0].enter().await.unwrap();
    assert_eq!((waiting.status.as_u16(), waiting.json()["position"].is_null()), (200, true), "{}", waiting.text());
    world.clock_ahead(HOUR.cast_signed()).await;
    all_go_in(&world, &mut visitors).await;
    assert_eq!(world.alarms_rung().await, 0);
    let opened = board(&world).await;
    assert_eq!(opened["phase"], "open");
    cut_at(&opened);
    world.clock_ahead((3 * HOUR).cast_signed()).await;
    is_over(&world).await;
    assert_eq!(board(&world).await["shuffle"], opened["shuffle"], "the draw is never another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_is_an_hour_late_finds_everything_done() {
    let (world, mut visitors) = scheduled(Alarms::Never, 600_000, 3 * HOUR).await;
    world.clock_ahead((600_000 + HOUR).cast_signed()).await;
    // It rings before anybody has asked: then it is the one that opens.
    world.ring(EVENT).await;
    let opened = board(&world).await;
    assert_eq!(opened["phase"], "open");
    let late = cut_at(&opened) - opened["event_start_time"].as_u64().unwrap();
    assert!((HOUR..HOUR + 10_000).contains(&late), "by the clock of the line, {late} ms late");
    all_go_in(&world, &mut visitors).await;
    // And when all is done it changes nothing.
    let before = board(&world).await;
    world.ring(EVENT).await;
    world.ring(EVENT).await;
    let after = board(&world).await;
    for name in ["phase", "shuffle", "frontier", "last_number", "active_users"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    // Open and end at once, when nobody came in between.
    world.clock_ahead((5 * HOUR).cast_signed()).await;
    world.ring(EVENT).await;
    is_over(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_rings_twice_opens_and_draws_once() {
    let (world, mut visitors) = scheduled(Alarms::Twice, 1_500, HOUR).await;
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let opened = board(&world).await;
    cut_at(&opened);
    // Those who come now are behind all who were drawn.
    let mut late = world.visitor(EVENT);
    assert_eq!(late.must_enter().await, VISITORS as u64 + 1);
    world.ring(EVENT).await;
    world.reset("LINE", EVENT).await;
    world.ring(EVENT).await;
    assert_eq!(board(&world).await["shuffle"], opened["shuffle"]);
    late.leave().await.unwrap();
    for visitor in &mut visitors {
        visitor.must_enter().await;
        visitor.go_in(Duration::from_secs(20)).await.unwrap();
    }
    let mut positions: Vec<_> = visitors.iter().map(|visitor| visitor.place["position"].as_u64().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=VISITORS as u64).collect::<Vec<_>>());
}
