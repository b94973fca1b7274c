//! Which requests to a shop an event's line stands before.
//!
//! A rule is held against a path as an origin may understand it, so that no way of writing one gets around the line: decoded once,
//! dots and empty segments taken out, in lower case; with path parameters, and without them. What origins understand differently in
//! other ways (an encoded slash, an encoded dot that is left after decoding) is refused. Invariant: of all readings of a path that is
//! not refused, none is protected while it is judged to be open here.

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::from_json;

const MOST_HOSTS: usize = 20;
const MOST_PATHS: usize = 100;
const LONGEST_PATH: usize = 500;

/// What becomes of visitors when the line cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnsure {
    /// Nobody gets to the shop.
    #[default]
    Closed,
    /// Everybody does.
    Open,
}

from_json! {
    enum WhenUnsure {
        "closed" => Closed,
        "open" => Open,
    }
}

/// The setting `gate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// Names of the shop's hosts, without ports.
    pub hosts: Vec<String>,
    /// What paths that need a pass begin with; empty: all do.
    pub protect: Vec<String>,
    /// Paths that need none all the same: `/a` that one, `/a/*` it and all below.
    pub open_paths: Vec<String>,
    /// What becomes of visitors when the line cannot be asked.
    pub when_unsure: WhenUnsure,
}

from_json! { struct Gate { hosts, protect = default, open_paths = default, when_unsure = default } }

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the path can be read in more than one way; send it without encoded slashes, dots or control characters")]
pub struct Ambiguous;

/// A path as rules see it: `/`, or segments that each follow a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainPath {
    /// Without parameters (`/seats;row=7` is `/seats`), as some origins take it.
    cut: String,
    /// With them, as the others do; none where there are none.
    whole: Option<String>,
}

impl PlainPath {
    /// Reads the path of a request, as it was sent.
    ///
    /// # Errors
    /// [`Ambiguous`].
    pub fn of(sent: &str) -> Result<Self, Ambiguous> {
        refuse_encoded(sent)?;
        let decoded = decode(sent.as_bytes())?;
        // An origin that decodes twice finds nothing more.
        if decoded.chars().any(|c| c.is_control() || c == '\\') || holds_encoded(&decoded) {
            return Err(Ambiguous);
        }
        let mut segments: Vec<(&str, &str)> = Vec::new();
        // No slash is encoded: both have the same segments.
        for (whole, sent) in decoded.split('/').zip(sent.split('/')) {
            let segment = whole.split(';').next().unwrap_or("");
            match segment {
                // An origin that decodes late has gone where the dots do not lead.
                "." | ".." if sent.contains('%') => return Err(Ambiguous),
                // With parameters, some origins take it for a directory, some for a dot.
                "" | "." | ".." if segment.len() < whole.len() => return Err(Ambiguous),
                "" | "." => {}
                ".." => drop(segments.pop()),
                name => segments.push((name, whole)),
            }
        }
        let joined = |segments: Vec<&str>| format!("/{}", segments.join("/")).to_lowercase();
        let (cut, whole) = segments.into_iter().unzip();
        Ok(Self { cut: joined(cut), whole: decoded.contains(';').then(|| joined(whole)) })
    }

    fn readings(&self) -> impl Iterator<Item = &str> {
        core::iter::once(self.cut.as_str()).chain(self.whole.as_deref())
    }
}

/// What must not be in a path as it is sent.
fn refuse_encoded(path: &str) -> Result<(), Ambiguous> {
    let lower = path.to_ascii_lowercase();
    if path.contains('\\') || ["%2f", "%5c", "%00"].iter().any(|encoded| lower.contains(encoded)) {
        return Err(Ambiguous);
    }
    Ok(())
}

/// Whether something in it could be decoded, whatever that is: twice encoded, `/%2563heckout` is another path to some origins.
fn holds_encoded(decoded: &str) -> bool {
    let is_encoded =
        |three: &[u8]| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    decoded.as_bytes().windows(3).any(is_encoded)
}

fn decode(sent: &[u8]) -> Result<String, Ambiguous> {
    let mut bytes = Vec::with_capacity(sent.len());
    let mut rest = sent;
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).map_err(|_| Ambiguous),
            [b'%', high, low, after @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(Ambiguous);
                bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
                after
            }
            [b'%', ..] => return Err(Ambiguous),
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

impl Gate {
    pub(crate) const PARTS: &str = "hosts, protect, open_paths and when_unsure";

    /// Whether this is one of the shop's hosts. `name` without a port.
    #[must_use]
    pub fn has_host(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    /// How closely a rule fits this path: the length of the longest one. `None`: the path needs no pass of this event.
    #[must_use]
    pub fn protects(&self, path: &PlainPath) -> Option<usize> {
        if self.protect.is_empty() {
            return Some(0);
        }
        let below = |start: &str| path.readings().any(|reading| reading.starts_with(start));
        let fits = self.protect.iter().filter(|start| below(start.trim_end_matches('/')));
        fits.map(String::len).max()
    }

    /// Whether this path needs no pass although it is protected.
    #[must_use]
    pub fn opens(&self, path: &PlainPath) -> bool {
        path.readings().all(|path| self.opens_reading(path))
    }

    fn opens_reading(&self, path: &str) -> bool {
        self.open_paths.iter().any(|rule| match rule.strip_suffix("/*") {
            Some(start) => path == start || path.strip_prefix(start).is_some_and(|below| below.starts_with('/')),
            None => path == rule.trim_end_matches('/') || path == *rule,
        })
    }

    /// This gate with what `body` says; `null` gives a part its default back.
    ///
    /// # Errors
    /// The part that is wrong, and what would fit.
    pub(crate) fn with(mut self, body: &Map<String, Value>) -> Result<Self, (String, String)> {
        for (part, value) in body {
            let expected = |text: String| Err((format!("gate.{part}"), text));
            match part.as_str() {
                "hosts" => match texts(value, MOST_HOSTS, is_host) {
                    Some(hosts) => self.hosts = hosts,
                    None => {
                        return expected(format!(
                            "a list of at most {MOST_HOSTS} host names such as \"shop.example\", without scheme and port"
                        ));
                    }
                },
                "protect" => match texts(value, MOST_PATHS, is_path) {
                    Some(paths) => self.protect = paths,
                    None => {
                        return expected(format!(
                            "a list of at most {MOST_PATHS} beginnings of paths such as \"/checkout\": not encoded, without '*', '?' and dots"
                        ));
                    }
                },
                "open_paths" => match texts(value, MOST_PATHS, |path| is_path(path.strip_suffix("/*").unwrap_or(path)))
                {
                    Some(paths) => self.open_paths = paths,
                    None => {
                        return expected(format!(
                            "a list of at most {MOST_PATHS} paths such as \"/healthz\", or \"/static/*\" for all below it: not encoded, without '?' and dots"
                        ));
                    }
                },
                "when_unsure" => {
                    self.when_unsure = match value {
                        Value::Null => WhenUnsure::Closed,
                        Value::String(text) if text == "closed" => WhenUnsure::Closed,
                        Value::String(text) if text == "open" => WhenUnsure::Open,
                        _ => return expected("\"closed\" or \"open\"".to_owned()),
                    };
                }
                _ => return expected(format!("left out: 'gate' has {}", Self::PARTS)),
            }
        }
        if self.hosts.is_empty() {
            return Err(("gate.hosts".to_owned(), "the names of the shop's hosts: at least one".to_owned()));
        }
        Ok(self)
    }
}

/// A list of texts in lower case; null is an empty one.
fn texts(value: &Value, most: usize, fits: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    if value.is_null() {
        return Some(Vec::new());
    }
    let list = value.as_array().filter(|list| list.len() <= most)?;
    list.iter().map(|text| text.as_str().map(str::to_lowercase).filter(|text| fits(text))).collect()
}

fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A rule must be what paths become, or no path would ever fit it. `/*` leaves nothing: all.
fn is_path(path: &str) -> bool {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    path.len() <= LONGEST_PATH
        && !path.contains(['%', '?', '#', ';', '*'])
        && (trimmed.is_empty() || PlainPath::of(trimmed).is_ok_and(|plain| plain.cut == trimmed))
}

#[cfg(test)]
mod tests;
