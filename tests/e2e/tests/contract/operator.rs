//! The admin API: versions, partial changes, and what is fixed once people rely on it.

use ropeline_e2e::{Answer, Method, Role, Value, json};

use crate::call::{Call, Judged};
use crate::{enter, from_now};

const PATH: &str = "/queue/admin/events/demo";

fn admin<'a>(j: &'a Judged, method: Method) -> Call<'a> {
    j.call(method, PATH).role(Role::Admin)
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("an ETag").to_owned()
}

#[tokio::test]
async fn an_update_that_would_overwrite_an_unseen_one_is_refused() {
    let j = Judged::start();
    admin(&j, Method::PUT).header("if-match", "*").json(json!({})).problem(412, "precondition-failed").await;
    let first = admin(&j, Method::PUT).header("if-none-match", "*").json(json!({"name": "One"})).expect(201).await;
    assert_eq!(tag(&first), "\"1\"");
    assert_eq!(tag(&admin(&j, Method::GET).expect(200).await), "\"1\"");
    let second = admin(&j, Method::PUT).header("if-match", "\"1\"").json(json!({"name": "Two"})).expect(200).await;
    assert_eq!((tag(&second), &second.json()["config_version"]), ("\"2\"".to_owned(), &json!(2)));
    for stale in ["\"1\"", "\"3\"", "W/\"2\"", "2", "\"x\""] {
        for method in [Method::PUT, Method::PATCH] {
            let call = admin(&j, method).header("if-match", stale).json(json!({"name": "Three"}));
            call.problem(412, "precondition-failed").await;
        }
        admin(&j, Method::DELETE).header("if-match", stale).problem(412, "precondition-failed").await;
    }
    let same = admin(&j, Method::PUT).json(json!({"name": "Two"})).expect(200).await;
    assert_eq!(tag(&same), "\"2\"", "PUT is idempotent");
    let patched = admin(&j, Method::PATCH).header("if-match", "\"2\"").json(json!({"name": "Three"})).expect(200).await;
    assert_eq!(tag(&patched), "\"3\"");
    assert_eq!(admin(&j, Method::GET).expect(200).await.json()["name"], "Three");
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_gives_the_default_back() {
    let j = Judged::start();
    let settings =
        json!({"name": "One", "total_active_users": 7, "allowed_origins": ["https://a.example"], "topic": "t"});
    admin(&j, Method::PUT).json(settings).expect(201).await;
    let body = json!({"message": "hi", "topic": null}).to_string();
    let patch = admin(&j, Method::PATCH).raw("application/merge-patch+json", body).expect(200).await.json();
    assert_eq!(
        (&patch["name"], &patch["total_active_users"], &patch["message"], &patch["topic"]),
        (&json!("One"), &json!(7), &json!("hi"), &Value::Null)
    );
    // RFC 7396: an array is replaced as a whole.
    let origins = json!({"allowed_origins": ["https://b.example"], "total_active_users": null, "name": null});
    let patch = admin(&j, Method::PATCH).json(origins).expect(200).await.json();
    assert_eq!(
        (&patch["allowed_origins"], &patch["total_active_users"], &patch["name"]),
        (&json!(["https://b.example"]), &json!(200), &json!("demo"))
    );
    let before = admin(&j, Method::GET).expect(200).await.json();
    let half = json!({"name": "Half", "lanes": 5});
    assert_eq!(admin(&j, Method::PATCH).json(half).problem(400, "malformed-request").await.json()["field"], "lanes");
    assert_eq!(admin(&j, Method::GET).expect(200).await.json(), before, "all of it or none");
    let back = admin(&j, Method::PUT).json(before.clone()).expect(200).await.json();
    assert_eq!(back, before, "what was read can be written back");
    let defaults = admin(&j, Method::PUT).json(json!({})).expect(200).await.json();
    assert_eq!((&defaults["message"], &defaults["allowed_origins"]), (&json!(""), &json!([])), "PUT replaces");
    admin(&j, Method::PATCH).json(json!({"event": "other"})).problem(400, "malformed-request").await;
}

#[tokio::test]
async fn what_visitors_rely_on_is_fixed_once_the_first_number_is_given() {
    let j = Judged::start();
    admin(&j, Method::PUT).json(json!({"lanes": 2, "audience": "a"})).expect(201).await;
    let changed = admin(&j, Method::PATCH).json(json!({"lanes": 4, "audience": "b"})).expect(200).await.json();
    assert_eq!((&changed["lanes"], &changed["audience"]), (&json!(4), &json!("b")));
    let hint = admin(&j, Method::PATCH).json(json!({"location_hint": "apac"})).problem(409, "conflict").await.json();
    assert_eq!(hint["field"], "location_hint");
    enter(&j, "demo", false).await;
    for (field, value) in [("lanes", json!(8)), ("audience", json!("c"))] {
        for method in [Method::PATCH, Method::PUT] {
            let mut body = json!({"lanes": 4, "audience": "b"});
            body[field] = value.clone();
            let fixed = admin(&j, method).json(body).problem(409, "conflict").await.json();
            assert_eq!(fixed["field"], field);
            assert!(fixed["detail"].as_str().is_some_and(|detail| detail.contains("first number")), "{fixed}");
        }
    }
    let same = admin(&j, Method::PATCH).json(json!({"lanes": 4, "audience": "b", "message": "go"})).expect(200).await;
    assert_eq!(same.json()["message"], "go", "the same value is no change");
}

#[tokio::test]
async fn what_would_break_a_promise_is_fixed_from_its_time_on() {
    let j = Judged::start();
    let at = |ms: i64| json!(from_now(ms));
    let settings = json!({
        "prequeue_start_time": at(-60_000), "event_start_time": at(3_000), "event_end_time": at(4_600_000),
        "shuffle_at_event_start": true, "lanes": 2,
    });
    admin(&j, Method::PUT).json(settings).expect(201).await;
    let fixed = |field: &'static str, value: Value, since: &'static str| {
        let body = json!({ field: value }).to_string();
        let call = admin(&j, Method::PATCH).raw("application/json", body);
        async move {
            let fixed = call.problem(409, "conflict").await.json();
            assert_eq!(fixed["field"], field);
            assert!(fixed["detail"].as_str().is_some_and(|detail| detail.contains(since)), "{fixed}");
        }
    };
    for (field, value) in [("location_hint", json!("weur")), ("test", json!(true))] {
        fixed(field, value, "created").await;
    }
    enter(&j, "demo", false).await;
    for (field, value) in [
        ("lanes", json!(4)),
        ("audience", json!("other")),
        ("shuffle_at_event_start", json!(false)),
        ("prequeue_start_time", at(-50_000)),
    ] {
        fixed(field, value, "first number").await;
    }
    admin(&j, Method::PATCH).json(json!({"event_start_time": at(3_500)})).expect(200).await;
    j.world.board_until("demo", "that it is open", |board| board["phase"] == "open").await;
    fixed("event_start_time", at(60_000), "opened").await;
    admin(&j, Method::PATCH).json(json!({"event_end_time": at(0)})).expect(200).await;
    j.world.board_until("demo", "that it has ended", |board| board["phase"] == "ended").await;
    fixed("event_end_time", at(60_000), "ended").await;

    // The emergency switch may be thrown at any time; another method may not be chosen.
    let path = "/queue/admin/events/method";
    j.world.create("method", &json!({})).await;
    enter(&j, "method", false).await;
    let choose = |method: &str| j.call(Method::PATCH, path).role(Role::Admin).json(json!({"queueing_method": method}));
    assert_eq!(choose("passthrough").problem(409, "conflict").await.json()["field"], "queueing_method");
    for method in ["reject", "fifo"] {
        choose(method).expect(200).await;
    }
}

#[tokio::test]
async fn the_board_changes_its_tag_with_what_it_says() {
    let j = Judged::start();
    admin(&j, Method::PUT).json(json!({"message": "one"})).expect(201).await;
    let board = || j.get("/queue/events/demo");
    let first = tag(&board().expect(200).await);
    let weak = first.trim_start_matches("W/").to_owned();
    for known in [first.clone(), weak, format!("\"x\", {first}"), "*".to_owned()] {
        let unchanged = board().header("if-none-match", known).expect(304).await;
        assert_eq!(tag(&unchanged), first);
    }
    admin(&j, Method::PATCH).json(json!({"message": "two"})).expect(200).await;
    // A copy lives for a second in the isolate and for one in the lane.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    board().send().await;
    let second = board().header("if-none-match", &first).expect(200).await;
    assert_eq!(second.json()["message"], "two");
    assert_ne!(tag(&second), first);
}
