//! Events of accounts: the shop says who somebody is, and one account has one place on whatever device.

use ropeline_e2e::tokens::{pass_claims, ticket_claims};
use ropeline_e2e::voucher::{Voucher, assertion};
use ropeline_e2e::{
    Answer, Method, Role, Value, World, WorldOptions, assert_problem, assert_status, json, new_key, now_ms,
};
use ropeline_ticket::ASSERTION_TYP;
use ropeline_ticket::native::{generate_ed25519, generate_es256};

use crate::{EVENT, entered};

const ENTER: &str = "/queue/enter";
const WAIT: &str = "/queue/events/sale/wait";

async fn with_accounts(shop: &Voucher, more: &[(&str, Value)]) -> World {
    let world = World::start();
    let mut settings = shop.settings();
    for (name, value) in more {
        settings[*name] = value.clone();
    }
    world.create(EVENT, &settings).await;
    world
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    world.raw(Method::POST, path, &headers, body.to_string()).await
}

async fn enter(world: &World, assertion: &str) -> Answer {
    post(world, ENTER, &[], &json!({"event": EVENT, "assertion": assertion, "claim": true})).await
}

/// Whom a ticket names.
fn holder(place: &Value) -> String {
    ticket_claims(place["ticket"].as_str().expect("a ticket")).sub
}

/// Whom a pass names.
fn admitted(place: &Value) -> String {
    pass_claims(place["pass"].as_str().expect("a pass")).sub
}

#[tokio::test]
async fn one_account_has_one_place_on_any_device_and_everything_names_the_account() {
    for key in [generate_es256([1; 32]), generate_ed25519([2; 32])] {
        let shop = Voucher::new(key);
        let world = with_accounts(&shop, &[]).await;
        let account = "auth0|5f7c8ec7+one@example.com";
        let place = enter(&world, &shop.vouches(EVENT, account)).await;
        assert_status(&place, 201);
        let again = enter(&world, &shop.signs(ASSERTION_TYP, &assertion(EVENT, account))).await;
        assert_status(&again, 200);
        assert_eq!(again.json()["number"], place.json()["number"]);
        assert_eq!(enter(&world, &shop.vouches(EVENT, "another")).await.json()["number"], 2);

        let place = again.json();
        assert_eq!(
            (holder(&place), admitted(&place), &place["state"]),
            (account.into(), account.into(), &json!("admitted"))
        );
        let (ticket, assertion) =
            (format!("Bearer {}", place["ticket"].as_str().unwrap()), shop.vouches(EVENT, account));
        let held = [("authorization", ticket.as_str()), ("ropeline-visitor", assertion.as_str())];
        for path in ["/queue/claim", "/queue/renew"] {
            let told = post(&world, path, &held, &json!({})).await;
            assert_eq!(admitted(&told.json()), account, "{path}: {}", told.text());
        }
        let relay = async |path: &str, body| world.keyed(Role::Relay, Method::POST, path, &body).await.json();
        let lease = relay("/queue/relay/lease", json!({"event": EVENT, "relay": "one"})).await;
        let drain = json!({"event": EVENT, "epoch": lease["epoch"], "after": 0, "limit": 10, "topic": "t", "partition": 0, "next_offset": 0});
        let entries = relay("/queue/relay/drain", drain).await["entries"].clone();
        assert_eq!((&entries[0]["visitor"], &entries[1]["visitor"]), (&json!(account), &json!("another")));
        assert_status(&post(&world, "/queue/leave", &held, &json!({})).await, 204);
    }
}

#[tokio::test]
async fn a_ticket_alone_is_not_enough_nor_with_another_accounts_assertion() {
    let shop = Voucher::new(generate_es256([1; 32]));
    let world = with_accounts(&shop, &[("queue_all", json!(true))]).await;
    let place = enter(&world, &shop.vouches(EVENT, "one")).await.json();
    let ticket = format!("Bearer {}", place["ticket"].as_str().unwrap());
    for path in ["/queue/claim", "/queue/renew", "/queue/leave"] {
        let ask = async |secret: Option<&str>| {
            let mut headers = vec![("authorization", ticket.as_str())];
            headers.extend(secret.map(|secret| ("ropeline-visitor", secret)));
            post(&world, path, &headers, &json!({})).await
        };
        assert_problem(&ask(None).await, 401, "visitor-missing");
        assert_problem(&ask(Some(&new_key())).await, 401, "visitor-missing");
        assert_problem(&ask(Some(&shop.vouches(EVENT, "two"))).await, 403, "visitor-mismatch");
    }
    let status = world.raw(Method::GET, "/queue/status", &[("authorization", &ticket)], "").await;
    assert_eq!(status.json()["state"], "waiting", "nobody has left: {}", status.text());
}

#[tokio::test]
async fn whatever_the_shop_has_not_said_of_this_event_now_gives_no_place() {
    let (shop, stranger) = (Voucher::new(generate_es256([1; 32])), Voucher::new(generate_es256([9; 32])));
    let world = with_accounts(&shop, &[]).await;
    let now = now_ms() / 1_000;
    let with = |name: &str, value: Value| {
        let mut claims = assertion(EVENT, "one");
        claims[name] = value;
        shop.signs("JWT", &claims)
    };
    let good = shop.vouches(EVENT, "one");
    let (body, signature) = good.rsplit_once('.').unwrap();
    let other = stranger.vouches(EVENT, "one");
    for (assertion, words) in [
        (String::new(), "token is malformed"),
        ("no.assertion".to_owned(), "token is malformed"),
        (new_key(), "token is malformed"),
        (format!("{body}."), "signature is malformed"),
        (format!("{body}.{}", other.rsplit_once('.').unwrap().1), "signature is wrong"),
        (format!("{}.{signature}", other.rsplit_once('.').unwrap().0), "unknown key"),
        (format!("{good}="), "malformed"),
        (other.clone(), "unknown key"),
        (shop.signs("ropeline-ticket+jwt", &assertion(EVENT, "one")), "another type"),
        (shop.signs("ropeline-pass+jwt", &assertion(EVENT, "one")), "another type"),
        (with("aud", json!("else")), "another audience"),
        (with("aud", Value::Null), "claims is malformed"),
        (with("iss", Value::Null), "claims is malformed"),
        (with("sub", Value::Null), "claims is malformed"),
        (with("sub", json!("")), "an account is 1 to 128"),
        (with("sub", json!("x".repeat(129))), "an account is 1 to 128"),
        (with("sub", json!("two words")), "an account is 1 to 128"),
        (with("iat", json!(now + 120)), "valid only from"),
        (with("exp", json!(now - 60)), "expired"),
        (with("exp", json!(now + 4_000)), "more than 3600 seconds"),
    ] {
        let refused = enter(&world, &assertion).await;
        assert_problem(&refused, 401, "visitor-missing");
        assert!(refused.text().contains(words), "{words}: {}", refused.text());
    }
    let wrong_field = post(&world, ENTER, &[], &json!({"event": EVENT, "visitor": new_key()})).await;
    assert_problem(&wrong_field, 400, "malformed-request");
    assert_eq!(wrong_field.json()["field"], "visitor");
    assert_problem(&post(&world, ENTER, &[], &json!({"event": EVENT})).await, 401, "visitor-missing");
    assert_eq!(entered(&world).await, 0);

    world.create("open", &json!({})).await;
    let wrong_field = post(&world, ENTER, &[], &json!({"event": "open", "assertion": good})).await;
    assert_problem(&wrong_field, 400, "malformed-request");
    assert_eq!(wrong_field.json()["field"], "assertion");
}

#[tokio::test]
async fn keys_are_looked_at_when_they_are_set_and_can_be_rotated() {
    let (shop, next) = (Voucher::new(generate_es256([1; 32])), Voucher::new(generate_ed25519([2; 32])));
    let world = with_accounts(&shop, &[]).await;
    let path = format!("/queue/admin/events/{EVENT}");
    let no_point = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43)}]});
    let mut private = json!({"keys": [shop.public]});
    private["keys"][0]["d"] = json!("A".repeat(43));
    for (keys, field) in [
        (no_point, "visitor_keys.keys[0]"),
        (private, "visitor_keys.keys[0].d"),
        (json!({"keys": []}), "visitor_keys.keys"),
        (Value::Null, "visitor_identity"),
    ] {
        let refused = world.admin(Method::PATCH, &path, &json!({"visitor_keys": keys})).await;
        assert_problem(&refused, 400, "malformed-request");
        assert_eq!(refused.json()["field"], field, "{}", refused.text());
    }
    assert_status(&enter(&world, &shop.vouches(EVENT, "one")).await, 201);
    let refused = world.admin(Method::PATCH, &path, &json!({"visitor_identity": null, "visitor_keys": null})).await;
    assert_problem(&refused, 409, "conflict");

    let both = json!({"keys": [shop.public, next.public]});
    let told = world.patch(EVENT, &json!({"visitor_keys": both})).await;
    assert_eq!(told["visitor_keys"]["keys"].as_array().map(Vec::len), Some(2), "{told}");
    let until = async |shop: &Voucher, status: u16| {
        for _ in 0..100 {
            if enter(&world, &shop.vouches(EVENT, "one")).await.status == status {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("ten seconds after it was set the keys are still the old ones");
    };
    until(&next, 200).await;
    until(&shop, 200).await;
    world.patch(EVENT, &json!({"visitor_keys": {"keys": [next.public]}})).await;
    until(&shop, 401).await;
    until(&next, 200).await;
}

#[tokio::test]
async fn on_the_shops_own_host_the_assertion_is_a_cookie() {
    let shop = Voucher::new(generate_es256([1; 32]));
    let world = with_accounts(&shop, &[("queue_all", json!(true))]).await;
    let cookie = format!("ropeline-assertion-{EVENT}={}", shop.vouches(EVENT, "one"));
    let body = json!({"event": EVENT});
    let same = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    assert_status(&post(&world, ENTER, &same, &body).await, 201);
    let foreign = [("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")];
    assert_problem(&post(&world, ENTER, &foreign, &body).await, 403, "forbidden");

    let page = async |cookies: &str| {
        let headers = [("accept-language", "en"), ("cookie", cookies)];
        world.raw(Method::GET, &format!("{WAIT}?mode=plain"), &headers, "").await
    };
    let said = "role=\"status\">This line is for customers who are signed in at the shop.";
    let stranger = page("nothing=here").await;
    assert!(stranger.text().contains(said) && stranger.text().contains("data-accounts=\"yes\""), "{}", stranger.text());
    assert_eq!(stranger.header("set-cookie"), None, "no key is made that nobody would ask for");
    assert!(!page(&cookie).await.text().contains(said));
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
        ("cookie", cookie.as_str()),
    ];
    let told = world.raw(Method::POST, WAIT, &form, "action=enter").await;
    assert_eq!(told.header("location"), Some("/queue/events/sale/wait?mode=plain"));
    assert_eq!(entered(&world).await, 1);
}

#[tokio::test]
async fn an_account_stands_in_no_address() {
    let shop = Voucher::new(generate_es256([1; 32]));
    let world = WorldOptions::default().faults().start();
    world.create(EVENT, &shop.settings()).await;
    let place = enter(&world, &shop.vouches(EVENT, "customer-7")).await.json();
    let (ticket, assertion) =
        (format!("Bearer {}", place["ticket"].as_str().unwrap()), shop.vouches(EVENT, "customer-7"));
    let held = [("authorization", ticket.as_str()), ("ropeline-visitor", assertion.as_str())];
    assert_status(&post(&world, "/queue/claim", &held, &json!({})).await, 200);
    let calls = world.all_calls().await;
    let named: Vec<_> = calls.iter().filter(|call| call.text.contains("customer-7")).collect();
    assert!(["enter", "claim", "exchange"].iter().all(|command| named.iter().any(|call| call.command == *command)));
    assert!(named.iter().all(|call| !call.in_address), "{named:?}");
    assert!(calls.iter().any(|call| call.in_address), "others do come in addresses");
}

#[tokio::test]
async fn where_no_queue_is_in_force_the_pass_names_the_account() {
    let shop = Voucher::new(generate_es256([1; 32]));
    let world = with_accounts(&shop, &[("suspended", json!(true))]).await;
    let place = enter(&world, &shop.vouches(EVENT, "one")).await.json();
    assert_eq!((&place["state"], admitted(&place)), (&json!("passthrough"), "one".to_owned()));
}
