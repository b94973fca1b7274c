//! The operator's console: one document without any data, one script, one style sheet.
//!
//! The script asks the admin API with the key that the operator gives it. So the document is the same for everybody, and needs no key.
//! `made/console.js` is made of `script/` and `texts/` by `cargo xtask page`; a test holds it to them, and another one holds the weight
//! of the whole. The colours are the waiting page's.
//!
//! Invariant: nothing of a request or an event is in the document; [`CSP`] admits no inline code, no markup out of texts
//! (Trusted Types) and no word to anybody but the Worker.

use crate::assets::{Asset, SCRIPT, STYLE, fingerprint};
use crate::page::template::{Filling, fill};

const HTML: &str = include_str!("console.html");
const JS: &str = include_str!("made/console.js");
const CSS: &str = concat!(include_str!("../page/colours.css"), include_str!("console.css"));

/// The document's `Content-Security-Policy`. Forms are the script's: none is ever sent.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
                       form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The document, for the path prefix without a slash at its end.
#[must_use]
pub fn render(prefix: &str) -> String {
    let version = format!("{:016x}", const { fingerprint(&[JS, CSS]) });
    fill(HTML, 64, |name| match name {
        "prefix" => Filling::Text(prefix),
        "version" => Filling::Text(&version),
        _ => Filling::Keep,
    })
}

/// The asset of that name below `{prefix}/assets/`, if it is one of the console's.
#[must_use]
pub fn asset(name: &str) -> Option<Asset> {
    let (body, content_type) = match name {
        "console.js" => (JS, SCRIPT),
        "console.css" => (CSS, STYLE),
        _ => return None,
    };
    Some(Asset::new(body.into(), content_type))
}

#[cfg(test)]
mod tests {
    use super::{CSP, CSS, JS, asset, render};

    #[test]
    fn the_document_names_its_assets_and_has_no_other_slot() {
        let page = render("/tickets/line");
        for part in [
            "src=\"/tickets/line/assets/console.js?v=",
            "href=\"/tickets/line/assets/console.css?v=",
            "data-prefix=\"/tickets/line\"",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("{{") && !page.contains("<style") && !page.contains(" style="), "{page}");
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!CSP.contains("unsafe"), "{CSP}");
    }

    #[test]
    fn its_assets_have_tags_of_their_own_and_ask_nobody_else() {
        let (script, style) = (asset("console.js").expect("a script"), asset("console.css").expect("a style sheet"));
        assert_ne!(script.etag, style.etag);
        assert_eq!(asset("wait.js"), None);
        for text in [JS, CSS] {
            for word in ["innerHTML", "insertAdjacentHTML", "document.write", "eval(", "@import", "url("] {
                assert!(!text.contains(word), "{word}");
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"));
        }
        assert!(!JS.contains("document.cookie") && !JS.contains("console.log"));
    }
}
