//! A waiting page's HTML as an operator wrote it: read, checked, and filled in.
//!
//! ```text
//! upload ─▶ markup (tags, texts) ─▶ rules (what may stand where) ─▶ pieces: markup as it was written, and slots between it
//! ```
//!
//! What is taken is a part of HTML that leaves nothing to a parser's discretion: quoted values, every element closed where it was
//! opened, known elements and attributes. What is refused is refused at its line, with the slot it is about. The page's
//! Content-Security-Policy would stop a script, a form or a picture from elsewhere all the same: these checks are there so that the
//! operator hears of it, and not those who wait.
//!
//! Invariant: `{{head}}` and `{{room}}` are there once each, in `<head>` and in `<body>`; every other slot is a text, and is escaped.

mod markup;
mod place;
mod rules;
mod style;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use markup::{Markup, Token};
use place::Place;

/// The largest page, bytes.
pub const MOST_BYTES: usize = 64 * 1_024;
/// Each has its hash in a header.
const MOST_STYLES: usize = 16;

/// What stands between `{{` and `}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Title, style sheet and script.
    Head,
    /// The room itself.
    Room,
    /// The visitor's language, such as `ko`.
    Lang,
    /// The event's name.
    Name,
    /// The operator's message.
    Message,
    /// The event's id.
    Event,
}

impl Slot {
    const ALL: [(&'static str, Self); 6] = [
        ("head", Self::Head),
        ("room", Self::Room),
        ("lang", Self::Lang),
        ("name", Self::Name),
        ("message", Self::Message),
        ("event", Self::Event),
    ];
}

/// A part of a page.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it was written.
    Markup(String),
    /// To be filled in.
    Slot(Slot),
}

/// A page that is fit to be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Own {
    /// Its parts, in order.
    pub pieces: Vec<Piece>,
    /// What its style blocks hash to, as a Content-Security-Policy names them.
    pub styles: Vec<String>,
}

/// Why a page is refused: the first thing that is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    line: usize,
    column: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// What is wrong, and where it begins in the text.
struct Wrong(usize, String);

impl Own {
    /// Reads a page.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read(html: &str) -> Result<Self, Fault> {
        // As browsers do, and before anything is hashed.
        let html = html.strip_prefix('\u{feff}').unwrap_or(html).replace("\r\n", "\n").replace('\r', "\n");
        Reader::new(&html).read().map_err(|Wrong(at, what)| {
            let before = html.get(..at).unwrap_or(&html);
            let line = before.rsplit('\n').next().unwrap_or_default();
            Fault { line: before.matches('\n').count() + 1, column: line.chars().count() + 1, what }
        })
    }
}

struct Reader<'t> {
    html: &'t str,
    place: Place,
    own: Own,
    head: bool,
    room: bool,
}

impl<'t> Reader<'t> {
    fn new(html: &'t str) -> Self {
        Self {
            html,
            place: Place::new(),
            own: Own { pieces: Vec::new(), styles: Vec::new() },
            head: false,
            room: false,
        }
    }

    fn read(mut self) -> Result<Own, Wrong> {
        if let Some(at) = self.html.find(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Wrong(at, "a control character; take it out".to_owned()));
        }
        let mut markup = Markup::new(self.html);
        while let Some((at, token)) = markup.next()? {
            match token {
                // Not for those who wait.
                Token::Comment => {}
                Token::Doctype(raw) => {
                    self.place.doctype(at)?;
                    self.keep(raw);
                }
                Token::Text(text) => self.text(at, text)?,
                Token::Open(tag) => {
                    self.place.open(at, &tag)?;
                    rules::attributes(&tag)?;
                    self.fill(at, tag.raw, true)?;
                    if tag.name == "style" {
                        let (at, css) = markup.raw_text("style", at)?;
                        style::check(at, css)?;
                        self.style(at, css)?;
                    }
                }
                Token::Close(name, raw) => {
                    self.place.close(at, &name)?;
                    self.keep(raw);
                }
            }
        }
        let end = self.html.len();
        self.place.end(end)?;
        let missing = |name: &str, to: &str| Err(Wrong(end, format!("slot {{{{{name}}}}} is missing: {to}")));
        match (self.head, self.room) {
            (false, _) => missing("head", "write it in <head>; it becomes title, style sheet and script"),
            (_, false) => {
                missing("room", "write it in <body>; it becomes the place in the line, and all that a visitor can do")
            }
            _ => Ok(self.own),
        }
    }

    fn keep(&mut self, raw: &str) {
        if let Some(Piece::Markup(text)) = self.own.pieces.last_mut() {
            text.push_str(raw);
        } else {
            self.own.pieces.push(Piece::Markup(raw.to_owned()));
        }
    }

    fn style(&mut self, at: usize, css: &str) -> Result<(), Wrong> {
        if self.own.styles.len() >= MOST_STYLES {
            return Err(Wrong(at, format!("one <style> too many: put your rules into at most {MOST_STYLES}")));
        }
        self.own.styles.push(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(css))));
        self.keep(css);
        Ok(())
    }

    fn text(&mut self, at: usize, text: &str) -> Result<(), Wrong> {
        if !self.place.takes_text() {
            // In <head> the slot is all there is besides elements.
            let slot = "{{head}}";
            let rest = if self.place.is_head() { text.replace(slot, &" ".repeat(slot.len())) } else { text.to_owned() };
            let words = rest.trim_ascii_start();
            if !words.is_empty() && !words.contains("{{") {
                let what = format!("no text can stand {}; put it into an element of <body>", self.place.said());
                return Err(Wrong(at + rest.len() - words.len(), what));
            }
        }
        self.fill(at, text, false)
    }

    /// Keeps what was written, and what is to be filled in.
    fn fill(&mut self, at: usize, raw: &str, in_tag: bool) -> Result<(), Wrong> {
        let mut rest = raw;
        let offset = |rest: &str| at + raw.len() - rest.len();
        while let Some((before, after)) = rest.split_once("{{") {
            let start = offset(rest) + before.len();
            let Some((name, following)) = after.split_once("}}").filter(|(name, _)| name.len() <= 64) else {
                let what = "slot is never closed: end it with }}, or write &#123;&#123; for two braces";
                return Err(Wrong(start, what.to_owned()));
            };
            let slot = Slot::ALL.iter().find(|(known, _)| *known == name).map(|(_, slot)| *slot);
            let Some(slot) = slot else {
                let all: Vec<_> = Slot::ALL.iter().map(|(name, _)| format!("{{{{{name}}}}}")).collect();
                return Err(Wrong(
                    start,
                    format!("slot {{{{{name}}}}} is not known; there are {}, without spaces", all.join(", ")),
                ));
            };
            self.slot(start, name, slot, in_tag)?;
            self.keep(before);
            self.own.pieces.push(Piece::Slot(slot));
            rest = following;
        }
        self.keep(rest);
        Ok(())
    }

    /// Whether this slot may stand here.
    fn slot(&mut self, at: usize, name: &str, slot: Slot, in_tag: bool) -> Result<(), Wrong> {
        let wrong = |what: &str| Err(Wrong(at, format!("slot {{{{{name}}}}} {what}")));
        let seen = match slot {
            Slot::Head => &mut self.head,
            Slot::Room => &mut self.room,
            _ if in_tag || self.place.takes_text() => return Ok(()),
            _ => {
                return wrong(&format!(
                    "cannot stand {}; write it where text can stand, or in a quoted attribute",
                    self.place.said()
                ));
            }
        };
        if in_tag {
            return wrong("is no text: write it between elements");
        }
        let (fits, to) = match slot {
            Slot::Head => (self.place.is_head(), "belongs directly into <head>"),
            _ => {
                (self.place.takes_room(), "belongs into <body>, or a <div> or <section> of it: it is the page's <main>")
            }
        };
        if !fits {
            return wrong(&format!("cannot stand {}: it {to}", self.place.said()));
        }
        if std::mem::replace(seen, true) {
            return wrong("is there twice: leave one of them out");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
