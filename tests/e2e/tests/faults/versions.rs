//! Old and new code meet during a deploy: the messages of an earlier version, as they went over the wire, are understood, and
//! what this version says is what that version understands.
//!
//! `faults/golden/*.messages.json` hold every call of [`walk`] between Worker and objects of a version, made by
//! `ROPELINE_GOLDEN=FILE cargo test -p ropeline-e2e --test faults golden`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ropeline_e2e::faults::Call;
use ropeline_e2e::{Value, WorldOptions};
use serde::{Deserialize, Serialize};

use super::walk::walk;

/// One call of an earlier version.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Golden {
    binding: String,
    object: String,
    name: String,
    command: Value,
    status: u16,
    answer: Value,
}

impl Golden {
    fn of(call: Call) -> Self {
        let answer = call.answer.unwrap_or_else(|| panic!("no answer to {}", call.text));
        Self {
            command: serde_json::from_str(&call.text).expect("a command is JSON"),
            binding: call.binding,
            object: call.object,
            name: call.command,
            status: answer.status,
            answer: serde_json::from_str(&answer.text).unwrap_or(Value::Null),
        }
    }

    /// Whether the objects say it among themselves, and the Worker does not.
    fn is_between_objects(&self) -> bool {
        matches!(
            (self.binding.as_str(), self.name.as_str()),
            ("LINE", "exchange" | "board") | ("REGISTRY", "tell" | "busy")
        )
    }
}

/// The calls of each earlier version, with its file's name.
fn golden() -> Vec<(String, Vec<Golden>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/golden");
    let files = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let versions: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.to_string_lossy().ends_with(".messages.json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("golden messages");
            let calls = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), calls)
        })
        .collect();
    assert!(!versions.is_empty(), "no golden messages in {}", dir.display());
    versions
}

/// What is no longer said, and what every version that knows it has a default for.
const DEFAULTED: [&str; 1] = ["free_per_minute"];

/// Numbers that are the same whenever the same is done.
const EXACT: [&str; 9] = ["number", "first", "count", "seq", "epoch", "lane", "lanes", "head", "acked_seq"];

/// Why whoever understands `old` does not understand `new`, if so: a field is missing, or of another kind, or a variant differs.
/// `exact`: also the numbers that must be the same.
fn misunderstood(old: &Value, new: &Value, exact: bool, at: &str) -> Option<String> {
    let differ = || Some(format!("{at}: {old} became {new}"));
    match (old, new) {
        (Value::Object(fields), Value::Object(now)) => fields.iter().find_map(|(name, old)| match now.get(name) {
            None if DEFAULTED.contains(&name.as_str()) => None,
            None => Some(format!("{at}: '{name}' is missing in {new}")),
            Some(new) => misunderstood(old, new, exact, &format!("{at}.{name}")),
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).find_map(|(old, new)| misunderstood(old, new, exact, at))
        }
        (Value::Number(_), Value::Number(_)) => {
            let name = at.rsplit('.').next().unwrap_or_default();
            (exact && EXACT.contains(&name) && old != new).then(differ).flatten()
        }
        // Where there was none: there may be a number or a text now, which the old code knows to be possible.
        (Value::Null | Value::Number(_) | Value::String(_), Value::Null)
        | (Value::Null, Value::Number(_) | Value::String(_)) => None,
        (Value::String(text), Value::String(now)) => {
            let is_random = [".salt", ".sub", ".message", ".visitor", "_at"].iter().any(|end| at.ends_with(end));
            (text != now && !is_random).then(differ).flatten()
        }
        _ => (old != new && !(old.is_boolean() && new.is_boolean() && !exact)).then(differ).flatten(),
    }
}

/// This version's calls of the same walk.
async fn recorded() -> Vec<Golden> {
    let world = WorldOptions::default().faults().start();
    walk(&world).await;
    world.all_calls().await.into_iter().map(Golden::of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_now_was_understood_by_golden_versions() {
    let now = recorded().await;
    if let Some(file) = std::env::var_os("ROPELINE_GOLDEN") {
        let lines: Vec<_> = now.iter().map(|call| serde_json::to_string(call).unwrap()).collect();
        std::fs::write(&file, format!("[\n{}\n]\n", lines.join(",\n"))).expect("golden messages");
    }
    for (version, calls) in golden() {
        for old in calls {
            let same = |new: &&Golden| new.binding == old.binding && new.name == old.name;
            let why: Vec<_> = now
                .iter()
                .filter(same)
                .map(|new| {
                    misunderstood(&old.command, &new.command, false, "command")
                        .or_else(|| misunderstood(&old.answer, &new.answer, false, "answer"))
                        .or_else(|| (old.status != new.status).then(|| format!("{} became {}", old.status, new.status)))
                })
                .collect();
            assert!(why.iter().any(Option::is_none), "{version}: nothing like {old:?} is said any more: {why:#?}");
        }
    }
}

/// Sends golden commands in their order to fresh objects, and holds the answers to the golden ones.
async fn replay(version: &str, calls: &[Golden], pick: impl Fn(&Golden) -> bool) {
    let world = WorldOptions::default().faults().start();
    let mut sent = BTreeSet::new();
    for old in calls.iter().filter(|call| pick(call)) {
        let answer = world.send_to(&old.binding, &old.object, &old.command.to_string()).await;
        assert_eq!(answer.status, old.status, "{version}: {} {}: {}", old.binding, old.command, answer.text);
        let now = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        if let Some(why) = misunderstood(&old.answer, &now, true, "answer") {
            panic!("{version}: {} {}: {why}", old.binding, old.command);
        }
        sent.insert((old.binding.clone(), old.name.clone()));
    }
    assert!(sent.len() >= 10, "only {sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_workers_are_understood_by_the_objects() {
    for (version, calls) in golden() {
        replay(&version, &calls, |call| !call.is_between_objects()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_lanes_are_understood_by_line_and_registry() {
    for (version, calls) in golden() {
        // The registry's list has another version here: the line tells it, and so do we.
        replay(&version, &calls, |call| call.binding != "LANE" && call.name != "list").await;
    }
}

/// All fields that any of both has.
fn merge(shape: &mut Value, more: &Value) {
    match (shape, more) {
        (Value::Object(shape), Value::Object(more)) => {
            for (name, value) in more {
                merge(shape.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(shape), Value::Array(more)) => {
            for value in more {
                if shape.is_empty() {
                    shape.push(Value::Null);
                }
                merge(&mut shape[0], value);
            }
        }
        (shape @ (Value::Null | Value::String(_)), Value::Object(_)) => {
            *shape = Value::Object(serde_json::Map::new());
            merge(shape, more);
        }
        (shape @ (Value::Null | Value::String(_)), Value::Array(_)) => {
            *shape = Value::Array(Vec::new());
            merge(shape, more);
        }
        (shape @ Value::Null, more) => *shape = more.clone(),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_objects_are_understood_by_worker_and_lanes() {
    for (version, calls) in golden() {
        let mut shapes: BTreeMap<String, Value> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.status == 200) {
            merge(shapes.entry(format!("{} {}", call.binding, call.name)).or_default(), &call.answer);
        }
        assert!(shapes.len() >= 20, "{version}: only {:?}", shapes.keys());
        let world = WorldOptions::default().faults().start();
        world.answer_as(&shapes).await;
        walk(&world).await;
    }
}
