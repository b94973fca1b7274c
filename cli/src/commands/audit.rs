//! `ropeline audit`: who changed what in an event, and when.

use ropeline_queue::EventId;
use serde_json::Value;

use crate::client::Client;
use crate::diff;
use crate::failure::Failure;
use crate::options::Global;
use crate::output;

/// Shows it, newest first.
pub async fn audit(global: &Global, event: &EventId) -> Result<(), Failure> {
    let answer = Client::admin(global)?.get(&format!("/admin/events/{event}/audit")).await?;
    if global.json {
        return output::json(&answer.body);
    }
    let entries = answer.body.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    output::say(output::table(&["at", "by", "did", "what"], &rows))
}

fn row(entry: &Value) -> Vec<String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let detail = entry.get("detail").and_then(Value::as_object);
    let part = |(name, value): (&String, &Value)| match (value.get("from"), value.get("to")) {
        (Some(from), Some(to)) => format!("{name}: {} → {}", diff::value(from), diff::value(to)),
        _ => format!("{name}: {}", diff::value(value)),
    };
    // A creation names every setting: what is null says nothing.
    let says = |(_, value): &(&String, &Value)| !value.is_null();
    let what =
        detail.map(|detail| detail.iter().filter(says).map(part).collect::<Vec<_>>().join(", ")).unwrap_or_default();
    vec![text("at"), text("by"), text("action"), what]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_tells_what_changed_from_what_to_what() {
        let entry = json!({"at": "t", "by": "admin:12345678", "action": "configure", "detail": {"lanes": {"from": 4, "to": 8}, "number": 3, "topic": null}});
        assert_eq!(row(&entry), ["t", "admin:12345678", "configure", "lanes: 4 → 8, number: 3"]);
    }
}
