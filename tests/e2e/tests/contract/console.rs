//! The operator's console: a page for everybody, and nothing in it.

use ropeline_e2e::{Method, Role, json};

use crate::call::Judged;

/// Goes to the console; used by the tour, too.
pub async fn everything(j: &Judged) {
    let there = j.get("/queue/admin").expect(308).await;
    assert_eq!(there.header("location"), Some("/queue/admin/"));
    let page = j.get("/queue/admin/").expect(200).await;
    let html = page.text();
    for asset in ["console.js", "console.css"] {
        let named = format!("\"/queue/assets/{asset}?v=");
        let (_, rest) = html.split_once(&named).unwrap_or_else(|| panic!("{asset} is not in {html}"));
        let version = rest.split('"').next().expect("a version");
        let path = format!("/queue/assets/{asset}?v={version}");
        let tag = j.get(&path).expect(200).await.header("etag").expect("an ETag").to_owned();
        j.get(&path).header("if-none-match", &tag).expect(304).await;
    }
}

#[tokio::test]
async fn the_console_is_the_same_page_for_everybody_and_has_no_data_in_it() {
    let j = Judged::start();
    let before = j.get("/queue/admin/").expect(200).await;
    everything(&j).await;
    j.world.create("secret-tour", &json!({"name": "Not to be known", "message": "Not yet"})).await;
    let with_key = j.get("/queue/admin/").role(Role::Admin).expect(200).await;
    let without = j.get("/queue/admin/?event=secret-tour").header("accept-language", "ko").expect(200).await;
    for page in [&with_key, &without] {
        assert_eq!(page.text(), before.text());
        assert!(page.header("set-cookie").is_none());
    }
    for part in ["secret-tour", "Not to be known", "Not yet", j.world.secret(Role::Admin)] {
        assert!(!before.text().contains(part), "{part}");
    }
}

#[tokio::test]
async fn nothing_can_frame_the_console_index_it_or_put_code_into_it() {
    let j = Judged::start();
    let page = j.get("/queue/admin/").expect(200).await;
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex, nofollow"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let policy = page.header("content-security-policy").expect("a policy");
    for part in
        ["default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "form-action 'none'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains("require-trusted-types-for 'script'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert!(!page.text().contains("<style") && !page.text().contains("onclick"), "{}", page.text());
}

#[tokio::test]
async fn what_the_console_asks_needs_an_admin_key() {
    let j = Judged::start();
    j.world.create("tour", &json!({})).await;
    let event = "/queue/admin/events/tour";
    for path in ["/queue/admin/events".to_owned(), event.to_owned(), format!("{event}/stats"), format!("{event}/audit")]
    {
        j.get(&path).problem(401, "unauthorized").await;
        j.get(&path).bearer("wrong").problem(401, "unauthorized").await;
        j.get(&path).role(Role::Relay).problem(403, "forbidden").await;
        j.call(Method::GET, &path).role(Role::Admin).expect(200).await;
    }
}
