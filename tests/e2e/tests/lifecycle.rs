//! A place from its beginning to its end, and the limits around it.

use std::time::Duration;

use ropeline_e2e::tokens::pass_claims;
use ropeline_e2e::{Admission, Method, Value, Visitor, World, assert_problem, assert_status, broker, json, within};
use tokio::task::JoinSet;

fn jti(visitor: &Visitor) -> String {
    pass_claims(visitor.pass.as_deref().expect("a pass")).jti
}

fn expires(visitor: &Visitor) -> String {
    visitor.place["session_expires_at"].as_str().expect("session_expires_at").to_owned()
}

/// Claims several times in a row with pauses, and is never admitted.
async fn is_kept_out(visitor: &mut Visitor) {
    for _ in 0..5 {
        let answer = visitor.claim().await.unwrap();
        assert!(matches!(answer.status.as_u16(), 202 | 409), "{} {}", answer.status, answer.text());
        assert!(answer.header("retry-after").is_some(), "when to ask again: {}", answer.text());
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_place_gives_one_session_and_one_jti_whoever_asks_how_often() {
    let world = World::start();
    world.create("idem", &json!({})).await;
    let mut visitor = world.visitor("idem");
    visitor.must_enter().await;
    let claims = JoinSet::from_iter((0..40).map(|_| {
        let mut tab = Visitor::with_key(&world.authority, "idem", &visitor.key);
        tab.ticket.clone_from(&visitor.ticket);
        async move {
            let answer = tab.claim().await.unwrap();
            assert_status(&answer, 200);
            let admission = Admission::of(&tab.place).expect("a pass");
            (admission.number, admission.seq, jti(&tab), admission.session_expires_at)
        }
    }));
    let told = within("claims", Duration::from_secs(20), claims.join_all()).await;
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    assert_eq!((told[0].0, told[0].1, told[0].2.as_str()), (1, 1, "idem/1"));
    world.kill9();
    world.restart();
    assert_status(&visitor.claim().await.unwrap(), 200);
    assert_eq!((jti(&visitor), expires(&visitor)), (told[0].2.clone(), told[0].3.clone()), "after a restart, too");
    let stats = world.stats("idem").await;
    assert_eq!((&stats["admitted"], &stats["active"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_lasts_longer_and_keeps_the_jti() {
    let world = World::start();
    world.create("renew", &json!({"session_duration_seconds": 10})).await;
    let mut visitor = world.admitted("renew").await;
    let (name, first) = (jti(&visitor), expires(&visitor));
    let first_pass = pass_claims(visitor.pass.as_deref().unwrap());
    for _ in 0..3 {
        let before = expires(&visitor);
        tokio::time::sleep(Duration::from_millis(4_000)).await;
        assert_status(&visitor.renew().await.unwrap(), 200);
        assert_eq!((visitor.place["state"].as_str(), jti(&visitor)), (Some("admitted"), name.clone()));
        assert!(expires(&visitor) > before);
    }
    // 12 s are over: without renewals it would have ended.
    assert_status(&visitor.claim().await.unwrap(), 200);
    let renewed = pass_claims(visitor.pass.as_deref().unwrap());
    assert!(expires(&visitor) > first && renewed.exp > first_pass.exp);
    assert_eq!((renewed.num, renewed.seq, &renewed.sub), (first_pass.num, first_pass.seq, &first_pass.sub));

    // Nobody renews a session that is over, or one that never was.
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_problem(&visitor.renew().await.unwrap(), 410, "session-ended");
    assert_problem(&visitor.claim().await.unwrap(), 410, "session-ended");
    assert_status(&visitor.enter().await.unwrap(), 200);
    assert_eq!(visitor.place["state"], "ended", "{}", visitor.place);
    let mut fresh = world.visitor("renew");
    fresh.must_enter().await;
    assert_problem(&fresh.renew().await.unwrap(), 409, "not-your-turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_called_is_not_let_in_and_keeps_the_place() {
    let world = World::start();
    world.create("turn", &json!({"total_active_users": 1})).await;
    world.admitted("turn").await;
    let line = JoinSet::from_iter((0..30).map(|_| {
        let mut visitor = world.visitor("turn");
        async move { visitor.must_enter().await }
    }));
    within("the line", Duration::from_secs(20), line.join_all()).await;
    let mut last = world.visitor("turn");
    let number = last.must_enter().await;
    assert_eq!((number, last.place["state"].as_str()), (32, Some("waiting")));
    for answer in [last.claim().await.unwrap(), last.renew().await.unwrap()] {
        assert_problem(&answer, 409, "not-your-turn");
        assert!(answer.header("retry-after").is_some(), "{}", answer.text());
    }
    assert_status(&last.enter_with(&json!({"claim": true})).await.unwrap(), 200);
    assert_eq!((last.number(), last.place["state"].as_str()), (number, Some("waiting")));
    assert_eq!(world.stats("turn").await["admitted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_when_renewal_is_disabled() {
    let world = World::start();
    world.create("short", &json!({"session_duration_seconds": 10, "disable_session_renewal": true})).await;
    let mut visitor = world.admitted("short").await;
    let before = expires(&visitor);
    assert_problem(&visitor.renew().await.unwrap(), 403, "forbidden");
    assert_status(&visitor.claim().await.unwrap(), 200);
    assert_eq!(expires(&visitor), before);
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_problem(&visitor.claim().await.unwrap(), 410, "session-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_ends_a_place_or_a_session_and_frees_a_slot_only_with_the_origins_word() {
    let world = World::start();
    world.create("leave", &json!({"total_active_users": 1})).await;
    let mut inside = world.admitted("leave").await;
    let (mut next, mut goes) = (world.visitor("leave"), world.visitor("leave"));
    goes.must_enter().await;
    next.must_enter().await;
    assert!(matches!(goes.claim().await.unwrap().status.as_u16(), 202 | 409), "no slot is free");

    // Without a session: the place is given up.
    assert_status(&goes.leave().await.unwrap(), 204);
    assert_status(&goes.leave().await.unwrap(), 204);
    assert_problem(&goes.claim().await.unwrap(), 410, "place-left");
    assert_problem(&goes.renew().await.unwrap(), 410, "place-left");
    assert_eq!(world.stats("leave").await["left"], 1);

    // With one: the session is over, but the pass still verifies, so the slot is not given away.
    let pass = format!("Bearer {}", inside.pass.as_deref().unwrap());
    assert_status(&inside.leave().await.unwrap(), 204);
    assert_status(&inside.leave().await.unwrap(), 204);
    assert_problem(&inside.claim().await.unwrap(), 410, "session-ended");
    assert_problem(&inside.renew().await.unwrap(), 410, "session-ended");
    assert_status(&inside.enter().await.unwrap(), 200);
    assert_eq!(inside.place["state"], "ended", "{}", inside.place);
    let verified = world.raw(Method::GET, "/queue/verify?event=leave", &[("authorization", &pass)], "").await;
    assert_status(&verified, 204);
    is_kept_out(&mut next).await;
    assert_eq!(world.stats("leave").await["active"], 1);

    assert_status(&world.complete("leave", "leave/1").await, 204);
    next.go_in(Duration::from_secs(20)).await.unwrap();
    assert_eq!(next.place["seq"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_frees_a_slot_once_and_only_that_of_its_own_event() {
    let world = World::start();
    for event in ["paid", "other"] {
        world.create(event, &json!({"total_active_users": 2})).await;
        world.admitted(event).await;
    }
    let mut second = world.admitted("paid").await;
    let mut third = world.visitor("paid");
    third.must_enter().await;

    assert_problem(&world.complete("paid", "other/1").await, 403, "wrong-event");
    assert_status(&world.complete("paid", "paid/999").await, 204);
    for event in ["paid", "other"] {
        assert_eq!(world.stats(event).await["ended"], 0, "nothing was freed in {event}");
    }
    is_kept_out(&mut third).await;

    for _ in 0..3 {
        assert_status(&world.complete("paid", "paid/2").await, 204);
    }
    let stats = world.stats("paid").await;
    assert_eq!((&stats["active"], &stats["ended"]), (&json!(1), &json!(1)), "freed once: {stats}");
    assert_problem(&second.claim().await.unwrap(), 410, "session-ended");
    assert_problem(&second.renew().await.unwrap(), 410, "session-ended");
    third.go_in(Duration::from_secs(20)).await.unwrap();
    assert_eq!(jti(&third), "paid/3");
    let mut fourth = world.visitor("paid");
    fourth.must_enter().await;
    is_kept_out(&mut fourth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lowering_a_limit_evicts_nobody() {
    let world = World::start();
    world.create("less", &json!({"total_active_users": 4})).await;
    let mut inside = Vec::new();
    for _ in 0..4 {
        inside.push(world.admitted("less").await);
    }
    let mut next = world.visitor("less");
    next.must_enter().await;
    world.patch("less", &json!({"total_active_users": 2})).await;
    for visitor in &mut inside {
        assert_status(&visitor.claim().await.unwrap(), 200);
        assert_status(&visitor.renew().await.unwrap(), 200);
    }
    assert_eq!(world.stats("less").await["active"], 4);
    for seq in [1, 2] {
        assert_status(&world.complete("less", &format!("less/{seq}")).await, 204);
    }
    // Two are left, and two is the limit now.
    is_kept_out(&mut next).await;
    assert_status(&world.complete("less", "less/3").await, 204);
    next.go_in(Duration::from_secs(20)).await.unwrap();
    assert_status(&inside[3].claim().await.unwrap(), 200);
    assert_eq!(world.stats("less").await["active"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_line_says_so_and_has_room_again() {
    let world = World::start();
    world.create("full", &json!({"total_active_users": 1, "max_line_length": 3})).await;
    let inside = world.admitted("full").await;
    let mut line = Vec::new();
    for _ in 0..3 {
        line.push(world.visitor("full"));
        line.last_mut().unwrap().must_enter().await;
    }
    let refused = JoinSet::from_iter((0..20).map(|_| {
        let mut visitor = world.visitor("full");
        async move { visitor.enter().await.unwrap() }
    }));
    for answer in within("refusals", Duration::from_secs(10), refused.join_all()).await {
        assert_problem(&answer, 503, "line-full");
        assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()));
    }
    assert_eq!(line[0].must_enter().await, 2, "who has a place finds it");
    assert_eq!(world.stats("full").await["entered"], 4, "who was refused used up no number");

    assert_status(&line[0].leave().await.unwrap(), 204);
    let mut late = world.visitor("full");
    assert_eq!(late.must_enter().await, 5, "a place that was left makes room");
    assert_problem(&world.visitor("full").enter().await.unwrap(), 503, "line-full");
    assert_status(&world.complete("full", &jti(&inside)).await, 204);
    line[1].go_in(Duration::from_secs(20)).await.unwrap();
    assert_eq!(world.visitor("full").must_enter().await, 6, "and so does an admission");
    assert_problem(&world.visitor("full").enter().await.unwrap(), 503, "line-full");
    world.patch("full", &json!({"max_line_length": 10})).await;
    assert_eq!(world.visitor("full").must_enter().await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_pauses_when_kafka_is_too_far_behind_and_goes_on_when_it_is_not() {
    let world = World::start();
    let kafka = broker::shared();
    let topic = broker::topic(kafka, "paused");
    world.create("behind", &json!({"max_unacked": 3})).await;
    for _ in 0..3 {
        world.admitted("behind").await;
    }
    let mut next = world.visitor("behind");
    next.must_enter().await;
    let board = world.board_until("behind", "that the relay is behind", |board| board["paused"] == "relay").await;
    assert_eq!(board["phase"], "open");
    is_kept_out(&mut next).await;
    assert_status(&next.status().await.unwrap(), 200);
    assert_eq!(next.place["paused"], "relay", "a visitor is told why: {}", next.place);
    assert_eq!(world.stats("behind").await["admitted"], 3);

    world.start_relay(&kafka.bootstrap(), &topic);
    next.go_in(Duration::from_secs(40)).await.unwrap();
    world.board_until("behind", "that all is well", |board| board["paused"] == Value::Null).await;
    world.wait_until_acked("behind", Duration::from_secs(20)).await;
    assert_eq!(broker::records(kafka, &topic, "behind").len(), 4);
}
