//! Turnstile: who solved it gets a place, nobody else does, and nobody loses one by it.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{Method, Role, WorldOptions, assert_problem, json, new_key};

use crate::turnstile::{Mood, Solved};
use crate::{EVENT, HERE, SITE_KEY, entered, knock, with_door};

#[tokio::test]
async fn a_place_is_for_who_solved_the_challenge_and_the_refusal_says_which() {
    let (world, turnstile) = with_door(WorldOptions::default(), json!({})).await;
    let key = new_key();
    let refused = knock(&world, &key, None).await;
    assert_problem(&refused, 403, "door-failed");
    let door = json!({"kind": "turnstile", "site_key": SITE_KEY, "action": "enter", "cdata": EVENT});
    assert_eq!(refused.json()["door"], door);
    assert_eq!(entered(&world).await, 0);

    let token = turnstile.solve(HERE);
    assert_eq!(knock(&world, &key, Some(&token)).await.status, 201);
    let asked = turnstile.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((&asked[0]["response"], &asked[0]["remoteip"]), (&json!(token), &json!("203.0.113.9")));
    assert!(!asked[0].to_string().contains(&key), "the visitor's key is nobody's business: {}", asked[0]);
}

#[tokio::test]
async fn whoever_has_a_place_is_answered_before_the_door() {
    let (world, turnstile) = with_door(WorldOptions::default(), json!({})).await;
    let key = new_key();
    let first = knock(&world, &key, Some(&turnstile.solve(HERE))).await.json();
    turnstile.asked();
    turnstile.now_is(Mood::Broken);
    for token in [None, Some("token.of.old")] {
        let again = knock(&world, &key, token).await;
        assert_eq!((again.status.as_u16(), &again.json()["number"]), (200, &first["number"]));
    }
    assert!(turnstile.asked().is_empty());

    // A new place after the old one is a new place.
    turnstile.now_is(Mood::Well);
    let authorization = format!("Bearer {}", first["ticket"].as_str().expect("a ticket"));
    let headers = [("authorization", authorization.as_str()), ("ropeline-visitor", key.as_str())];
    assert_eq!(world.raw(Method::POST, "/queue/leave", &headers, "").await.status, 204);
    let again = |token: Option<String>| {
        let body = json!({"event": EVENT, "visitor": key, "again": true, "door_token": token});
        let world = &world;
        async move {
            world.raw(Method::POST, "/queue/enter", &[("content-type", "application/json")], body.to_string()).await
        }
    };
    assert_problem(&again(None).await, 403, "door-failed");
    let place = again(Some(turnstile.solve(HERE))).await;
    assert_eq!((place.status.as_u16(), place.json()["number"].as_u64()), (201, Some(2)));
}

#[tokio::test]
async fn a_token_opens_once_for_one_visitor_whatever_answer_is_lost() {
    let (world, turnstile) = with_door(WorldOptions::default().faults(), json!({})).await;
    let (key, token) = (new_key(), turnstile.solve(HERE));
    // The door was passed, and then nothing was answered.
    world.fault(Rule::lane("enter", Fault::OVERLOADED)).await;
    assert_problem(&knock(&world, &key, Some(&token)).await, 503, "overloaded");
    assert_problem(&knock(&world, &new_key(), Some(&token)).await, 403, "door-failed");
    assert_eq!(entered(&world).await, 0);
    assert_eq!(knock(&world, &key, Some(&token)).await.status, 201);
    assert_problem(&knock(&world, &new_key(), Some(&token)).await, 403, "door-failed");
    assert_eq!(entered(&world).await, 1);
}

#[tokio::test]
async fn a_token_of_another_page_or_event_does_not_open() {
    let (world, turnstile) =
        with_door(WorldOptions::default(), json!({"allowed_origins": ["https://shop.example"]})).await;
    for solved in [
        Solved { hostname: "elsewhere.example", ..HERE },
        Solved { hostname: "", ..HERE },
        Solved { action: "login", ..HERE },
        Solved { action: "", ..HERE },
        Solved { cdata: "other-sale", ..HERE },
        Solved { cdata: "", ..HERE },
    ] {
        assert_problem(&knock(&world, &new_key(), Some(&turnstile.solve(solved))).await, 403, "door-failed");
    }
    assert_problem(&knock(&world, &new_key(), Some("made.up")).await, 403, "door-failed");
    assert_problem(&knock(&world, &new_key(), Some("")).await, 403, "door-failed");
    turnstile.asked();
    assert_problem(&knock(&world, &new_key(), Some(&"x".repeat(2_049))).await, 400, "malformed-request");
    assert!(turnstile.asked().is_empty());
    assert_eq!(entered(&world).await, 0);
    // A page of a listed origin shows the challenge, too.
    let listed = turnstile.solve(Solved { hostname: "shop.example", ..HERE });
    assert_eq!(knock(&world, &new_key(), Some(&listed)).await.status, 201);
}

#[tokio::test]
async fn while_tokens_cannot_be_checked_the_door_is_closed_and_tokens_are_kept() {
    let (world, turnstile) = with_door(WorldOptions::default(), json!({})).await;
    let (key, token) = (new_key(), turnstile.solve(HERE));
    for mood in [Mood::Broken, Mood::Confused, Mood::Silent] {
        turnstile.now_is(mood);
        let began = Instant::now();
        let refused = knock(&world, &key, Some(&token)).await;
        assert_problem(&refused, 503, "overloaded");
        assert!(refused.header("retry-after").is_some());
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
    assert_eq!(entered(&world).await, 0);
    turnstile.now_is(Mood::Well);
    assert_eq!(knock(&world, &key, Some(&token)).await.status, 201);
}

#[tokio::test]
async fn a_lane_of_an_older_version_gives_no_place_past_the_door() {
    let (world, turnstile) = with_door(WorldOptions::default().faults(), json!({})).await;
    world.fault(Rule::lane("known", Fault::answer(501, "")).times(2)).await;
    assert_problem(&knock(&world, &new_key(), None).await, 503, "overloaded");
    assert_problem(&knock(&world, &new_key(), Some(&turnstile.solve(HERE))).await, 503, "overloaded");
    assert!(world.calls("LANE", "enter").await.is_empty());
}

#[tokio::test]
async fn a_page_of_such_an_event_may_show_the_challenge_and_says_without_a_script_that_it_needs_one() {
    let (world, turnstile) = with_door(WorldOptions::default(), json!({})).await;
    world.create("open", &json!({})).await;
    let policy = async |path: &str| {
        let page = world.raw(Method::GET, path, &[], "").await;
        page.header("content-security-policy").expect("a policy").to_owned()
    };
    let shown = policy("/queue/events/sale/wait").await;
    for part in ["script-src 'self' https://challenges.cloudflare.com;", "frame-src https://challenges.cloudflare.com;"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!policy("/queue/events/open/wait").await.contains("cloudflare"));

    // As it is shown: the words are among those of the script on every page.
    let said = "role=\"status\">This line first checks that you are a person, and that check needs JavaScript.";
    let plain =
        world.raw(Method::GET, "/queue/events/sale/wait?mode=plain", &[("accept-language", "en")], "").await.text();
    assert!(plain.contains(said), "{plain}");
    // Where nobody waits nobody is asked.
    world.patch(EVENT, &json!({"suspended": true})).await;
    world.board_until(EVENT, "everybody passes", |board| board["phase"] == "suspended").await;
    let plain =
        world.raw(Method::GET, "/queue/events/sale/wait?mode=plain", &[("accept-language", "en")], "").await.text();
    assert!(!plain.contains(said), "{plain}");
    world.patch(EVENT, &json!({"suspended": false})).await;
    world.board_until(EVENT, "there is a line again", |board| board["phase"] == "open").await;
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
        ("cookie", "ropeline-visitor-sale=a-key-of-a-browser-without-scripts"),
    ];
    let told = world.raw(Method::POST, "/queue/events/sale/wait", &headers, "action=enter").await;
    assert_eq!(told.header("location"), Some("/queue/events/sale/wait?mode=plain&said=door-failed"));
    assert_eq!(entered(&world).await, 0);
    assert!(turnstile.asked().is_empty());
}

#[tokio::test]
async fn whoever_has_a_place_finds_it_without_a_script_by_the_key_alone() {
    let (world, turnstile) = with_door(WorldOptions::default(), json!({})).await;
    let key = "a-key-of-a-browser-that-lost-its-ticket";
    let place = knock(&world, key, Some(&turnstile.solve(HERE))).await.json();
    let cookie = format!("ropeline-visitor-sale={key}");
    let plain = world.raw(Method::GET, "/queue/events/sale/wait?mode=plain", &[("cookie", &cookie)], "").await.text();
    assert!(plain.contains("value=\"enter\""), "{plain}");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
        ("cookie", cookie.as_str()),
    ];
    let told = world.raw(Method::POST, "/queue/events/sale/wait", &headers, "action=enter").await;
    assert_eq!(told.header("location"), Some("/queue/events/sale/wait?mode=plain"));
    let given: Vec<_> = told.headers.get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok()).collect();
    assert!(given.iter().any(|cookie| cookie.starts_with("ropeline-ticket-sale=")), "{given:?}");
    assert_eq!(place["number"], 1);
    assert_eq!(entered(&world).await, 1);
}

#[tokio::test]
async fn a_door_without_its_keys_is_refused() {
    let world = WorldOptions::default().start();
    let refused =
        world.keyed(Role::Admin, Method::PUT, "/queue/admin/events/sale", &json!({"door": "turnstile"})).await;
    assert_problem(&refused, 400, "malformed-request");
    assert_eq!(refused.json()["field"], "door");
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("ROPELINE_TURNSTILE_SECRET")));
    world.create(EVENT, &json!({})).await;
    for (door, words) in [("turnstile", "ROPELINE_TURNSTILE_SECRET"), ("revolving", "one of 'none', 'turnstile'")] {
        let body = json!({"door": door});
        let refused = world.keyed(Role::Admin, Method::PATCH, "/queue/admin/events/sale", &body).await;
        assert_problem(&refused, 400, "malformed-request");
        assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{}", refused.text());
    }
}

#[tokio::test]
async fn where_the_keys_of_a_door_are_gone_nobody_new_gets_in_not_even_by_a_gate_that_is_open_when_unsure() {
    let shop = crate::turnstile::Turnstile::start().await;
    let more = json!({"gate": {"hosts": ["127.0.0.1"], "when_unsure": "open"}});
    let (world, turnstile) = with_door(WorldOptions::default().shop(shop.port), more).await;
    let key = new_key();
    assert_eq!(knock(&world, &key, Some(&turnstile.solve(HERE))).await.status, 201);
    world.without(&["ROPELINE_TURNSTILE_SITE_KEY", "ROPELINE_TURNSTILE_SECRET"]);
    world.restart();
    let refused = knock(&world, &new_key(), Some(&turnstile.solve(HERE))).await;
    assert_problem(&refused, 503, "queue-closed");
    assert!(refused.header("retry-after").is_some());
    let navigates = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "text/html")];
    let page = world.raw(Method::GET, "/tickets", &navigates, "").await;
    assert!(page.text().contains("data-gate=\"true\""), "{} {}", page.status, page.text());
    assert_eq!(knock(&world, &key, None).await.status, 200, "who has a place keeps it");
    assert_eq!(entered(&world).await, 1);
}
