//! A page of the operator's own around the room: put, read, shown, taken away, refused.

use std::time::{Duration, Instant};

use ropeline_e2e::{Answer, Method, Role, json};

use crate::call::{Call, Judged};
use crate::others;

/// As little as a page can be.
pub const SMALL: &str = "<!doctype html>\n<html lang=\"{{lang}}\">\n<head>\n{{head}}\n<style>.top { color: #123456 }</style>\n</head>\n\
    <body>\n<p class=\"top\" title=\"{{message}}\">{{name}} ({{event}})</p>\n{{room}}\n</body>\n</html>\n";
const KIND: &str = "text/html; charset=utf-8";
const MOST: usize = 64 * 1_024;

fn on<'a>(j: &'a Judged, method: Method, event: &str) -> Call<'a> {
    j.call(method, &format!("/queue/admin/events/{event}/page")).role(Role::Admin)
}

/// Puts a page.
pub fn put<'a>(j: &'a Judged, event: &str, html: &str) -> Call<'a> {
    on(j, Method::PUT, event).raw(KIND, html.to_owned())
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("an ETag").to_owned()
}

/// Provokes whatever these routes answer; used by the tour, too.
pub async fn everything<'a>(j: &'a Judged) {
    j.world.create("own", &json!({})).await;
    let path = "/queue/admin/events/own/page";
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let full = |call: Call<'a>| if method == Method::PUT { call.raw(KIND, SMALL) } else { call };
        let call = || full(j.call(method.clone(), path));
        call().problem(401, "unauthorized").await;
        for role in others(Role::Admin) {
            call().role(role).problem(403, "forbidden").await;
        }
        for unknown in ["nobody", "%3Cb%3E"] {
            full(on(j, method.clone(), unknown)).problem(404, "unknown-event").await;
        }
    }
    on(j, Method::GET, "own").problem(404, "not-found").await;
    on(j, Method::DELETE, "own").expect(204).await;
    let first = tag(&put(j, "own", SMALL).expect(204).await);
    let read = on(j, Method::GET, "own").expect(200).await;
    assert_eq!((read.text(), tag(&read), read.header("content-type")), (SMALL.to_owned(), first.clone(), Some(KIND)));
    let second = tag(&put(j, "own", SMALL).header("if-match", &first).expect(204).await);
    assert_ne!(first, second);
    put(j, "own", SMALL).header("if-match", &first).problem(412, "precondition-failed").await;
    on(j, Method::DELETE, "own").header("if-match", &first).problem(412, "precondition-failed").await;
    put(j, "own", "<p>").problem(400, "malformed-request").await;
    let padded = |length: usize| format!("{SMALL}{}", " ".repeat(length - SMALL.len()));
    put(j, "own", &padded(MOST)).expect(204).await;
    let large = put(j, "own", &padded(MOST + 1)).problem(413, "too-large").await.json();
    assert!(large["detail"].as_str().is_some_and(|detail| detail.contains("65536 bytes")), "{large}");
    for kind in ["application/json", "text/plain", "application/xhtml+xml"] {
        on(j, Method::PUT, "own").raw(kind, SMALL).problem(415, "unsupported-media-type").await;
    }
    on(j, Method::PUT, "own").raw(KIND, &b"\xff\xfe"[..]).problem(400, "malformed-request").await;
    assert_eq!(on(j, Method::GET, "own").expect(200).await.text().len(), MOST, "nothing of what was refused is there");
    for _ in 0..2 {
        on(j, Method::DELETE, "own").expect(204).await;
    }
    on(j, Method::GET, "own").problem(404, "not-found").await;
}

#[tokio::test]
async fn a_page_is_put_and_read_and_taken_away_by_whoever_has_the_admin_key() {
    everything(&Judged::start()).await;
}

#[tokio::test]
async fn around_the_room_there_is_the_operators_page_within_five_seconds() {
    let j = Judged::start();
    let settings =
        json!({"name": "Rock & <b>Roll</b>", "message": "{{room}} \"soon\"", "return_url": "https://shop.example/in"});
    j.world.create("demo", &settings).await;
    let view = |query: &'static str| j.get(&format!("/queue/events/demo/wait{query}"));
    let ours = view("").expect(200).await;
    put(&j, "demo", SMALL).expect(204).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let theirs = view("").header("accept-language", "ko").expect(200).await;
    let html = theirs.text();
    let first = "<p class=\"top\" title=\"{{room}} &quot;soon&quot;\">Rock &amp; &lt;b&gt;Roll&lt;/b&gt; (demo)</p>\n<main id=\"room\"";
    assert!(html.contains(first) && html.contains("<html lang=\"ko\">"), "{html}");
    assert!(html.contains("<script defer src=\"/queue/assets/wait.js?v="), "{html}");
    assert_eq!(html.matches("id=\"room\"").count(), 1, "{html}");
    let policy = theirs.header("content-security-policy").expect("a policy");
    // printf '.top { color: #123456 }' | openssl dgst -sha256 -binary | base64
    let hash = "'sha256-W9w2ue1sSqR1I5qTT5nsFY8RWWal2lO1cqhy92TLnSw='";
    assert!(policy.contains(&format!("style-src 'self' {hash}; font-src 'self' data:;")), "{policy}");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.ends_with("form-action 'self' https://shop.example"), "{policy}");
    let plain = view("?mode=plain").expect(200).await.text();
    assert!(plain.contains("<p class=\"top\"") && plain.contains("value=\"enter\""), "{plain}");

    let event = || j.call(Method::GET, "/queue/admin/events/demo").role(Role::Admin);
    let before = event().expect(200).await.json();
    assert!(before["page"].is_u64(), "{before}");
    // Settings do not touch it, whatever they say.
    for (method, body) in
        [(Method::PATCH, json!({"message": "later", "page": null})), (Method::PUT, json!({"name": "Rock"}))]
    {
        let changed = j.call(method, "/queue/admin/events/demo").role(Role::Admin).json(body).expect(200).await.json();
        assert_eq!(changed["page"], before["page"]);
    }
    assert!(view("").expect(200).await.text().contains("<p class=\"top\""));

    on(&j, Method::DELETE, "demo").expect(204).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let back = view("").expect(200).await;
    assert!(!back.text().contains("class=\"top\""), "{}", back.text());
    assert!(ours.header("content-security-policy").is_some_and(|policy| !policy.contains("sha256")));
    assert_eq!(event().expect(200).await.json()["page"], json!(null));
}

#[tokio::test]
async fn a_page_that_was_taken_survives_a_kill_and_is_purged_with_its_event() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    let taken = tag(&put(&j, "demo", SMALL).expect(204).await);
    j.world.kill9();
    j.world.restart();
    let read = on(&j, Method::GET, "demo").expect(200).await;
    assert_eq!((read.text(), tag(&read)), (SMALL.to_owned(), taken));
    assert!(j.get("/queue/events/demo/wait").expect(200).await.text().contains("<p class=\"top\""));
    on(&j, Method::DELETE, "demo").expect(204).await;
    put(&j, "demo", SMALL).expect(204).await;

    let audit = j.get("/queue/admin/events/demo/audit").role(Role::Admin).expect(200).await.json();
    let entries = audit["entries"].as_array().expect("entries");
    let said: Vec<_> = entries.iter().filter(|entry| entry["action"] == "page").map(|entry| &entry["detail"]).collect();
    assert_eq!(said.len(), 3, "{audit}");
    let bytes = json!(SMALL.len());
    assert_eq!((&said[0]["bytes"], &said[1]["bytes"], &said[2]["bytes"]), (&bytes, &json!(null), &bytes), "{audit}");
    assert_eq!((&said[1]["page"]["to"], &said[2]["page"]["from"]), (&json!(null), &json!(null)), "{audit}");
    assert!(entries.iter().all(|entry| entry["by"].as_str().is_some_and(|by| by.starts_with("admin"))), "{audit}");

    let purge = j.call(Method::DELETE, "/queue/admin/events/demo?force=true").role(Role::Admin);
    purge.expect(204).await;
    on(&j, Method::GET, "demo").problem(404, "unknown-event").await;
    put(&j, "demo", SMALL).problem(404, "unknown-event").await;
}

#[tokio::test]
async fn a_broken_page_is_refused_with_line_and_slot_and_the_old_one_stays() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    put(&j, "demo", SMALL).expect(204).await;
    for (from, to, said) in [
        ("{{name}}", "{{nmae}}", "line 8, column 36: slot {{nmae}} is not known; there are {{head}}, {{room}}"),
        ("{{room}}", "", "slot {{room}} is missing"),
        ("{{room}}", "{{room}}\n{{room}}", "line 10, column 1: slot {{room}} is there twice"),
        ("{{room}}", "{{room", "line 9, column 1: slot is never closed"),
        ("{{head}}", "", "slot {{head}} is missing"),
        ("<p class", "<script>alert(1)</script><p class", "line 8, column 1: <script> is not taken"),
        ("<p class=", "<p onclick=\"x()\" class=", "line 8, column 4: 'onclick' is not taken"),
        ("<p class=", "<p style=\"color: red\" class=", "line 8, column 4: 'style' is not taken"),
        (
            "<p class",
            "<img src=\"https://cdn.example/x.png\" alt=\"\"><p class",
            "line 8, column 6: 'src' leads elsewhere",
        ),
        (".top {", ".top { background: url(//cdn.example/x.png);", "line 5, column 27: url() leads elsewhere"),
        ("class=\"top\"", "id=\"headline\"", "line 8, column 4: id 'headline' is one that slot {{room}} has"),
        ("</p>", "", "slot {{room}} cannot stand in <p>"),
    ] {
        let refused = put(&j, "demo", &SMALL.replacen(from, to, 1)).problem(400, "malformed-request").await.json();
        assert_eq!(refused["field"], "page", "{refused}");
        let detail = refused["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(said) && detail.ends_with("(see docs/page.md)"), "{to}: {detail}");
    }
    assert_eq!(on(&j, Method::GET, "demo").expect(200).await.text(), SMALL);
}

#[tokio::test]
async fn the_worked_example_is_taken_and_what_the_documentation_shows_is_too() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    let read = |name: &str| std::fs::read_to_string(xtask::paths::root().join(name)).expect(name);
    put(&j, "demo", &read("examples/page/aurora.html")).expect(204).await;
    let document = read("docs/page.md");
    let shown: Vec<_> = document.split("```html\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!shown.is_empty(), "docs/page.md shows no page");
    for html in shown {
        put(&j, "demo", html).expect(204).await;
    }
    let began = Instant::now();
    j.get("/queue/events/demo/wait").expect(200).await;
    assert!(began.elapsed() < Duration::from_secs(2));
}
