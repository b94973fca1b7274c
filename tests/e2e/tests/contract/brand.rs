//! Colours, logo and link of the waiting page.

use std::time::Duration;

use ropeline_e2e::{Method, Role, json};

use crate::call::{Call, Judged};

const LOGO: &str = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=";

fn patch<'a>(j: &'a Judged, event: &str) -> Call<'a> {
    j.call(Method::PATCH, &format!("/queue/admin/events/{event}")).role(Role::Admin)
}

#[tokio::test]
async fn a_brand_is_on_the_page_in_its_style_sheet_and_nowhere_inline() {
    let j = Judged::start();
    let plain = j.world.create("demo", &json!({})).await;
    let ours = j.get("/queue/events/demo/wait").expect(200).await;
    let link = json!({"url": "https://shop.example/help?a=1&b=2", "text": "<i>Help</i> & more"});
    let brand = json!({"accent": "#B3261E", "logo": LOGO, "logo_alt": "Aurora \"live\"", "link": link});
    let changed = patch(&j, "demo").json(json!({ "brand": brand })).expect(200).await.json();
    assert_eq!(changed["brand"]["accent"], "#b3261e");
    assert_eq!(plain["brand"], json!(null));
    let page = j.get("/queue/events/demo/wait").expect(200).await;
    let html = page.text();
    for part in [
        &format!("<img id=\"logo\" src=\"{LOGO}\" alt=\"Aurora &quot;live&quot;\">") as &str,
        "href=\"https://shop.example/help?a=1&amp;b=2\"",
        "&lt;i&gt;Help&lt;/i&gt; &amp; more",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(!html.contains("<style") && !html.contains("style="), "{html}");
    assert_eq!(page.header("content-security-policy"), ours.header("content-security-policy"));

    let sheet = |html: &str| {
        let from = html.find("/queue/assets/wait.css").expect("a style sheet");
        html[from..].split('"').next().expect("an address").replace("&amp;", "&")
    };
    let (branded, ours) = (sheet(&html), sheet(&ours.text()));
    let tag = |answer: &ropeline_e2e::Answer| answer.header("etag").expect("an ETag").to_owned();
    let (css, plain) = (j.get(&branded).expect(200).await, j.get(&ours).expect(200).await);
    assert!(css.text().starts_with(&plain.text()));
    assert!(css.text().contains("(prefers-color-scheme: light) { :root { --accent: #b3261e; } }"), "{}", css.text());
    assert!(css.text().contains("(prefers-color-scheme: dark) { :root { --accent: #"), "a lighter one is made");
    assert_ne!(tag(&css), tag(&plain));
    j.get(&branded).header("if-none-match", tag(&css)).expect(304).await;
    // What is no colour gets nowhere.
    for bad in ["accent=red", "accent=%23b3261e", "accent=b3261e;}body{display:none", "accent=b3261", "accent_dark="] {
        let same = j.get(&format!("/queue/assets/wait.css?{bad}")).expect(200).await;
        assert_eq!(same.text(), plain.text(), "{bad}");
    }

    let back = patch(&j, "demo").json(json!({"brand": {"link": null, "logo": null}})).expect(200).await.json();
    assert_eq!((&back["brand"]["link"], &back["brand"]["accent"]), (&json!(null), &json!("#b3261e")));
    let none = patch(&j, "demo").json(json!({ "brand": null })).expect(200).await.json();
    assert_eq!(none["brand"], json!(null));
    let again = j.get("/queue/events/demo/wait").expect(200).await.text();
    assert!(!again.contains("<img") && sheet(&again) == ours, "{again}");
}

#[tokio::test]
async fn a_brand_is_in_force_everywhere_within_five_seconds_and_survives_a_restart() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    j.get("/queue/events/demo/wait").expect(200).await;
    patch(&j, "demo").json(json!({"brand": {"accent": "#0a5c36"}})).expect(200).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(j.get("/queue/events/demo/wait").expect(200).await.text().contains("accent=0a5c36"));
    j.world.kill9();
    j.world.restart();
    assert!(j.get("/queue/events/demo/wait").expect(200).await.text().contains("accent=0a5c36"));
}

#[tokio::test]
async fn a_broken_brand_is_refused_by_its_part_with_what_to_do() {
    let j = Judged::start();
    let event = j.world.create("demo", &json!({"brand": {"accent": "#0a5c36"}})).await;
    for (part, brand, said) in [
        ("accent", json!({"accent": "#ffd400"}), "contrast of 1.4"),
        ("accent", json!({"accent": "yellow"}), "#2350d8"),
        ("accent_dark", json!({"accent_dark": "#0a5c36"}), "lighter"),
        ("logo", json!({"logo": "https://cdn.example/logo.png"}), "data:image/png;base64"),
        ("logo", json!({"logo": format!("data:image/png;base64,iVBORw0KGgo{}", "A".repeat(8_192))}), "smaller"),
        ("link.url", json!({"link": {"url": "javascript:alert(1)", "text": "x"}}), "https://"),
        ("link.text", json!({"link": {"url": "https://shop.example/"}}), "1 to 200"),
        ("font", json!({"font": "x"}), "left out"),
    ] {
        let refused = patch(&j, "demo").json(json!({ "brand": brand })).problem(400, "malformed-request").await.json();
        assert_eq!(refused["field"], format!("brand.{part}"), "{refused}");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{refused}");
    }
    let read = j.get("/queue/admin/events/demo").role(Role::Admin).expect(200).await.json();
    assert_eq!(read, event, "nothing of all that was taken");
}
