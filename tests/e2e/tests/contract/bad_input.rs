//! Bad input on every route that takes any: the right problem with something useful in it, and the next good request works.

use ropeline_e2e::{Answer, Method, Role, Value, json};

use crate::call::{Call, Judged};
use crate::{enter, others};

/// The largest body, bytes.
const MOST: usize = 16 * 1024;

/// A route that takes a body, and a good one.
struct Target {
    method: Method,
    path: &'static str,
    /// Whose key; `None`: ticket and visitor key.
    role: Option<Role>,
    good: Value,
    /// A field, and a value of a wrong type.
    wrong: (&'static str, Value),
    /// Whether a body may be missing.
    may_be_empty: bool,
}

/// In this order all good requests work.
fn targets(visitor: &str, pass: &str) -> Vec<Target> {
    let target =
        |method, path, role, good, wrong, may_be_empty| Target { method, path, role, good, wrong, may_be_empty };
    let (origin, relay, admin) = (Some(Role::Origin), Some(Role::Relay), Some(Role::Admin));
    let event = || json!({"event": "bad"});
    let redeem = || json!({"event": "bad", "pass": pass});
    let epoch = || json!({"event": "bad", "epoch": 1});
    let post = Method::POST;
    vec![
        target(
            post.clone(),
            "/queue/enter",
            None,
            json!({"event": "bad", "visitor": visitor}),
            ("claim", json!("yes")),
            false,
        ),
        target(post.clone(), "/queue/claim", None, event(), ("event", json!(5)), true),
        target(post.clone(), "/queue/renew", None, event(), ("event", json!(["bad"])), true),
        target(post.clone(), "/queue/leave", None, event(), ("event", json!({})), true),
        target(
            post.clone(),
            "/queue/complete",
            origin,
            json!({"event": "bad", "jti": "bad/99"}),
            ("jti", json!("99")),
            false,
        ),
        target(post.clone(), "/queue/redeem", origin, redeem(), ("pass", json!(7)), false),
        target(
            post.clone(),
            "/queue/pace",
            origin,
            json!({"event": "bad", "sold_out": false}),
            ("new_users_per_minute", json!(-1)),
            false,
        ),
        target(
            post.clone(),
            "/queue/admin/events/bad/end-session",
            admin,
            json!({"jti": "bad/1"}),
            ("number", json!(1.5)),
            false,
        ),
        target(Method::PUT, "/queue/admin/events/bad", admin, json!({"name": "Bad"}), ("lanes", json!("four")), false),
        target(Method::PATCH, "/queue/admin/events/bad", admin, json!({"message": "x"}), ("topic", json!(7)), false),
        target(
            post.clone(),
            "/queue/relay/lease",
            relay,
            json!({"event": "bad", "relay": "r"}),
            ("relay", json!("")),
            false,
        ),
        target(post.clone(), "/queue/relay/lease/renew", relay, epoch(), ("epoch", json!(-1)), false),
        target(
            post.clone(),
            "/queue/relay/drain",
            relay,
            json!({"event": "bad", "epoch": 1, "after": 0, "topic": "t", "partition": 0, "next_offset": 0}),
            ("partition", json!(1.5)),
            false,
        ),
        target(
            post.clone(),
            "/queue/relay/ack",
            relay,
            json!({"event": "bad", "epoch": 1, "seq": 0, "next_offset": 0}),
            ("seq", json!("0")),
            false,
        ),
        target(
            post.clone(),
            "/queue/relay/brake",
            relay,
            json!({"event": "bad", "cause": "lag"}),
            ("cause", json!("rain")),
            false,
        ),
        target(post.clone(), "/queue/relay/lease/release", relay, epoch(), ("epoch", json!(null)), false),
        target(
            post,
            "/queue/relay/lease",
            relay,
            json!({"event": "bad", "relay": "r"}),
            ("replay_from", json!("1")),
            false,
        ),
    ]
}

#[tokio::test]
async fn after_bad_input_on_any_route_the_next_good_request_works() {
    everywhere(&Judged::start()).await;
}

/// Goes through all routes; used by the tour, too.
pub async fn everywhere(j: &Judged) {
    j.world.create("bad", &json!({"total_active_users": 10})).await;
    let mine = enter(j, "bad", true).await;
    for target in targets(&mine.key, mine.pass()) {
        let what = format!("{} {}", target.method, target.path);
        let call = || {
            let call = j.call(target.method.clone(), target.path);
            match target.role {
                Some(role) => call.role(role),
                None => call.bearer(&mine.ticket).header("ropeline-visitor", &mine.key),
            }
        };
        bodies(&what, &target, &call).await;
        too_large(j, &target, &mine).await;
        fields(&what, &target, &call).await;
        if target.good.get("event").is_some() {
            events(&what, &target, &call).await;
        }
        if let Some(role) = target.role {
            keys(j, &target.method, target.path, role, &target.good).await;
        }
        let good = call().json(target.good.clone()).send().await;
        assert!(good.status.is_success(), "{what} after all that: {} {}", good.status, good.text());
    }
    for (method, path, role) in [
        (Method::GET, "/queue/admin/events", Role::Admin),
        (Method::GET, "/queue/admin/events/bad", Role::Admin),
        (Method::GET, "/queue/admin/events/bad/stats", Role::Admin),
        (Method::GET, "/queue/admin/events/bad/audit", Role::Admin),
        (Method::GET, "/queue/admin/events/bad/visitors/1", Role::Admin),
        (Method::DELETE, "/queue/admin/events/bad", Role::Admin),
        (Method::GET, "/queue/relay/events", Role::Relay),
        (Method::GET, "/queue/relay/events/bad", Role::Relay),
    ] {
        keys(j, &method, path, role, &Value::Null).await;
    }
    unknown_events(j).await;
}

async fn bodies<'a>(what: &str, target: &Target, call: &impl Fn() -> Call<'a>) {
    if !target.may_be_empty {
        let none = call().problem(415, "unsupported-media-type").await;
        says(what, &none, "application/json");
        says(what, &call().raw("application/json", "").problem(400, "malformed-request").await, "not JSON");
    }
    for text in ["{\"event\": ", "event=bad"] {
        let broken = call().raw("application/json", text).problem(400, "malformed-request").await;
        says(what, &broken, "line 1");
    }
    for text in ["[]", "null", "\"bad\"", "7"] {
        let no_object = call().raw("application/json", text).problem(400, "malformed-request").await;
        says(what, &no_object, "JSON object");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let other = call().raw(kind, target.good.to_string()).problem(415, "unsupported-media-type").await;
        says(what, &other, "Content-Type: application/json");
    }
}

async fn too_large(j: &Judged, target: &Target, mine: &crate::Holder) {
    let mut body = target.good.to_string();
    body.push_str(&" ".repeat(MOST + 1 - body.len()));
    let call = j.call(target.method.clone(), target.path);
    let call = match target.role {
        Some(role) => call.role(role),
        None => call.bearer(&mine.ticket).header("ropeline-visitor", &mine.key),
    };
    says(target.path, &call.raw("application/json", body.clone()).problem(413, "too-large").await, "16384");
    if target.method == Method::POST {
        let bearer = match target.role {
            Some(role) => j.world.secret(role).to_owned(),
            None => mine.ticket.clone(),
        };
        let bearer = format!("Bearer {bearer}");
        let headers =
            [("authorization", &*bearer), ("ropeline-visitor", &*mine.key), ("content-type", "application/json")];
        let status = j.post_chunked(target.path, &headers, body.as_bytes()).await;
        assert_eq!(status, 413, "{} in chunks, {} bytes", target.path, body.len());
    }
}

async fn fields<'a>(what: &str, target: &Target, call: &impl Fn() -> Call<'a>) {
    let with = |name: &str, value: Value| {
        let mut body = target.good.clone();
        body[name] = value;
        call().json(body)
    };
    let unknown = with("colour", json!("red")).problem(400, "unknown-field").await;
    assert_eq!(unknown.json()["field"], "colour", "{what}");
    says(what, &unknown, "colour");
    let (name, value) = target.wrong.clone();
    let wrong = with(name, value).problem(400, "malformed-request").await;
    assert_eq!(wrong.json()["field"], name, "{what}: {}", wrong.text());
    says(what, &wrong, name);
}

async fn events<'a>(what: &str, target: &Target, call: &impl Fn() -> Call<'a>) {
    for (event, shown) in [("nobody", "nobody"), ("Not An Id!", "Not An Id!"), ("", "''"), ("../admin", "../admin")] {
        let mut body = target.good.clone();
        body["event"] = json!(event);
        let unknown = call().json(body).problem(404, "unknown-event").await;
        assert_eq!(unknown.json()["field"], "event", "{what}");
        says(what, &unknown, shown);
    }
}

/// Without a key, with a wrong one, and with one of every other role.
async fn keys(j: &Judged, method: &Method, path: &str, role: Role, body: &Value) {
    let call = || {
        let call = j.call(method.clone(), path);
        if body.is_null() { call } else { call.json(body.clone()) }
    };
    says(path, &call().problem(401, "unauthorized").await, "Authorization");
    call().bearer("0000").problem(401, "unauthorized").await;
    call().header("authorization", format!("Basic {}", j.world.secret(role))).problem(401, "unauthorized").await;
    for other in others(role) {
        says(path, &call().role(other).problem(403, "forbidden").await, "role");
    }
}

async fn unknown_events(j: &Judged) {
    let long = "a".repeat(65);
    for id in ["nobody", "UPPER", "a%2Fb", "%3Cb%3E", &long] {
        for path in ["", "/wait", "/draw"]
            .map(|of| format!("/queue/events/{id}{of}"))
            .into_iter()
            .chain([format!("/queue/status?event={id}")])
        {
            j.get(&path).problem(404, "unknown-event").await;
        }
        let admin = |method: Method, path: String| j.call(method, &path).role(Role::Admin);
        admin(Method::GET, format!("/queue/admin/events/{id}")).problem(404, "unknown-event").await;
        for of in ["stats", "audit", "visitors/1"] {
            admin(Method::GET, format!("/queue/admin/events/{id}/{of}")).problem(404, "unknown-event").await;
        }
        let end = admin(Method::POST, format!("/queue/admin/events/{id}/end-session"));
        end.json(json!({"number": 1})).problem(404, "unknown-event").await;
        admin(Method::DELETE, format!("/queue/admin/events/{id}?force=true")).problem(404, "unknown-event").await;
        admin(Method::PATCH, format!("/queue/admin/events/{id}")).json(json!({})).problem(404, "unknown-event").await;
        if id != "nobody" {
            let put = admin(Method::PUT, format!("/queue/admin/events/{id}")).json(json!({}));
            assert_eq!(put.problem(400, "malformed-request").await.json()["field"], "event");
        }
    }
    for key in ["short", "has spaces in it and is long enough", "someone@example.com-0123456789", &"k".repeat(129)] {
        let bad = j.post("/queue/enter").json(json!({"event": "bad", "visitor": key}));
        let bad = bad.problem(400, "malformed-request").await;
        assert_eq!(bad.json()["field"], "visitor");
        says("enter", &bad, "22 to 128");
    }
    let no_text = json!({"event": "bad", "visitor": ropeline_e2e::new_key(), "assertion": 7});
    let refused = j.post("/queue/enter").json(no_text).problem(400, "malformed-request").await;
    assert_eq!(refused.json()["field"], "assertion");
}

/// The detail helps.
#[track_caller]
fn says(what: &str, answer: &Answer, words: &str) {
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains(words), "{what}: '{detail}' does not say '{words}'");
}
