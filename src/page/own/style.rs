//! A style block: nothing in it is loaded from elsewhere, and nothing in it hides that.

use super::Wrong;
use super::rules::is_own;

/// These take addresses as plain texts, too.
const FUNCTIONS: [&str; 4] = ["src", "image", "image-set", "-webkit-image-set"];

/// Whether a style block that begins at `at` is taken.
pub fn check(at: usize, css: &str) -> Result<(), Wrong> {
    let mut rest = css;
    let offset = |rest: &str| at + css.len() - rest.len();
    if let Some((before, _)) = css.split_once("{{") {
        let what = "slots are not filled in in <style>: use a class, such as class=\"{{event}}\" on <body>";
        return Err(Wrong(at + before.len(), what.to_owned()));
    }
    while let Some(first) = rest.chars().next() {
        let wrong = |what: &str| Err(Wrong(offset(rest), what.to_owned()));
        let length = match first {
            '/' if rest.starts_with("/*") => match rest.find("*/") {
                Some(end) if end > 1 => end + 2,
                _ => return wrong("a comment that is never closed; end it with */"),
            },
            '"' | '\'' => match string(rest) {
                Some(length) => length,
                None => return wrong("a text in quotes that is not closed in its line"),
            },
            '\\' => return wrong("a backslash outside of quotes; write the character itself"),
            '@' | '-' | '_' | 'a'..='z' | 'A'..='Z' => {
                let name = word(rest);
                let lower = name.to_ascii_lowercase();
                let is_call = rest.get(name.len()..).is_some_and(|after| after.starts_with('('));
                match lower.as_str() {
                    "@import" => {
                        return wrong(
                            "@import is not taken: put the rules into <style>, or <link> to a path of this site",
                        );
                    }
                    "url" if is_call => match url(rest.get(name.len() + 1..).unwrap_or_default()) {
                        Some((address, length)) if is_own(address, &["data:", "#"]) => name.len() + 1 + length,
                        Some(_) => {
                            return wrong(
                                "url() leads elsewhere: take data:, or a path of this site that begins with one slash",
                            );
                        }
                        None => return wrong("url() is not closed, or has a backslash or a comment in it"),
                    },
                    function if is_call && FUNCTIONS.contains(&function) => {
                        return wrong(&format!("{function}() is not taken: use url()"));
                    }
                    _ => name.len(),
                }
            }
            other => other.len_utf8(),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

fn word(text: &str) -> &str {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let end = text.char_indices().skip(1).find(|(_, c)| !plain(*c)).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}

/// How long the text in quotes is that begins here, quotes included.
fn string(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The address after `url(`, and how long it is with what belongs to it.
fn url(text: &str) -> Option<(&str, usize)> {
    let begin = text.len() - text.trim_ascii_start().len();
    let inner = text.get(begin..)?;
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (address, after) = match quote {
        Some(quote) => inner.get(1..)?.split_once(quote)?,
        None => (inner.get(..inner.find(')')?)?.trim_ascii_end(), inner.get(inner.find(')')?..)?),
    };
    let close = after.trim_ascii_start();
    // Browsers take line ends and tabs out of addresses.
    let is_plain = !address.contains(|c: char| c == '\\' || c.is_control())
        && (quote.is_some() || !address.contains(['"', '\'', '(', ' ']));
    (is_plain && close.starts_with(')')).then(|| (address, text.len() - close.len() + 1))
}
