//! The soft limit for each network address: later for the many, never for who has a place, and no more than that.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::AddressLimit;
use ropeline_e2e::{Method, Value, World, WorldOptions, assert_problem, json, new_key};

use crate::{EVENT, HERE, enter, entered, with_door};

const MOST: usize = 3;

async fn limited() -> World {
    let world = WorldOptions::default().faults().var("TEST_ADDRESS_LIMIT", &MOST.to_string()).start();
    world.create(EVENT, &json!({})).await;
    world
}

/// So many new visitors from each of these addresses, one after the other; the statuses.
async fn from(world: &World, addresses: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for address in addresses {
        statuses.push(enter(world, &new_key(), None, address).await.status.as_u16());
    }
    statuses
}

#[tokio::test]
async fn an_address_gets_so_many_new_places_and_then_is_told_when_to_come_again() {
    let world = limited().await;
    let key = new_key();
    let first = enter(&world, &key, None, "203.0.113.9").await.json();
    assert_eq!(from(&world, &["203.0.113.9"; MOST - 1]).await, [201; MOST - 1]);
    let late = new_key();
    let refused = enter(&world, &late, None, "203.0.113.9").await;
    assert_problem(&refused, 429, "too-many-requests");
    assert!(refused.header("retry-after").is_some());
    // Who has a place has it; and it is the address that has no more, not the visitor.
    let known = enter(&world, &key, None, "203.0.113.9").await;
    assert_eq!((known.status.as_u16(), &known.json()["number"]), (200, &first["number"]));
    assert_eq!(enter(&world, &late, None, "203.0.113.10").await.status, 201);
    assert_eq!(entered(&world).await, MOST as u64 + 1);
}

#[tokio::test]
async fn a_network_of_ipv6_counts_as_one_address_and_events_count_apart() {
    let world = limited().await;
    let household = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:0db8:0001:0002::3", "2001:db8:1:2:3:4:5:6"];
    assert_eq!(from(&world, &household).await, [201, 201, 201, 429]);
    assert_eq!(from(&world, &["2001:db8:1:3::1", "::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9"]).await, [201; 4]);
    assert_eq!(from(&world, &["::ffff:203.0.113.9"]).await, [429]);
    world.create("other", &json!({})).await;
    let body = json!({"event": "other", "visitor": new_key()}).to_string();
    let headers = [("content-type", "application/json"), ("cf-connecting-ip", "203.0.113.9")];
    assert_eq!(world.raw(Method::POST, "/queue/enter", &headers, body).await.status, 201);
}

#[tokio::test]
async fn where_the_limit_cannot_be_asked_or_the_address_is_not_known_it_does_not_stand_in_the_way() {
    let world = limited().await;
    assert_eq!(from(&world, &["no address"; MOST + 1]).await, [201; MOST + 1]);
    world.address_limit(AddressLimit::Fails).await;
    assert_eq!(from(&world, &["203.0.113.9"; MOST + 1]).await, [201; MOST + 1]);
    world.address_limit(AddressLimit::Hangs).await;
    let began = Instant::now();
    assert_eq!(from(&world, &["203.0.113.9"]).await, [201]);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn only_entering_counts_and_only_before_a_place_at_the_gate_too() {
    let shop = crate::turnstile::Turnstile::start().await;
    let world = WorldOptions::default().faults().shop(shop.port).var("TEST_ADDRESS_LIMIT", &MOST.to_string()).start();
    world.create(EVENT, &json!({"gate": {"hosts": ["127.0.0.1"]}, "queue_all": true})).await;
    let navigates = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("accept", "text/html"),
        ("cf-connecting-ip", "203.0.113.9"),
    ];
    for _ in 0..MOST + 2 {
        let page = world.raw(Method::GET, "/tickets", &navigates, "").await;
        assert!(page.text().contains("data-gate=\"true\""), "{}", page.text());
    }
    assert_eq!(entered(&world).await, MOST as u64);
    for _ in 0..MOST {
        world.raw(Method::GET, "/queue/events/sale", &navigates, "").await;
        world.raw(Method::GET, "/queue/events/sale/wait", &navigates, "").await;
    }
    let asked = world.address_limit_asked().await;
    assert_eq!(asked, vec![Value::from("sale|203.0.113.9"); MOST + 2]);
}

#[tokio::test]
async fn with_both_doors_a_crowded_address_costs_no_question_at_turnstile() {
    let options = WorldOptions::default().faults().var("TEST_ADDRESS_LIMIT", &MOST.to_string());
    let (world, turnstile) = with_door(options, json!({})).await;
    for _ in 0..MOST {
        let token = turnstile.solve(HERE);
        assert_eq!(enter(&world, &new_key(), Some(&token), "203.0.113.9").await.status, 201);
    }
    turnstile.asked();
    let (key, token) = (new_key(), turnstile.solve(HERE));
    assert_problem(&enter(&world, &key, Some(&token), "203.0.113.9").await, 429, "too-many-requests");
    assert!(turnstile.asked().is_empty());
    // The token is still good.
    assert_eq!(enter(&world, &key, Some(&token), "203.0.113.10").await.status, 201);
}
