//! The page's promises: nothing an event carries becomes markup, code or a header.

use super::{PageContext, WAIT_CSS, WAIT_HTML, WAIT_JS, asset, csp, origin_of, render};

const PLAIN: PageContext<'static> = PageContext {
    event: "demo",
    name: "The Demo Tour",
    message: "Doors at eight.",
    return_url: Some("https://shop.example/enter-shop?from=line&lang=en"),
    at_gate: false,
    prefix: "/queue",
    seen_cookie: "__Host-ropeline-seen-demo",
};

const HOSTILE: [&str; 6] = [
    "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</title><img src=x onerror=alert(1)>",
    "{{message}}{{version}}",
    "&quot;&lt;b&gt;",
    "<!-- </main> -->\0",
];

#[test]
fn a_hostile_text_adds_no_markup() {
    let tags = render(&PLAIN).matches('<').count();
    for text in HOSTILE {
        let page = render(&PageContext {
            event: text,
            name: text,
            message: text,
            return_url: Some(text),
            at_gate: true,
            prefix: text,
            seen_cookie: text,
        });
        assert_eq!(page.matches('<').count(), tags, "{text}");
        assert!(!page.contains("<script>"), "{text}");
        assert!(!page.contains("onmouseover='"), "{text}");
        assert!(!page.contains('\0'), "{text}");
        // Attributes stay closed: as many quotes as the template has.
        assert_eq!(page.matches('"').count(), WAIT_HTML.matches('"').count(), "{text}");
    }
}

#[test]
fn what_is_filled_in_is_not_filled_in_again() {
    let page = render(&PageContext { name: "{{message}}", ..PLAIN });
    assert!(page.contains("<h1>{{message}}</h1>"));
    assert_eq!(page.matches("Doors at eight.").count(), 1);
    let plain = render(&PLAIN);
    assert!(!plain.contains("{{") && !plain.contains("}}"), "a placeholder without a value");
}

#[test]
fn the_page_knows_whether_it_stands_in_for_another() {
    assert!(render(&PLAIN).contains("data-gate=\"\""));
    assert!(render(&PageContext { at_gate: true, ..PLAIN }).contains("data-gate=\"true\""));
}

#[test]
fn the_page_carries_its_data_in_attributes() {
    let page = render(&PLAIN);
    for part in [
        "data-event=\"demo\"",
        "data-prefix=\"/queue\"",
        "data-name=\"The Demo Tour\"",
        "data-seen-cookie=\"__Host-ropeline-seen-demo\"",
        "data-return-url=\"https://shop.example/enter-shop?from=line&amp;lang=en\"",
        "src=\"/queue/assets/wait.js?v=",
        "href=\"/queue/assets/wait.css?v=",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn only_an_http_address_of_the_shop_reaches_the_page() {
    let none = csp(None);
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//shop.example/",
        "/shop",
        "https://",
        "https://user@shop.example/",
        "https://shop.example; script-src *",
        "https://a.example, b.example/",
        "https://shop.example\r\nset-cookie: a=b",
        "https://shop.example\\@evil.example/",
        "HTTPS ://shop.example",
    ] {
        assert_eq!(origin_of(url), None, "{url}");
        assert_eq!(csp(Some(url)), none, "{url}");
        let page = render(&PageContext { return_url: Some(url), ..PLAIN });
        assert!(page.contains("data-return-url=\"\""), "{url}");
    }
}

#[test]
fn the_policy_names_the_shop_and_nothing_else() {
    assert!(csp(None).ends_with("; form-action 'self'"));
    for (url, origin) in [
        ("https://shop.example/enter-shop", "https://shop.example"),
        ("http://127.0.0.1:8788/enter-shop?x=1", "http://127.0.0.1:8788"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://shop.example?x", "https://shop.example"),
        ("https://shop.example#x", "https://shop.example"),
    ] {
        assert!(csp(Some(url)).ends_with(&format!("; form-action 'self' {origin}")), "{url}");
    }
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "connect-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(csp(None).contains(part), "{part}");
    }
    assert!(!csp(None).contains("unsafe"));
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    let page = render(&PageContext { return_url: None, ..PLAIN });
    assert_eq!(page.matches("<script").count(), page.matches("<script defer src=\"/queue/").count());
    assert!(!page.contains("<style") && !page.contains(" style="));
    let handler = |text: &str| {
        text.match_indices(" on").any(|(at, _)| {
            let word: String = text[at + 1..].chars().take_while(char::is_ascii_alphabetic).collect();
            text[at + 1 + word.len()..].starts_with('=')
        })
    };
    assert!(handler("<p onclick=x>") && !handler("<p>on = x</p>"), "the check itself works");
    assert!(!handler(&page));
    for text in [page.as_str(), WAIT_JS, WAIT_CSS] {
        for address in ["http://", "https://", "\"//", "url(", "@import"] {
            assert!(!text.contains(address), "{address}");
        }
    }
    for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!WAIT_JS.contains(word), "{word}");
    }
}

#[test]
fn the_whole_page_is_small() {
    let total = render(&PLAIN).len() + WAIT_JS.len() + WAIT_CSS.len();
    assert!(total < 30_000, "{total} bytes");
}

#[test]
fn assets_are_known_by_name_and_have_tags_of_their_own() {
    let js = asset("wait.js").expect("the script");
    let css = asset("wait.css").expect("the style");
    assert_eq!((js.body, css.body), (WAIT_JS, WAIT_CSS));
    assert!(js.content_type.starts_with("text/javascript") && css.content_type.starts_with("text/css"));
    assert_ne!(js.etag, css.etag);
    assert!(js.etag.starts_with('"') && js.etag.ends_with('"') && js.etag.len() == 18);
    for name in ["", "wait.html", "../wait.js", "wait.js/"] {
        assert_eq!(asset(name), None, "{name}");
    }
}
