//! What Alertmanager has to say: `GET /api/v2/alerts` of its API.
//!
//! It is asked without any of Ropeline's keys.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use serde::Serialize;
use serde_json::Value;

use crate::address::is_here;
use crate::client::ground;
use crate::failure::Failure;

/// The most that are shown.
const MOST: usize = 5;
/// The longest answer that is read.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// One that fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// `alertname`.
    pub name: String,
    /// `severity`, or empty.
    pub severity: String,
    /// `summary`, or empty.
    pub summary: String,
    /// Since when.
    pub since: String,
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, severity, summary, since } = self;
        write!(f, "{name} {severity} since {since}: {summary}")
    }
}

/// Where alerts are asked for.
#[derive(Debug)]
pub struct Alertmanager {
    http: reqwest::Client,
    url: Url,
}

impl Alertmanager {
    /// At this address.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(address: &str, timeout: Duration) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!("--alertmanager '{address}' must be an address such as http://alertmanager:9093"))
        };
        let base = Url::parse(&format!("{}/", address.trim_end_matches('/'))).map_err(|_| wrong())?;
        let url = base.join("api/v2/alerts?active=true&silenced=false&inhibited=false").map_err(|_| wrong())?;
        if url.host_str().is_none() || !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let builder = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
        let builder = if is_here(&url) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| Failure::Failed(format!("no HTTP client: {error}")))?;
        Ok(Self { http, url })
    }

    /// What fires, the newest first: of this event, or of none in particular.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn firing(&self, event: &str) -> Result<Vec<Alert>, String> {
        let mut answer = self.http.get(self.url.clone()).send().await.map_err(|error| ground(&error))?;
        if !answer.status().is_success() {
            return Err(format!("Alertmanager answers {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| ground(&error))? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err("Alertmanager has too much to say".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        read(&body, event).ok_or_else(|| "what answers is not Alertmanager's API v2".to_owned())
    }
}

fn read(body: &Value, event: &str) -> Option<Vec<Alert>> {
    let text = |alert: &Value, of: &str, name: &str| {
        alert.get(of).and_then(|of| of.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut alerts: Vec<Alert> = body
        .as_array()?
        .iter()
        .filter(|alert| [event, ""].contains(&text(alert, "labels", "event").as_str()))
        .map(|alert| Alert {
            name: text(alert, "labels", "alertname"),
            severity: text(alert, "labels", "severity"),
            summary: text(alert, "annotations", "summary"),
            since: alert.get("startsAt").and_then(Value::as_str).unwrap_or_default().to_owned(),
        })
        .collect();
    alerts.sort_by(|a, b| b.since.cmp(&a.since));
    alerts.truncate(MOST);
    Some(alerts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn alerts_of_other_events_are_left_out_and_the_newest_come_first() {
        let alert = |name: &str, event: Option<&str>, since: &str| json!({"labels": {"alertname": name, "event": event, "severity": "page"}, "annotations": {"summary": "do"}, "startsAt": since});
        let body = json!([
            alert("Old", Some("demo"), "2026-01-01"),
            alert("Other", Some("x"), "2026-01-03"),
            alert("All", None, "2026-01-02")
        ]);
        let read = read(&body, "demo").unwrap();
        assert_eq!(read.iter().map(|alert| alert.name.as_str()).collect::<Vec<_>>(), ["All", "Old"]);
        assert_eq!(read[0].to_string(), "All page since 2026-01-02: do");
    }

    #[test]
    fn what_is_no_list_is_not_taken_for_no_alerts() {
        assert_eq!(read(&json!({"status": "error"}), "demo"), None);
        let many: Vec<_> = (0..9).map(|n| json!({"labels": {}, "startsAt": n.to_string()})).collect();
        assert_eq!(read(&json!(many), "demo").unwrap().len(), MOST);
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for bad in ["", "alertmanager:9093", "ftp://a"] {
            assert_eq!(Alertmanager::new(bad, Duration::from_secs(1)).unwrap_err().exit_code(), 2, "{bad}");
        }
        let with_path = Alertmanager::new("https://a/am/", Duration::from_secs(1)).unwrap();
        assert!(with_path.url.as_str().starts_with("https://a/am/api/v2/alerts?"), "{}", with_path.url);
    }
}
