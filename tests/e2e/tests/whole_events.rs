//! Events from their beginning to their end: phases by time and by hand, the drawn order, what operators and origins switch, and
//! what is left after a purge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ropeline_e2e::tokens::{pass_claims, ticket_claims};
use ropeline_e2e::{
    Method, Role, StatusCode, Value, Visitor, World, assert_problem, assert_status, json, now_ms, within,
};
use ropeline_queue::shuffle::{Draw, commitment};
use ropeline_queue::{EventId, Number, UnixMillis, hex};
use tokio::task::JoinSet;

const EARLY: u64 = 200;
const HOUR: i64 = 3_600_000;

/// A time so many milliseconds from now, as settings say it.
fn from_now(ms: i64) -> String {
    UnixMillis(now_ms().saturating_add_signed(ms)).rfc3339()
}

fn pass(visitor: &Visitor) -> &str {
    visitor.pass.as_deref().expect("a pass")
}

async fn phase(world: &World, event: &str, phase: &str) -> Value {
    world.board_until(event, phase, |board| board["phase"] == phase).await
}

async fn origin(world: &World, path: &str, body: &Value) -> Value {
    let answer = world.keyed(Role::Origin, Method::POST, path, body).await;
    assert_status(&answer, 200);
    answer.json()
}

async fn about(world: &World, event: &str, path: &str) -> Value {
    let answer = world.admin(Method::GET, &format!("/queue/admin/events/{event}/{path}"), &Value::Null).await;
    assert_status(&answer, 200);
    answer.json()
}

/// As the audit names a role's key.
fn signature(world: &World, role: &str) -> String {
    let hashes: Value = serde_json::from_str(&world.keys.roles()).expect("the roles' hashes");
    format!("{role}:{}", &hashes[role][0].as_str().expect("a hash")[..8])
}

/// The admission log, as a relay gets it.
async fn log(world: &World, event: &str) -> Vec<Value> {
    let relay = async |path: &str, body: Value| {
        let answer = world.keyed(Role::Relay, Method::POST, &format!("/queue/relay/{path}"), &body).await;
        assert_status(&answer, 200);
        answer.json()
    };
    let epoch = relay("lease", json!({"event": event, "relay": "reader"})).await["epoch"].clone();
    let all = json!({"event": event, "epoch": epoch, "after": 0, "topic": "t", "partition": 0, "next_offset": 0});
    relay("drain", all).await["entries"].as_array().expect("entries").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_opens_by_time_and_its_drawn_order_is_what_the_published_proof_says() {
    let world = World::start();
    let settings = json!({
        "prequeue_start_time": from_now(2_000), "event_start_time": from_now(HOUR), "shuffle_at_event_start": true,
        "total_active_users": 1, "new_users_per_minute": 2_400,
    });
    world.create("drawn", &settings).await;
    assert_eq!(world.board("drawn").await["phase"], "scheduled");
    let mut first = world.visitor("drawn");
    let too_early = first.enter().await.unwrap();
    assert_problem(&too_early, 409, "not-open-yet");
    assert!(matches!(too_early.header("retry-after"), Some("1" | "2")), "{:?}", too_early.headers);

    let promised = phase(&world, "drawn", "prequeue").await["shuffle"].clone();
    assert_eq!(promised.as_object().expect("a shuffle").len(), 1, "only the commitment: {promised}");
    let entering = JoinSet::from_iter((0..EARLY).map(|_| {
        let mut visitor = world.visitor("drawn");
        async move {
            visitor.must_enter().await;
            visitor
        }
    }));
    let mut early = within("enters", Duration::from_secs(30), entering.join_all()).await;
    for visitor in &early {
        let place = &visitor.place;
        assert_eq!((&place["state"], &place["position"]), (&json!("prequeue"), &Value::Null), "{place}");
        let ticket = ticket_claims(visitor.ticket.as_deref().expect("a ticket"));
        assert_eq!((ticket.com.as_deref(), ticket.pos), (promised["commitment"].as_str(), None));
    }
    assert_problem(&early[0].claim().await.unwrap(), 409, "not-your-turn");
    world.kill9();
    world.restart();
    let stats = world.stats("drawn").await;
    assert_eq!((&stats["entered"], &stats["frontier"]), (&json!(EARLY), &json!(0)), "nobody is called before the cut");
    assert_eq!(world.board("drawn").await["shuffle"], promised, "the same seed");

    world.patch("drawn", &json!({"event_start_time": from_now(1_500)})).await;
    phase(&world, "drawn", "open").await;
    let draw_path = "/queue/events/drawn/draw";
    let proof = world.raw(Method::GET, draw_path, &[], "").await;
    assert_status(&proof, 200);
    let mut late = world.visitor("drawn");
    assert_eq!(late.must_enter().await, EARLY + 1);
    assert_eq!(late.place["position"], EARLY + 1, "who comes later keeps the number");
    world.kill9();
    world.restart();
    assert_eq!(world.raw(Method::GET, draw_path, &[], "").await.text(), proof.text(), "drawn once and for ever");

    let (proof, event) = (proof.json(), EventId::parse("drawn").unwrap());
    let seed = hex::decode(proof["seed"].as_str().expect("a seed")).expect("32 bytes");
    assert_eq!(hex::encode(&commitment(&event, &seed)), promised["commitment"].as_str().unwrap());
    assert_eq!((&proof["commitment"], &proof["count"]), (&promised["commitment"], &json!(EARLY)));
    let draw = Draw::new(&event, &seed, EARLY).unwrap();
    let mut moved = 0;
    for visitor in &mut early {
        assert_status(&visitor.status().await.unwrap(), 200);
        let (number, position) = (visitor.number(), draw.position(Number(visitor.number())).get());
        assert_eq!(visitor.place["position"], position, "number {number}");
        let ticket = ticket_claims(visitor.place["ticket"].as_str().expect("a new ticket with the position"));
        assert_eq!(
            (ticket.num, ticket.pos, ticket.com.as_deref()),
            (number, Some(position), promised["commitment"].as_str())
        );
        assert_status(&visitor.status().await.unwrap(), 200);
        assert!(visitor.place.get("ticket").is_none(), "given once: {}", visitor.place);
        moved += u64::from(number != position);
    }
    assert!(moved > EARLY / 2, "only {moved} of {EARLY} were moved");
    admitted_in_position_order(&world, early, &draw).await;
}

/// With one slot, again and again set free, those present are let in by position.
async fn admitted_in_position_order(world: &World, visitors: Vec<Visitor>, draw: &Draw) {
    const MOST: usize = 6;
    // The first ones only: they must all ask within the few seconds for which one who asked counts as present.
    let by_position = visitors.into_iter().map(|visitor| (draw.position(Number(visitor.number())).get(), visitor));
    let mut waiting: BTreeMap<u64, Visitor> = by_position.filter(|(position, _)| *position <= 8).collect();
    let until = Instant::now() + Duration::from_secs(30);
    let (mut admitted, mut contested) = (Vec::new(), 0);
    // Who was told within this moment that it is their turn: they are present.
    let mut present = BTreeSet::new();
    while admitted.len() < MOST {
        assert!(Instant::now() < until, "only {admitted:?} are in");
        let frontier = world.stats("drawn").await["frontier"].as_u64().expect("a frontier");
        let mut inside = None;
        // From the last to the first: whoever is smallest asks last, and is let in before the others nevertheless.
        for (position, visitor) in waiting.range_mut(..=frontier).rev() {
            let answer = visitor.claim().await.unwrap();
            if answer.status != StatusCode::OK {
                assert_status(&answer, 202);
                present.insert(*position);
                continue;
            }
            present.remove(position);
            assert!(present.first() > Some(position) || present.is_empty(), "{position} while {present:?} are present");
            contested += u64::from(!present.is_empty());
            admitted.push(*position);
            inside = Some((*position, pass_claims(pass(visitor)).jti));
        }
        if let Some((position, jti)) = inside {
            waiting.remove(&position);
            assert_status(&world.complete("drawn", &jti).await, 204);
        } else {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    assert!(contested >= 3, "hardly anybody was present: {admitted:?}");
    let log = log(world, "drawn").await;
    let logged: Vec<u64> = log.iter().map(|entry| entry["position"].as_u64().expect("a position")).collect();
    assert_eq!(logged, admitted);
    for entry in &log {
        let number = Number(entry["number"].as_u64().expect("a number"));
        assert_eq!(entry["position"], draw.position(number).get(), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_event_lets_everybody_pass_and_the_line_goes_on_where_it_was() {
    let world = World::start();
    world.create("free", &json!({"total_active_users": 1})).await;
    let mut inside = world.admitted("free").await;
    let mut waits = world.visitor("free");
    waits.must_enter().await;
    world.patch("free", &json!({"suspended": true})).await;
    phase(&world, "free", "suspended").await;

    let mut new = world.visitor("free");
    assert_status(&new.enter().await.unwrap(), 200);
    assert_eq!((&new.place["state"], &new.place["number"]), (&json!("passthrough"), &Value::Null), "{}", new.place);
    assert!(new.ticket.is_none() && pass_claims(pass(&new)).is_passthrough());
    assert_status(&waits.status().await.unwrap(), 200);
    assert_eq!((&waits.place["state"], waits.number()), (&json!("passthrough"), 2), "{}", waits.place);
    let by_status = pass_claims(pass(&waits));
    assert_status(&waits.claim().await.unwrap(), 200);
    let by_claim = pass_claims(pass(&waits));
    assert!(by_claim.is_passthrough() && by_status.sub == by_claim.sub && by_status.jti != by_claim.jti);
    for visitor in [&new, &waits] {
        let authorization = format!("Bearer {}", pass(visitor));
        let headers = [("authorization", authorization.as_str())];
        let verified = world.raw(Method::GET, "/queue/verify?event=free", &headers, "").await;
        assert_status(&verified, 204);
        assert!(verified.header("ropeline-seq").is_none(), "{:?}", verified.headers);
    }
    assert_status(&inside.renew().await.unwrap(), 200);
    assert_eq!(pass_claims(pass(&inside)).jti, "free/1", "an admitted session goes on");
    let stats = world.stats("free").await;
    assert_eq!(
        (&stats["entered"], &stats["admitted"]),
        (&json!(2), &json!(1)),
        "passes without a queue are not counted"
    );

    world.patch("free", &json!({"suspended": false})).await;
    phase(&world, "free", "open").await;
    assert_status(&waits.status().await.unwrap(), 200);
    assert_eq!((&waits.place["state"], waits.number()), (&json!("called"), 2), "the place was kept: {}", waits.place);
    assert_status(&waits.claim().await.unwrap(), 202);
    assert_status(&world.complete("free", "free/1").await, 204);
    assert_eq!(waits.go_in(Duration::from_secs(20)).await.unwrap().seq, 2);
    assert_eq!(new.must_enter().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_held_sold_out_closed_and_ended_by_hand() {
    let world = World::start();
    world.create("hand", &json!({"queue_all": true})).await;
    let mut visitor = world.visitor("hand");
    visitor.must_enter().await;
    assert_eq!((&visitor.place["paused"], &visitor.place["state"]), (&json!("queue_all"), &json!("waiting")));
    assert_problem(&visitor.claim().await.unwrap(), 409, "not-your-turn");
    world.patch("hand", &json!({"queue_all": false})).await;
    visitor.go_in(Duration::from_secs(20)).await.unwrap();
    let mut second = world.visitor("hand");
    second.must_enter().await;

    world.patch("hand", &json!({"queueing_method": "reject"})).await;
    for visitor in [&mut second, &mut world.visitor("hand")] {
        let closed = visitor.enter().await.unwrap();
        assert_problem(&closed, 503, "queue-closed");
        assert!(closed.header("retry-after").is_some());
    }
    assert_status(&visitor.renew().await.unwrap(), 200);
    world.patch("hand", &json!({"queueing_method": "fifo"})).await;

    world.patch("hand", &json!({"sold_out": true})).await;
    phase(&world, "hand", "sold_out").await;
    assert_problem(&world.visitor("hand").enter().await.unwrap(), 410, "sold-out");
    assert_problem(&second.claim().await.unwrap(), 410, "sold-out");
    assert_status(&second.status().await.unwrap(), 200);
    assert_eq!((&second.place["phase"], second.number()), (&json!("sold_out"), 2), "the place is kept");
    assert!(second.told() >= Duration::from_secs(30), "no hurry: {}", second.place);
    assert_status(&visitor.renew().await.unwrap(), 200);
    world.patch("hand", &json!({"sold_out": false})).await;
    phase(&world, "hand", "open").await;
    assert_status(&second.status().await.unwrap(), 200);
    second.go_in(Duration::from_secs(20)).await.unwrap();
    let mut third = world.visitor("hand");
    third.must_enter().await;

    world.patch("hand", &json!({"event_end_time": from_now(0)})).await;
    phase(&world, "hand", "ended").await;
    assert_status(&third.status().await.unwrap(), 200);
    assert_eq!(third.place["state"], "ended");
    assert_problem(&third.enter().await.unwrap(), 410, "event-ended");
    assert_problem(&third.claim().await.unwrap(), 410, "event-ended");
    assert_problem(&world.visitor("hand").enter().await.unwrap(), 410, "event-ended");
    assert_problem(&visitor.renew().await.unwrap(), 410, "event-ended");
    for visitor in [&mut visitor, &mut second] {
        assert_status(&visitor.enter().await.unwrap(), 200);
        assert_status(&visitor.claim().await.unwrap(), 200);
        assert_eq!(visitor.place["state"], "admitted", "a session runs out");
    }
    world.kill9();
    world.restart();
    assert_eq!(world.board("hand").await["phase"], "ended", "an end cannot be taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_origin_asks_of_the_line_holds_and_never_goes_beyond_the_operators_limit() {
    let world = World::start();
    world.create("shop", &json!({"new_users_per_minute": 3})).await;
    let pace = async |limit: Value| {
        origin(&world, "/queue/pace", &json!({"event": "shop", "new_users_per_minute": limit})).await
    };
    assert_eq!(pace(json!(0)).await["in_force_per_minute"], 0);
    let mut visitors = Vec::new();
    for _ in 0..4 {
        let mut visitor = world.visitor("shop");
        visitor.must_enter().await;
        visitors.push(visitor);
    }
    assert_eq!(world.stats("shop").await["frontier"], 0, "0 pauses");
    assert_eq!(visitors[0].place["paused"], "queue_all");
    world.kill9();
    world.restart();
    assert_eq!(pace(json!(1_000)).await["in_force_per_minute"], 3, "never beyond");
    for visitor in &mut visitors[..3] {
        visitor.go_in(Duration::from_secs(20)).await.unwrap();
    }
    let refused = visitors[3].claim().await.unwrap();
    assert!(matches!(refused.status.as_u16(), 202 | 409), "{}", refused.text());
    assert_eq!(
        pace(Value::Null).await,
        json!({
            "event": "shop", "new_users_per_minute": null, "sold_out": false, "in_force_per_minute": 3,
        })
    );

    let redeem = async |visitor: &Visitor| {
        origin(&world, "/queue/redeem", &json!({"event": "shop", "pass": pass(visitor)})).await
    };
    assert_eq!(redeem(&visitors[0]).await, json!({"first": true}));
    assert_eq!(redeem(&visitors[0]).await, json!({"first": false}));
    world.kill9();
    world.restart();
    assert_eq!(redeem(&visitors[0]).await, json!({"first": false}), "once and for all");
    let parallel = JoinSet::from_iter((0..10).map(|_| {
        let (client, pass) = (world.client(), pass(&visitors[1]).to_owned());
        let authorization = format!("Bearer {}", world.secret(Role::Origin));
        async move {
            let mut client = client;
            let body = json!({"event": "shop", "pass": pass});
            let headers = [("authorization", authorization.as_str())];
            client.send_json(Method::POST, "/queue/redeem", &headers, &body).await.unwrap().json()["first"] == true
        }
    }));
    assert_eq!(parallel.join_all().await.into_iter().filter(|first| *first).count(), 1, "whoever asks at once");

    let before = visitors[0].place["session_expires_at"].clone();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_status(&visitors[0].renew().await.unwrap(), 200);
    assert!(visitors[0].place["session_expires_at"].as_str() > before.as_str(), "a renewal lasts longer");
    world.patch("shop", &json!({"disable_session_renewal": true})).await;
    assert_problem(&visitors[0].renew().await.unwrap(), 403, "forbidden");
    origin(&world, "/queue/pace", &json!({"event": "shop", "sold_out": true})).await;
    assert_problem(&visitors[3].claim().await.unwrap(), 410, "sold-out");
    let audit = about(&world, "shop", "audit").await;
    let told: Vec<_> = audit["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| (e["action"].as_str(), e["by"].as_str()))
        .collect();
    let (admin, shop) = (signature(&world, "admin"), signature(&world, "origin"));
    let (admin, shop) = (Some(admin.as_str()), Some(shop.as_str()));
    let expected =
        [("configure", shop), ("configure", admin), ("pace", shop), ("pace", shop), ("pace", shop), ("create", admin)];
    assert_eq!(told, expected.map(|(action, by)| (Some(action), by)), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn support_sees_a_visitors_history_and_can_end_a_session() {
    let world = World::start();
    world.create("help", &json!({"total_active_users": 1})).await;
    let mut inside = world.admitted("help").await;
    let mut waits = world.visitor("help");
    waits.must_enter().await;
    let told = about(&world, "help", "visitors/2").await;
    assert_eq!((&told["state"], &told["admission"]), (&json!("called"), &Value::Null), "{told}");
    let times = ["entered_at", "called_at"].map(|name| told[name].as_str().expect("a time").to_owned());
    assert!(times[0] <= times[1], "{told}");

    let end = async |body: Value| world.admin(Method::POST, "/queue/admin/events/help/end-session", &body).await;
    assert_status(&end(json!({"number": 1})).await, 204);
    for answer in [inside.claim().await.unwrap(), inside.renew().await.unwrap()] {
        assert_problem(&answer, 410, "session-ended");
    }
    // The pass still verifies offline, so its slot stays taken until that is over.
    for _ in 0..3 {
        assert_status(&waits.claim().await.unwrap(), 202);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.kill9();
    world.restart();
    let past = about(&world, "help", "visitors/1").await;
    let admission = &past["admission"];
    assert_eq!(
        (&past["state"], &admission["over_by"], &admission["redeemed"]),
        (&json!("ended"), &json!("operator"), &json!(false))
    );
    let order: Vec<_> = [
        &past["entered_at"],
        &past["called_at"],
        &admission["admitted_at"],
        &admission["over_at"],
        &admission["session_expires_at"],
        &admission["release_at"],
    ]
    .map(|time| time.as_str().expect("a time").to_owned())
    .to_vec();
    assert!(order.is_sorted(), "{past}");
    assert_status(&world.complete("help", "help/1").await, 204);
    waits.go_in(Duration::from_secs(20)).await.unwrap();
    assert_eq!(about(&world, "help", "visitors/1").await["admission"]["over_by"], "operator", "who ended it stays");
}

/// Everything that lanes and lines keep on disk.
fn storage(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for class in ["ropeline-Lane", "ropeline-Line"] {
        let dir = world.dir.join("state/data").join(class);
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.expect("a file").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if !name.starts_with("metadata") && (name.ends_with(".sqlite") || name.ends_with(".sqlite-wal")) {
                files.push((path.clone(), std::fs::read(&path).expect("its bytes")));
            }
        }
    }
    files
}

fn holds(files: &[(PathBuf, Vec<u8>)], text: &str) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    files.iter().filter(|(_, bytes)| has(bytes)).map(|(path, _)| Path::to_path_buf(path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_gives_back_all_storage_while_visitors_still_come_and_leaves_who_did_it() {
    let world = World::start();
    world.create("purged", &json!({})).await;
    let mut known = world.admitted("purged").await;
    let sub = ticket_claims(known.ticket.as_deref().expect("a ticket")).sub;
    for _ in 0..20 {
        world.visitor("purged").must_enter().await;
    }
    assert!(!holds(&storage(&world), &sub).is_empty(), "the files are those that are written to");
    let path = "/queue/admin/events/purged";
    assert_problem(&world.admin(Method::DELETE, path, &Value::Null).await, 409, "conflict");
    let crowd = JoinSet::from_iter((0..8).map(|_| {
        let authority = world.authority.clone();
        async move {
            let mut visitor = Visitor::new(&authority, "purged");
            let until = Instant::now() + Duration::from_secs(20);
            while visitor.enter().await.unwrap().status != StatusCode::NOT_FOUND {
                assert!(Instant::now() < until, "still entered: {}", visitor.place);
                visitor = Visitor::new(&authority, "purged");
            }
        }
    }));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_status(&world.admin(Method::DELETE, &format!("{path}?force=true"), &Value::Null).await, 204);
    within("the end of the crowd", Duration::from_secs(30), crowd.join_all()).await;
    for answer in [known.claim().await.unwrap(), known.status().await.unwrap(), known.enter().await.unwrap()] {
        assert_problem(&answer, 404, "unknown-event");
    }
    let audit = about(&world, "purged", "audit").await;
    let entries = audit["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 1, "{audit}");
    assert_eq!((&entries[0]["action"], &entries[0]["by"]), (&json!("purge"), &json!(signature(&world, "admin"))));
    assert_eq!(entries[0]["detail"], json!({"forced": true}));
    assert_problem(&world.admin(Method::PUT, path, &json!({})).await, 409, "conflict");
    world.stop();
    let files = storage(&world);
    for text in [sub.as_str(), "purged", "CREATE TABLE"] {
        assert_eq!(holds(&files, text), Vec::<PathBuf>::new(), "'{text}' is still on disk");
    }
}
