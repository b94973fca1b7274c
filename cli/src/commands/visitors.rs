//! `ropeline visitors show` and `end-session`: one visitor, for support.

use reqwest::Method;
use ropeline_queue::EventId;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::options::{Global, Visitors, Whose};
use crate::output::{self, plain};

/// One of both.
pub async fn run(global: &Global, visitors: &Visitors) -> Result<(), Failure> {
    match visitors {
        Visitors::Show { event, number } => show(global, event, *number).await,
        Visitors::EndSession { event, whose } => end_session(global, event, whose).await,
    }
}

async fn show(global: &Global, event: &EventId, number: u64) -> Result<(), Failure> {
    let answer = Client::admin(global)?.get(&format!("/admin/events/{event}/visitors/{number}")).await?;
    if global.json { output::json(&answer.body) } else { output::say(history(&answer.body)) }
}

fn history(body: &Value) -> String {
    let at = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(plain);
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64);
    let mut lines = vec![format!(
        "number {} of '{}': {}",
        number(body, "number").unwrap_or_default(),
        at(body, "event").unwrap_or_default(),
        at(body, "state").unwrap_or_default()
    )];
    let mut line = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {name:<17}{value}")));
    };
    let drawn = || "not known before the draw".to_owned();
    line("position", Some(number(body, "position").map_or_else(drawn, |position| position.to_string())));
    line("entered", Some(at(body, "entered_at").unwrap_or_else(|| "not known any more".to_owned())));
    line("called", at(body, "called_at"));
    if let Some(gone) = body.get("gone").filter(|gone| !gone.is_null()) {
        let why = at(gone, "why").unwrap_or_default();
        line("gone", Some(format!("{why} {}", at(gone, "at").unwrap_or_default()).trim_end().to_owned()));
    }
    if let Some(past) = body.get("admission").filter(|past| !past.is_null()) {
        line("admitted", at(past, "admitted_at"));
        line("jti", at(past, "jti"));
        line("session until", at(past, "session_expires_at"));
        line("slot free at", at(past, "release_at"));
        let by = at(past, "over_by").map(|by| format!(", by {by}")).unwrap_or_default();
        line("session ended", at(past, "over_at").map(|at| format!("{at}{by}")));
        let redeemed = past.get("redeemed").and_then(Value::as_bool).unwrap_or_default();
        line("pass redeemed", Some(if redeemed { "yes" } else { "no" }.to_owned()));
    }
    lines.join("\n")
}

async fn end_session(global: &Global, event: &EventId, whose: &Whose) -> Result<(), Failure> {
    let (body, who) = match (whose.number, &whose.jti) {
        (Some(number), _) => (json!({"number": number}), format!("number {number}")),
        (None, jti) => (json!({"jti": jti}), jti.clone().unwrap_or_default()),
    };
    let path = format!("/admin/events/{event}/end-session");
    Client::admin(global)?.call(Method::POST, &path, &[], Some(&body)).await?;
    if global.json {
        return output::json(&json!({"event": event.as_str(), "action": "session_ended", "whose": body}));
    }
    output::say(format!("{event}: the session of {} is over; claim and renew are refused", plain(&who)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_tells_what_happened_and_leaves_out_what_did_not() {
        let waiting = json!({"event": "demo", "number": 7, "position": 7, "state": "waiting", "entered_at": "t1", "called_at": null, "gone": null, "admission": null});
        let shown = history(&waiting);
        assert_eq!(shown, "number 7 of 'demo': waiting\n  position         7\n  entered          t1");
        let mut over = waiting;
        over["state"] = "ended".into();
        over["called_at"] = "t2".into();
        over["admission"] = json!({
            "seq": 3, "jti": "demo/3", "admitted_at": "t3", "session_expires_at": "t4", "release_at": "t5", "over_at": "t6",
            "over_by": "operator", "redeemed": true,
        });
        let shown = history(&over);
        for part in ["ended", "t2", "t3", "demo/3", "t4", "t5", "t6, by operator", "yes"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
