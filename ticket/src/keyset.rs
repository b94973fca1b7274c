//! Reading a secret JWK Set (RFC 7517 §5) so that no error can show what is in it.
//!
//! Invariant: errors hold positions, indexes and fixed words, never text of the input.

use serde_json::Value;

use crate::keys::KeyError;

/// More keys than any rotation needs.
pub(crate) const MAX_KEYS: usize = 16;

/// The entries of `{"keys": [...]}`: at most [`MAX_KEYS`], perhaps none.
pub(crate) fn entries(json: &str) -> Result<Vec<Value>, KeyError> {
    let mut set: Value =
        serde_json::from_str(json).map_err(|error| KeyError::NotJson { line: error.line(), column: error.column() })?;
    let Some(Value::Array(entries)) = set.get_mut("keys").map(Value::take) else {
        return Err(KeyError::NotAKeySet);
    };
    if entries.len() > MAX_KEYS {
        return Err(KeyError::TooMany { max: MAX_KEYS });
    }
    Ok(entries)
}

/// The text member `member` of the entry at `index`.
pub(crate) fn text<'a>(index: usize, entry: &'a Value, member: &'static str) -> Result<&'a str, KeyError> {
    entry.get(member).and_then(Value::as_str).ok_or(KeyError::Missing { index, member })
}
