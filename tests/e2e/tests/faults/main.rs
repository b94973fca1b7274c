//! Durable Objects that fail in every way the platform knows, on the real runtime with doubles in between: what the visitor
//! sees, what the line has afterwards, and how often whom was asked.

mod alarms;
mod answers;
mod clocks;
mod cold;
mod deploy;
mod events;
mod hangup;
mod overload;
mod pages;
mod storage;
mod versions;
mod walk;

use ropeline_e2e::faults::Call;
use ropeline_e2e::{Answer, Visitor, World, WorldOptions, assert_problem, json};
use tokio::task::JoinSet;

const EVENT: &str = "faults";

/// A world with doubles and one event of one lane.
async fn world() -> World {
    let world = WorldOptions::default().faults().start();
    world.create(EVENT, &json!({"lanes": 1})).await;
    world.forget_faults().await;
    world
}

/// An enter that must be answered, whatever the answer.
async fn enter(visitor: &mut Visitor) -> Answer {
    visitor.enter().await.unwrap_or_else(|error| panic!("enter: {error:#}"))
}

/// So many visitors who enter at the same time, each with the answer.
async fn crowd(world: &World, count: usize) -> Vec<(Visitor, Answer)> {
    let all = JoinSet::from_iter((0..count).map(|_| {
        let mut visitor = world.visitor(EVENT);
        async move {
            let answer = enter(&mut visitor).await;
            (visitor, answer)
        }
    }));
    all.join_all().await
}

/// The fast and honest answer to overload: 503, and when to come back.
#[track_caller]
fn assert_come_back(answer: &Answer) {
    assert_problem(answer, 503, "overloaded");
    let seconds = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "Retry-After: {seconds:?}");
}

/// The line has given the numbers 1 … `entered`, and these many of them are lost.
async fn assert_line(world: &World, entered: u64, voided: u64) {
    let stats = world.stats(EVENT).await;
    assert_eq!((stats["entered"].as_u64(), stats["voided"].as_u64()), (Some(entered), Some(voided)), "{stats}");
}

/// The same call to the letter, each time through a stub of its own.
#[track_caller]
fn assert_repeats(calls: &[Call], count: usize) {
    assert_eq!(calls.len(), count, "{calls:#?}");
    for (at, call) in calls.iter().enumerate() {
        assert_eq!(call.text, calls[0].text, "a repeat differs");
        assert!(calls[..at].iter().all(|earlier| earlier.stub != call.stub), "a stub that had failed was used again");
    }
}

/// Calls of `exchange` that asked for places.
async fn numbering(world: &World) -> Vec<Call> {
    let mut calls = world.calls("LINE", "exchange").await;
    calls.retain(|call| !call.text.contains("\"count\":0"));
    calls
}
