//! An operator's own page around the room: what looking at it costs, and what is shown when its line cannot be asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{Answer, Method, Role, World, assert_status};
use tokio::task::JoinSet;
use xtask::http::bearer;

use super::{EVENT, world};

fn page(words: &str) -> String {
    format!(
        "<!doctype html><html lang=\"{{{{lang}}}}\"><head>{{{{head}}}}</head><body><p>{words}</p>{{{{room}}}}</body></html>"
    )
}

async fn put(world: &World, words: &str) {
    let key = bearer(world.secret(Role::Admin));
    let headers = [("authorization", key.as_str()), ("content-type", "text/html; charset=utf-8")];
    let path = format!("/queue/admin/events/{EVENT}/page");
    assert_status(&world.raw(Method::PUT, &path, &headers, page(words)).await, 204);
}

/// A look at the waiting page, which is there whatever happens, and how long it took.
async fn look(world: &World) -> (String, Duration) {
    let began = Instant::now();
    let answer: Answer = world.raw(Method::GET, &format!("/queue/events/{EVENT}/wait"), &[], "").await;
    assert_status(&answer, 200);
    assert!(answer.text().contains("id=\"room\""), "{}", answer.text());
    (answer.text(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_page_costs_its_line_one_call_for_each_version() {
    let world = world().await;
    look(&world).await;
    assert_eq!(world.calls("LINE", "page").await.len(), 0, "no page, no call");
    for (version, words) in ["First words", "Second words"].into_iter().enumerate() {
        put(&world, words).await;
        for _ in 0..20 {
            assert!(look(&world).await.0.contains(words));
        }
        assert_eq!(world.calls("LINE", "page").await.len(), version + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_look_at_once_one_asks_and_nobody_else_waits() {
    let world = Arc::new(world().await);
    put(&world, "First words").await;
    look(&world).await;
    world.fault(Rule::line("page", Fault::Delay { ms: 1_000 })).await;
    put(&world, "Second words").await;
    let mut looks = JoinSet::new();
    for _ in 0..20 {
        let world = Arc::clone(&world);
        looks.spawn(async move { look(&world).await });
    }
    let looks = looks.join_all().await;
    let late = looks.iter().filter(|(_, took)| *took > Duration::from_millis(900)).count();
    assert_eq!((world.calls("LINE", "page").await.len(), late), (2, 1));
    assert_eq!(looks.iter().filter(|(page, _)| page.contains("First words")).count(), 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_line_cannot_be_asked_the_last_page_is_shown_or_ours() {
    const BOUND: Duration = Duration::from_millis(2_800);
    for fault in [Fault::Hang, Fault::answer(500, "storage: disk full"), Fault::answer(501, "unknown variant `page`")] {
        let world = world().await;
        world.fault(Rule::line("page", fault.clone()).times(1_000)).await;
        put(&world, "First words").await;
        let (ours, took) = look(&world).await;
        assert!(ours.contains("class=\"whole\"") && took < BOUND, "{fault:?}, {took:?}: {ours}");
        let (_, took) = look(&world).await;
        assert!(took < Duration::from_millis(500), "it is not asked by every look: {took:?}");
        world.forget_faults().await;
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert!(look(&world).await.0.contains("First words"), "{fault:?}");

        world.fault(Rule::line("page", fault.clone()).times(1_000)).await;
        put(&world, "Second words").await;
        let (last, took) = look(&world).await;
        assert!(last.contains("First words") && took < BOUND, "{fault:?}, {took:?}: {last}");
        world.forget_faults().await;
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert!(look(&world).await.0.contains("Second words"), "{fault:?}");
    }
}
