//! From TOML to [`Settings`], with everything that is wrong at once.
//!
//! Serde ends at the first field that does not fit. So what does not fit is noted, taken out, and the rest is read again,
//! until it fits: at most once per entry of the file. No line of the file is ever quoted, for it may hold a secret that
//! was put in the wrong place.

use serde_path_to_error::{Path, Segment};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Settings;
use super::mistakes::Mistakes;

/// Names that look like the secret itself: there are no such settings.
const SECRETS: [&str; 5] = ["key", "password", "secret", "token", "private_key"];

/// The settings of `text`, with defaults in the place of what is wrong; `None` when it is no TOML.
pub(super) fn read(text: &str, mistakes: &mut Mistakes) -> Option<Settings> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = line_of(text, error.span());
        mistakes.add(format!("line {line}"), None, format!("this is no TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return None;
    }
    loop {
        let deserializer = toml::Deserializer::from(table.clone());
        let error = match serde_path_to_error::deserialize::<_, Settings>(deserializer) {
            Ok(settings) => return Some(settings),
            Err(error) => error,
        };
        let keys = keys(error.path());
        let line = line_of(text, error.inner().span());
        mistakes.add(keys.join("."), None, format!("{} (line {line})", explain(&keys, error.inner().message())));
        if !remove(table.get_mut(), &keys) {
            return None;
        }
    }
}

/// The tables and the entry that lead to the mistake, without places in a list.
fn keys(path: &Path) -> Vec<&str> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(key.as_str()),
            _ => None,
        })
        .collect()
}

fn explain(keys: &[&str], message: &str) -> String {
    let name = keys.last().copied().unwrap_or_default();
    if SECRETS.contains(&name) && message.starts_with("unknown field") {
        return "there is no such setting: secrets stand in files of their own (key_file, password_file) or in the \
                environment, never in this file"
            .to_owned();
    }
    // Where a secret could have been put by mistake, what it was stays unsaid.
    if keys.contains(&"sasl") && message.starts_with("invalid type") {
        return "is of another kind than it must be".to_owned();
    }
    message.replace("expected usize", "expected a whole number").replace("expected u64", "expected a whole number")
}

fn remove(table: &mut DeTable<'_>, keys: &[&str]) -> bool {
    let Some((first, rest)) = keys.split_first() else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(*first).is_some();
    }
    match table.get_mut(*first).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => remove(inner, rest),
        _ => false,
    }
}

fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count().saturating_add(1)
}
