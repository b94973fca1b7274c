//! Without a pass: people wait on a page, programs are told where.

use ropeline_e2e::{Answer, Method, Role, WorldOptions, json};
use xtask::http::bearer;

use crate::{Browser, EVENT, NAVIGATES, gated, inside};

const FULL: &str = "total_active_users";

/// Names and values.
type Headers<'a> = [(&'a str, &'a str)];

#[tokio::test]
async fn people_wait_on_the_page_they_asked_for_and_programs_are_told_where() {
    for (configured, programs) in [(200, 202), (202, 202), (429, 429)] {
        let settings = json!({FULL: 1, "queueing_status_code": configured, "message": "Back soon"});
        let (world, shop) = gated(WorldOptions::default(), settings).await;
        inside(&world, &shop).await;
        let mut second = Browser::default();
        let page = second.go(&world, "/tickets").await;
        assert_eq!(page.status.as_u16(), configured);
        assert!(page.text().contains("data-gate=\"true\"") && page.text().contains("Back soon"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        for name in ["ropeline-ticket-sale", "ropeline-visitor-sale"] {
            assert!(second.cookie(name).is_some(), "{name}");
        }
        assert!(second.cookie("ropeline-pass-sale").is_none());
        // The page goes on with the place it came with.
        let same = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
        let entered = second.send(&world, Method::POST, "/queue/enter", &same, r#"{"event":"sale"}"#).await;
        assert_eq!((entered.status.as_u16(), entered.json()["number"].as_u64()), (200, Some(2)));

        let told = world.raw(Method::GET, "/api/seats", &[("sec-fetch-mode", "cors")], "").await;
        assert_eq!(told.status.as_u16(), programs);
        assert_eq!(told.json()["wait_url"], "/queue/events/sale/wait");
        assert_eq!(told.json()["message"], "Back soon");
        assert!(told.header("retry-after").is_some());
        assert!(shop.take().is_empty());
    }
}

#[tokio::test]
async fn a_page_of_the_operators_own_is_shown_at_the_gate_and_without_a_script() {
    let (world, shop) = gated(WorldOptions::default(), json!({FULL: 1})).await;
    let html =
        "<!doctype html><html lang=\"{{lang}}\"><head>{{head}}</head><body><p>Ours: {{name}}</p>{{room}}</body></html>";
    let key = bearer(world.secret(Role::Admin));
    let headers = [("authorization", key.as_str()), ("content-type", "text/html")];
    let put = world.raw(Method::PUT, "/queue/admin/events/sale/page", &headers, html).await;
    assert_eq!(put.status.as_u16(), 204, "{}", put.text());
    inside(&world, &shop).await;
    let mut second = Browser::default();
    let page = second.go(&world, "/tickets").await.text();
    assert!(page.contains("<p>Ours: sale</p><main id=\"room\"") && page.contains("data-gate=\"true\""), "{page}");
    let plain = second.go(&world, "/queue/events/sale/wait?mode=plain").await.text();
    assert!(plain.contains("<p>Ours: sale</p>") && plain.contains("data-view=\"waiting\""), "{plain}");
}

#[tokio::test]
async fn only_people_on_their_way_to_a_page_take_a_place() {
    let (world, shop) = gated(WorldOptions::default(), json!({})).await;
    let calls: [(Method, &Headers, u16); 9] = [
        (Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")], 202),
        (Method::GET, &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], 202),
        (Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], 202),
        (Method::GET, &[("accept", "*/*")], 202),
        (Method::GET, &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], 202),
        (Method::HEAD, &NAVIGATES, 202),
        // Browsers keep only what succeeds.
        (Method::GET, &[NAVIGATES[0], NAVIGATES[1], ("sec-purpose", "prefetch;prerender")], 409),
        (Method::GET, &[NAVIGATES[0], NAVIGATES[1], ("purpose", "prefetch")], 409),
        // A form that comes too late: the page asks for a place by itself.
        (Method::POST, &NAVIGATES, 200),
    ];
    for (method, headers, status) in calls {
        let told = world.raw(method.clone(), "/tickets", headers, "").await;
        assert_eq!(told.status.as_u16(), status, "{method} {headers:?}");
        let is_page = told.text().contains("data-gate=\"true\"");
        assert_eq!(is_page, status == 200, "{method} {headers:?}");
    }
    assert_eq!(world.stats(EVENT).await["entered"], 0);
    assert!(shop.take().is_empty());
    // Browsers before 2023 say less.
    assert_eq!(world.raw(Method::GET, "/tickets", &[("accept", "text/html,*/*;q=0.8")], "").await.status, 200);
    assert!(shop.only().header("ropeline-pass").is_some());
}

#[tokio::test]
async fn before_the_opening_and_after_the_end_there_is_the_page_and_not_the_shop() {
    let (world, shop) = gated(WorldOptions::default(), json!({"event_start_time": "2099-01-01T00:00:00Z"})).await;
    let is_page = |answer: &Answer| answer.text().contains("data-gate=\"true\"");
    assert!(is_page(&Browser::default().go(&world, "/").await));
    world.patch(EVENT, &json!({"event_start_time": null, "sold_out": true})).await;
    assert!(is_page(&Browser::default().go(&world, "/").await));
    world.patch(EVENT, &json!({"sold_out": false, "queueing_method": "reject"})).await;
    assert!(is_page(&Browser::default().go(&world, "/").await));
    assert!(shop.take().is_empty());
}
