//! `ropeline events list`: all events with their phases.

use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::options::Global;
use crate::output;

/// Shows them.
pub async fn list(global: &Global) -> Result<(), Failure> {
    let client = Client::admin(global)?;
    let answer = client.get("/admin/events").await?;
    let events = answer.body.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut told = Vec::new();
    for settings in &events {
        let text = |name: &str| settings.get(name).and_then(Value::as_str).unwrap_or_default();
        // A board that cannot be had keeps no other event from being shown.
        let board =
            client.get(&format!("/events/{}", text("event"))).await.map(|answer| answer.body).unwrap_or_default();
        told.push(json!({
            "event": text("event"), "name": text("name"), "phase": board.get("phase"), "paused": board.get("paused"),
            "config_version": settings.get("config_version"), "event_start_time": settings.get("event_start_time"),
            "event_end_time": settings.get("event_end_time"), "test": settings.get("test"),
        }));
    }
    if global.json {
        return output::json(&json!({"events": told}));
    }
    if told.is_empty() {
        return output::say("no events");
    }
    let heads = ["event", "phase", "version", "opens", "ends", "name"];
    let rows: Vec<Vec<String>> = told.iter().map(row).collect();
    output::say(output::table(&heads, &rows))
}

fn row(event: &Value) -> Vec<String> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let phase = match (text("phase"), text("paused")) {
        (Some(phase), Some(why)) => format!("{phase}, paused ({why})"),
        (phase, _) => phase.unwrap_or("not known").to_owned(),
    };
    let version = event.get("config_version").and_then(Value::as_u64).unwrap_or_default();
    let test = if event.get("test") == Some(&Value::Bool(true)) { " (rehearsal)" } else { "" };
    vec![
        text("event").unwrap_or_default().to_owned(),
        phase,
        version.to_string(),
        text("event_start_time").unwrap_or("at once").to_owned(),
        text("event_end_time").unwrap_or("never").to_owned(),
        format!("{}{test}", text("name").unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_holds_an_event() {
        let event = json!({"event": "demo", "name": "A sale", "phase": "open", "paused": "relay", "config_version": 3, "test": true});
        assert_eq!(row(&event), ["demo", "open, paused (relay)", "3", "at once", "never", "A sale (rehearsal)"]);
        assert_eq!(row(&json!({"event": "demo"}))[1], "not known");
    }
}
