//! `ropeline events purge`: everything of an event is given back, for good.

use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::{Value, json};

use super::apply::etag;
use super::confirm::confirm;
use crate::client::Client;
use crate::failure::Failure;
use crate::options::{Global, Sure};
use crate::output;

/// Purges, when that is meant.
pub async fn purge(global: &Global, sure: &Sure, force: bool) -> Result<(), Failure> {
    let client = Client::admin(global)?;
    let event = &sure.event;
    let found = client.find_event(event).await?;
    let what = match &found {
        Some(answer) => {
            let stats = client.get(&format!("/admin/events/{event}/stats")).await?.body;
            describe(event.as_str(), &answer.body, &stats)
        }
        // A purge that broke off is finished by repeating it.
        None => format!("there is no living event '{event}'; a purge that broke off is finished"),
    };
    confirm(sure, &what)?;
    let condition = match &found {
        Some(answer) => vec![(IF_MATCH, etag(answer)?)],
        None => Vec::new(),
    };
    let query = if force { "?force=true" } else { "" };
    let path = format!("/admin/events/{event}{query}");
    client.call(Method::DELETE, &path, &condition, None).await.map_err(|failure| match failure {
        Failure::Refused(mut problem) if problem.slug == "conflict" && !force => {
            problem.detail += " (here: --force)";
            Failure::Refused(problem)
        }
        other => other,
    })?;
    if global.json {
        return output::json(&json!({"event": event.as_str(), "action": "purged", "forced": force}));
    }
    output::say(format!("{event}: purged; `ropeline audit {event}` says by whom"))
}

fn describe(event: &str, settings: &Value, stats: &Value) -> String {
    let count = |name: &str| stats.get(name).and_then(Value::as_u64).unwrap_or_default();
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!(
        "'{event}' ({}, {}) is purged for good: {} numbers, {} admissions, {} of them not in Kafka; the id is never used again",
        text(settings, "name"),
        text(stats, "phase"),
        count("entered"),
        count("admitted"),
        count("head_seq").saturating_sub(count("acked_seq")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_is_told_what_goes() {
        let stats = json!({"phase": "ended", "entered": 9, "admitted": 5, "head_seq": 5, "acked_seq": 3});
        let told = describe("demo", &json!({"name": "A sale"}), &stats);
        assert!(
            told.starts_with("'demo' (A sale, ended)") && told.contains("9 numbers, 5 admissions, 2 of them not"),
            "{told}"
        );
    }
}
