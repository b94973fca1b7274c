//! With a pass the shop is as it is without a gate.

use std::time::Duration;

use ropeline_e2e::tokens::pass_claims;
use ropeline_e2e::{Method, WorldOptions, json, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Browser, EVENT, HOST, NAVIGATES, gated, inside};

#[tokio::test]
async fn with_room_and_nobody_waiting_the_first_request_goes_straight_through() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    let mut browser = Browser::default();
    browser.jar.push(("theirs".to_owned(), "kept".to_owned()));
    let answer = browser.go(&world, "/tickets?seat=7").await;
    let seen = shop.only();
    assert_eq!(answer.json()["target"], "/tickets?seat=7");
    assert_eq!(seen.header("cookie"), Some("theirs=kept"));
    let pass = seen.header("ropeline-pass").expect("a pass").to_owned();
    let claims = pass_claims(&pass);
    assert_eq!((claims.evt.as_str(), claims.seq), (EVENT, Some(1)));
    for name in ["basket", "theme", "ropeline-pass-sale", "ropeline-ticket-sale", "ropeline-visitor-sale"] {
        assert!(browser.cookie(name).is_some(), "{name}: {:?}", browser.jar);
    }
    // From now on by cookie, whatever the request.
    let answer = browser.send(&world, Method::POST, "/orders", &[("content-type", "text/plain")], "two, please").await;
    let seen = shop.only();
    assert_eq!(answer.json()["body"], "two, please");
    assert_eq!(seen.header("ropeline-pass"), Some(pass.as_str()));
    assert_eq!(
        seen.header("cookie"),
        Some("theirs=kept; basket=1; theme=dark"),
        "tickets and keys are not the shop's business"
    );
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        browser.send(&world, method.clone(), "/x", &[], "").await;
        assert_eq!(shop.only().method, method.as_str());
    }
    assert_eq!(world.stats(EVENT).await["entered"], 1);
}

#[tokio::test]
async fn an_app_shows_its_pass_as_bearer_and_a_bearer_of_the_shops_own_is_none_of_ours() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    let browser = inside(&world, &shop).await;
    let bearer = format!("Bearer {}", browser.cookie("ropeline-pass-sale").expect("a pass"));
    world.raw(Method::GET, "/api", &[("authorization", &bearer)], "").await;
    assert!(shop.only().header("ropeline-pass").is_some());
    let mut browser = browser;
    let own = [("authorization", "Bearer something.of.theirs")];
    browser.send(&world, Method::GET, "/api", &own, "").await;
    assert_eq!(shop.only().header("authorization"), Some("Bearer something.of.theirs"));
}

#[tokio::test]
async fn redirects_and_cookies_of_the_shop_come_back_as_they_are() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    let mut browser = inside(&world, &shop).await;
    let answer = browser.go(&world, "/moved").await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some("https://elsewhere.example/login"));
    assert_eq!(browser.cookie("state"), Some("7"));
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    let browser = inside(&world, &shop).await;
    let mut stream = TcpStream::connect(&world.authority).await.expect("a connection");
    let head = format!(
        "POST /stream HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.authority,
        browser.cookies()
    );
    stream.write_all(head.as_bytes()).await.expect("the head");
    // Each piece is back before the next one is sent.
    for piece in ["first", "second"] {
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await.expect("a piece");
        read_until(&mut stream, piece).await;
    }
    stream.write_all(b"0\r\n\r\n").await.expect("the end");
}

#[tokio::test]
async fn a_websocket_goes_through() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    let browser = inside(&world, &shop).await;
    let mut stream = TcpStream::connect(&world.authority).await.expect("a connection");
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        world.authority,
        browser.cookies()
    );
    stream.write_all(head.as_bytes()).await.expect("the head");
    read_until(&mut stream, "\r\n\r\n").await;
    // A text frame, masked with zeros, as RFC 6455 has it.
    stream.write_all(&[0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']).await.expect("a frame");
    read_until(&mut stream, "hello").await;
}

async fn read_until(stream: &mut TcpStream, wanted: &str) {
    within(wanted, Duration::from_secs(10), async {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(wanted) {
            let mut piece = [0; 1_024];
            let length = stream.read(&mut piece).await.expect("an answer");
            assert!(length > 0, "closed after {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&piece[..length]);
        }
    })
    .await;
}

#[tokio::test]
async fn who_is_still_there_after_half_of_the_session_gets_a_new_pass_of_the_same_admission() {
    let (world, shop) = gated(WorldOptions::default(), json!({"session_duration_seconds": 10})).await;
    let mut browser = inside(&world, &shop).await;
    let first = pass_claims(browser.cookie("ropeline-pass-sale").expect("a pass"));
    browser.go(&world, "/early").await;
    assert_eq!(pass_claims(browser.cookie("ropeline-pass-sale").expect("a pass")), first, "not before half of it");
    tokio::time::sleep(Duration::from_secs(6)).await;
    browser.go(&world, "/later").await;
    let renewed = pass_claims(browser.cookie("ropeline-pass-sale").expect("a pass"));
    assert_eq!(renewed.jti, first.jti);
    assert!(renewed.exp > first.exp, "{} {}", renewed.exp, first.exp);
    let seen = shop.take();
    let last = seen.last().and_then(|seen| seen.header("ropeline-pass")).expect("a pass");
    assert_eq!(pass_claims(last), renewed, "the shop sees the new one at once");
}

#[tokio::test]
async fn while_no_queue_is_in_force_everybody_comes_with_a_pass_that_says_so() {
    let (world, shop) = gated(WorldOptions::default(), json!({"suspended": true})).await;
    let answer = world.raw(Method::POST, "/orders", &[], "x").await;
    let pass = answer.json()["pass"].as_str().map(pass_claims).expect("a pass");
    assert!(pass.adm.is_some() && pass.seq.is_none(), "{pass:?}");
    assert_eq!(shop.take().len(), 1);
}

#[tokio::test]
async fn open_paths_and_preflights_need_no_pass() {
    let (world, shop) = gated(WorldOptions::default(), json!({"queue_all": true})).await;
    for path in ["/healthz", "/static/app.js?v=1"] {
        world.raw(Method::POST, path, &[], "hook").await;
        let seen = shop.only();
        assert_eq!((seen.target.as_str(), seen.header("ropeline-pass")), (path, None));
    }
    let asks = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let override_too = [asks[0], asks[1], ("x-http-method-override", "POST"), ("cookie", "a=b")];
    world.raw(Method::OPTIONS, "/orders", &override_too, "pay").await;
    let seen = shop.only();
    assert_eq!((seen.method.as_str(), seen.header("origin")), ("OPTIONS", Some("https://app.example")));
    assert!(seen.body.is_empty() && seen.header("cookie").is_none() && seen.header("x-http-method-override").is_none());
    let no_preflight = world.raw(Method::OPTIONS, "/orders", &[], "").await;
    assert_eq!((no_preflight.status.as_u16(), shop.take().len()), (202, 0));
}

#[tokio::test]
async fn rules_of_two_events_share_a_host() {
    let (world, shop) = gated(WorldOptions::default(), json!({"gate": {"hosts": [HOST], "protect": ["/sale"]}})).await;
    let vip = json!({"gate": {"hosts": [HOST], "protect": ["/sale/vip"]}, "queue_all": true});
    world.create("vip", &vip).await;
    assert_eq!(world.raw(Method::GET, "/about", &NAVIGATES, "").await.status, 200);
    assert!(shop.only().header("ropeline-pass").is_none());
    let mut browser = Browser::default();
    browser.go(&world, "/sale/1").await;
    assert_eq!(pass_claims(shop.only().header("ropeline-pass").expect("a pass")).evt, EVENT);
    let page = browser.go(&world, "/sale/vip/1").await;
    assert!(page.text().contains("data-event=\"vip\""), "{}", page.text());
    assert!(shop.take().is_empty());
}
