//! The page's promises: nothing an event carries becomes markup, code or a header.

use ropeline_queue::brand::{Brand, CARD, Colour, Link, TEXT};

use super::own::Own;
use super::words::{Words, grouped};
use super::{Door, Language, PageContext, Plain, WAIT_CSS, WAIT_HTML, WAIT_JS, asset, between, csp, origin_of, render};

const PLAIN: PageContext<'static> = PageContext {
    accounts: false,
    event: "demo",
    name: "The Demo Tour",
    message: "Doors at eight.",
    brand: None,
    return_url: Some("https://shop.example/enter-shop?from=line&lang=en"),
    at_gate: false,
    prefix: "/queue",
    seen_cookie: "__Host-ropeline-seen-demo",
    language: Language::En,
    now_ms: 1_000,
    opens_at_ms: Some(3_601_000),
    stay_seconds: 300,
    commitment: "c0ffee",
    plain: None,
    own: None,
};

const HOSTILE: [&str; 6] = [
    "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</title><img src=x onerror=alert(1)>",
    "{{message}}{{version}}",
    "&quot;&lt;b&gt;",
    "<!-- </main> -->\0",
];

/// The page without a script, in this view.
fn plain(view: &'static str) -> PageContext<'static> {
    let place = Plain { view, number: Some(5_001), ahead: Some(4_321), eta: Some((120, 300)), ..Plain::default() };
    PageContext { plain: Some(place), ..PLAIN }
}

/// A brand that has everything, with this for all its texts.
fn brand(text: &str) -> Brand {
    Brand {
        accent: Colour::parse("#b3261e"),
        accent_dark: None,
        logo: Some(text.to_owned()),
        logo_alt: text.to_owned(),
        link: Some(Link { url: text.to_owned(), text: text.to_owned() }),
    }
}

#[test]
fn a_hostile_text_adds_no_markup() {
    for (plain, text) in [None, plain("admitted").plain].iter().flat_map(|plain| HOSTILE.map(|text| (plain, text))) {
        let with = |text: &str| {
            let pass = plain.as_ref().map(|plain| Plain { pass: Some(text.to_string()), ..plain.clone() });
            PageContext { plain: pass, ..PLAIN }
        };
        let usual = render(&PageContext { brand: Some(&brand("abc")), ..with("abc") });
        let page = render(&PageContext {
            event: text,
            name: text,
            message: text,
            return_url: Some(text),
            at_gate: true,
            prefix: text,
            seen_cookie: text,
            commitment: text,
            brand: Some(&brand(text)),
            ..with(text)
        });
        // The pass's form is there only for a shop's address.
        assert_eq!(page.matches('<').count(), usual.matches('<').count(), "{text}");
        assert!(!page.contains("<script>"), "{text}");
        assert!(!page.contains("onmouseover='"), "{text}");
        assert!(!page.contains('\0'), "{text}");
        // Attributes stay closed.
        assert_eq!(page.matches('"').count(), usual.matches('"').count(), "{text}");
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
        "data-now=\"1000\"",
        "data-opens=\"3601000\"",
        "data-return-url=\"https://shop.example/enter-shop?from=line&amp;lang=en\"",
        "src=\"/queue/assets/wait.js?v=",
        "href=\"/queue/assets/wait.css?v=",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn only_an_http_address_of_the_shop_reaches_the_page() {
    let none = csp(None, Door::None, None);
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
        assert_eq!(csp(Some(url), Door::None, None), none, "{url}");
        let page = render(&PageContext { return_url: Some(url), ..PLAIN });
        assert!(page.contains("data-return-url=\"\""), "{url}");
    }
}

#[test]
fn the_policy_names_the_shop_and_nothing_else() {
    assert!(csp(None, Door::None, None).ends_with("; form-action 'self'"));
    for (url, origin) in [
        ("https://shop.example/enter-shop", "https://shop.example"),
        ("http://127.0.0.1:8788/enter-shop?x=1", "http://127.0.0.1:8788"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://shop.example?x", "https://shop.example"),
        ("https://shop.example#x", "https://shop.example"),
    ] {
        assert!(csp(Some(url), Door::None, None).ends_with(&format!("; form-action 'self' {origin}")), "{url}");
    }
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "connect-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(csp(None, Door::None, None).contains(part), "{part}");
    }
    for door in [Door::None, Door::Turnstile] {
        assert!(!csp(None, door, None).contains("unsafe"));
        assert_eq!(csp(None, door, None).contains("challenges.cloudflare.com"), door == Door::Turnstile);
    }
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
    // A door's challenge, which only its policy lets in.
    let script = WAIT_JS.replacen("https://challenges.cloudflare.com/turnstile/", "", 1);
    for text in [page.as_str(), &script, WAIT_CSS] {
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
    for language in Language::ALL {
        let page = render(&PageContext { language, ..PLAIN });
        let gzip = |text: &str| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut gzip, text.as_bytes()).expect("memory");
            gzip.finish().expect("memory").len()
        };
        let total = gzip(&page) + gzip(WAIT_JS) + gzip(WAIT_CSS);
        assert!(total < 30 * 1_024, "{total} bytes gzip in {language:?}");
    }
}

#[test]
fn every_language_says_everything() {
    let keys = |language: Language, part: &str| -> Vec<String> {
        let texts: serde_json::Value = serde_json::from_str(language.texts()).expect("texts are JSON");
        let part = texts[part].as_object().expect("texts").clone();
        for (key, text) in &part {
            assert!(text.as_str().is_some_and(|text| !text.trim().is_empty()), "{language:?}: {key}");
        }
        part.keys().cloned().collect()
    };
    for language in Language::ALL {
        for part in ["page", "words"] {
            assert_eq!(keys(language, part), keys(Language::En, part), "{language:?}");
        }
        // The template asks for no text that is not there.
        let words = Words::of(language);
        for (_, after) in WAIT_HTML.match_indices("{{t.").map(|(at, _)| WAIT_HTML.split_at(at + 4)) {
            let key = after.split("}}").next().unwrap_or_default();
            assert!(!words.page(key).is_empty(), "{language:?}: {key}");
        }
        assert!(render(&PageContext { language, ..PLAIN }).contains(&format!("<html lang=\"{}\">", language.code())));
    }
}

#[test]
fn the_language_is_the_one_that_the_browser_likes_best() {
    for (header, language) in [
        ("", Language::En),
        ("ko", Language::Ko),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Language::Ko),
        ("ja-JP", Language::Ja),
        ("fr-FR,fr;q=0.9,ja;q=0.5,en;q=0.3", Language::Ja),
        ("en;q=0.5, KO ; q=0.75", Language::Ko),
        ("ko;q=0.8,ja;q=0.85", Language::Ja),
        ("ko;q=0,en;q=0.1", Language::En),
        ("ja;q=1.0,ko", Language::Ja),
        ("de, *;q=0.5", Language::En),
        (";;q=,,=;ko;q=banana", Language::En),
    ] {
        assert_eq!(Language::accepted(header), language, "{header}");
    }
}

#[test]
fn a_wait_is_a_range_that_gets_coarser_with_its_length() {
    let words = Words::of(Language::En);
    for (low, high, said) in [
        (0, 0, "less than a minute"),
        (20, 60, "less than a minute"),
        (20, 61, "up to 2 minutes"),
        (60, 180, "1 to 3 minutes"),
        (300, 300, "about 5 minutes"),
        (3_000, 5_399, "50 to 90 minutes"),
        (3_000, 5_400, "0.5 to 1.5 hours"),
        (1_000, 7_200, "up to 2 hours"),
        (7_200, 7_200, "about 2 hours"),
    ] {
        assert_eq!(words.range(low, high), said, "{low} to {high}");
    }
    assert_eq!(Words::of(Language::Ko).range(60, 180), "1~3분");
    assert_eq!((words.stay(300), words.stay(90)), ("5 min".to_owned(), "90 seconds".to_owned()));
    assert_eq!([1, 999, 1_000, 1_234_567].map(grouped), ["1", "999", "1,000", "1,234,567"]);
}

#[test]
fn without_a_script_the_page_says_where_the_visitor_is_and_offers_what_can_be_done() {
    for (view, buttons) in [
        ("outside", &["enter"][..]),
        ("scheduled", &[]),
        ("prequeue", &["leave"]),
        ("waiting", &["leave"]),
        ("paused", &["leave"]),
        ("called", &["claim", "leave"]),
        ("sold_out_place", &["leave"]),
        ("admitted", &[]),
        ("left", &["enter"]),
        ("session_ended", &["enter"]),
        ("event_ended", &[]),
        ("sold_out", &[]),
    ] {
        let page = render(&plain(view));
        let offered: Vec<&str> = ["enter", "claim", "leave"]
            .into_iter()
            .filter(|action| page.contains(&format!("name=\"action\" value=\"{action}\"")))
            .collect();
        assert_eq!(offered, buttons, "{view}");
        assert!(!page.contains("<script"), "{view}");
        assert!(!Words::of(Language::En).word(view).is_empty(), "{view}");
        let again = page.contains("name=\"again\" value=\"true\"");
        assert_eq!(again, matches!(view, "left" | "session_ended"), "{view}");
    }
    let waiting = render(&plain("waiting"));
    for part in [">4,321<", ">5,001<", ">2 to 5 minutes<", "data-view=\"waiting\"", "?lang=ko&amp;mode=plain"] {
        assert!(waiting.contains(part), "{part}");
    }
    let mut admitted = plain("admitted");
    admitted.plain.as_mut().expect("a place").pass = Some("the.pass".to_owned());
    let page = render(&admitted);
    assert!(page.contains("action=\"https://shop.example/enter-shop?from=line&amp;lang=en\""));
    assert!(page.contains("id=\"pass\" value=\"the.pass\""));
    assert!(!render(&PLAIN).contains("the.pass"));
}

#[test]
fn a_brand_is_a_logo_a_link_and_the_address_of_the_style_sheet() {
    let page = render(&PageContext { brand: Some(&brand("abc")), ..PLAIN });
    for part in [
        "<img id=\"logo\" src=\"abc\" alt=\"abc\">",
        "<a href=\"abc\" target=\"_blank\" rel=\"noopener\">abc</a>",
        "&amp;accent=b3261e&amp;accent_dark=",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let bare = render(&PageContext { brand: Some(&Brand::default()), ..PLAIN });
    assert_eq!(bare, render(&PLAIN), "a brand of nothing is none");
    for part in ["<img", "id=\"link\"", "accent"] {
        assert!(!bare.contains(part), "{part}");
    }
}

#[test]
fn the_style_sheet_has_the_accents_it_is_asked_for() {
    let colour = |text: &str| Colour::parse(text);
    let both = asset("wait.css", [colour("#b3261e"), colour("#ffb4ab")]).expect("the style");
    let rules = both.body.strip_prefix(WAIT_CSS).expect("ours comes first");
    assert_eq!(
        rules,
        "\n@media (prefers-color-scheme: light) { :root { --accent: #b3261e; } }\
         \n@media (prefers-color-scheme: dark) { :root { --accent: #ffb4ab; } }"
    );
    let dark = asset("wait.css", [None, colour("#ffb4ab")]).expect("the style");
    assert!(!dark.body.contains("color-scheme: light)"), "{}", dark.body);
    assert_ne!(both.etag, dark.etag);
    assert_eq!(asset("wait.js", [colour("#b3261e"), None]), asset("wait.js", [None; 2]));
}

#[test]
fn in_a_page_of_the_operators_own_the_room_is_whole_and_texts_are_texts() {
    let own = Own::read(
        "<!doctype html><html lang=\"{{lang}}\"><head>{{head}}<style>p { color: red }</style></head>\
         <body class=\"{{event}}\"><p title='{{name}}'>{{name}} {{message}}</p><div>{{room}}</div></body></html>",
    )
    .expect("a page");
    let part = |page: &str, begin: &str, end: &str| between(page, begin, end).to_owned();
    for context in
        [PLAIN, plain("waiting"), PageContext { brand: Some(&brand("abc")), language: Language::Ko, ..PLAIN }]
    {
        let (ours, theirs) = (render(&context), render(&PageContext { own: Some(&own), ..context.clone() }));
        for (begin, end) in [("<main", "</main>"), ("<head>", "</head>")] {
            let (ours, theirs) = (part(&ours, begin, end), part(&theirs, begin, end));
            assert!(ours.len() > 100 && theirs.starts_with(&ours), "{begin}: {theirs}");
        }
        assert!(theirs.contains(&format!("<html lang=\"{}\">", context.language.code())), "{theirs}");
        assert!(
            theirs.contains("<div><main id=\"room\"") && theirs.ends_with("</main></div></body></html>"),
            "{theirs}"
        );
        assert_eq!(theirs.matches("<script").count(), ours.matches("<script").count());
    }
    for text in HOSTILE {
        let with = |text| render(&PageContext { event: text, name: text, message: text, own: Some(&own), ..PLAIN });
        let (page, usual) = (with(text), with("abc"));
        for sign in ['<', '"', '\''] {
            assert_eq!(page.matches(sign).count(), usual.matches(sign).count(), "{sign} of {text}");
        }
    }
}

#[test]
fn the_policy_names_the_styles_of_a_page_and_takes_nothing_else_back() {
    let own = Own { pieces: Vec::new(), styles: vec!["'sha256-a'".to_owned(), "'sha256-b'".to_owned()] };
    let theirs = csp(Some("https://shop.example/in"), Door::Turnstile, Some(&own));
    let expected = csp(Some("https://shop.example/in"), Door::Turnstile, None)
        .replace("style-src 'self';", "style-src 'self' 'sha256-a' 'sha256-b'; font-src 'self' data:;");
    assert_eq!(theirs, expected);
    assert!(!theirs.contains("unsafe"));
}

#[test]
fn accents_are_held_against_the_colours_that_the_page_has() {
    let (light, dark) = WAIT_CSS.split_once("(prefers-color-scheme: dark)").expect("two looks");
    for (sheet, look) in [(light, 0), (dark, 1)] {
        for (name, colour) in [("card", CARD[look]), ("on-accent", TEXT[look])] {
            let first = sheet.split_once(&format!("--{name}: ")).and_then(|(_, rest)| rest.get(..7));
            assert_eq!(first, Some(&*colour.to_string()), "--{name}");
        }
        let ours = sheet.split_once("--accent: ").and_then(|(_, rest)| rest.get(..7)).and_then(Colour::parse);
        let ours = ours.expect("an accent");
        assert!(ours.contrast(CARD[look]) >= 4.5 && ours.contrast(TEXT[look]) >= 4.5, "{ours}");
    }
}

#[test]
fn assets_are_known_by_name_and_have_tags_of_their_own() {
    let js = asset("wait.js", [None; 2]).expect("the script");
    let css = asset("wait.css", [None; 2]).expect("the style");
    assert_eq!((&*js.body, &*css.body), (WAIT_JS, WAIT_CSS));
    assert!(js.content_type.starts_with("text/javascript") && css.content_type.starts_with("text/css"));
    assert_ne!(js.etag, css.etag);
    assert!(js.etag.starts_with('"') && js.etag.ends_with('"') && js.etag.len() == 18);
    for name in ["", "wait.html", "../wait.js", "wait.js/"] {
        assert_eq!(asset(name, [None; 2]), None, "{name}");
    }
}
