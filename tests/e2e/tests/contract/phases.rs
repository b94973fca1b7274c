//! What an event's phases, and the switches of operator and origin, do to each route's answers.

use ropeline_e2e::{Method, Role, Value, json, new_key, tokens};

use crate::call::{Call, Judged};
use crate::{Holder, enter, expired_pass, from_now};

const HOUR: i64 = 3_600_000;

fn post<'a>(j: &'a Judged, path: &str, who: &Holder) -> Call<'a> {
    j.post(&format!("/queue/{path}")).bearer(&who.ticket).header("ropeline-visitor", &who.key)
}

fn admin<'a>(j: &'a Judged, method: Method, path: &str) -> Call<'a> {
    j.call(method, &format!("/queue/admin/events/{path}")).role(Role::Admin)
}

fn somebody(event: &str) -> Value {
    json!({"event": event, "visitor": new_key()})
}

/// Goes through all phases; used by the tour, too.
pub async fn everywhere(j: &Judged) {
    before(j).await;
    drawn(j).await;
    sold_out(j).await;
    ended(j).await;
    closed_and_free(j).await;
    single_use(j).await;
    pace(j).await;
    support(j).await;
}

#[tokio::test]
async fn every_phase_answers_as_documented() {
    everywhere(&Judged::start()).await;
}

async fn before(j: &Judged) {
    let start = from_now(2 * HOUR);
    j.world.create("later", &json!({"event_start_time": start})).await;
    let refused = j.post("/queue/enter").json(somebody("later")).problem(409, "not-open-yet").await;
    assert_eq!(refused.json()["event_start_time"], start);
    assert_eq!(refused.header("retry-after"), Some("3600"), "look again now and then: it may be moved");
    let pre = json!({"prequeue_start_time": from_now(90_000), "event_start_time": start});
    j.world.create("before", &pre).await;
    let refused = j.post("/queue/enter").json(somebody("before")).problem(409, "not-open-yet").await;
    let after: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((80..=90).contains(&after), "places are given in 90 s: {after}");
    j.get("/queue/events/later/draw").problem(404, "not-found").await;

    let shuffled = json!({
        "prequeue_start_time": from_now(-HOUR), "event_start_time": from_now(HOUR), "shuffle_at_event_start": true,
    });
    j.world.create("soon", &shuffled).await;
    let early = enter(j, "soon", false).await;
    let told = (&early.place["state"], &early.place["position"], &early.place["ahead"], &early.place["phase"]);
    assert_eq!(told, (&json!("prequeue"), &Value::Null, &Value::Null, &json!("prequeue")));
    let likely = early.place["eta_seconds"]["likely"].as_u64().expect("the time to the opening");
    assert!((3_500..=3_600).contains(&likely), "{likely}");
    let board = j.get("/queue/events/soon").expect(200).await.json();
    let commitment = board["shuffle"]["commitment"].as_str().expect("a commitment");
    assert_eq!(tokens::ticket_claims(&early.ticket).com.as_deref(), Some(commitment));
    let not_yet = j.get("/queue/events/soon/draw").problem(404, "not-found").await.json();
    assert!(not_yet["detail"].as_str().is_some_and(|detail| detail.contains("event_start_time")), "{not_yet}");
    post(j, "claim", &early).problem(409, "not-your-turn").await;
    let history = admin(j, Method::GET, "soon/visitors/1").expect(200).await.json();
    assert_eq!((&history["state"], &history["position"]), (&json!("prequeue"), &Value::Null));
    assert!(history["entered_at"].is_string(), "{history}");
}

async fn drawn(j: &Judged) {
    let shuffled = json!({
        "prequeue_start_time": from_now(-HOUR), "event_start_time": from_now(-1_000), "shuffle_at_event_start": true,
    });
    j.world.create("drawn", &shuffled).await;
    let draw = || j.get("/queue/events/drawn/draw");
    let first = draw().expect(200).await;
    assert_eq!(first.json()["count"], 0, "nobody came before");
    let tag = first.header("etag").expect("an ETag").to_owned();
    draw().header("if-none-match", tag).expect(304).await;
    j.get("/queue/events/nobody/draw").problem(404, "unknown-event").await;
    let late = enter(j, "drawn", false).await;
    assert_eq!(late.place["position"], late.place["number"], "who comes later keeps the number");
}

async fn sold_out(j: &Judged) {
    j.world.create("sold", &json!({})).await;
    let (inside, outside) = (enter(j, "sold", true).await, enter(j, "sold", false).await);
    admin(j, Method::PATCH, "sold").json(json!({"sold_out": true})).expect(200).await;
    j.post("/queue/enter").json(somebody("sold")).problem(410, "sold-out").await;
    let refused = post(j, "claim", &outside).problem(410, "sold-out").await.json();
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("place is kept")), "{refused}");
    let same = json!({"event": "sold", "visitor": outside.key});
    assert_eq!(j.post("/queue/enter").json(same).expect(200).await.json()["number"], outside.place["number"]);
    for path in ["claim", "renew"] {
        post(j, path, &inside).expect(200).await;
    }
    admin(j, Method::PATCH, "sold").json(json!({"sold_out": false})).expect(200).await;
    assert_eq!(post(j, "claim", &outside).send().await.status, 200, "something came back");
}

async fn ended(j: &Judged) {
    j.world.create("over", &json!({})).await;
    let (inside, outside) = (enter(j, "over", true).await, enter(j, "over", false).await);
    let end = json!({"event_end_time": from_now(0)});
    admin(j, Method::PATCH, "over").json(end).expect(200).await;
    j.post("/queue/enter").json(somebody("over")).problem(410, "event-ended").await;
    post(j, "claim", &outside).problem(410, "event-ended").await;
    post(j, "renew", &inside).problem(410, "event-ended").await;
    assert_eq!(post(j, "claim", &inside).expect(200).await.json()["seq"], inside.place["seq"], "a session runs out");
    let later = json!({"event_end_time": from_now(HOUR)});
    let fixed = admin(j, Method::PATCH, "over").json(later).problem(409, "conflict").await.json();
    assert_eq!(fixed["field"], "event_end_time");
    assert_eq!(admin(j, Method::GET, "over/stats").expect(200).await.json()["phase"], "ended");
    let unacked = admin(j, Method::DELETE, "over").problem(409, "conflict").await.json();
    assert!(unacked["detail"].as_str().is_some_and(|detail| detail.contains("1 of its admissions")), "{unacked}");

    j.world.create("gone", &json!({})).await;
    let open = admin(j, Method::DELETE, "gone").problem(409, "conflict").await.json();
    assert!(open["detail"].as_str().is_some_and(|detail| detail.contains("has not ended")), "{open}");
    admin(j, Method::PATCH, "gone").json(json!({"event_end_time": from_now(0)})).expect(200).await;
    admin(j, Method::DELETE, "gone").expect(204).await;
    let left = admin(j, Method::GET, "gone/audit").expect(200).await.json();
    let entries = left["entries"].as_array().expect("entries");
    assert_eq!((entries.len(), &entries[0]["action"]), (1, &json!("purge")), "{left}");
    assert_eq!(entries[0]["detail"], json!({"forced": false}));
    admin(j, Method::GET, "nobody/audit").problem(404, "unknown-event").await;

    let past = json!({"event_end_time": from_now(-HOUR)});
    let slip = admin(j, Method::PUT, "past")
        .raw("application/json", past.to_string())
        .problem(400, "malformed-request")
        .await
        .json();
    assert_eq!(slip["field"], "event_end_time");
    admin(j, Method::PUT, "past").json(json!({})).expect(201).await;
}

async fn closed_and_free(j: &Judged) {
    j.world.create("shut", &json!({"queueing_method": "reject"})).await;
    j.post("/queue/enter").json(somebody("shut")).problem(503, "queue-closed").await;

    j.world.create("free", &json!({"queueing_method": "passthrough", "audience": "shop"})).await;
    let passing = j.post("/queue/enter").json(somebody("free")).expect(200).await;
    let place = passing.json();
    assert_eq!((&place["state"], &place["number"], place.get("ticket")), (&json!("passthrough"), &Value::Null, None));
    let pass = place["pass"].as_str().expect("a pass");
    let claims = tokens::pass_claims(pass);
    assert!(claims.is_passthrough() && claims.aud == "shop", "{claims:?}");
    assert!(passing.header("set-cookie").is_some_and(|cookie| cookie.starts_with("ropeline-pass-free=")));
    let good = j.get("/queue/verify?event=free").bearer(pass).expect(204).await;
    assert_eq!((good.header("ropeline-number"), good.header("ropeline-subject")), (None, Some(claims.sub.as_str())));
    let redeem = j.post("/queue/redeem").role(Role::Origin).json(json!({"event": "free", "pass": pass}));
    assert_eq!(redeem.problem(403, "forbidden").await.json()["field"], "pass");
}

async fn single_use(j: &Judged) {
    j.world.create("single", &json!({})).await;
    let mine = enter(j, "single", true).await;
    let redeem = |event: &str, pass: &str| {
        j.post("/queue/redeem").role(Role::Origin).json(json!({"event": event, "pass": pass}))
    };
    let renewed = post(j, "renew", &mine).expect(200).await.json();
    redeem("single", &tokens::altered(mine.pass(), 2, 20)).problem(401, "ticket-invalid").await;
    redeem("single", &mine.ticket).problem(401, "ticket-invalid").await;
    redeem("single", &expired_pass(j, mine.pass())).problem(401, "ticket-expired").await;
    redeem("free", mine.pass()).problem(403, "wrong-event").await;
    for (pass, first) in [(mine.pass(), true), (mine.pass(), false), (renewed["pass"].as_str().expect("a pass"), false)]
    {
        assert_eq!(redeem("single", pass).expect(200).await.json(), json!({"first": first}));
    }
}

async fn pace(j: &Judged) {
    j.world.create("paced", &json!({"new_users_per_minute": 50})).await;
    let ask = |body: Value| j.post("/queue/pace").role(Role::Origin).json(body);
    for (body, limit, in_force, sold_out) in [
        (json!({"event": "paced", "new_users_per_minute": 20}), json!(20), 20, false),
        (json!({"event": "paced", "sold_out": true}), json!(20), 20, true),
        (json!({"event": "paced", "new_users_per_minute": 0, "sold_out": false}), json!(0), 0, false),
        (json!({"event": "paced", "new_users_per_minute": 1_000}), json!(1_000), 50, false),
        (json!({"event": "paced", "new_users_per_minute": null}), Value::Null, 50, false),
    ] {
        let expected = json!({
            "event": "paced", "new_users_per_minute": limit, "in_force_per_minute": in_force, "sold_out": sold_out,
        });
        assert_eq!(ask(body).expect(200).await.json(), expected);
    }
    let nothing = ask(json!({"event": "paced"})).problem(400, "malformed-request").await.json();
    assert!(nothing["detail"].as_str().is_some_and(|detail| detail.contains("sold_out")), "{nothing}");
    let null = ask(json!({"event": "paced", "sold_out": null})).problem(400, "malformed-request").await.json();
    assert_eq!(null["field"], "sold_out", "null is neither");
}

async fn support(j: &Judged) {
    j.world.create("support", &json!({})).await;
    let (mine, other) = (enter(j, "support", true).await, enter(j, "support", false).await);
    let history = |number: &str| admin(j, Method::GET, &format!("support/visitors/{number}"));
    for unknown in ["0", "3", "-1", "x", "18446744073709551616"] {
        history(unknown).problem(404, "not-found").await;
    }
    let first = history("1").expect(200).await;
    assert_eq!(first.json()["admission"]["jti"], mine.jti());
    assert!(!first.text().contains(&mine.ticket) && !first.text().contains(mine.pass()));
    post(j, "leave", &other).expect(204).await;
    let second = history("2").expect(200).await.json();
    assert_eq!((&second["state"], &second["gone"]["why"]), (&json!("left"), &json!("left")), "{second}");

    let end = |body: Value| admin(j, Method::POST, "support/end-session").json(body);
    for (body, slug) in [(json!({"number": 2}), "not-found"), (json!({"jti": "support/2"}), "not-found")] {
        end(body).problem(404, slug).await;
    }
    end(json!({"jti": "single/1"})).problem(403, "wrong-event").await;
    assert_eq!(end(json!({"jti": "support/01"})).problem(400, "malformed-request").await.json()["field"], "jti");
    for either in [json!({}), json!({"number": 1, "jti": "support/1"})] {
        let which = end(either).problem(400, "malformed-request").await.json();
        assert!(which["detail"].as_str().is_some_and(|detail| detail.contains("either")), "{which}");
    }
    for body in [json!({"number": 1}), json!({"jti": mine.jti()})] {
        end(body).expect(204).await;
    }
    for path in ["claim", "renew"] {
        post(j, path, &mine).problem(410, "session-ended").await;
    }
    let past = history("1").expect(200).await.json();
    assert_eq!((&past["state"], &past["admission"]["over_by"]), (&json!("ended"), &json!("operator")), "{past}");
    let audit = admin(j, Method::GET, "support/audit").expect(200).await.json();
    let actions: Vec<_> = audit["entries"].as_array().expect("entries").iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["end-session", "create"], "newest first, and what changed nothing is no entry");
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused_by_name() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    let (soon, later) = (from_now(HOUR), from_now(2 * HOUR));
    for (field, settings) in [
        ("prequeue_start_time", json!({"prequeue_start_time": soon})),
        ("prequeue_start_time", json!({"prequeue_start_time": later, "event_start_time": soon})),
        ("prequeue_start_time", json!({"prequeue_start_time": soon, "event_start_time": soon})),
        ("event_end_time", json!({"event_start_time": later, "event_end_time": soon})),
        ("event_end_time", json!({"event_end_time": from_now(-HOUR)})),
        ("shuffle_at_event_start", json!({"shuffle_at_event_start": true})),
        (
            "shuffle_at_event_start",
            json!({
                "shuffle_at_event_start": true, "prequeue_start_time": soon, "event_start_time": later,
                "queueing_method": "passthrough",
            }),
        ),
        ("suspended", json!({"suspended": true, "sold_out": true})),
        ("suspended", json!({"suspended": true, "queue_all": true})),
    ] {
        for (method, path) in [(Method::PATCH, "demo"), (Method::PUT, "demo"), (Method::PUT, "new")] {
            // What each value says is right: the file cannot say what they say together.
            let call = admin(&j, method, path).raw("application/json", settings.to_string());
            let refused = call.problem(400, "malformed-request").await.json();
            assert_eq!(refused["field"], field, "{settings}: {refused}");
        }
    }
    admin(&j, Method::GET, "new").problem(404, "unknown-event").await;
}

#[tokio::test]
async fn the_seed_of_a_draw_is_nowhere_before_the_cut() {
    let j = Judged::start();
    let settings = json!({
        "prequeue_start_time": from_now(-HOUR), "event_start_time": from_now(3_000), "shuffle_at_event_start": true,
    });
    j.world.create("demo", &settings).await;
    let early = enter(&j, "demo", false).await;
    let mut said = format!("{} {}", early.place, early.ticket);
    for path in [
        "/queue/events/demo",
        "/queue/events/demo/draw",
        "/queue/events/demo/wait",
        "/queue/admin/events",
        "/queue/admin/events/demo",
        "/queue/admin/events/demo/stats",
        "/queue/admin/events/demo/audit",
        "/queue/admin/events/demo/visitors/1",
    ] {
        let answer = j.get(path).role(Role::Admin).send().await;
        said += &format!(" {:?} {}", answer.headers, answer.text());
    }
    for path in ["/queue/status?event=demo", "/queue/claim"] {
        let method = if path.ends_with("claim") { Method::POST } else { Method::GET };
        let call = j.call(method, path).bearer(&early.ticket).header("ropeline-visitor", &early.key);
        let answer = call.send().await;
        said += &format!(" {:?} {}", answer.headers, answer.text());
    }
    said += &std::fs::read_to_string(j.world.dir.join("state/logs/workerd.log")).expect("the runtime's log");
    assert_eq!(j.world.stats("demo").await["phase"], "prequeue", "all that was before the cut");
    let board = j.world.board_until("demo", "the seed", |board| board["shuffle"]["seed"].is_string()).await;
    let seed = board["shuffle"]["seed"].as_str().expect("a seed");
    assert!(said.contains(board["shuffle"]["commitment"].as_str().expect("a commitment")));
    assert!(!said.contains(seed), "the seed was told before the cut");
    let ticket = tokens::ticket_claims(&early.ticket);
    assert_eq!(ticket.com.as_deref(), board["shuffle"]["commitment"].as_str());
}
