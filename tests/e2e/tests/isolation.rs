//! Events of one deployment do not touch each other, and an id is never used twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ropeline_e2e::checker::{Limits, check};
use ropeline_e2e::{
    Answer, Method, Role, Value, Visitor, World, assert_problem, assert_status, broker, json, new_key, within,
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn two_events_at_once_do_not_touch_each_other() {
    const EACH: usize = 60;
    let world = World::start();
    let kafka = broker::shared();
    let topic = broker::topic(kafka, "isolation");
    world.start_relay(&kafka.bootstrap(), &topic);
    let settings = |total: u64| json!({"total_active_users": total, "new_users_per_minute": 1_200, "lanes": 2});
    world.create("red", &settings(20)).await;
    world.create("blue", &settings(1_000)).await;
    // The same people in both, with the same keys.
    let keys: Vec<String> = (0..EACH).map(|_| new_key()).collect();
    let mut visits = JoinSet::new();
    for event in ["red", "blue"] {
        for key in &keys {
            let mut visitor = Visitor::with_key(&world.authority, event, key);
            visits.spawn(async move {
                visitor.must_enter().await;
                if event == "blue" {
                    visitor.go_in(Duration::from_secs(60)).await.unwrap();
                }
                visitor
            });
        }
    }
    let visitors = within("both events", Duration::from_secs(90), visits.join_all()).await;
    let (red, blue): (Vec<_>, Vec<_>) = visitors.into_iter().partition(|visitor| visitor.event == "red");
    for of in [&red, &blue] {
        let numbers: BTreeSet<u64> = of.iter().map(Visitor::number).collect();
        assert_eq!(numbers, (1..=EACH as u64).collect(), "each event counts for itself");
    }
    let sub = |visitor: &Visitor| ropeline_e2e::tokens::ticket_claims(visitor.ticket.as_deref().unwrap()).sub;
    let (reds, blues): (BTreeSet<_>, BTreeSet<_>) = (red.iter().map(sub).collect(), blue.iter().map(sub).collect());
    assert!(reds.is_disjoint(&blues), "nobody can be followed from one event to another");

    // All of blue is in; red stands as it was, and leaving there takes nothing from blue.
    assert_eq!(world.stats("blue").await["admitted"], EACH);
    assert_eq!(world.stats("red").await["admitted"], 0);
    let leaves = JoinSet::from_iter(red.into_iter().map(|mut visitor| async move {
        assert_status(&visitor.leave().await.unwrap(), 204);
    }));
    within("leaves", Duration::from_secs(30), leaves.join_all()).await;
    assert_eq!(world.stats("red").await["left"], EACH);
    let stats = world.stats("blue").await;
    assert_eq!((&stats["active"], &stats["left"]), (&json!(EACH), &json!(0)));
    let limits = Limits { total_active_users: 1_000, new_users_per_minute: 1_200, session_duration_seconds: 300 };
    assert_eq!(check(&world.trace("blue"), &limits).len(), EACH);

    world.wait_until_acked("blue", Duration::from_secs(20)).await;
    assert_eq!(broker::records(kafka, &topic, "blue").len(), EACH);
    assert_eq!(broker::records(kafka, &topic, "red").len(), 0);

    // Purging one leaves the other as it is.
    let purged = world.admin(Method::DELETE, "/queue/admin/events/red?force=true", &Value::Null).await;
    assert_status(&purged, 204);
    for mut visitor in blue.into_iter().take(5) {
        assert_status(&visitor.claim().await.unwrap(), 200);
    }
    assert_eq!(world.stats("blue").await["active"], EACH);
}

async fn delete(world: &World, event: &str, query: &str) -> Answer {
    world.admin(Method::DELETE, &format!("/queue/admin/events/{event}{query}"), &Value::Null).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_open_or_has_entries_for_kafka_is_purged_only_by_force() {
    let world = World::start();
    world.create("keep", &json!({})).await;
    assert_problem(&delete(&world, "keep", "").await, 409, "conflict");
    world.admitted("keep").await;
    for query in ["", "?force=false", "?force", "?force=1"] {
        assert_problem(&delete(&world, "keep", query).await, 409, "conflict");
    }
    assert_eq!(world.stats("keep").await["admitted"], 1, "nothing was purged");
    assert_status(&delete(&world, "keep", "?force=true").await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_event_is_gone_everywhere_and_its_id_is_never_used_again() {
    let world = World::start();
    world.create("gone", &json!({})).await;
    world.create("stays", &json!({})).await;
    let mut visitor = world.admitted("gone").await;
    assert_status(&delete(&world, "gone", "?force=true").await, 204);

    for restarted in [false, true] {
        if restarted {
            world.kill9();
            world.restart();
        }
        is_gone(&world, &mut visitor).await;
        let again = world.admin(Method::PUT, "/queue/admin/events/gone", &json!({})).await;
        assert_problem(&again, 409, "conflict");
        assert_problem(&delete(&world, "gone", "?force=true").await, 404, "unknown-event");
        let list = world.admin(Method::GET, "/queue/admin/events", &Value::Null).await.text();
        assert!(list.contains("\"stays\"") && !list.contains("\"gone\""), "{list}");
        world.visitor("stays").must_enter().await;
    }
    let never = world.admin(Method::GET, "/queue/admin/events/never", &Value::Null).await;
    assert_problem(&never, 404, "unknown-event");
}

async fn is_gone(world: &World, visitor: &mut Visitor) {
    // Another isolate may not know for some seconds; the one that purged must.
    let until = Instant::now() + Duration::from_secs(1);
    while visitor.enter().await.unwrap().status != 404 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for answer in [
        visitor.enter().await.unwrap(),
        world.visitor("gone").enter().await.unwrap(),
        visitor.status().await.unwrap(),
        visitor.claim().await.unwrap(),
        visitor.renew().await.unwrap(),
        visitor.leave().await.unwrap(),
        world.complete("gone", "gone/1").await,
        world.admin(Method::GET, "/queue/admin/events/gone", &Value::Null).await,
        world.admin(Method::PATCH, "/queue/admin/events/gone", &json!({"message": "x"})).await,
        world.admin(Method::GET, "/queue/admin/events/gone/stats", &Value::Null).await,
        world.raw(Method::GET, "/queue/events/gone", &[], "").await,
        world.keyed(Role::Relay, Method::POST, "/queue/relay/lease", &json!({"event": "gone", "relay": "r"})).await,
    ] {
        assert_problem(&answer, 404, "unknown-event");
    }
    assert_eq!(world.raw(Method::GET, "/queue/events/gone/wait", &[], "").await.status, 404);
    let pass = format!("Bearer {}", visitor.pass.as_deref().unwrap());
    let verified = world.raw(Method::GET, "/queue/verify?event=gone", &[("authorization", &pass)], "").await;
    assert!(matches!(verified.status.as_u16(), 401 | 403), "{}", verified.status);
    let busy = world.keyed(Role::Relay, Method::GET, "/queue/relay/events", &Value::Null).await.text();
    assert!(!busy.contains("gone"), "the relay is not sent there: {busy}");
}
