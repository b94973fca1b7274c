//! Alarms that ring twice, late, or never: an object does its duty at every command, and the alarm is only a reminder.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Alarms, Fault, Rule};
use ropeline_e2e::{Method, Role, Value, World, json};

use super::{EVENT, world};

/// Whether the registry lists the event as one with entries that wait for Kafka.
async fn is_busy(world: &World) -> bool {
    let answer = world.keyed(Role::Relay, Method::GET, "/queue/relay/events", &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().contains(&format!("\"{EVENT}\""))
}

async fn until(what: &str, bound: Duration, mut is: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + bound;
    while !is().await {
        assert!(Instant::now() < end, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The registry cannot be told this time that entries wait.
async fn admitted_while_the_registry_is_away(world: &World, times: u32) {
    world.fault(Rule::registry("busy", Fault::BROKEN).times(times)).await;
    world.admitted(EVENT).await;
    until("somebody tried", Duration::from_secs(3), async || !world.calls("REGISTRY", "busy").await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alarm_tells_the_registry_what_it_has_not_heard() {
    let world = world().await;
    admitted_while_the_registry_is_away(&world, 2).await;
    until("the registry knows", Duration::from_secs(6), async || is_busy(&world).await).await;
    assert!(world.alarms_rung().await >= 2, "nobody else came");
    let told = world.calls("REGISTRY", "busy").await;
    assert_eq!(told.len(), 3, "and then it is quiet: {told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_rings_twice_changes_nothing_more() {
    let world = world().await;
    world.alarms(Alarms::Twice).await;
    admitted_while_the_registry_is_away(&world, 1).await;
    until("the registry knows", Duration::from_secs(4), async || is_busy(&world).await).await;
    let before = world.stats(EVENT).await;
    for _ in 0..3 {
        world.ring(EVENT).await;
    }
    let after = world.stats(EVENT).await;
    for count in ["entered", "admitted", "active", "frontier", "head_seq"] {
        assert_eq!(before[count], after[count], "{count}");
    }
    assert_eq!(world.calls("REGISTRY", "busy").await.len(), 2, "what was heard is not told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_alarms_the_next_command_tells_the_registry() {
    let world = world().await;
    world.alarms(Alarms::Never).await;
    admitted_while_the_registry_is_away(&world, 1).await;
    until("the alarm was due", Duration::from_secs(4), async || world.alarms_rung().await > 0).await;
    assert!(!is_busy(&world).await);
    world.stats(EVENT).await;
    until("the registry knows", Duration::from_secs(2), async || is_busy(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_alarms_a_line_that_starts_anew_tells_the_registry_at_its_next_command() {
    let world = world().await;
    world.alarms(Alarms::Never).await;
    admitted_while_the_registry_is_away(&world, 1).await;
    until("the alarm was due", Duration::from_secs(4), async || world.alarms_rung().await > 0).await;
    world.reset("LINE", EVENT).await;
    // One that changes nothing: the line knows from storage that the registry has not heard.
    world.stats(EVENT).await;
    until("the registry knows", Duration::from_secs(2), async || is_busy(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_was_lost_is_set_again_by_the_next_command() {
    let world = world().await;
    world.alarms(Alarms::Never).await;
    admitted_while_the_registry_is_away(&world, 2).await;
    until("the alarm was due", Duration::from_secs(4), async || world.alarms_rung().await > 0).await;
    world.alarms(Alarms::On).await;
    // It cannot be told by this command either; after that nobody comes.
    world.stats(EVENT).await;
    until("the registry knows", Duration::from_secs(5), async || is_busy(&world).await).await;
    assert!(world.alarms_rung().await >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_the_registry_has_not_heard_of_are_told_again() {
    let world = world().await;
    world.fault(Rule::registry("tell", Fault::BROKEN).times(2)).await;
    let answer =
        world.admin(Method::PATCH, &format!("/queue/admin/events/{EVENT}"), &json!({"message": "later"})).await;
    assert_eq!(answer.status, 200, "the line has them: {}", answer.text());
    until("the registry has heard", Duration::from_secs(6), async || {
        world.calls("REGISTRY", "tell").await.last().is_some_and(|call| call.answer.is_some())
    })
    .await;
    let listed = world.send_to("REGISTRY", "registry", r#"{"list":{"known":null}}"#).await.json();
    assert_eq!(listed["events"][0]["configured"]["settings"]["message"], "later");
}
