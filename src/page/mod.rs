//! The waiting page: one HTML document, one script, one style sheet; nothing from a third party.
//!
//! The Worker serves [`render`]'s document at `{prefix}/events/{event}/wait` with [`csp`] as its
//! `Content-Security-Policy`, and the two [`asset`]s at `{prefix}/assets/`. Data reaches the script
//! only through escaped `data-*` attributes: there is no inline code and no inline style, so the
//! policy needs no exception. The operator's words are text, never HTML.
//!
//! The same document is two pages: one whose script does everything, and a [`Plain`] one without a script, of which the Worker fills
//! in where the visitor is. `made/wait.js` is made of `script/` and `clients/js` by `cargo xtask page`; a test holds it to them.
//!
//! Around the room there may be a page of the operator's [`own`].
//!
//! Invariant: whatever strings an event carries, the document has the elements of `wait.html` (and of that page) and no
//! others, and its policy has the directives of [`csp`] and no others.

use std::borrow::Cow;
use std::cell::OnceCell;

use ropeline_queue::brand::{Brand, Colour};
use ropeline_queue::settings::Door;

pub mod own;
pub mod template;
mod words;

use own::{Own, Piece, Slot};

use crate::assets::{Asset, SCRIPT, STYLE, fingerprint};
use template::{Filling, escape_into, fill};
pub use words::Language;
use words::{Words, grouped};

const WAIT_HTML: &str = include_str!("wait.html");
/// The script, served at `{prefix}/assets/wait.js`.
pub const WAIT_JS: &str = include_str!("made/wait.js");
/// The style sheet, served at `{prefix}/assets/wait.css`.
pub const WAIT_CSS: &str = concat!(include_str!("colours.css"), include_str!("wait.css"));

/// Changes whenever an asset does: the document asks for `wait.js?v={version}`.
const VERSION: u64 = fingerprint(&[WAIT_JS, WAIT_CSS]);

/// What the document shows.
#[derive(Debug, Clone)]
pub struct PageContext<'a> {
    /// The event's id.
    pub event: &'a str,
    /// The event's name, as people read it.
    pub name: &'a str,
    /// The operator's message; may be empty.
    pub message: &'a str,
    /// Colours, logo and link.
    pub brand: Option<&'a Brand>,
    /// Where the admitted are sent with their pass. Anything but an absolute `http(s)` URL counts as none.
    pub return_url: Option<&'a str>,
    /// Whether only accounts that the shop vouches for have places.
    pub accounts: bool,
    /// Whether the page stands in for the one that was asked for: whoever is let in goes there.
    pub at_gate: bool,
    /// The path prefix without a slash at its end, e.g. `/queue`.
    pub prefix: &'a str,
    /// The name of the readable cookie that keeps the highest `frontier` seen.
    pub seen_cookie: &'a str,
    /// What the visitor reads.
    pub language: Language,
    /// The Worker's time, milliseconds since 1970.
    pub now_ms: u64,
    /// When the sale opens, milliseconds since 1970.
    pub opens_at_ms: Option<u64>,
    /// How long a visit in the shop lasts.
    pub stay_seconds: u64,
    /// What a draw was committed to; empty where none is to come.
    pub commitment: &'a str,
    /// Where the visitor is, for the page without a script.
    pub plain: Option<Plain>,
    /// The operator's own page around the room.
    pub own: Option<&'a Own>,
}

/// Where a visitor is, as far as the Worker knows.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    /// One of the views in the texts.
    pub view: &'static str,
    /// One of the troubles in the texts, or empty.
    pub trouble: &'static str,
    /// The number given at enter.
    pub number: Option<u64>,
    /// The position, where a draw gave another one.
    pub position: Option<u64>,
    /// How many are before it.
    pub ahead: Option<u64>,
    /// The wait, seconds from … to.
    pub eta: Option<(u64, u64)>,
    /// The way into the shop.
    pub pass: Option<String>,
}

/// The asset of that name below `{prefix}/assets/`, if there is one. `accents`: those of the style sheet, where they are not ours.
///
/// Colours are in the sheet's own address. So a brand needs no inline style, no second request and no look at any event: whatever
/// document a browser has, its sheet has that document's colours.
#[must_use]
pub fn asset(name: &str, accents: [Option<Colour>; 2]) -> Option<Asset> {
    let (mut body, content_type) = match name {
        "wait.js" => (Cow::Borrowed(WAIT_JS), SCRIPT),
        "wait.css" => (Cow::Borrowed(WAIT_CSS), STYLE),
        _ => return None,
    };
    if let ("wait.css", [light, dark]) = (name, accents) {
        for (accent, look) in [(light, "light"), (dark, "dark")] {
            if let Some(accent) = accent {
                body.to_mut().push_str(&format!(
                    "\n@media (prefers-color-scheme: {look}) {{ :root {{ --accent: {accent}; }} }}"
                ));
            }
        }
    }
    Some(Asset::new(body, content_type))
}

/// How `accents` stand in the address of the style sheet.
fn in_address(accents: [Option<Colour>; 2]) -> String {
    let [light, dark] = accents.map(|accent| accent.map(|accent| accent.to_string()));
    let part = |name: &str, accent: Option<String>| {
        accent.map(|accent| format!("&{name}={}", accent.trim_start_matches('#'))).unwrap_or_default()
    };
    part("accent", light) + &part("accent_dark", dark)
}

/// One language's texts, and the template with them in it: what does not differ from visitor to visitor.
struct Prepared {
    words: Words,
    template: String,
}

thread_local! {
    static PREPARED: [OnceCell<Prepared>; Language::ALL.len()] = const { [const { OnceCell::new() }; Language::ALL.len()] };
}

fn prepare(language: Language) -> Prepared {
    let words = Words::of(language);
    let (version, script) = (format!("{VERSION:016x}"), words.script());
    let template = fill(WAIT_HTML, 8_192, |name| match name {
        "lang" => Filling::Text(language.code()),
        "version" => Filling::Text(&version),
        "words" => Filling::Text(&script),
        _ => name.strip_prefix("t.").map_or(Filling::Keep, |key| Filling::Text(words.page(key))),
    });
    Prepared { words, template }
}

/// The document for one event, complete and escaped.
#[must_use]
pub fn render(context: &PageContext) -> String {
    PREPARED.with(|all| {
        let cell = all.get(context.language as usize);
        cell.map_or_else(String::new, |cell| filled(context, cell.get_or_init(|| prepare(context.language))))
    })
}

fn filled(context: &PageContext, Prepared { words, template }: &Prepared) -> String {
    const YES: &str = "yes";
    let when = |yes: bool| if yes { YES } else { "" };
    let fallback = Plain { view: "joining", ..Plain::default() };
    let is_plain = context.plain.is_some();
    let plain = context.plain.as_ref().unwrap_or(&fallback);
    let view = plain.view;
    let in_line = matches!(view, "prequeue" | "waiting" | "paused" | "called" | "sold_out_place");
    let is_before = is_plain && matches!(view, "prequeue" | "scheduled") && context.opens_at_ms.is_some();
    let return_url = context.return_url.filter(|url| origin_of(url).is_some());

    let headline = words.word(view);
    let title = words.word(if is_plain { "title.view" } else { "title" });
    let title = title.replace("{view}", headline).replace("{name}", context.name);
    let lead = words.word(&format!("{view}.lead"));
    let trouble = words.word(&format!("trouble.{}", plain.trouble));
    let next_turn = words.page("next_turn").replace("{stay}", &words.stay(context.stay_seconds));
    let self_path = format!("{}/events/{}/wait", context.prefix, context.event);
    let opens = context.opens_at_ms.map(|at| at.to_string()).unwrap_or_default();
    let to_go = context.opens_at_ms.map_or(0, |at| at.saturating_sub(context.now_ms).div_ceil(1_000));
    let count = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), grouped);
    let ahead =
        if plain.ahead.is_none() && view == "prequeue" { words.word("drawn").to_owned() } else { count(plain.ahead) };
    let eta = match plain.eta {
        _ if view == "called" => words.word("eta.now").to_owned(),
        Some((low, high)) => words.range(low, high),
        None => words.word("eta.unknown").to_owned(),
    };
    let logo = context.brand.and_then(|brand| Some((brand.logo.as_deref()?, brand.logo_alt.as_str())));
    let link = context.brand.and_then(|brand| brand.link.as_ref());
    let accents = context.brand.map(|brand| in_address(brand.accents())).unwrap_or_default();
    let slots: [(&str, &str); _] = [
        ("event", context.event),
        ("name", context.name),
        ("message", context.message),
        ("return_url", return_url.unwrap_or_default()),
        ("gate", if context.at_gate { "true" } else { "" }),
        ("accounts", when(context.accounts)),
        ("prefix", context.prefix),
        ("seen_cookie", context.seen_cookie),
        ("now", &context.now_ms.to_string()),
        ("opens", &opens),
        ("commitment", context.commitment),
        ("accents", &accents),
        ("logo", logo.map_or("", |(logo, _)| logo)),
        ("logo_alt", logo.map_or("", |(_, alt)| alt)),
        ("link", link.map_or("", |link| &link.url)),
        ("link_text", link.map_or("", |link| &link.text)),
        ("self", &self_path),
        ("shop", return_url.unwrap_or(&self_path)),
        ("title", &title),
        ("view", view),
        ("headline", headline),
        ("lead", lead),
        ("trouble", trouble),
        ("next_turn", &next_turn),
        ("count", &if is_before { words.range(to_go, to_go) } else { String::new() }),
        ("number", &count(plain.number)),
        ("position", &count(plain.position)),
        ("ahead", &ahead),
        ("eta", &eta),
        ("pass", plain.pass.as_deref().unwrap_or_default()),
        ("mode", if is_plain { "&mode=plain" } else { "" }),
        ("lang_en", when(context.language == Language::En)),
        ("lang_ko", when(context.language == Language::Ko)),
        ("lang_ja", when(context.language == Language::Ja)),
        ("script", when(!is_plain)),
        ("plain", when(is_plain)),
        ("no_count", when(!is_before)),
        ("no_facts", when(!(is_plain && in_line))),
        ("no_eta", when(!matches!(view, "waiting" | "called"))),
        ("no_position", when(plain.position.is_none())),
        ("no_pass", when(plain.pass.is_none() || return_url.is_none())),
        ("no_next", when(!(in_line || matches!(view, "joining" | "scheduled")))),
        ("do_enter", when(view == "outside")),
        ("do_again", when(matches!(view, "left" | "session_ended"))),
        ("do_claim", when(view == "called")),
        ("do_leave", when(in_line)),
    ];
    let value = |name: &str| slots.iter().find(|(slot, _)| *slot == name).map_or("", |(_, value)| *value);
    let filled = |template: &str| {
        fill(template, 1_024, |name| match name.strip_prefix('?') {
            _ if name == "/" => Filling::Block(true),
            Some(name) => Filling::Block(!value(name).is_empty()),
            None => Filling::Text(value(name)),
        })
    };
    let Some(own) = context.own else { return filled(template) };
    let mut page = String::new();
    for piece in &own.pieces {
        match piece {
            Piece::Markup(markup) => page.push_str(markup),
            Piece::Slot(Slot::Head) => page.push_str(&filled(between(template, "<head>", "</head>"))),
            Piece::Slot(Slot::Room) => {
                page.push_str("<main");
                page.push_str(&filled(between(template, "<main", "</main>")));
                page.push_str("</main>");
            }
            Piece::Slot(Slot::Lang) => page.push_str(context.language.code()),
            Piece::Slot(Slot::Name) => escape_into(&mut page, context.name),
            Piece::Slot(Slot::Message) => escape_into(&mut page, context.message),
            Piece::Slot(Slot::Event) => escape_into(&mut page, context.event),
        }
    }
    page
}

/// What stands in a text between two others.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let after = text.split_once(begin).map_or("", |(_, after)| after);
    after.split_once(end).map_or("", |(inside, _)| inside)
}

/// The document's `Content-Security-Policy`.
///
/// `form-action` admits the shop, because the pass is posted to `return_url`. Browsers hold redirects
/// of that post to the same list: the shop must answer it on the origin of `return_url` itself. A door's
/// challenge is the one thing that comes from elsewhere. An operator's own page has style blocks that were read when it was uploaded, and
/// are named by their hashes.
#[must_use]
pub fn csp(return_url: Option<&str>, door: Door, own: Option<&Own>) -> String {
    let shop = return_url.and_then(origin_of).map(|origin| format!(" {origin}"));
    let (script, frame) = match door {
        Door::None => ("", ""),
        Door::Turnstile => (" https://challenges.cloudflare.com", " frame-src https://challenges.cloudflare.com;"),
    };
    let styles: String = own.iter().flat_map(|own| &own.styles).map(|hash| format!(" {hash}")).collect();
    let fonts = if own.is_some() { " font-src 'self' data:;" } else { "" };
    format!(
        "default-src 'none'; script-src 'self'{script};{frame} worker-src 'self'; style-src 'self'{styles};{fonts} \
         connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self'{}",
        shop.unwrap_or_default()
    )
}

/// `scheme://host[:port]` of an absolute `http(s)` URL. Strict on purpose: what is returned stands in
/// a response header, so nothing but the characters of host names, ports and IPv6 literals passes,
/// and an address with user information is refused.
fn origin_of(url: &str) -> Option<&str> {
    let (scheme, after) = url.split_once("://")?;
    if !matches!(scheme, "https" | "http") {
        return None;
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return None;
    }
    let authority = after.split(['/', '?', '#']).next()?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    if authority.is_empty() || !authority.bytes().all(allowed) {
        return None;
    }
    url.get(..scheme.len() + "://".len() + authority.len())
}

#[cfg(test)]
mod tests;
