//! The waiting page: one HTML document, one script, one style sheet; nothing from a third party.
//!
//! The Worker serves [`render`]'s document at `{prefix}/events/{event}/wait` with [`csp`] as its
//! `Content-Security-Policy`, and the two [`asset`]s at `{prefix}/assets/`. Data reaches the script
//! only through escaped `data-*` attributes: there is no inline code and no inline style, so the
//! policy needs no exception. The operator's words are text, never HTML.
//!
//! Invariant: whatever strings an event carries, the document has the elements of `wait.html` and no
//! others, and its policy has the directives of [`csp`] and no others.

const WAIT_HTML: &str = include_str!("wait.html");
/// The script, served at `{prefix}/assets/wait.js`.
pub const WAIT_JS: &str = include_str!("wait.js");
/// The style sheet, served at `{prefix}/assets/wait.css`.
pub const WAIT_CSS: &str = include_str!("wait.css");

/// Changes whenever an asset does: the document asks for `wait.js?v={version}`.
const VERSION: u64 = fnv1a(fnv1a(0xcbf2_9ce4_8422_2325, WAIT_JS), WAIT_CSS);

/// What the document shows before its script has asked anything.
#[derive(Debug, Clone, Copy)]
pub struct PageContext<'a> {
    /// The event's id.
    pub event: &'a str,
    /// The event's name, as people read it.
    pub name: &'a str,
    /// The operator's message; may be empty.
    pub message: &'a str,
    /// Where the admitted are sent with their pass. Anything but an absolute `http(s)` URL counts as none.
    pub return_url: Option<&'a str>,
    /// Whether the page stands in for the one that was asked for: whoever is let in goes there.
    pub at_gate: bool,
    /// The path prefix without a slash at its end, e.g. `/queue`.
    pub prefix: &'a str,
    /// The name of the readable cookie that keeps the highest `frontier` seen.
    pub seen_cookie: &'a str,
}

/// One static file of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The whole body.
    pub body: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its `ETag`, with quotes.
    pub etag: String,
}

/// The asset of that name below `{prefix}/assets/`, if there is one.
#[must_use]
pub fn asset(name: &str) -> Option<Asset> {
    let (body, content_type) = match name {
        "wait.js" => (WAIT_JS, "text/javascript; charset=utf-8"),
        "wait.css" => (WAIT_CSS, "text/css; charset=utf-8"),
        _ => return None,
    };
    let etag = format!("\"{:016x}\"", fnv1a(0xcbf2_9ce4_8422_2325, body));
    Some(Asset { body, content_type, etag })
}

/// The document for one event, complete and escaped.
#[must_use]
pub fn render(context: &PageContext) -> String {
    let version = format!("{VERSION:016x}");
    let return_url = context.return_url.filter(|url| origin_of(url).is_some());
    let value = |name: &str| match name {
        "event" => context.event,
        "name" => context.name,
        "message" => context.message,
        "return_url" => return_url.unwrap_or_default(),
        "gate" if context.at_gate => "true",
        "prefix" => context.prefix,
        "seen_cookie" => context.seen_cookie,
        "version" => version.as_str(),
        _ => "",
    };
    // One pass over the template: what is filled in is never looked at again, so a name that
    // contains `{{message}}` stays a name.
    let mut page = String::with_capacity(WAIT_HTML.len() + 1_024);
    let mut rest = WAIT_HTML;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, following)) = after.split_once("}}") else {
            break;
        };
        escape_into(&mut page, value(name));
        rest = following;
    }
    page.push_str(rest);
    page
}

/// The document's `Content-Security-Policy`.
///
/// `form-action` admits the shop, because the pass is posted to `return_url`. Browsers hold redirects
/// of that post to the same list: the shop must answer it on the origin of `return_url` itself.
#[must_use]
pub fn csp(return_url: Option<&str>) -> String {
    let shop = return_url.and_then(origin_of).map(|origin| format!(" {origin}"));
    format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
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

/// Escapes for text and for quoted attributes alike.
fn escape_into(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            // NUL is no character of HTML; parsers disagree about it.
            '\0' => page.push('\u{fffd}'),
            _ => page.push(c),
        }
    }
}

/// FNV-1a, for cache keys only: it notices an edit, not an attacker.
const fn fnv1a(mut hash: u64, text: &str) -> u64 {
    let mut bytes = text.as_bytes();
    while let [byte, rest @ ..] = bytes {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        bytes = rest;
    }
    hash
}

#[cfg(test)]
mod tests;
