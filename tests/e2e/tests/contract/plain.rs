//! The waiting page without JavaScript: forms, cookies, and a page that loads itself again.

use std::collections::BTreeMap;

use ropeline_e2e::{Answer, Method, json};

use crate::browser::{cookies, foreign};
use crate::call::Judged;
use crate::{enter, from_now};

const FORM: &str = "application/x-www-form-urlencoded";

/// A browser that runs no script.
struct Browser<'a> {
    j: &'a Judged,
    page: String,
    jar: BTreeMap<String, String>,
    /// The page that is shown.
    html: String,
    /// When it loads itself again, seconds.
    refresh: Option<u64>,
}

impl<'a> Browser<'a> {
    /// Opens the page of an event.
    async fn open(j: &'a Judged, event: &str) -> Self {
        let page = format!("/queue/events/{event}/wait");
        let mut browser = Self { j, page: page.clone(), jar: BTreeMap::new(), html: String::new(), refresh: None };
        browser.go(&page).await;
        browser
    }

    fn cookie(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in cookies(answer) {
            let (pair, rest) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if rest.contains("Max-Age=0;") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    async fn go(&mut self, path: &str) {
        let answer = self.j.get(path).header("cookie", self.cookie()).expect(200).await;
        self.keep(&answer);
        self.refresh = answer.header("refresh").map(|seconds| seconds.parse().expect("seconds"));
        self.html = answer.text();
    }

    async fn reload(&mut self) {
        let path = format!("{}?mode=plain", self.page);
        self.go(&path).await;
    }

    /// Presses a button; answers where that leads. Pages of the line are shown.
    async fn press(&mut self, action: &str) -> String {
        let button = format!("name=\"action\" value=\"{action}\"");
        assert!(self.html.contains(&button), "there is no button '{action}': {}", self.html);
        let again = if self.html.contains("name=\"again\"") { "again=true&" } else { "" };
        let call = self.j.post(&self.page).header("cookie", self.cookie()).header("sec-fetch-site", "same-origin");
        let answer = call.raw(FORM, format!("{again}action={action}")).expect(303).await;
        self.keep(&answer);
        let to = answer.header("location").expect("a location").to_owned();
        if to.starts_with("/queue/") {
            self.go(&to).await;
        }
        to
    }

    fn view(&self) -> &str {
        let (_, rest) = self.html.split_once("data-view=\"").expect("a view");
        rest.split('"').next().unwrap_or_default()
    }
}

#[tokio::test]
async fn without_a_script_a_visitor_enters_waits_is_called_and_goes_in() {
    let j = Judged::start();
    let settings =
        json!({"total_active_users": 1, "new_users_per_minute": 60, "return_url": "https://shop.example/in"});
    j.world.create("demo", &settings).await;
    let first = enter(&j, "demo", true).await;
    let mut browser = Browser::open(&j, "demo").await;
    assert_eq!((browser.view(), browser.refresh), ("joining", None));
    let to = browser.press("enter").await;
    assert!(to.starts_with("/queue/events/demo/wait?mode=plain"), "{to}");
    assert!(!browser.html.contains("<script"));
    let number = |html: &str| html.contains("<dd id=\"number\">2</dd>");
    assert!(number(&browser.html), "{}", browser.html);
    // Called or not yet, the place stays whatever is pressed or loaded.
    browser.reload().await;
    assert!(number(&browser.html));
    assert_eq!(browser.jar.keys().filter(|name| name.contains("seen")).count(), 1);

    assert_eq!(j.world.complete("demo", &first.jti()).await.status.as_u16(), 204);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while browser.view() != "admitted" {
        assert!(std::time::Instant::now() < until, "not let in: {}", browser.html);
        match browser.view() {
            "called" => drop(browser.press("claim").await),
            "waiting" => {
                assert!(browser.refresh.is_some_and(|seconds| (5..=60).contains(&seconds)));
                browser.reload().await;
            }
            other => panic!("{other}: {}", browser.html),
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let pass = browser.jar["ropeline-pass-demo"].clone();
    assert!(browser.html.contains("action=\"https://shop.example/in\""), "{}", browser.html);
    assert!(browser.html.contains(&format!("id=\"pass\" value=\"{pass}\"")));
    j.get("/queue/verify?event=demo").bearer(&pass).expect(204).await;
}

#[tokio::test]
async fn where_there_is_room_one_press_leads_to_a_shop_on_this_origin() {
    let j = Judged::start();
    let shop = format!("http://{}/in?from=line", j.world.authority);
    j.world.create("here", &json!({"return_url": shop})).await;
    let mut browser = Browser::open(&j, "here").await;
    assert_eq!(browser.press("enter").await, shop);
    assert!(browser.jar.contains_key("ropeline-pass-here"));
    // The same machine by another name.
    let near = format!("{}/in", j.world.issuer);
    j.world.create("near", &json!({"return_url": near})).await;
    let mut browser = Browser::open(&j, "near").await;
    assert!(browser.press("enter").await.starts_with("/queue/events/near/wait"), "another origin");
}

#[tokio::test]
async fn without_a_script_leaving_and_coming_again_are_a_press_each() {
    let j = Judged::start();
    j.world.create("demo", &json!({"total_active_users": 1, "new_users_per_minute": 1})).await;
    enter(&j, "demo", true).await;
    let mut browser = Browser::open(&j, "demo").await;
    browser.press("enter").await;
    let to = browser.press("leave").await;
    assert!(to.ends_with("said=place-left"), "{to}");
    assert_eq!(browser.view(), "left");
    browser.press("enter").await;
    assert!(browser.html.contains("<dd id=\"number\">3</dd>"), "a new place: {}", browser.html);
}

#[tokio::test]
async fn without_a_script_the_page_says_what_is_in_the_way() {
    let j = Judged::start();
    let soon = json!({"prequeue_start_time": from_now(600_000), "event_start_time": from_now(1_200_000)});
    j.world.create("soon", &soon).await;
    let mut browser = Browser::open(&j, "soon").await;
    assert!(browser.press("enter").await.ends_with("said=not-open-yet"));
    assert_eq!((browser.view(), browser.refresh), ("scheduled", Some(60)));
    assert!(browser.html.contains("about 20 minutes") || browser.html.contains("19 to 20 minutes"), "{}", browser.html);

    for (settings, said, view, words) in [
        (json!({"queueing_method": "reject"}), "queue-closed", "outside", "takes no new people"),
        (json!({"sold_out": true}), "sold-out", "sold_out", "everything is sold"),
        (json!({"event_end_time": from_now(0)}), "event-ended", "event_ended", "This sale is over"),
    ] {
        j.world.create(said, &settings).await;
        let mut browser = Browser::open(&j, said).await;
        let to = browser.press("enter").await;
        assert!(to.ends_with(&format!("said={said}")), "{to}");
        assert_eq!(browser.view(), view);
        assert!(browser.html.contains(words), "{said}: {}", browser.html);
    }

    j.world.create("open", &json!({})).await;
    let without = j.post("/queue/events/open/wait").header("sec-fetch-site", "same-origin").raw(FORM, "action=enter");
    let to = without.expect(303).await.header("location").expect("a location").to_owned();
    assert!(to.ends_with("said=visitor-missing"), "{to}");
    assert!(j.get(&to).expect(200).await.text().contains("Please allow cookies"));
}

#[tokio::test]
async fn the_page_speaks_the_language_asked_for_and_keeps_the_one_chosen() {
    let j = Judged::start();
    j.world.create("demo", &json!({"name": "공연"})).await;
    let page = |query: &str, accept: &str, cookie: &str| {
        let call = j.get(&format!("/queue/events/demo/wait{query}")).header("accept-language", accept);
        call.header("cookie", cookie.to_owned())
    };
    let language = |answer: &Answer| {
        let text = answer.text();
        text.split_once("<html lang=\"").map(|(_, rest)| rest[..2].to_owned()).expect("a language")
    };
    assert_eq!(language(&page("", "ko-KR,ko;q=0.9,en;q=0.8", "").expect(200).await), "ko");
    assert_eq!(language(&page("", "fr", "").expect(200).await), "en");
    let chosen = page("?lang=ja", "ko", "").expect(200).await;
    assert_eq!(language(&chosen), "ja");
    let set = cookies(&chosen);
    let kept = set.iter().find_map(|cookie| cookie.strip_prefix("ropeline-language-demo=")).expect("it is kept");
    assert!(kept.starts_with("ja;"), "{kept}");
    assert_eq!(language(&page("", "ko", "ropeline-language-demo=ja").expect(200).await), "ja");
    let odd = page("?lang=xx", "ko", "ropeline-language-demo=%3Cscript%3E").expect(200).await;
    assert_eq!(language(&odd), "ko");
}

/// What is wrong with a form is told, and nothing happens.
pub async fn bad_forms(j: &Judged) {
    j.world.create("forms", &json!({})).await;
    let path = "/queue/events/forms/wait";
    let post = || j.post(path).header("sec-fetch-site", "same-origin");
    for (body, slug, field) in [
        ("", "malformed-request", "action"),
        ("action", "malformed-request", "action"),
        ("action=dance", "malformed-request", "action"),
        ("again=true", "malformed-request", "action"),
        ("action=enter&colour=red", "unknown-field", "colour"),
    ] {
        let refused = post().raw(FORM, body).problem(400, slug).await.json();
        assert_eq!(refused["field"], field, "{body}");
    }
    post().raw("application/json", "{\"action\": \"enter\"}").problem(415, "unsupported-media-type").await;
    post().raw(FORM, format!("action={}", "x".repeat(17_000))).problem(413, "too-large").await;
    j.post("/queue/events/nobody/wait").raw(FORM, "action=enter").problem(404, "unknown-event").await;
    let own = format!("http://{}", j.world.authority);
    for headers in foreign(&own) {
        let call = headers.iter().fold(j.post(path), |call, (name, value)| call.header(name, value.clone()));
        call.raw(FORM, "action=enter").problem(403, "forbidden").await;
    }
    let stats = j.world.admin(Method::GET, "/queue/admin/events/forms/stats", &json!(null)).await.json();
    assert_eq!(stats["entered"], 0, "nothing of all that has happened");
    j.post(path).header("origin", own).raw(FORM, "action=enter").expect(303).await;
}
