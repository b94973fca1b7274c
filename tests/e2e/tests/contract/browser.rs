//! What browsers hold the Worker to: cookies, same-origin, CORS, and the waiting page.

use ropeline_e2e::{Answer, Method, json};

use crate::call::{Call, Judged};
use crate::{Holder, enter};

const SHOP: &str = "https://shop.example";

/// The cookies that an answer sets.
pub fn cookies(answer: &Answer) -> Vec<String> {
    let all = answer.headers.get_all("set-cookie").iter();
    all.map(|value| value.to_str().expect("a cookie").to_owned()).collect()
}

fn own_origin(j: &Judged) -> String {
    format!("http://{}", j.world.authority)
}

/// `Sec-Fetch-Site` and `Origin` of requests that no page of this very origin has made.
pub fn foreign(own: &str) -> Vec<Vec<(&'static str, String)>> {
    let cases = [
        (Some("cross-site"), None),
        (Some("same-site"), None),
        (Some("none"), None),
        // The browser's word goes before an origin that looks right.
        (Some("cross-site"), Some(own)),
        (None, None),
        (None, Some(SHOP)),
        (None, Some("null")),
        (None, Some("https://evil.example")),
    ];
    let headers = cases.map(|(site, origin)| {
        let both = [("sec-fetch-site", site), ("origin", origin)];
        both.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect()
    });
    headers.into()
}

#[tokio::test]
async fn a_foreign_page_cannot_use_the_cookies_of_a_visitor() {
    let j = Judged::start();
    j.world.create("demo", &json!({"allowed_origins": [SHOP]})).await;
    let mine = enter(&j, "demo", true).await;
    let own = own_origin(&j);
    let with_cookies = |path: &str| {
        j.post(&format!("/queue/{path}")).header("cookie", mine.cookies("demo")).json(json!({"event": "demo"}))
    };
    for path in ["enter", "claim", "renew", "leave"] {
        for headers in foreign(&own) {
            let call = headers.iter().fold(with_cookies(path), |call, (name, value)| call.header(name, value.clone()));
            let refused = call.problem(403, "forbidden").await;
            assert!(cookies(&refused).is_empty(), "{path} {headers:?}");
        }
    }
    // A ticket as bearer does not make the key's cookie any better.
    let mixed = j.post("/queue/leave").bearer(&mine.ticket).header("cookie", mine.cookies("demo"));
    mixed.header("sec-fetch-site", "cross-site").problem(403, "forbidden").await;
    // Nothing of all that has happened: the session lives.
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", own.as_str())] {
        with_cookies("enter").header(name, value).expect(200).await;
        assert_eq!(with_cookies("claim").header(name, value).expect(200).await.json()["state"], "admitted");
        with_cookies("renew").header(name, value).expect(200).await;
    }
    // Who brings ticket and key by hand needs no page at all, wherever it is.
    let bearer = j.post("/queue/renew").bearer(&mine.ticket).header("ropeline-visitor", &mine.key);
    bearer.header("sec-fetch-site", "cross-site").header("origin", "https://evil.example").expect(200).await;
    let left = with_cookies("leave").header("sec-fetch-site", "same-origin").expect(204).await;
    assert!(
        cookies(&left).iter().any(|cookie| cookie.starts_with("ropeline-pass-demo=; ") && cookie.contains("Max-Age=0"))
    );
    with_cookies("claim").header("sec-fetch-site", "same-origin").problem(410, "session-ended").await;
}

#[tokio::test]
async fn a_cookie_names_purpose_and_event_and_a_bearer_goes_before_it() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    j.world.create("demo-2", &json!({})).await;
    let key = ropeline_e2e::new_key();
    let body = json!({"event": "demo", "visitor": key, "claim": true});
    let entered = j.post("/queue/enter").header("sec-fetch-site", "same-origin").json(body.clone()).expect(201).await;
    let place = entered.json();
    let (ticket, pass) = (place["ticket"].as_str().expect("a ticket"), place["pass"].as_str().expect("a pass"));
    let set = cookies(&entered);
    for (name, value) in [("ropeline-ticket-demo", ticket), ("ropeline-pass-demo", pass)] {
        let cookie = set.iter().find(|cookie| cookie.starts_with(&format!("{name}={value};")));
        let cookie = cookie.unwrap_or_else(|| panic!("no {name} in {set:?}"));
        for part in ["Path=/", "SameSite=Lax", "HttpOnly"] {
            assert!(cookie.contains(&format!("; {part}")), "{cookie}");
        }
        assert!(!cookie.contains("Domain") && !cookie.contains("Secure"), "development on http: {cookie}");
    }
    assert_eq!(set.len(), 2, "the visitor key is the page's to set: {set:?}");
    let foreign = j.post("/queue/enter").header("sec-fetch-site", "cross-site").json(body).expect(200).await;
    assert!(cookies(&foreign).is_empty(), "pages elsewhere get no cookies");

    let other = enter(&j, "demo-2", false).await;
    let jar = Holder { key, ticket: ticket.to_owned(), place }.cookies("demo");
    let status = j.get("/queue/status?event=demo").header("cookie", &jar).expect(200).await.json();
    assert_eq!(status["state"], "admitted", "ticket and pass came along");
    let both =
        j.get("/queue/status?event=demo-2").header("cookie", &jar).bearer(&other.ticket).expect(200).await.json();
    assert_eq!((&both["event"], &both["number"]), (&json!("demo-2"), &other.place["number"]));
    j.get("/queue/status?event=demo-2").header("cookie", &jar).problem(401, "ticket-missing").await;
    let url = format!("/queue/status?event=demo&ticket={}", other.ticket);
    j.get(&url).problem(401, "ticket-missing").await;
}

#[tokio::test]
async fn cookies_of_a_real_deployment_are_bound_to_their_host() {
    let world = ropeline_e2e::WorldOptions::default().var("ROPELINE_INSECURE_COOKIES", "false").start();
    world.create("demo", &json!({})).await;
    let page = world.raw(Method::GET, "/queue/events/demo/wait", &[], "").await;
    let set = cookies(&page);
    assert!(set[0].starts_with("__Host-ropeline-visitor-demo="), "{set:?}");
    assert!(set[0].contains("; Secure") && set[0].contains("; Path=/;") && set[0].contains("; HttpOnly"), "{set:?}");
    let jar = set[0].replace("__Host-", "");
    let headers = [("cookie", &*jar), ("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let unprefixed = world.raw(Method::POST, "/queue/enter", &headers, r#"{"event": "demo"}"#).await;
    ropeline_e2e::assert_problem(&unprefixed, 401, "visitor-missing");
}

fn preflight<'a>(j: &'a Judged, path: &str, origin: &str) -> Call<'a> {
    j.call(Method::OPTIONS, path).header("origin", origin).header("access-control-request-method", "POST")
}

fn allowed(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("access-control-allow-credentials"), None, "never credentials");
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn only_an_origin_that_the_event_lists_may_read_its_answers() {
    let j = Judged::start();
    j.world.create("listed", &json!({"allowed_origins": [SHOP, "http://localhost:3000"]})).await;
    j.world.create("other", &json!({"allowed_origins": ["https://else.example"]})).await;
    j.world.create("none", &json!({})).await;

    let yes = preflight(&j, "/queue/enter", SHOP).expect(204).await;
    assert_eq!(allowed(&yes), Some(SHOP));
    assert_eq!(yes.header("access-control-allow-methods"), Some("GET, HEAD, POST"));
    assert_eq!(yes.header("access-control-allow-headers"), Some("Authorization, Ropeline-Visitor, Content-Type"));
    assert_eq!(yes.header("vary"), Some("Origin"));
    for origin in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"] {
        let no = preflight(&j, "/queue/enter", origin).expect(204).await;
        assert_eq!((allowed(&no), no.header("access-control-allow-methods")), (None, None), "{origin}");
    }

    for (event, origin, expected) in [
        ("listed", SHOP, Some(SHOP)),
        ("listed", "http://localhost:3000", Some("http://localhost:3000")),
        ("listed", "https://else.example", None),
        ("other", SHOP, None),
        ("none", SHOP, None),
        ("listed", "https://evil.example", None),
    ] {
        let board = j.get(&format!("/queue/events/{event}")).header("origin", origin).expect(200).await;
        assert_eq!(allowed(&board), expected, "{event} from {origin}");
        let exposed = expected.map(|_| "Retry-After, X-Request-Id");
        assert_eq!(board.header("access-control-expose-headers"), exposed);
        let body = json!({"event": event, "visitor": ropeline_e2e::new_key()});
        let entered = j.post("/queue/enter").header("origin", origin).json(body).expect(201).await;
        assert_eq!(allowed(&entered), expected, "{event} from {origin}");
        assert!(cookies(&entered).is_empty(), "a page elsewhere gets no cookies");
        // A page must be able to read what went wrong, too.
        let refused = j.get(&format!("/queue/status?event={event}")).header("origin", origin);
        assert_eq!(allowed(&refused.problem(401, "ticket-missing").await), expected, "{event} from {origin}");
    }
    let varies = j.get("/queue/events/listed").expect(200).await;
    assert_eq!(varies.header("vary"), Some("Origin"), "caches keep answers to different origins apart");
}

#[tokio::test]
async fn the_waiting_page_makes_the_key_and_shows_words_as_words() {
    let j = Judged::start();
    let settings = json!({
        "name": "<b>Rock</b> & \"Roll\" {{message}}", "message": "</p><script>alert('x')</script> 곧 열립니다 🎫",
        "return_url": "https://shop.example:8443/in?from=queue", "queueing_status_code": 202,
    });
    j.world.create("demo", &settings).await;
    let page = j.get("/queue/events/demo/wait").expect(202).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let html = page.text();
    assert!(html.contains("&lt;b&gt;Rock&lt;/b&gt; &amp; &quot;Roll&quot; {{message}}"), "{html}");
    assert!(html.contains("&lt;/p&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") && !html.contains("alert('x')"));
    assert!(html.contains("곧 열립니다 🎫"), "{html}");
    assert_eq!(j.get("/queue/events/demo").expect(200).await.json()["message"], settings["message"]);
    assert!(html.contains("data-return-url=\"https://shop.example:8443/in?from=queue\""));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.ends_with("form-action 'self' https://shop.example:8443"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for asset in ["wait.js", "wait.css"] {
        assert!(html.contains(&format!("\"/queue/assets/{asset}?v=")), "{asset}");
    }

    let set = cookies(&page);
    let cookie = set.first().expect("a visitor key");
    let (pair, _) = cookie.split_once(';').expect("attributes");
    let back = j.get("/queue/events/demo/wait").header("cookie", pair).expect(202).await;
    assert!(cookies(&back).is_empty(), "the key stays");
    assert_ne!(cookies(&j.get("/queue/events/demo/wait").expect(202).await)[0], *cookie, "each browser has its own");
    let enter = || {
        j.post("/queue/enter")
            .header("cookie", pair)
            .header("sec-fetch-site", "same-origin")
            .json(json!({"event": "demo"}))
    };
    let number = enter().expect(201).await.json()["number"].clone();
    assert_eq!(enter().expect(200).await.json()["number"], number, "the page's key keeps the place");
    assert!(!html.contains(pair.split_once('=').expect("a value").1), "the key is the cookie's alone");
}
