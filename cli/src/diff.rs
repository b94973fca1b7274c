//! What a change changes, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::plain;

/// Told about an event, and not set with its settings.
const NO_SETTINGS: [&str; 3] = ["event", "config_version", "page"];
/// The longest value that is shown whole; a logo is longer.
const SHOWN: usize = 100;

/// One field that will be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its name; parts of an object as `gate.hosts`.
    pub field: String,
    /// As it is; null also when there is no event yet.
    pub old: Value,
    /// As it will be.
    pub new: Value,
}

/// What differs from `old` in `new`, by name. A field that only one of them has counts as null in the other.
#[must_use]
pub fn changes(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Change> {
    let mut found = Vec::new();
    collect("", old, new, &mut found);
    found.retain(|change| !NO_SETTINGS.contains(&change.field.as_str()));
    found
}

fn collect(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<Change>) {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let (before, after) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => collect(&field, before, after, found),
            (before, after) if before == after => {}
            (before, after) => found.push(Change { field, old: before.clone(), new: after.clone() }),
        }
    }
}

/// For people; `is_new` when there is no event yet.
#[must_use]
pub fn show(changes: &[Change], is_new: bool) -> String {
    let line = |change: &Change| {
        let old = if is_new { "(none)".to_owned() } else { value(&change.old) };
        format!("  {}: {old} → {}\n", plain(&change.field), value(&change.new))
    };
    changes.iter().map(line).collect()
}

/// A value in one line.
#[must_use]
pub fn value(value: &Value) -> String {
    let text = plain(&value.to_string());
    let count = text.chars().count();
    if count <= SHOWN {
        return text;
    }
    let begin: String = text.chars().take(SHOWN).collect();
    format!("{begin}… ({count} characters)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn each_field_that_differs_is_named_with_both_values() {
        let old = map(
            json!({"event": "a", "config_version": 1, "page": 1, "lanes": 4, "name": "A", "gate": {"hosts": ["a"], "protect": []}}),
        );
        let new = map(json!({"lanes": 8, "name": "A", "gate": {"hosts": ["a", "b"], "protect": []}}));
        let found = changes(&old, &new);
        assert_eq!(show(&found, false), "  gate.hosts: [\"a\"] → [\"a\",\"b\"]\n  lanes: 4 → 8\n");
        assert_eq!(changes(&new, &new), []);
    }

    #[test]
    fn an_object_that_comes_or_goes_is_one_change() {
        let (without, with) = (map(json!({"gate": null})), map(json!({"gate": {"hosts": ["a"]}})));
        assert_eq!(show(&changes(&without, &with), false), "  gate: null → {\"hosts\":[\"a\"]}\n");
        assert_eq!(changes(&with, &without)[0].new, Value::Null);
    }

    #[test]
    fn a_new_event_has_no_old_values_and_a_long_one_is_cut() {
        let new = map(json!({"message": "x".repeat(500)}));
        let shown = show(&changes(&Map::new(), &new), true);
        assert!(shown.starts_with("  message: (none) → \"xxx") && shown.ends_with("… (502 characters)\n"), "{shown}");
        assert!(!show(&changes(&Map::new(), &map(json!({"message": "a\u{1b}[2Jb"}))), true).contains('\u{1b}'));
    }
}
