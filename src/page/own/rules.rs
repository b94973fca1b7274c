//! Which attributes an element may have, and what may be in them. What is loaded comes from the page itself (`data:`) or from this very
//! origin; where people go by a link is theirs to choose.

use super::Wrong;
use super::markup::{Attribute, Tag};
use crate::page::WAIT_HTML;

/// Attributes of every element, besides `aria-…` and `data-…`.
const GLOBAL: [&str; 8] = ["class", "dir", "hidden", "id", "lang", "role", "title", "translate"];

const fn of_element(name: &str) -> &'static [&'static str] {
    match name.as_bytes() {
        b"a" => &["href", "target", "rel", "hreflang"],
        b"img" => &["src", "alt", "width", "height", "loading", "decoding"],
        b"link" => &["rel", "href", "media", "type", "sizes"],
        b"meta" => &["name", "property", "content"],
        b"style" => &["media"],
        b"ol" => &["start", "type", "reversed"],
        b"li" => &["value"],
        b"time" => &["datetime"],
        b"details" => &["open"],
        _ => &[],
    }
}

/// What `<meta name>` may say.
const META: [&str; 4] = ["description", "author", "application-name", "theme-color"];

/// Whether all attributes of a tag are taken.
pub fn attributes(tag: &Tag<'_>) -> Result<(), Wrong> {
    let of_tag = of_element(&tag.name);
    for attribute in &tag.attributes {
        let name = attribute.name.as_str();
        if !of_tag.contains(&name)
            && !GLOBAL.contains(&name)
            && !name.starts_with("aria-")
            && !name.starts_with("data-")
        {
            return Err(unknown(&tag.name, attribute));
        }
        match name {
            "id" => id(attribute)?,
            "src" => resource(attribute, &["data:image/"])?,
            "href" if tag.name == "a" => address(attribute)?,
            _ => {}
        }
    }
    let value = |name: &str| tag.attributes.iter().find(|attribute| attribute.name == name);
    let text = |name: &str| value(name).and_then(|attribute| attribute.value);
    let at = tag.attributes.first().map_or(0, |attribute| attribute.at);
    let missing = |what: &str| Err(Wrong(at, what.to_owned()));
    match tag.name.as_str() {
        "html" if text("lang") != Some("{{lang}}") => Err(Wrong(
            at,
            "slot {{lang}} is missing: write <html lang=\"{{lang}}\">, since the page speaks the visitor's language"
                .to_owned(),
        )),
        "img" if text("src").is_none() || text("alt").is_none() => {
            missing("<img> needs src, and alt for those who do not see it (alt=\"\" where it is there for its looks)")
        }
        "link" => match (text("rel"), value("href")) {
            (Some("stylesheet"), Some(href)) => resource(href, &[]),
            (Some("icon"), Some(href)) => resource(href, &["data:image/"]),
            _ => missing("<link> takes rel=\"stylesheet\" or rel=\"icon\", with an href"),
        },
        "meta" if text("property").is_none() && !text("name").is_some_and(|name| META.contains(&name)) => {
            missing(&format!(
                "<meta> takes property, or name with one of {}; slot {{{{head}}}} has the others",
                META.join(", ")
            ))
        }
        _ => Ok(()),
    }
}

fn unknown(tag: &str, attribute: &Attribute<'_>) -> Wrong {
    let name = attribute.name.as_str();
    let instead = match name {
        "style" => "no style may be inline: put the rule into <style>, and name it by class".to_owned(),
        "http-equiv" => "headers are the Worker's to send".to_owned(),
        "srcset" => "use src".to_owned(),
        "property" | "content" | "href" | "src" => format!("it says nothing on <{tag}>"),
        _ if name.starts_with("on") => "the page has a script of its own, and no other may run".to_owned(),
        _ => "docs/page.md has the attributes that an element may have".to_owned(),
    };
    Wrong(attribute.at, format!("'{name}' is not taken on <{tag}>: {instead}"))
}

/// The room finds its parts by their ids, and so does its style sheet.
fn id(attribute: &Attribute<'_>) -> Result<(), Wrong> {
    let id = attribute.value.unwrap_or_default();
    let wrong = |what: String| Err(Wrong(attribute.at, what));
    if id.is_empty() || id.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '&')) {
        return wrong("an id has at least one character, and no space, slot or '&'".to_owned());
    }
    if WAIT_HTML.contains(&format!(" id=\"{id}\"")) {
        return wrong(format!("id '{id}' is one that slot {{{{room}}}} has; choose another"));
    }
    Ok(())
}

/// The value as browsers will have it.
fn plain(attribute: &Attribute<'_>) -> Result<String, Wrong> {
    let name = &attribute.name;
    let wrong = |what: &str| Err(Wrong(attribute.at, format!("the address in '{name}' {what}")));
    let value = attribute.value.unwrap_or_default();
    if value.contains("{{") {
        return wrong("has a slot; write it in full");
    }
    let value = value.replace("&amp;", "\u{0}");
    if value.contains('&') {
        return wrong("has a character reference; write & as &amp;, and others percent-encoded");
    }
    let value = value.replace('\u{0}', "&");
    if value.is_empty() || value.contains(|c: char| !c.is_ascii_graphic() || c == '\\') {
        return wrong("is empty, or has a space, a backslash or a letter beyond ASCII; percent-encode it");
    }
    Ok(value)
}

/// Whether something at this address is of this very origin, or in the address itself.
pub fn is_own(address: &str, data: &[&str]) -> bool {
    let lower = address.to_ascii_lowercase();
    (address.starts_with('/') && !address.starts_with("//")) || data.iter().any(|begin| lower.starts_with(begin))
}

fn resource(attribute: &Attribute<'_>, data: &[&str]) -> Result<(), Wrong> {
    let address = plain(attribute)?;
    if is_own(&address, data) {
        return Ok(());
    }
    let or = if data.is_empty() { "" } else { ", or a picture as data:image/…" };
    let what = format!("'{}' leads elsewhere: take a path of this site that begins with one slash{or}", attribute.name);
    Err(Wrong(attribute.at, what))
}

fn address(attribute: &Attribute<'_>) -> Result<(), Wrong> {
    let address = plain(attribute)?;
    let lower = address.to_ascii_lowercase();
    let goes = ["https://", "http://", "mailto:", "tel:", "#", "?"].iter().any(|begin| lower.starts_with(begin));
    if goes || is_own(&address, &[]) {
        return Ok(());
    }
    let what = "'href' takes https:// and http:// addresses, mailto:, tel:, #id and paths that begin with one slash";
    Err(Wrong(attribute.at, what.to_owned()))
}
