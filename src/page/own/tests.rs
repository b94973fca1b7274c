//! What is taken of a page, what is refused of one, and where that is said to be.

use super::*;

/// A page with this in its head and in its body.
fn page(head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{{{{lang}}}}\">\n<head>\n{{{{head}}}}\n{head}\n</head>\n<body>\n{body}\n{{{{room}}}}\n</body>\n</html>\n"
    )
}

/// Where [`page`] has what it was given.
const HEAD: usize = 5;
const BODY: usize = 8;

#[track_caller]
fn refused(html: &str) -> String {
    match Own::read(html) {
        Err(fault) => fault.to_string(),
        Ok(_) => panic!("taken: {html}"),
    }
}

fn slots(own: &Own) -> Vec<Slot> {
    let slot = |piece: &Piece| if let Piece::Slot(slot) = piece { Some(*slot) } else { None };
    own.pieces.iter().filter_map(slot).collect()
}

#[test]
fn the_example_is_taken() {
    let html = include_str!("../../../examples/page/aurora.html");
    let own = Own::read(html).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(own.styles.len(), html.matches("<style").count());
    for slot in [Slot::Head, Slot::Room, Slot::Name, Slot::Lang] {
        assert!(slots(&own).contains(&slot), "{slot:?}");
    }
}

#[test]
fn what_was_written_is_kept_but_for_comments_and_slots() {
    let own = Own::read(&page(
        "<meta name=\"description\" content=\"{{name}}: 대기실\"><!-- for us -->",
        "<p class='a {{event}}' title=\"> {{message}}\">1 &lt; 2 }} {{name}}<br/></p>",
    ))
    .unwrap_or_else(|fault| panic!("{fault}"));
    let text: String = own
        .pieces
        .iter()
        .map(|piece| match piece {
            Piece::Markup(text) => text.clone(),
            Piece::Slot(slot) => format!("[{slot:?}]"),
        })
        .collect();
    assert_eq!(
        text,
        "<!doctype html>\n<html lang=\"[Lang]\">\n<head>\n[Head]\n<meta name=\"description\" content=\"[Name]: 대기실\">\n</head>\n\
         <body>\n<p class='a [Event]' title=\"> [Message]\">1 &lt; 2 }} [Name]<br/></p>\n[Room]\n</body>\n</html>\n"
    );
}

#[test]
fn a_style_is_hashed_as_browsers_read_it() {
    // printf 'p { color: red }\nb { color: blue }' | openssl dgst -sha256 -binary | base64
    let hash = "'sha256-SctYh67WXQtPO67lqjCWap3+UvEU/yFXPvNktXELXpU='";
    for line_end in ["\n", "\r\n", "\r"] {
        let css = format!("<style media=\"screen\">p {{ color: red }}{line_end}b {{ color: blue }}</style>");
        let own = Own::read(&page(&css, "")).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(own.styles, [hash], "{line_end:?}");
    }
}

#[test]
fn a_broken_slot_is_refused_with_its_line_and_name() {
    for (body, said) in [
        ("<p>{{nmae}}</p>", "line 8, column 4: slot {{nmae}} is not known; there are {{head}}, {{room}}, {{lang}}"),
        ("<p>{{ name }}</p>", "column 4: slot {{ name }} is not known"),
        ("<p>{{</p>", "column 4: slot is never closed"),
        ("<p>\n  그리고 {{name}</p>", "line 9, column 7: slot is never closed"),
        ("<p>{{}}</p>", "slot {{}} is not known"),
        ("<p>{{t.room}}</p>", "slot {{t.room}} is not known"),
        ("<p>{{?plain}}</p>", "slot {{?plain}} is not known"),
        ("<p title=\"{{room}}\"></p>", "slot {{room}} is no text"),
        ("{{room}}", "line 9, column 1: slot {{room}} is there twice"),
        ("<p>{{room}}</p>", "slot {{room}} cannot stand in <p>"),
        ("<header>{{room}}</header>", "slot {{room}} cannot stand in <header>"),
        ("{{head}}", "slot {{head}} cannot stand in <body>"),
        ("<ul>{{name}}</ul>", "slot {{name}} cannot stand in <ul>"),
        ("<p id=\"{{event}}\"></p>", "an id has at least one character, and no space, slot"),
        ("<a href=\"{{message}}\">x</a>", "the address in 'href' has a slot"),
        ("<img alt=\"\" src=\"/{{event}}.png\">", "the address in 'src' has a slot"),
        ("<p {{name}}></p>", "that is no attribute"),
        ("<{{name}}>", "'<' without a name"),
    ] {
        let fault = refused(&page("", body));
        assert!(fault.contains(said), "{body}: {fault}");
    }
    for (html, said) in [
        (page("", "").replace("{{room}}", ""), "slot {{room}} is missing: write it in <body>"),
        (page("", "").replace("{{head}}", ""), "slot {{head}} is missing: write it in <head>"),
        (page("{{head}}", ""), "line 5, column 1: slot {{head}} is there twice"),
        (page("{{name}}", ""), "line 5, column 1: slot {{name}} cannot stand in <head>"),
        (page("<style>p { color: {{event}} }</style>", ""), "line 5, column 19: slots are not filled in in <style>"),
        (page("", "").replace(" lang=\"{{lang}}\"", ""), "slot {{lang}} is missing"),
        (page("", "").replace("{{lang}}", "ko"), "line 2, column 7: slot {{lang}} is missing"),
    ] {
        let fault = refused(&html);
        assert!(fault.contains(said), "{html}: {fault}");
    }
}

#[test]
fn what_could_do_harm_is_refused_at_its_line() {
    let body = [
        ("<script>alert(1)</script>", "<script> is not taken"),
        ("<SCRIPT SRC=\"https://evil.example/x.js\"></SCRIPT>", "<script> is not taken"),
        ("<p onclick=\"x()\">a</p>", "'onclick' is not taken"),
        ("<img src=\"/a.png\" alt=\"\" OnError='x()'>", "'onerror' is not taken"),
        ("<p style=\"color: red\">a</p>", "'style' is not taken on <p>: no style may be inline"),
        ("<a href=\"javascript:alert(1)\">a</a>", "'href' takes https://"),
        ("<a href=\" JavaScript:alert(1)\">a</a>", "has a space"),
        ("<a href=\"java\tscript:alert(1)\">a</a>", "has a space"),
        ("<a href=\"&#106;avascript:alert(1)\">a</a>", "character reference"),
        ("<a href=\"java&Tab;script:alert(1)\">a</a>", "character reference"),
        ("<a href=\"data:text/html,x\">a</a>", "'href' takes https://"),
        ("<a href=\"//evil.example\">a</a>", "'href' takes https://"),
        ("<a href=\"/\\evil.example\">a</a>", "backslash"),
        ("<a href=\"/a\" ping=\"https://evil.example\">a</a>", "'ping' is not taken"),
        ("<iframe src=\"/a\"></iframe>", "<iframe> is not taken"),
        ("<object data=\"/a\"></object>", "<object> is not taken"),
        ("<embed src=\"/a\">", "<embed> is not taken"),
        ("<form action=\"/a\"></form>", "<form> is not taken"),
        ("<button>a</button>", "what visitors can press is in slot {{room}}"),
        ("<svg><script>1</script></svg>", "<svg> is not taken"),
        ("<math></math>", "<math> is not taken"),
        ("<template></template>", "<template> is not taken"),
        ("<main>a</main>", "slot {{room}} is the page's <main>"),
        ("<x-room></x-room>", "<x-room> is not taken"),
        ("<img src=\"https://cdn.example/a.png\" alt=\"\">", "'src' leads elsewhere"),
        ("<img src=\"//cdn.example/a.png\" alt=\"\">", "'src' leads elsewhere"),
        ("<img src=\"a.png\" alt=\"\">", "'src' leads elsewhere"),
        ("<img src=\"data:text/html,x\" alt=\"\">", "'src' leads elsewhere"),
        ("<img src=\"/a.png\" alt=\"\" srcset=\"https://cdn.example/a.png\">", "'srcset' is not taken"),
        ("<img src=\"/a.png\">", "alt for those who do not see it"),
        ("<div id=\"room\"></div>", "id 'room' is one that slot {{room}} has"),
        ("<div id='headline'></div>", "id 'headline' is one that slot {{room}} has"),
        ("<style>p {}</style>", "<style> cannot stand in <body>: it belongs into <head>"),
        ("<link rel=\"stylesheet\" href=\"/a.css\">", "<link> cannot stand in <body>"),
    ];
    let head = [
        ("<base href=\"https://evil.example/\">", "<base> is not taken"),
        ("<meta http-equiv=\"refresh\" content=\"0;url=/\">", "'http-equiv' is not taken"),
        ("<meta name=\"referrer\" content=\"unsafe-url\">", "<meta> takes property, or name"),
        ("<meta name=\"viewport\" content=\"user-scalable=no\">", "<meta> takes property, or name"),
        ("<meta charset=\"utf-16\">", "'charset' is not taken"),
        ("<title>Mine</title>", "slot {{head}} brings it"),
        ("<script src=\"/a.js\"></script>", "<script> is not taken"),
        ("<link rel=\"stylesheet\" href=\"https://cdn.example/a.css\">", "'href' leads elsewhere"),
        ("<link rel=\"stylesheet\" href=\"data:text/css,p{}\">", "'href' leads elsewhere"),
        ("<link rel=\"preconnect\" href=\"/\">", "<link> takes rel"),
        ("<link rel=\"import\" href=\"/a\">", "<link> takes rel"),
        ("<noscript></noscript>", "<noscript> is not taken"),
        ("words", "no text can stand in <head>"),
        ("<p>a</p>", "<p> cannot stand in <head>"),
    ];
    for ((text, said), line, in_head) in
        body.iter().map(|row| (row, BODY, false)).chain(head.iter().map(|row| (row, HEAD, true)))
    {
        let fault = refused(&if in_head { page(text, "") } else { page("", text) });
        assert!(fault.starts_with(&format!("line {line}, column ")) && fault.contains(said), "{text}: {fault}");
    }
}

#[test]
fn what_browsers_would_mend_is_refused() {
    for (body, said) in [
        ("<p>a", "slot {{room}} cannot stand in <p>"),
        ("<b><i>a</b></i>", "</b> comes before <i> is closed"),
        ("a</p>", "comes before <body> is closed"),
        ("<p><div>a</div></p>", "<div> cannot stand in <p>"),
        ("<ul><p>a</p></ul>", "<p> cannot stand in <ul>"),
        ("<ul>a</ul>", "no text can stand in <ul>"),
        ("<li>a</li>", "<li> cannot stand in <body>: it belongs into <ul> or <ol>"),
        ("<a href=\"/a\"><b><a href=\"/b\">x</a></b></a>", "<a> cannot stand in another <a>"),
        ("<p title=a>a</p>", "'title' is not quoted"),
        ("<p title=\"a>a</p>", "'title' is never closed"),
        ("<p title=\"a\"class=\"b\">a</p>", "a space is missing before 'class'"),
        ("<p class=\"a\" CLASS=\"b\">a</p>", "'class' is there twice"),
        ("<div/>", "<div/> is not closed by its slash"),
        ("1 < 2", "write &lt;"),
        ("<", "write &lt;"),
        ("<p", "something in <p> that is no attribute"),
        ("</>", "write </name>"),
        ("<!-- a", "never closed"),
        ("<!--> a -->", "a comment"),
        ("<!-- a -- b -->", "a comment with '--'"),
        ("<!-- a --!> <p> -->", "a comment with '--'"),
        ("<![CDATA[a]]>", "'<!' begins"),
        ("<?php ?>", "'<' without a name"),
        ("<head></head>", "<head> is out of place"),
        ("<body></body>", "<body> is out of place"),
        ("a\0b", "a control character"),
        ("<p>a\u{1b}</p>", "a control character"),
    ] {
        let fault = refused(&page("", body));
        assert!(fault.contains(said), "{body}: {fault}");
    }
    for (html, said) in [
        (String::new(), "<!doctype html> is missing"),
        ("<!doctype html>\n<html lang=\"{{lang}}\">\n".to_owned(), "line 2, column 1: <html> is never closed"),
        ("<!doctype html><html lang=\"{{lang}}\"".to_owned(), "the tag <html is never closed"),
        (page("", "").replace("<!doctype html>\n", ""), "line 1, column 1: <html> is out of place"),
        (page("", "").replace("<body>", "<div>"), "<div> cannot stand in <html>"),
        (page("", "").replace("</head>", ""), "<body> is out of place"),
        (format!("{}<p>a</p>", page("", "")), "<p> cannot stand outside <html>"),
        (format!("{}words", page("", "")), "no text can stand outside <html>"),
        (format!("{}<!doctype html>", page("", "")), "at the very beginning"),
    ] {
        let fault = refused(&html);
        assert!(fault.contains(said), "{html}: {fault}");
    }
}

#[test]
fn a_style_loads_nothing_from_elsewhere() {
    for (css, said) in [
        ("@import \"https://cdn.example/a.css\";", "@import is not taken"),
        ("@IMPORT url(/a.css);", "@import is not taken"),
        ("p { background: url(https://cdn.example/a.png) }", "url() leads elsewhere"),
        ("p { background: URL( '//cdn.example/a.png' ) }", "url() leads elsewhere"),
        ("p { background: url(a.png) }", "url() leads elsewhere"),
        ("p { background: u\\72l(//cdn.example/a.png) }", "a backslash outside of quotes"),
        ("p { background: url(\"/\\/cdn.example/a.png\") }", "url() is not closed, or has a backslash"),
        ("p { background: url(/a.png", "url() is not closed"),
        ("p { background: image-set(\"//cdn.example/a.png\" 1x) }", "image-set() is not taken"),
        ("p { background: -webkit-image-set(\"//cdn.example/a.png\" 1x) }", "image-set() is not taken"),
        ("@font-face { src: src(\"//cdn.example/a.woff\") }", "src() is not taken"),
        ("p { content: \"a }", "not closed in its line"),
        ("/* p { color: red }", "a comment that is never closed"),
        ("/*/ p {}", "a comment that is never closed"),
    ] {
        let fault = refused(&page(&format!("<style>{css}</style>"), ""));
        assert!(fault.starts_with("line 5, column ") && fault.contains(said), "{css}: {fault}");
    }
    let good = "/* url(//cdn.example) */ p::before { content: \"\\2713 url(//x)\"; background: url(data:image/png;base64,iVBO//Rw) }
        .image-set { background: url('/static/a.png'), url( \"/b.png\" ); filter: url(#blur); --src: 1 } @media (min-width: 40rem) { a{} }";
    Own::read(&page(&format!("<style>{good}</style>"), "")).unwrap_or_else(|fault| panic!("{fault}"));
    let many = "<style>p{}</style>".repeat(MOST_STYLES + 1);
    assert!(refused(&page(&many, "")).contains("one <style> too many"));
    assert!(refused(&page("<style>p {}", "")).contains("<style> is never closed"));
}

#[test]
fn what_a_page_needs_is_taken() {
    for body in [
        "<header class=\"top\"><nav aria-label=\"Shop\"><a href=\"https://shop.example/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener\">Shop</a></nav></header>",
        "<p>Questions? <a href=\"mailto:help@shop.example\">Write</a>, <a href=\"tel:+8221234\">call</a>, <a href=\"#faq\">read</a></p>",
        "<ul id=\"faq\"><li>One<ul><li>Two</li></ul></li><li><p>Three</p></li></ul>",
        "<dl><dt>When</dt><dd><time datetime=\"2026-12-01T20:00+09:00\">8 pm</time></dd></dl>",
        "<details open><summary>More</summary><p>Words</p></details>",
        "<figure><img src=\"/static/stage.webp\" alt=\"The stage\" width=\"340\" height=\"200\"><figcaption>The stage</figcaption></figure>",
        "<IMG SRC=\"data:image/png;base64,iVBO\" ALT=\"\"/>",
        "<section lang=\"ko\" data-x=\"1\" hidden><h2>안내</h2></section>",
    ] {
        Own::read(&page("", body)).unwrap_or_else(|fault| panic!("{body}: {fault}"));
    }
    let nested = page("", "").replace("{{room}}", "<div class=\"a\"><section>{{room}}</section></div>");
    Own::read(&nested).unwrap_or_else(|fault| panic!("{fault}"));
    let head = "<link rel=\"stylesheet\" href=\"/static/page.css?v=1&amp;x\" media=\"screen\"><link rel=\"icon\" href=\"data:image/png;base64,AA\"><meta property=\"og:title\" content=\"{{name}}\">";
    Own::read(&page(head, "")).unwrap_or_else(|fault| panic!("{fault}"));
    Own::read(&format!("\u{feff}{}", page("", ""))).unwrap_or_else(|fault| panic!("{fault}"));
}
