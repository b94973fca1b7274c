//! `ropeline events open`, `pause`, `suspend`, `resume`, `sold-out` and `end`: one PATCH, for the version that was read.

use reqwest::Method;
use reqwest::header::IF_MATCH;
use ropeline_queue::{EventId, UnixMillis};
use serde_json::Value;

use super::apply::{Applied, etag, tell, version};
use super::confirm::confirm;
use crate::client::Client;
use crate::diff;
use crate::failure::Failure;
use crate::options::{Global, Sure};
use crate::output;
use crate::switch::Switch;

/// Throws a switch.
pub async fn throw(global: &Global, event: &EventId, switch: Switch) -> Result<(), Failure> {
    let client = Client::admin(global)?;
    let found = client.event(event).await?;
    // The line's own clock: this machine's may be off.
    let stats = client.get(&format!("/admin/events/{event}/stats")).await?.body;
    let now = stats.get("updated_at").and_then(Value::as_str).and_then(UnixMillis::parse_rfc3339);
    let now = now.ok_or_else(|| Failure::Failed("the line does not tell the time; nothing was sent".to_owned()))?;
    let patch = switch.patch(&found.body, now);
    let from_version = version(Some(&found));
    let id = event.as_str();
    if patch.is_empty() {
        let applied =
            Applied { event: id, action: "unchanged", from_version, config_version: from_version, changes: &[] };
        let held = Switch::held_by(&found.body).filter(|_| switch == Switch::Open);
        let but = held.map(|why| format!("; but {why}")).unwrap_or_default();
        return tell(global, &applied, &format!("{id}: is so already; nothing was sent{but}"));
    }
    let condition = (IF_MATCH, etag(&found)?);
    let path = format!("/admin/events/{event}");
    let made = client.call(Method::PATCH, &path, &[condition], Some(&Value::Object(patch))).await?;
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let changes = diff::changes(&members(&found.body), &members(&made.body));
    let config_version = version(Some(&made));
    if !global.json {
        output::write(&format!("{id}: {}\n{}", switch.effect(), diff::show(&changes, false)))?;
    }
    let applied = Applied { event: id, action: "updated", from_version, config_version, changes: &changes };
    tell(
        global,
        &applied,
        &format!("updated, version {}; everywhere within 5 seconds", config_version.unwrap_or_default()),
    )
}

/// Ends an event, when that is meant.
pub async fn end(global: &Global, sure: &Sure) -> Result<(), Failure> {
    confirm(sure, &format!("'{}' ends now, and an end cannot be taken back", sure.event))?;
    throw(global, &sure.event, Switch::End).await
}
