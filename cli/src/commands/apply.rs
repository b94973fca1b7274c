//! `ropeline events apply`: an event as a file says, after the difference was shown.
//!
//! Invariant: what is sent carries the version that the difference was made from; who was faster wins, and nothing is lost unseen.

use std::io::Read as _;
use std::path::Path;

use reqwest::Method;
use reqwest::header::{IF_MATCH, IF_NONE_MATCH};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::client::{Answer, Client};
use crate::diff::{self, Change};
use crate::event_file::EventFile;
use crate::failure::Failure;
use crate::options::Global;
use crate::output;

/// What became of an event's settings; the answer of every command that changes them.
#[derive(Debug, Serialize)]
pub struct Applied<'a> {
    /// The event's id.
    pub event: &'a str,
    /// `created`, `updated`, `unchanged`; with `--dry-run` `would_create`, `would_update`.
    pub action: &'static str,
    /// The version before; null for a new event.
    pub from_version: Option<u64>,
    /// The version there is now; null when it was not created.
    pub config_version: Option<u64>,
    /// Field by field.
    pub changes: &'a [Change],
}

/// Applies a file.
pub async fn apply(global: &Global, path: &Path, dry_run: bool) -> Result<(), Failure> {
    let name = path.display().to_string();
    let file = EventFile::read(&name, &read(path)?)?;
    let client = Client::admin(global)?;
    let found = client.find_event(&file.event).await?;
    let before = found.as_ref().and_then(|answer| answer.body.as_object()).cloned();
    let from_version = version(found.as_ref());
    let (wanted, body) = wanted(&file, before.as_ref());
    let changes = diff::changes(before.as_ref().unwrap_or(&Map::new()), &wanted);
    let event = file.event.as_str();
    if before.is_some() && changes.is_empty() {
        let text =
            format!("{event}: is as {name} says (version {}); nothing was sent", from_version.unwrap_or_default());
        let applied = Applied { event, action: "unchanged", from_version, config_version: from_version, changes: &[] };
        return tell(global, &applied, &text);
    }
    let is_new = before.is_none();
    if !global.json {
        let head = match from_version {
            Some(version) => format!("{event}: changes version {version}"),
            None => format!("{event}: a new event"),
        };
        output::write(&format!("{head}\n{}", diff::show(&changes, is_new)))?;
    }
    if dry_run {
        let action = if is_new { "would_create" } else { "would_update" };
        let applied = Applied { event, action, from_version, config_version: from_version, changes: &changes };
        return tell(global, &applied, "a dry run: nothing was sent");
    }
    let condition = match found.as_ref() {
        None => (IF_NONE_MATCH, "*"),
        Some(answer) => (IF_MATCH, etag(answer)?),
    };
    let path = format!("/admin/events/{event}");
    let made = client.call(Method::PUT, &path, &[condition], Some(&Value::Object(body))).await?;
    let config_version = version(Some(&made));
    let action = if is_new { "created" } else { "updated" };
    let applied = Applied { event, action, from_version, config_version, changes: &changes };
    tell(global, &applied, &format!("{action}, version {}", config_version.unwrap_or_default()))
}

/// What the event will be, as far as it is shown; and what is sent for that. Settings of a newer Worker that this program does not
/// know stay as they are.
fn wanted(file: &EventFile, before: Option<&Map<String, Value>>) -> (Map<String, Value>, Map<String, Value>) {
    let mut body = file.settings.clone();
    let Some(before) = before else {
        let named = file.complete.iter().filter(|(name, _)| file.settings.contains_key(*name));
        return (named.map(|(name, value)| (name.clone(), value.clone())).collect(), body);
    };
    let unknown = before.iter().filter(|(name, _)| {
        !file.complete.contains_key(*name) && !["event", "config_version"].contains(&name.as_str())
    });
    let mut wanted = file.complete.clone();
    for (name, value) in unknown {
        wanted.insert(name.clone(), value.clone());
        body.insert(name.clone(), value.clone());
    }
    (wanted, body)
}

/// The version that an answer is.
pub fn etag(answer: &Answer) -> Result<&str, Failure> {
    answer.etag.as_deref().ok_or_else(|| {
        Failure::Failed(
            "the answer has no ETag, so that a change could overwrite another one: nothing was sent".to_owned(),
        )
    })
}

/// The same as a number.
pub fn version(answer: Option<&Answer>) -> Option<u64> {
    answer?.body.get("config_version")?.as_u64()
}

/// The outcome, for whom it is.
pub fn tell(global: &Global, applied: &Applied<'_>, text: &str) -> Result<(), Failure> {
    if global.json { output::json(applied) } else { output::say(text) }
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(text: &str) -> EventFile {
        EventFile::read("x", text).unwrap()
    }

    #[test]
    fn a_new_event_shows_what_the_file_names_and_sends_that() {
        let (wanted, body) = wanted(&file("event = \"demo\"\nlanes = 8\n"), None);
        assert_eq!((Value::Object(wanted), Value::Object(body)), (json!({"lanes": 8}), json!({"lanes": 8})));
    }

    #[test]
    fn what_the_file_leaves_out_gets_its_default_and_what_this_program_does_not_know_stays() {
        let before =
            json!({"event": "demo", "config_version": 2, "name": "demo", "message": "hello", "newer": {"a": 1}});
        let (wanted, body) = wanted(&file("event = \"demo\"\nlanes = 8\n"), before.as_object());
        assert_eq!((&wanted["message"], &wanted["newer"]), (&json!(""), &json!({"a": 1})));
        assert_eq!(Value::Object(body), json!({"lanes": 8, "newer": {"a": 1}}));
    }
}
