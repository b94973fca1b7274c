//! Ways around the gate: paths, methods, headers, hosts, tokens. None of them reaches what is protected.

use ropeline_e2e::tokens::{Forge, altered, pass_claims};
use ropeline_e2e::{Method, World, WorldOptions, assert_problem, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shop::Shop;
use crate::{Browser, EVENT, NAVIGATES, gated, inside};

/// One request as it is written, head and all; answers the status.
async fn written(world: &World, request: &str) -> u16 {
    let mut stream = TcpStream::connect(&world.authority).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // What is no HTTP at all ends with a closed connection.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Nothing that a shop could take for the checkout has reached it without a pass of ours.
#[track_caller]
fn assert_nothing_came(shop: &Shop, trick: &str) {
    for seen in shop.take() {
        let mut path = seen.target.split('?').next().unwrap_or_default().to_lowercase();
        for (encoded, plain) in [("%25", "%"), ("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("%63", "c"), ("\\", "/")] {
            path = path.replace(encoded, plain);
        }
        let open = path == "/healthz" || path.starts_with("/static/") && !path.contains("..");
        assert!(open, "{trick}: the shop saw {} {}", seen.method, seen.target);
        for (name, value) in &seen.headers {
            let plain = name.as_str().replace('_', "-");
            let refused =
                plain.starts_with("ropeline-") || plain.starts_with("x-original-") || plain.contains("override");
            assert!(!refused, "{trick}: the shop saw {name}: {value:?}");
        }
    }
}

#[tokio::test]
async fn no_way_of_writing_a_path_gets_around_the_gate() {
    let (world, shop) = gated(WorldOptions::default(), json!({"queue_all": true})).await;
    for path in [
        "/checkout",
        "/CHECKOUT",
        "/%63heckout",
        "//checkout",
        "///checkout",
        "/./checkout",
        "/static/../checkout",
        "/static/./../checkout",
        "/static//../checkout",
        "/static/%2e%2e/checkout",
        "/static/%2E%2E/checkout",
        "/static/.%2e/checkout",
        "/static/..%2fcheckout",
        "/static/..%2Fcheckout",
        "/static/..%5ccheckout",
        "/static/..\\checkout",
        "\\checkout",
        "/static\\..\\checkout",
        "/static/%252e%252e/checkout",
        "/static/..%252fcheckout",
        "/static/%25252e%25252e%25252fcheckout",
        "/static/..;/checkout",
        "/static/..;a=b/checkout",
        "/static/.;/../checkout",
        "/static/;/../checkout",
        "/static/%3b/../../checkout",
        "/static/..%00/checkout",
        "/static/%c0%ae%c0%ae/checkout",
        "/static/%u002e%u002e/checkout",
        "/static/%2e%2e%2fcheckout",
        "/static/..%c0%afcheckout",
        "/static/..%0d%0a/checkout",
        "/healthz/../checkout",
        "/healthz/checkout",
        "/healthz;/checkout",
        "/healthz%2f..%2fcheckout",
        "/checkout?/static/",
        "/checkout#/static/",
        "/checkout;/static/",
        "/queue/../checkout",
        "/queue/..%2fcheckout",
        "/Queue/../checkout",
        "http://127.0.0.1/checkout",
        "*",
    ] {
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                world.authority
            );
            written(&world, &request).await;
            assert_nothing_came(&shop, path);
        }
    }
    assert_eq!(world.raw(Method::GET, "/static/app.js", &[], "").await.status, 200, "the test asks the right shop");
    assert_eq!(shop.take().len(), 1);
}

#[tokio::test]
async fn no_header_gets_around_the_gate() {
    let (world, shop) = gated(WorldOptions::default(), json!({"queue_all": true})).await;
    for path in ["/checkout", "/static/app.js", "/healthz"] {
        for (name, value) in [
            ("x-original-url", "/checkout"),
            ("x-rewrite-url", "/checkout"),
            ("x_original_url", "/checkout"),
            ("x-http-method-override", "POST"),
            ("x-method-override", "DELETE"),
            ("ropeline-pass", "forged"),
            ("ropeline_pass", "forged"),
            ("Ropeline-Subject", "forged"),
            ("ropeline-seq", "1"),
            ("x-forwarded-host", "admin.example"),
            ("forwarded", "host=admin.example"),
            ("authorization", "Bearer forged"),
            ("authorization", "Basic cm9wZWxpbmU6"),
            ("cookie", "ropeline-pass-sale=forged"),
            ("upgrade", "websocket"),
            ("service-worker", "script"),
            ("purpose", "prefetch"),
        ] {
            world.raw(Method::GET, path, &[(name, value)], "").await;
            assert_nothing_came(&shop, name);
        }
    }
}

#[tokio::test]
async fn no_method_gets_around_the_gate() {
    let (world, shop) = gated(WorldOptions::default(), json!({"queue_all": true})).await;
    for method in
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "CONNECT", "QUERY"]
    {
        let request = format!(
            "{method} /checkout HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            world.authority
        );
        written(&world, &request).await;
        assert_nothing_came(&shop, method);
    }
}

#[tokio::test]
async fn a_host_that_no_event_names_is_misdirected() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    for host in ["localhost", "evil.example", "127.0.0.1.", "127.0.0.2", "127.0.0.1.evil.example", "[::1]"] {
        for path in ["/checkout", "/static/app.js", "/healthz"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let status = written(&world, &request).await;
            // The address' own standard takes the dot away.
            assert!(status == 421 || host == "127.0.0.1." && status == 200 || status == 202, "{host}{path}: {status}");
            if status == 421 {
                assert!(shop.take().is_empty(), "{host}{path}");
            } else {
                assert_nothing_came(&shop, host);
            }
        }
    }
    for hosts in ["Host: 127.0.0.1\r\nHost: evil.example", "Host: evil.example\r\nHost: 127.0.0.1", "X: y"] {
        written(&world, &format!("GET /checkout HTTP/1.1\r\n{hosts}\r\nConnection: close\r\n\r\n")).await;
        assert_nothing_came(&shop, hosts);
    }
}

#[tokio::test]
async fn without_an_event_that_has_a_gate_there_is_nothing_outside_the_prefix() {
    let shop = Shop::start().await;
    let world = WorldOptions::default().shop(shop.port).start();
    world.create("other", &json!({})).await;
    assert_problem(&world.raw(Method::GET, "/checkout", &NAVIGATES, "").await, 404, "not-found");
    assert!(shop.take().is_empty());
}

#[tokio::test]
async fn no_token_but_a_good_pass_of_this_event_gets_in() {
    let (world, shop) = gated(WorldOptions::default(), json!({"session_duration_seconds": 30})).await;
    let browser = inside(&world, &shop).await;
    let (pass, ticket) = ["pass", "ticket"]
        .map(|kind| browser.cookie(&format!("ropeline-{kind}-sale")).expect("a token").to_owned())
        .into();
    world.create("other", &json!({})).await;
    let other = world.admitted("other").await;
    let claims = pass_claims(&pass);
    let mut over = claims.clone();
    (over.iat, over.exp) = (over.iat - 1_000, over.iat - 500);
    let mut audience = claims.clone();
    audience.aud = "other".to_owned();
    let own = Forge::of(&world.keys);
    let bad = [
        ("a ticket", ticket),
        ("altered", altered(&pass, 1, 10)),
        ("without a signature", pass.rsplit_once('.').expect("three parts").0.to_owned() + "."),
        ("signed by others", Forge::foreign().pass(&claims)),
        ("over", own.pass(&over)),
        ("for another audience", own.pass(&audience)),
        ("of another event", other.pass.clone().expect("a pass")),
        ("twice", format!("{pass}.{pass}")),
        ("empty", String::new()),
    ];
    world.patch(EVENT, &json!({"queue_all": true})).await;
    for (what, token) in bad {
        for header in [("cookie", format!("ropeline-pass-sale={token}")), ("authorization", format!("Bearer {token}"))]
        {
            let answer = world.raw(Method::GET, "/checkout", &[(header.0, &header.1)], "").await;
            assert_eq!(answer.status.as_u16(), 202, "{what}: {}", answer.text());
            assert!(shop.take().is_empty(), "{what}");
        }
    }
    let mut browser = browser;
    assert_eq!(browser.send(&world, Method::GET, "/checkout", &[], "").await.status, 200, "the good one does");
    let mut stranger = Browser::default();
    stranger.go(&world, "/checkout").await;
    assert_eq!(shop.take().len(), 1);
}
