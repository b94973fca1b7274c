//! Reads the members of a settings body, each by what fits it; what does not is said with what would.

use serde_json::{Map, Value};

use super::{LATEST, MAX_ORIGINS, MAX_URL, SettingsError};
use crate::types::UnixMillis;

/// A member of the body.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
}

impl Field<'_> {
    pub(super) fn expected(&self, expected: &str) -> SettingsError {
        SettingsError::Invalid { field: self.name.to_owned(), expected: expected.to_owned() }
    }

    pub(super) fn integer(&self, least: u64, most: u64, default: u64) -> Result<u64, SettingsError> {
        if self.value.is_null() {
            return Ok(default);
        }
        let fits = self.value.as_u64().filter(|value| (least..=most).contains(value));
        fits.ok_or_else(|| self.expected(&format!("an integer from {least} to {most}")))
    }

    pub(super) fn one_of(&self, values: &[u16], default: u16) -> Result<u16, SettingsError> {
        if self.value.is_null() {
            return Ok(default);
        }
        let given = self.value.as_u64();
        let fits = values.iter().copied().find(|value| given == Some(u64::from(*value)));
        fits.ok_or_else(|| {
            let all: Vec<_> = values.iter().map(u16::to_string).collect();
            self.expected(&format!("one of {}", all.join(", ")))
        })
    }

    pub(super) fn flag(&self, default: bool) -> Result<bool, SettingsError> {
        if self.value.is_null() {
            return Ok(default);
        }
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    pub(super) fn text(&self, least: usize, most: usize, default: &str) -> Result<String, SettingsError> {
        if self.value.is_null() {
            return Ok(default.to_owned());
        }
        let fits = self.value.as_str().filter(|text| {
            (least..=most).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() && c != '\n')
        });
        let expected = || self.expected(&format!("a text of {least} to {most} characters without control characters"));
        fits.map(str::to_owned).ok_or_else(expected)
    }

    pub(super) fn optional(
        &self,
        fits: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Result<Option<String>, SettingsError> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) if fits(text) => Ok(Some(text.clone())),
            _ => Err(self.expected(expected)),
        }
    }

    /// One of these words; null is the default.
    pub(super) fn word<T: Copy + Default>(&self, words: &[(&str, T)]) -> Result<T, SettingsError> {
        if self.value.is_null() {
            return Ok(T::default());
        }
        let given = self.value.as_str();
        let fits = words.iter().find(|(word, _)| given == Some(*word)).map(|(_, meant)| *meant);
        fits.ok_or_else(|| {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
            self.expected(&format!("one of {}", all.join(", ")))
        })
    }

    /// An object is merged into the one there is, as RFC 7396 has it. `with` says which part of it is wrong, and what would fit.
    pub(super) fn parts<T: Default>(
        &self,
        before: Option<Box<T>>,
        names: &str,
        with: impl FnOnce(T, &Map<String, Value>) -> Result<T, (String, String)>,
    ) -> Result<Option<Box<T>>, SettingsError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Object(body) => match with(*before.unwrap_or_default(), body) {
                Ok(whole) => Ok(Some(Box::new(whole))),
                Err((field, expected)) => Err(SettingsError::Invalid { field, expected }),
            },
            _ => Err(self.expected(&format!("null or an object with {names}"))),
        }
    }

    pub(super) fn time(&self) -> Result<Option<UnixMillis>, SettingsError> {
        if self.value.is_null() {
            return Ok(None);
        }
        let time = self.value.as_str().and_then(UnixMillis::parse_rfc3339).filter(|time| *time <= LATEST);
        let expected =
            || self.expected("null or a time in RFC 3339 such as \"2026-11-22T20:00:00+09:00\", before 2100");
        time.map(Some).ok_or_else(expected)
    }

    pub(super) fn origins(&self) -> Result<Vec<String>, SettingsError> {
        if self.value.is_null() {
            return Ok(Vec::new());
        }
        let list = self.value.as_array().filter(|list| list.len() <= MAX_ORIGINS);
        let origins: Option<Vec<_>> = list.and_then(|list| {
            list.iter().map(|value| value.as_str().filter(|text| is_origin(text)).map(str::to_owned)).collect()
        });
        origins.ok_or_else(|| {
            self.expected(&format!(
                "a list of at most {MAX_ORIGINS} web origins such as \"https://shop.example\" (no path, no '*')"
            ))
        })
    }
}

/// Scheme and the rest of an http(s) address.
fn after_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
}

/// `host` or `host:port`, in the form a browser writes into `Origin`.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.'),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        }
    };
    host_fits && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_origin(text: &str) -> bool {
    text.len() <= MAX_URL && after_scheme(text).is_some_and(is_authority)
}

/// An absolute address without a fragment.
pub(crate) fn is_return_url(text: &str) -> bool {
    let plain = text.len() <= MAX_URL && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\`{}|^#".contains(&b));
    plain
        && after_scheme(text).is_some_and(|rest| {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            rest.get(..end).is_some_and(is_authority)
        })
}

pub(super) fn is_topic(text: &str) -> bool {
    (1..=249).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
