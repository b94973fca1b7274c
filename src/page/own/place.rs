//! Where in a page something stands, and what may stand there.
//!
//! The elements are a part of HTML's, and their nesting is stricter than HTML's, so that no parser moves, closes or invents any: what
//! was written is what browsers build.

use super::Wrong;
use super::markup::Tag;

/// What an element is, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `<html>`, `<head>`, `<body>`.
    Frame,
    /// Of `<head>`, without content of its own that is markup.
    Meta,
    /// A part of the page: holds parts, paragraphs and words.
    Part,
    /// A paragraph: holds words.
    Paragraph,
    /// Words: hold words.
    Words,
    /// Has no content.
    Void,
    /// Holds items only.
    List,
    /// What a list or a part of a certain name holds. The first: what it must stand in.
    Item(&'static [&'static str], Inside),
}

/// What an item holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Parts,
    Words,
}

const fn kind(name: &str) -> Option<Kind> {
    let kind = match name.as_bytes() {
        b"html" | b"head" | b"body" => Kind::Frame,
        b"meta" | b"link" | b"style" => Kind::Meta,
        b"div" | b"section" | b"article" | b"aside" | b"header" | b"footer" | b"nav" | b"address" | b"blockquote"
        | b"figure" | b"details" => Kind::Part,
        b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Kind::Paragraph,
        b"a" | b"abbr" | b"b" | b"bdi" | b"cite" | b"code" | b"em" | b"i" | b"mark" | b"q" | b"s" | b"small"
        | b"span" | b"strong" | b"sub" | b"sup" | b"time" | b"u" => Kind::Words,
        b"br" | b"img" | b"wbr" | b"hr" => Kind::Void,
        b"ul" | b"ol" | b"dl" => Kind::List,
        b"li" => Kind::Item(&["ul", "ol"], Inside::Parts),
        b"dt" => Kind::Item(&["dl"], Inside::Words),
        b"dd" => Kind::Item(&["dl"], Inside::Parts),
        b"summary" => Kind::Item(&["details"], Inside::Words),
        b"figcaption" => Kind::Item(&["figure"], Inside::Words),
        _ => return None,
    };
    Some(kind)
}

/// Names that operators will try, and what to do instead.
fn instead(name: &str) -> &'static str {
    match name {
        "script" => "the page has a script of its own, and no other may run",
        "title" => "slot {{head}} brings it: event's name and place in the line",
        "main" => "slot {{room}} is the page's <main>; use <div> or <section>",
        "base" => "write addresses in full",
        "iframe" | "object" | "embed" | "video" | "audio" => {
            "nothing from elsewhere may be in the page; link to it with <a>"
        }
        "form" | "input" | "button" | "select" | "textarea" => "what visitors can press is in slot {{room}}",
        "svg" | "math" | "picture" => "show a picture with <img>; an SVG can be one",
        "table" => "use <dl> or <ul>",
        "noscript" | "template" => "the page is the same without a script",
        _ => "docs/page.md has the elements that a page may have",
    }
}

/// The open elements, and which of the frame's were there.
pub struct Place {
    open: Vec<(String, usize)>,
    seen: Vec<&'static str>,
}

impl Place {
    pub const fn new() -> Self {
        Self { open: Vec::new(), seen: Vec::new() }
    }

    fn parent(&self) -> &str {
        self.open.last().map_or("", |(name, _)| name)
    }

    /// In words.
    pub fn said(&self) -> String {
        match self.parent() {
            "" => "outside <html>".to_owned(),
            parent => format!("in <{parent}>"),
        }
    }

    pub fn is_head(&self) -> bool {
        self.parent() == "head"
    }

    /// Whether text can stand here.
    pub fn takes_text(&self) -> bool {
        match kind(self.parent()) {
            Some(Kind::Frame) => self.parent() == "body",
            Some(Kind::Part | Kind::Paragraph | Kind::Words | Kind::Item(..)) => true,
            _ => false,
        }
    }

    /// Whether the room can stand here.
    pub fn takes_room(&self) -> bool {
        matches!(self.parent(), "body" | "div" | "section")
            && self.open.iter().all(|(name, _)| matches!(name.as_str(), "html" | "body" | "div" | "section"))
    }

    pub fn doctype(&mut self, at: usize) -> Result<(), Wrong> {
        if self.seen.is_empty() {
            self.seen.push("doctype");
            return Ok(());
        }
        Err(Wrong(at, "<!doctype html> belongs at the very beginning, once".to_owned()))
    }

    pub fn open(&mut self, at: usize, tag: &Tag<'_>) -> Result<(), Wrong> {
        let name = tag.name.as_str();
        let wrong = |what: String| Err(Wrong(at, what));
        let Some(kind) = kind(name) else {
            return wrong(format!("<{name}> is not taken: {}", instead(name)));
        };
        if let Some(frame) = ["html", "head", "body"].into_iter().find(|frame| *frame == name) {
            let before = match frame {
                "html" => ("doctype", "", "<!doctype html>"),
                "head" => ("html", "html", "<html>"),
                _ => ("head", "html", "<head>…</head>"),
            };
            if self.seen.last() != Some(&before.0) || self.parent() != before.1 {
                return wrong(format!("<{frame}> is out of place: it comes once, after {}", before.2));
            }
            self.seen.push(frame);
        } else if !self.holds(name, kind) {
            return wrong(format!("<{name}> cannot stand {}: {}", self.said(), Self::reason(kind)));
        }
        if name == "a" && self.open.iter().any(|(open, _)| open == "a") {
            return wrong("<a> cannot stand in another <a>: close that one first".to_owned());
        }
        let closes_itself = tag.raw.ends_with("/>");
        if matches!(kind, Kind::Void) || matches!(name, "meta" | "link") {
            return Ok(());
        }
        if closes_itself {
            return wrong(format!("<{name}/> is not closed by its slash; write <{name}></{name}>"));
        }
        self.open.push((name.to_owned(), at));
        Ok(())
    }

    fn holds(&self, name: &str, inner: Kind) -> bool {
        let parent = self.parent();
        match inner {
            Kind::Item(parents, _) => return parents.contains(&parent),
            Kind::Meta => return parent == "head",
            _ => {}
        }
        let is_words = matches!(inner, Kind::Words) || matches!(name, "br" | "img" | "wbr");
        match kind(parent) {
            Some(Kind::Frame) => parent == "body",
            Some(Kind::Part | Kind::Item(_, Inside::Parts)) => true,
            Some(Kind::Paragraph | Kind::Words | Kind::Item(_, Inside::Words)) => is_words,
            _ => false,
        }
    }

    fn reason(kind: Kind) -> String {
        match kind {
            Kind::Meta => "it belongs into <head>".to_owned(),
            Kind::Item(parents, _) => format!("it belongs into <{}>", parents.join("> or <")),
            _ => "close that element first, or put this one into another".to_owned(),
        }
    }

    pub fn close(&mut self, at: usize, name: &str) -> Result<(), Wrong> {
        let wrong = |what: String| Err(Wrong(at, what));
        match self.open.last() {
            Some((open, _)) if open == name => {
                self.open.pop();
                Ok(())
            }
            Some((open, _)) => wrong(format!("</{name}> comes before <{open}> is closed; write </{open}> first")),
            None => wrong(format!("</{name}> closes nothing; take it out")),
        }
    }

    /// Whether all is closed and there.
    pub fn end(&self, at: usize) -> Result<(), Wrong> {
        if let Some((name, open)) = self.open.last() {
            return Err(Wrong(*open, format!("<{name}> is never closed; write </{name}>")));
        }
        match ["doctype", "html", "head", "body"].into_iter().find(|part| !self.seen.contains(part)) {
            None => Ok(()),
            Some("doctype") => Err(Wrong(0, "<!doctype html> is missing; write it first".to_owned())),
            Some(part) => Err(Wrong(at, format!("<{part}> is missing; docs/page.md has a page to begin with"))),
        }
    }
}
