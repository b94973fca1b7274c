//! Event files: the settings of one event in TOML, checked by the engine's own rules before anything is sent.
//!
//! ```toml
//! event = "spring-sale"
//! total_active_users = 500
//! event_start_time = 2026-11-22T20:00:00+09:00
//! ```
//!
//! What is left out gets its default, as with PUT. What is wrong is told with file, line and setting.

use std::ops::Range;

use ropeline_queue::settings::SettingsError;
use ropeline_queue::{EventId, Settings};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::failure::Failure;

/// What is told about an event and is no setting; a file that was read from the Worker may have it.
const NO_SETTINGS: [&str; 3] = ["event", "config_version", "page"];

/// A file that can be applied.
#[derive(Clone, Debug)]
pub struct EventFile {
    /// Which event.
    pub event: EventId,
    /// What the file says.
    pub settings: Map<String, Value>,
    /// The settings as they will be, with all defaults.
    pub complete: Map<String, Value>,
}

impl EventFile {
    /// Reads a file; `name` is what it is called in errors.
    ///
    /// # Errors
    /// [`Failure::Usage`] with line and setting.
    pub fn read(name: &str, text: &str) -> Result<Self, Failure> {
        let spans = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, &span));
            Failure::usage(format!("{name}:{line}: not TOML: {}", error.message()))
        })?;
        let table: toml::Table = toml::from_str(text).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        let at = |setting: &str| {
            let line = span_of(spans.get_ref(), setting).map_or(1, |span| line_of(text, &span));
            format!("{name}:{line}")
        };
        let id = table.get("event").and_then(toml::Value::as_str);
        let id = id.ok_or_else(|| Failure::usage(format!("{}: say which event: event = \"its-id\"", at("event"))))?;
        let event = EventId::parse(id).map_err(|error| Failure::usage(format!("{}: 'event': {error}", at("event"))))?;
        let mut settings: Map<String, Value> = table.into_iter().map(|(name, value)| (name, json(value))).collect();
        settings.retain(|name, _| !NO_SETTINGS.contains(&name.as_str()));
        let complete = Settings::defaults(&event).with(&event, &settings).map_err(|error| {
            let told = match &error {
                SettingsError::Unknown { field } => {
                    format!("there is no setting '{field}'; docs/configuration.md has all of them")
                }
                other => other.to_string(),
            };
            Failure::usage(format!("{}: {told}", at(error.field())))
        })?;
        Ok(Self { event, settings, complete: complete_of(&complete) })
    }
}

fn complete_of(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The settings of an answer as a file that can be applied. Null is left out: TOML has none, and it is what leaving out gives.
///
/// # Errors
/// When there is a value that TOML cannot say.
pub fn write(answer: &Value) -> Result<String, Failure> {
    let members = answer.as_object().cloned().unwrap_or_default();
    let version = members.get("config_version").and_then(Value::as_u64).unwrap_or_default();
    let event = members.get("event").and_then(Value::as_str).unwrap_or_default();
    let kept = members.iter().filter(|(name, _)| !NO_SETTINGS.contains(&name.as_str()));
    let table: toml::Table = kept.filter_map(|(name, value)| Some((name.clone(), toml_of(value)?))).collect();
    let body = toml::to_string(&table).map_err(|error| Failure::Failed(format!("cannot be said in TOML: {error}")))?;
    Ok(format!("# version {version}\nevent = \"{event}\"\n{body}"))
}

fn toml_of(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => {
            number.as_i64().map(toml::Value::Integer).or(number.as_f64().map(toml::Value::Float))?
        }
        Value::String(text) => text.clone().into(),
        Value::Array(list) => toml::Value::Array(list.iter().filter_map(toml_of).collect()),
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, value)| Some((name.clone(), toml_of(value)?)));
            toml::Value::Table(members.collect())
        }
    })
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(name, value)| (name, json(value))).collect(),
    }
}

/// Where a setting stands, or as much of its path (`gate.hosts`) as there is.
fn span_of(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    // The engine names entries of lists by `[n]`: the list's own line is near enough.
    let first = first.split('[').next().unwrap_or(first);
    let (key, value) = table.iter().find(|(key, _): &(&Spanned<_>, _)| key.get_ref() == first)?;
    let inner = rest.and_then(|rest| match value.get_ref() {
        DeValue::Table(inner) => span_of(inner, rest),
        _ => None,
    });
    Some(inner.unwrap_or_else(|| key.span()))
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let failure = EventFile::read("event.toml", text).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        failure.to_string()
    }

    #[test]
    fn a_file_says_what_differs_from_the_defaults() {
        let text = "event = \"demo\"\nlanes = 8\nevent_start_time = 2026-11-22T20:00:00+09:00\n[gate]\nhosts = [\"a.example\"]\n";
        let file = EventFile::read("event.toml", text).unwrap();
        assert_eq!(file.event.as_str(), "demo");
        assert_eq!(file.settings.len(), 3);
        assert_eq!(file.complete["lanes"], 8);
        assert_eq!(file.complete["total_active_users"], 200);
        assert_eq!(file.complete["event_start_time"], "2026-11-22T11:00:00.000Z");
        assert_eq!(file.complete["gate"]["when_unsure"], "closed");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_name() {
        for (text, line, name) in [
            ("event = \"demo\"\n\nlane = 8\n", 3, "'lane'"),
            ("event = \"demo\"\nname = \"x\"\nlanes = 5\n", 3, "'lanes'"),
            ("event = \"demo\"\nevent_start_time = 2026-11-22T20:00:00\n", 2, "'event_start_time'"),
            ("event = \"demo\"\nsold_out = true\nsuspended = true\n", 3, "'suspended'"),
            ("event = \"demo\"\n[gate]\nhosts = [\"a.example\"]\nwhen_unsure = \"maybe\"\n", 4, "when_unsure"),
            ("event = \"demo\"\n[gate]\nhosts = [\"a.example\"]\nwhere = 1\n", 4, "where"),
            ("event = \"Demo\"\n", 1, "'event'"),
            ("lanes = 4\n", 1, "event = "),
            ("event = \"demo\"\nlanes = \n", 2, "not TOML"),
            ("event = \"demo\"\nlanes = 4\nlanes = 8\n", 3, "not TOML"),
        ] {
            let said = refused(text);
            assert!(said.starts_with(&format!("event.toml:{line}: ")) && said.contains(name), "{text}{said}");
        }
    }

    #[test]
    fn what_was_read_from_the_worker_can_be_applied_again() {
        let text = "event = \"demo\"\nallowed_origins = [\"https://a.example\"]\n[brand]\naccent = \"#0b5fff\"\n[gate]\nhosts = [\"a.example\"]\n";
        let file = EventFile::read("event.toml", text).unwrap();
        let mut answer = Value::Object(file.complete.clone());
        answer["event"] = "demo".into();
        answer["config_version"] = 3.into();
        answer["page"] = 2.into();
        let written = write(&answer).unwrap();
        assert!(written.starts_with("# version 3\nevent = \"demo\"\n"), "{written}");
        assert_eq!(EventFile::read("again.toml", &written).unwrap().complete, file.complete);
    }
}
