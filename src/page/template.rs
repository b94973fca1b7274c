//! Fills `wait.html`: `{{slot}}` is a text, escaped; what stands between `{{?slot}}` and the next `{{/}}` is there if the slot is not empty.
//! `{{t.key}}` is a text of the language.
//!
//! Invariant: what is filled in is never looked at again, so a name that contains `{{message}}` stays a name.

/// Goes over the template once. `value` answers a slot's text and whether it is a template itself, taken as it is.
pub fn fill<'v>(template: &str, room: usize, value: impl Fn(&str) -> Filling<'v>) -> String {
    let mut page = String::with_capacity(template.len() + room);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, mut following)) = after.split_once("}}") else { break };
        match value(name) {
            Filling::Keep => {
                page.push_str("{{");
                page.push_str(name);
                page.push_str("}}");
            }
            Filling::Text(text) => escape_into(&mut page, text),
            Filling::Block(true) => {}
            Filling::Block(false) => following = following.split_once("{{/}}").map_or("", |(_, after)| after),
        }
        rest = following;
    }
    page.push_str(rest);
    page
}

/// What a slot becomes.
pub enum Filling<'a> {
    /// It stays as it is, for the next time.
    Keep,
    /// A text, to be escaped.
    Text(&'a str),
    /// The block that begins here is there, or it is not.
    Block(bool),
}

/// Escapes for text and for quoted attributes alike.
pub fn escape_into(page: &mut String, text: &str) {
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
