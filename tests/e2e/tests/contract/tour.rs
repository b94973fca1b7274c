//! Goes everywhere and provokes everything that `docs/openapi.yaml` says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ropeline_e2e::{Method, Role, Value, WorldOptions, json, tokens};

use crate::call::Judged;
use crate::{bad_input, console, enter, expired_pass, expired_ticket, page, phases, plain};

/// Documented, and not provoked here: they need a fault of the runtime or of this code. The tests of the objects and the benchmark
/// see 503 `overloaded`; `routes` sees 500 of a deployment that is not configured.
const NOT_PROVOKED: [&str; 2] = ["overloaded", "internal"];

#[tokio::test]
async fn everything_documented_is_answered_and_everything_answered_is_documented() {
    let judged = Judged::start();
    operator(&judged).await;
    public(&judged).await;
    visitors(&judged).await;
    holders(&judged).await;
    origin(&judged).await;
    relay(&judged).await;
    plain::bad_forms(&judged).await;
    phases::everywhere(&judged).await;
    bad_input::everywhere(&judged).await;
    page::everything(&judged).await;
    console::everything(&judged).await;
    let options = WorldOptions::default().faults().var("TEST_ADDRESS_LIMIT", "1");
    let options = options.var("ROPELINE_TURNSTILE_SITE_KEY", "0x").var("ROPELINE_TURNSTILE_SECRET", "0x");
    let judged = Judged { world: options.start(), spec: judged.spec };
    doors(&judged).await;

    let spec = judged.spec.borrow();
    let promised = spec.promised();
    let missing: BTreeSet<_> =
        promised.difference(spec.seen()).filter(|(_, _, kind)| !NOT_PROVOKED.contains(&&**kind)).collect();
    assert!(missing.is_empty(), "documented, but never answered: {missing:#?}");
    assert!(promised.len() > 150, "only {} answers are documented", promised.len());
}

async fn operator(j: &Judged) {
    let path = "/queue/admin/events/tour";
    let admin = |method: Method, path: &str| j.call(method, path).role(Role::Admin);
    assert_eq!(admin(Method::GET, "/queue/admin/events").expect(200).await.json(), json!({"events": []}));
    admin(Method::GET, path).problem(404, "unknown-event").await;
    let new = || admin(Method::PUT, path).header("if-none-match", "*").json(json!({"total_active_users": 10}));
    new().expect(201).await;
    new().problem(412, "precondition-failed").await;
    admin(Method::PUT, path).json(json!({"total_active_users": 10})).expect(200).await;
    admin(Method::PATCH, path).json(json!({"location_hint": "weur"})).problem(409, "conflict").await;
    admin(Method::PUT, path).json(json!({"location_hint": "weur"})).problem(409, "conflict").await;
    let stale = |method: Method| admin(method, path).header("if-match", "\"77\"");
    stale(Method::PATCH).json(json!({})).problem(412, "precondition-failed").await;
    stale(Method::DELETE).problem(412, "precondition-failed").await;
    admin(Method::PATCH, path).json(json!({"message": "hello"})).expect(200).await;
    let list = admin(Method::GET, "/queue/admin/events").expect(200).await.json();
    assert_eq!(list["events"][0], admin(Method::GET, path).expect(200).await.json());
    j.get("/queue/metrics").role(Role::Metrics).expect(200).await;
    j.get("/queue/metrics").role(Role::Admin).problem(403, "forbidden").await;
    j.get("/queue/metrics").problem(401, "unauthorized").await;
    let stats = admin(Method::GET, &format!("{path}/stats")).expect(200).await.json();
    assert_eq!((&stats["event"], &stats["entered"]), (&json!("tour"), &json!(0)));

    admin(Method::DELETE, path).problem(409, "conflict").await;
    admin(Method::DELETE, &format!("{path}?force=true")).expect(204).await;
    admin(Method::DELETE, &format!("{path}?force=true")).problem(404, "unknown-event").await;
    admin(Method::PUT, path).json(json!({})).problem(409, "conflict").await;
}

async fn public(j: &Judged) {
    j.world.create("open", &json!({"total_active_users": 10, "return_url": "https://shop.example/in"})).await;
    let board = j.get("/queue/events/open").expect(200).await;
    assert!(board.json().get("waiting").is_none(), "counts are nobody's business unless the event says so");
    for path in ["/queue/events/open", "/queue/jwks.json", "/queue/assets/wait.js", "/queue/assets/wait.css"] {
        let tag = j.get(path).expect(200).await.header("etag").expect("an ETag").to_owned();
        j.get(path).header("if-none-match", format!("\"other\", {tag}")).expect(304).await;
        j.get(path).header("if-none-match", "\"other\"").expect(200).await;
    }
    j.get("/queue/assets/other.js").problem(404, "not-found").await;
    let health = j.get("/queue/healthz").expect(200).await.json();
    assert_eq!(health["version"], j.spec.borrow().version(), "the file is about this version");
    for status in [200, 202, 429] {
        j.world.create(&format!("page-{status}"), &json!({"queueing_status_code": status})).await;
        j.get(&format!("/queue/events/page-{status}/wait")).expect(status).await;
    }
    j.world.create("counts", &json!({"public_counts": true})).await;
    assert_eq!(j.get("/queue/events/counts").expect(200).await.json()["waiting"], 0);
}

async fn visitors(j: &Judged) {
    let first = enter(j, "open", false).await;
    assert_eq!(first.place["state"], "called");
    let again = json!({"event": "open", "visitor": first.key});
    let same = j.post("/queue/enter").json(again).expect(200).await.json();
    assert_eq!(same["number"], first.place["number"]);
    j.post("/queue/enter").json(json!({"event": "open"})).problem(401, "visitor-missing").await;
    let by_cookie = j.post("/queue/enter").header("cookie", first.cookies("open"));
    by_cookie.header("sec-fetch-site", "cross-site").json(json!({"event": "open"})).problem(403, "forbidden").await;
    j.world.create("tiny", &json!({"max_line_length": 1, "total_active_users": 1, "new_users_per_minute": 1})).await;
    let tiny = enter(j, "tiny", false).await;
    let late = json!({"event": "tiny", "visitor": ropeline_e2e::new_key()});
    j.post("/queue/enter").json(late).problem(503, "line-full").await;

    let ask = |ticket: &str| j.get("/queue/status?event=open").bearer(ticket);
    ask(&first.ticket).expect(200).await;
    j.get("/queue/status").bearer(&first.ticket).expect(200).await;
    j.get("/queue/status").problem(400, "malformed-request").await;
    j.get("/queue/status?event=open").problem(401, "ticket-missing").await;
    ask(&tokens::altered(&first.ticket, 1, 40)).problem(401, "ticket-invalid").await;
    ask(&expired_ticket(j, &first.ticket)).problem(401, "ticket-expired").await;
    ask(&tiny.ticket).problem(403, "wrong-event").await;
}

/// What stands before new places.
async fn doors(j: &Judged) {
    j.world.create("closed", &json!({"door": "turnstile"})).await;
    let new = || j.post("/queue/enter").json(json!({"event": "closed", "visitor": ropeline_e2e::new_key()}));
    assert_eq!(new().problem(403, "door-failed").await.json()["door"]["cdata"], "closed");
    let from = || new().header("cf-connecting-ip", "2001:db8::1");
    from().problem(403, "door-failed").await;
    from().problem(429, "too-many-requests").await;
}

/// What needs ticket and key.
async fn holders(j: &Judged) {
    let post = |path: &str, ticket: &str, key: &str| {
        j.post(&format!("/queue/{path}")).bearer(ticket).header("ropeline-visitor", key)
    };
    let (mine, other) = (enter(j, "open", true).await, enter(j, "open", false).await);
    let foreign = enter(j, "counts", false).await;
    for path in ["claim", "renew", "leave"] {
        let bare =
            || j.post(&format!("/queue/{path}")).header("ropeline-visitor", &mine.key).json(json!({"event": "open"}));
        bare().problem(401, "ticket-missing").await;
        post(path, &tokens::altered(&mine.ticket, 2, 9), &mine.key).problem(401, "ticket-invalid").await;
        post(path, &expired_ticket(j, &mine.ticket), &mine.key).problem(401, "ticket-expired").await;
        j.post(&format!("/queue/{path}")).bearer(&mine.ticket).problem(401, "visitor-missing").await;
        post(path, &mine.ticket, &other.key).problem(403, "visitor-mismatch").await;
        let elsewhere = post(path, &foreign.ticket, &foreign.key).json(json!({"event": "open"}));
        elsewhere.problem(403, "wrong-event").await;
        let cookies = j.post(&format!("/queue/{path}")).header("cookie", mine.cookies("open"));
        cookies.json(json!({"event": "open"})).problem(403, "forbidden").await;
    }
    // Called while there was room, and there is none by now.
    j.world.patch("open", &json!({"total_active_users": 1})).await;
    post("claim", &other.ticket, &other.key).expect(202).await;
    post("renew", &other.ticket, &other.key).problem(409, "not-your-turn").await;
    j.world.patch("open", &json!({"total_active_users": 10})).await;
    let admitted = post("claim", &mine.ticket, &mine.key).expect(200).await.json();
    assert_eq!(admitted["seq"], mine.place["seq"]);
    post("renew", &mine.ticket, &mine.key).expect(200).await;
    j.world.complete("open", &mine.jti()).await;
    for path in ["claim", "renew"] {
        post(path, &mine.ticket, &mine.key).problem(410, "session-ended").await;
    }
    for _ in 0..2 {
        post("leave", &other.ticket, &other.key).expect(204).await;
    }
    for path in ["claim", "renew"] {
        post(path, &other.ticket, &other.key).problem(410, "place-left").await;
    }
    let left = json!({"event": "open", "visitor": other.key});
    assert_eq!(j.post("/queue/enter").json(left).expect(200).await.json()["state"], "left");
    let anew = json!({"event": "open", "visitor": other.key, "again": true});
    assert_ne!(j.post("/queue/enter").json(anew).expect(201).await.json()["number"], other.place["number"]);

    let limits = json!({"total_active_users": 1, "new_users_per_minute": 1, "disable_session_renewal": true});
    j.world.create("slow", &limits).await;
    let inside = enter(j, "slow", true).await;
    let mut waits = enter(j, "slow", false).await;
    // How many are called beyond those there is room for is the controller's to choose; not everybody is.
    while waits.place["state"] != "waiting" {
        assert!(waits.place["number"].as_u64() < Some(200), "everybody is called");
        waits = enter(j, "slow", false).await;
    }
    post("claim", &waits.ticket, &waits.key).problem(409, "not-your-turn").await;
    post("renew", &inside.ticket, &inside.key).problem(403, "forbidden").await;
}

async fn origin(j: &Judged) {
    let mine = enter(j, "open", true).await;
    let ask = |pass: &str| j.get("/queue/verify?event=open").bearer(pass);
    let good = ask(mine.pass()).expect(204).await;
    assert_eq!(good.header("ropeline-number"), Some(mine.place["number"].to_string().as_str()));
    assert_eq!(good.header("ropeline-seq"), Some(mine.place["seq"].to_string().as_str()));
    assert_eq!(good.header("ropeline-subject"), Some(tokens::pass_claims(mine.pass()).sub.as_str()));
    j.get("/queue/verify").bearer(mine.pass()).expect(204).await;
    j.get("/queue/verify?event=open").header("cookie", mine.cookies("open")).expect(204).await;
    j.get("/queue/verify?event=open").problem(401, "ticket-missing").await;
    ask(&tokens::altered(mine.pass(), 2, 20)).problem(401, "ticket-invalid").await;
    ask(&mine.ticket).problem(401, "ticket-invalid").await;
    ask(&expired_pass(j, mine.pass())).problem(401, "ticket-expired").await;
    j.get("/queue/verify?event=counts").bearer(mine.pass()).problem(403, "wrong-event").await;
    j.get("/queue/verify?event=nobody").bearer(mine.pass()).problem(403, "forbidden").await;

    let complete = |jti: &str| j.post("/queue/complete").role(Role::Origin).json(json!({"event": "open", "jti": jti}));
    complete("counts/1").problem(403, "wrong-event").await;
    complete("open/999").expect(204).await;
    for _ in 0..2 {
        complete(&mine.jti()).expect(204).await;
    }
}

async fn relay(j: &Judged) {
    let post = |path: &str| j.post(&format!("/queue/relay/{path}")).role(Role::Relay);
    let busy = Instant::now() + Duration::from_secs(10);
    loop {
        let events = j.get("/queue/relay/events").role(Role::Relay).expect(200).await.json();
        if events["events"].as_array().is_some_and(|events| events.contains(&json!({"event": "open"}))) {
            break;
        }
        assert!(Instant::now() < busy, "'open' has admissions and is not among {events}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lease = post("lease").json(json!({"event": "open", "relay": "one"})).expect(200).await.json();
    assert_eq!((&lease["topic"], &lease["drained_seq"]), (&json!(null), &json!(0)));
    post("lease").json(json!({"event": "open", "relay": "two"})).problem(409, "lease-held").await;
    let epoch = lease["epoch"].as_u64().expect("an epoch");
    let mine = json!({"event": "open", "epoch": epoch});
    post("lease/renew").json(mine.clone()).expect(200).await;
    let drain = |more: Value| {
        let mut body = json!({"event": "open", "epoch": epoch, "after": 0});
        body.as_object_mut().expect("a body").extend(more.as_object().expect("fields").clone());
        post("drain").json(body)
    };
    drain(json!({})).problem(409, "conflict").await;
    let pins = json!({"topic": "t", "partition": 2, "next_offset": 40, "limit": 1});
    let drained = drain(pins).expect(200).await.json();
    assert_eq!((&drained["entries"][0]["seq"], drained["entries"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    drain(json!({"topic": "other", "partition": 2})).problem(409, "conflict").await;
    let ack = |seq: u64, next_offset: u64| {
        post("ack").json(json!({"event": "open", "epoch": epoch, "seq": seq, "next_offset": next_offset}))
    };
    ack(2, 42).problem(409, "conflict").await;
    ack(1, 41).expect(204).await;
    let rest = drain(json!({"after": 1, "ack": {"seq": 1, "next_offset": 41}})).expect(200).await.json();
    assert_eq!(rest["entries"][0]["seq"], 2);
    let topic = j.call(Method::PATCH, "/queue/admin/events/open").role(Role::Admin).json(json!({"topic": "new"}));
    topic.problem(409, "conflict").await;
    post("lease/release").json(mine.clone()).expect(204).await;
    post("lease/release").json(mine.clone()).problem(409, "stale-epoch").await;
    post("lease/renew").json(mine).problem(409, "stale-epoch").await;
    drain(json!({})).problem(409, "stale-epoch").await;
    ack(1, 41).problem(409, "stale-epoch").await;
    let next = post("lease").json(json!({"event": "open", "relay": "two"})).expect(200).await.json();
    assert_eq!((&next["topic"], &next["partition"], &next["next_offset"]), (&json!("t"), &json!(2), &json!(41)));

    // The log is lost, and the event begins anew.
    let replay = |relay: &str, from: u64| {
        let anew = json!({"topic": "u", "partition": 0, "next_offset": 5, "replay_from": from});
        let mut body = json!({"event": "open", "relay": relay});
        body.as_object_mut().expect("a body").extend(anew.as_object().expect("fields").clone());
        post("lease").json(body)
    };
    replay("operator", 1).problem(409, "lease-held").await;
    replay("two", 3).problem(409, "conflict").await;
    let state = || j.get("/queue/relay/events/open").role(Role::Relay);
    let held = state().expect(200).await.json();
    assert_eq!((&held["relay"], &held["acked_seq"], &held["replay_from"]), (&json!("two"), &json!(1), &json!(null)));
    let oldest = |lease: &Value| lease["oldest_unacked_at"].as_str().map(str::to_owned);
    assert_eq!(oldest(&held).is_some(), held["head"].as_u64() > Some(1), "{held}");
    let anew = replay("two", 1).expect(200).await.json();
    assert_eq!((&anew["acked_seq"], &anew["topic"], &anew["replay_from"]), (&json!(0), &json!("u"), &json!(1)));
    assert!(oldest(&anew).is_some(), "the first one waits again: {anew}");
    post("lease/release").json(json!({"event": "open", "epoch": anew["epoch"]})).expect(204).await;
    let free = state().expect(200).await.json();
    assert_eq!((&free["relay"], &free["lease_ms"], &free["next_offset"]), (&json!(null), &json!(0), &json!(5)));
    j.get("/queue/relay/events/nobody").role(Role::Relay).problem(404, "unknown-event").await;
    let brake = post("brake").json(json!({"event": "open", "cause": "lag"})).expect(200).await.json();
    assert_eq!(brake, json!({"event": "open", "percent": 50}));
    let stats = j.get("/queue/admin/events/open/stats").role(Role::Admin).expect(200).await.json();
    assert_eq!(stats["brake"], json!({"percent": 50, "cause": "lag"}));
    let audit = j.get("/queue/admin/events/open/audit").role(Role::Admin).expect(200).await.json();
    for action in [r#""action":"replay""#, r#""action":"brake""#] {
        assert!(audit.to_string().contains(action), "{audit}");
    }
}
