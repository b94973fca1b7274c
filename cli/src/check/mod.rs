//! `ropeline check`: a deployment from outside, each thing by itself, with what to do where something is wrong.
//!
//! Invariants: it changes nothing; whatever fails, all that can still be looked at is; every call is bounded; no secret is shown.

mod address;
mod event;
mod keys;
mod relay;

use ropeline_report::{Level, Line, Report};
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::options::Global;
use crate::secret::Secret;

/// The secrets that were given.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Runs events.
    pub admin: Option<Secret>,
    /// The shop's.
    pub origin: Option<Secret>,
    /// Drains admission logs.
    pub relay: Option<Secret>,
    /// Reads metrics.
    pub metrics: Option<Secret>,
}

/// What is known of the deployment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The secrets that were given.
    pub keys: Keys,
    /// How many are expected to enter in the busiest second.
    pub peak_per_second: Option<u64>,
}

/// Looks at everything.
///
/// # Errors
/// Only when the command line cannot be used.
pub async fn check(global: &Global, plan: &Plan) -> Result<Report, Failure> {
    let client = Client::public(global)?;
    let health = client.get("/healthz").await;
    let mut lines = address::name(&client, health.is_ok()).await;
    lines.push(address::tls(&client, health.as_ref().ok()));
    lines.extend(worker(&client, &health));
    if health.is_err() {
        let remedy = "mend what FAILs above, and check again";
        lines.push(Line::new(Level::Note, "keys", client.base(), "not looked at: the Worker does not answer", remedy));
        return Ok(Report::new(lines));
    }
    lines.push(published(&client).await);
    let (found, events) = keys::check(&client, &plan.keys).await;
    lines.extend(found);
    if let (Some(events), Some(admin)) = (events, &plan.keys.admin) {
        let admin = client.with(admin);
        let relay = plan.keys.relay.as_ref().map(|secret| client.with(secret));
        if events.is_empty() {
            lines.push(Line::new(
                Level::Note,
                "event",
                client.base(),
                "no events",
                "`ropeline events apply` makes one",
            ));
        }
        for settings in &events {
            lines.extend(event::check(settings, plan.peak_per_second));
            lines.push(relay::check(&admin, relay.as_ref(), settings).await);
        }
    }
    Ok(Report::new(lines))
}

/// Whether it answers, which version it is, and what time it has.
fn worker(client: &Client, health: &Result<Answer, Failure>) -> Vec<Line> {
    const CHECK: &str = "worker";
    let at = client.base();
    let answer = match health {
        Ok(answer) => answer,
        Err(failure) => {
            let remedy = match failure {
                Failure::Refused(_) => "a Worker answers, under another path: give its ROPELINE_PREFIX with --prefix",
                failure => failure.remedy().unwrap_or("look into the Worker's log"),
            };
            return vec![Line::new(Level::Fail, CHECK, at, failure.to_string(), remedy)];
        }
    };
    let ours = env!("CARGO_PKG_VERSION");
    let line = match answer.body.get("version").and_then(Value::as_str) {
        Some(version) if version == ours => Line::ok(CHECK, at, format!("answers, version {version}")),
        Some(version) => {
            let found = format!("answers, version {version}; this program is {ours}");
            Line::new(Level::Warn, CHECK, at, found, "use the `ropeline` of the Worker's version")
        }
        None => {
            let remedy = "check --url and --prefix: what answers is not the Worker";
            Line::new(Level::Fail, CHECK, at, "answers without a version", remedy)
        }
    };
    vec![line, address::clock(answer.date.as_deref(), chrono::DateTime::from(std::time::SystemTime::now()))]
}

/// The keys that verifiers fetch.
async fn published(client: &Client) -> Line {
    const CHECK: &str = "jwks";
    let about = format!("{}/jwks.json", client.base());
    match client.get("/jwks.json").await {
        Ok(answer) => {
            let keys = answer.body.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
            let algorithms: Vec<&str> = keys.iter().filter_map(|key| key.get("alg").and_then(Value::as_str)).collect();
            match keys.len() {
                0 => Line::new(
                    Level::Fail,
                    CHECK,
                    about,
                    "no keys: nobody can verify a pass",
                    "set ROPELINE_SIGNING_KEYS anew",
                ),
                count => Line::ok(CHECK, about, format!("{count} published: {}", algorithms.join(", "))),
            }
        }
        Err(failure) => Line::new(
            Level::Fail,
            CHECK,
            about,
            failure.to_string(),
            "look into the Worker's log: ROPELINE_SIGNING_KEYS",
        ),
    }
}
