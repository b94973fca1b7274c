//! A walk through every route, so that every command between Worker and objects goes over the wire, with each of its answers.

use ropeline_e2e::{Method, Role, Value, World, json};

use super::EVENT;

async fn call(world: &World, role: Role, method: Method, path: &str, body: Value, status: u16) -> Value {
    let answer = world.keyed(role, method.clone(), path, &body).await;
    assert_eq!(answer.status.as_u16(), status, "{method} {path} {body}: {}", answer.text());
    answer.json()
}

async fn relay(world: &World, path: &str, more: Value, status: u16) -> Value {
    let mut body = json!({"event": EVENT});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(world, Role::Relay, Method::POST, &format!("/queue/relay/{path}"), body, status).await
}

/// Needs a world without events; leaves it with a purged one.
pub async fn walk(world: &World) {
    let event = format!("/queue/admin/events/{EVENT}");
    let limits = json!({"lanes": 1, "total_active_users": 2, "new_users_per_minute": 6_000, "max_line_length": 6});
    call(world, Role::Admin, Method::PUT, &event, limits, 201).await;
    call(world, Role::Admin, Method::PATCH, &event, json!({"message": "soon"}), 200).await;
    let unchanged = [("authorization", format!("Bearer {}", world.keys.admin)), ("if-match", "\"77\"".to_owned())];
    let mut headers: Vec<_> = unchanged.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", "application/json"));
    let answer = world.raw(Method::PATCH, &event, &headers, r#"{"message":"late"}"#).await;
    assert_eq!(answer.status, 412);

    visitors(world).await;

    call(world, Role::Admin, Method::PATCH, &event, json!({"lanes": 2}), 409).await;
    call(world, Role::Admin, Method::GET, &event, Value::Null, 200).await;
    call(world, Role::Admin, Method::GET, "/queue/admin/events", Value::Null, 200).await;
    world.stats(EVENT).await;

    let lease = relay(world, "lease", json!({"relay": "one"}), 200).await;
    relay(world, "lease", json!({"relay": "two"}), 409).await;
    let epoch = &lease["epoch"];
    relay(world, "lease/renew", json!({"epoch": epoch}), 200).await;
    let drain = json!({"epoch": epoch, "after": 0, "limit": 10, "topic": "topic", "partition": 3, "next_offset": 40});
    let drained = relay(world, "drain", drain, 200).await;
    let head = drained["head"].as_u64().unwrap();
    assert!(head >= 2, "{drained}");
    relay(world, "ack", json!({"epoch": epoch, "seq": 1, "next_offset": 41}), 204).await;
    relay(world, "ack", json!({"epoch": epoch, "seq": 900, "next_offset": 941}), 409).await;
    relay(world, "ack", json!({"epoch": 0, "seq": 1, "next_offset": 41}), 409).await;
    let rest = json!({"epoch": epoch, "after": head, "ack": {"seq": head, "next_offset": 40 + head}});
    relay(world, "drain", rest, 200).await;
    relay(world, "lease/release", json!({"epoch": epoch}), 204).await;
    call(world, Role::Relay, Method::GET, "/queue/relay/events", Value::Null, 200).await;

    call(world, Role::Admin, Method::DELETE, &format!("{event}?force=true"), Value::Null, 204).await;
    call(world, Role::Admin, Method::PUT, &event, json!({}), 409).await;
}

async fn visitors(world: &World) {
    // Admitted, renewed, and done with by the shop.
    let mut first = world.admitted(EVENT).await;
    assert_eq!(first.renew().await.unwrap().status, 200);
    assert_eq!(world.complete(EVENT, &format!("{EVENT}/1")).await.status, 204);
    assert_eq!(first.claim().await.unwrap().status, 410);
    assert_eq!(first.enter().await.unwrap().status, 200);
    // Admitted, and gone by itself; the slot is kept.
    let mut second = world.admitted(EVENT).await;
    assert_eq!(second.leave().await.unwrap().status, 204);
    // Gave up a place, and takes another one; the old ticket is nobody's.
    let mut third = world.visitor(EVENT);
    third.must_enter().await;
    let old = third.ticket.clone();
    assert_eq!(third.leave().await.unwrap().status, 204);
    third.must_enter().await;
    third.enter_with(&json!({"again": true})).await.unwrap();
    assert_eq!(third.number(), 4);
    third.ticket = old;
    assert_eq!(third.claim().await.unwrap().status, 410);
    // One more session: all slots are taken, and those who come now wait until the line is full.
    let mut fourth = world.admitted(EVENT).await;
    let mut last = None;
    for _ in 0..12 {
        let mut visitor = world.visitor(EVENT);
        let status = visitor.enter().await.unwrap().status;
        if status != 201 {
            assert_eq!(status, 503, "the line is full");
            break;
        }
        visitor.enter().await.unwrap();
        visitor.claim().await.unwrap();
        last = Some(visitor);
    }
    let mut last = last.expect("a visitor who waits");
    assert_eq!(last.place["state"], "waiting");
    // Renewals without a session, after it, and where there are none.
    assert_eq!(last.renew().await.unwrap().status, 409);
    assert_eq!(second.renew().await.unwrap().status, 410);
    world.patch(EVENT, &json!({"disable_session_renewal": true})).await;
    assert_eq!(fourth.renew().await.unwrap().status, 403);
    // Old enough that everything is asked for anew.
    world.clock_ahead(8_000).await;
    assert_eq!(last.status().await.unwrap().status, 200);
    assert_eq!(world.raw(Method::GET, "/queue/events/nobody", &[], "").await.status, 404);
}
