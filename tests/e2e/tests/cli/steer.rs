//! The switches, with their effect on the board.

use std::sync::Arc;

use ropeline_e2e::{Method, Value, World, json, now_ms, rfc3339};

use crate::Cli;
use crate::proxy::{self, Faster};

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_suspended_paused_resumed_sold_out_and_ended() {
    let world = World::start();
    let cli = Cli::of(&world);
    world.create("demo", &json!({})).await;
    let phase = async |phase: &'static str| {
        world.board_until("demo", phase, |board| board["phase"] == phase).await;
    };
    cli.run(&["events", "suspend", "demo"]).await.ends(0).says(&[
        "everybody passes",
        "  suspended: false → true",
        "version 2",
    ]);
    phase("suspended").await;
    cli.run(&["events", "suspend", "demo"]).await.ends(0).says(&["is so already", "nothing was sent"]);
    // Both at once would contradict each other: the Worker says so, and nothing changes.
    cli.run(&["events", "sold-out", "demo"]).await.ends(3).complains(&["suspended", "nothing was changed"]);
    cli.run(&["events", "open", "demo"]).await.ends(0).says(&["is so already", "events resume"]);
    phase("suspended").await;
    cli.run(&["events", "resume", "demo"]).await.ends(0).says(&["  suspended: true → false"]);
    phase("open").await;
    cli.run(&["events", "pause", "demo"]).await.ends(0).says(&["  queue_all: false → true"]);
    world.board_until("demo", "that it is paused", |board| board["paused"] == "queue_all").await;
    let told = cli.run(&["events", "resume", "demo", "--json"]).await.ends(0).json();
    assert_eq!(told["changes"], json!([{"field": "queue_all", "old": true, "new": false}]));
    world.board_until("demo", "that it goes on", |board| board["paused"] == Value::Null).await;
    cli.run(&["events", "sold-out", "demo"]).await.ends(0).says(&["  sold_out: false → true"]);
    phase("sold_out").await;
    cli.run(&["events", "sold-out", "demo", "--undo"]).await.ends(0).says(&["  sold_out: true → false"]);
    phase("open").await;
    cli.run(&["events", "end", "demo"]).await.ends(2).complains(&["cannot be taken back", "--yes"]);
    phase("open").await;
    cli.run(&["events", "end", "demo", "--yes"]).await.ends(0).says(&["  event_end_time: null → "]);
    phase("ended").await;
    cli.run(&["events", "end", "demo", "--yes"]).await.ends(0).says(&["is so already"]);
    cli.run(&["events", "suspend", "nobody"]).await.ends(3).complains(&["404 unknown-event", "events list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_opens_before_its_time() {
    let world = World::start();
    let cli = Cli::of(&world);
    let times = json!({"prequeue_start_time": rfc3339(now_ms() + 1_800_000), "event_start_time": rfc3339(now_ms() + 3_600_000)});
    world.create("demo", &times).await;
    world.board_until("demo", "that it is to come", |board| board["phase"] == "scheduled").await;
    cli.run(&["events", "open", "demo"]).await.ends(0).says(&["it opens now", "  prequeue_start_time: ", " → null"]);
    world.board_until("demo", "that it is open", |board| board["phase"] == "open").await;
    cli.run(&["events", "open", "demo"]).await.ends(0).says(&["is so already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_is_asked_about_and_takes_force_where_something_would_be_lost() {
    let world = World::start();
    let cli = Cli::of(&world);
    world.create("demo", &json!({"name": "A sale"})).await;
    world.admitted("demo").await;
    let lives = async || world.admin(Method::GET, "/queue/admin/events/demo", &Value::Null).await.status.is_success();
    let asked = cli.run(&["events", "purge", "demo"]).await.ends(2);
    asked.complains(&["A sale, open", "1 numbers, 1 admissions, 1 of them not in Kafka", "--yes"]);
    cli.with_input(&["events", "purge", "demo"], "demo\n").await.ends(2);
    cli.run(&["events", "purge", "demo", "--yes"]).await.ends(3).complains(&["409 conflict", "--force"]);
    assert!(lives().await);
    cli.run(&["events", "purge", "demo", "--yes", "--force"]).await.ends(0).says(&["purged"]);
    assert!(!lives().await);
    cli.run(&["events", "status", "demo"]).await.ends(3).complains(&["unknown-event"]);
    let audit = cli.run(&["audit", "demo", "--json"]).await.ends(0).json();
    assert_eq!(
        (&audit["entries"][0]["action"], &audit["entries"][0]["detail"]["forced"]),
        (&json!("purge"), &json!(true))
    );
    cli.run(&["events", "purge", "never-there", "--yes"]).await.ends(3).complains(&["unknown-event"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_or_a_purge_of_an_event_that_was_changed_meanwhile_is_not_done() {
    let world = Arc::new(World::start());
    world.create("demo", &json!({})).await;
    for (method, arguments) in [
        ("PATCH", &["events", "suspend", "demo"][..]),
        ("PATCH", &["events", "end", "demo", "--yes"]),
        ("DELETE", &["events", "purge", "demo", "--yes", "--force"]),
    ] {
        world.patch("demo", &json!({"message": "before"})).await;
        let cli = Cli::of(&world).at(proxy::start(&world.authority, Faster::at(method, &world)).await);
        cli.run(arguments).await.ends(4).complains(&["somebody else has changed the event meanwhile"]);
        let event = world.admin(Method::GET, "/queue/admin/events/demo", &Value::Null).await.json();
        let found = (&event["message"], &event["suspended"], &event["event_end_time"]);
        assert_eq!(found, (&json!("I was faster"), &json!(false), &Value::Null), "{arguments:?}");
    }
}
