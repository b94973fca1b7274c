//! The admission log, read as a relay reads it, without ever acking: so all of it stays, and can be read again.

use std::time::{Duration, Instant};

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::check::Entry;
use crate::world::{Role, World};
use crate::{Answer, Method, StatusCode};

/// How long a relay that was killed keeps a lease, and a line that has started again believes in one: ten seconds and five.
const LEASE: Duration = Duration::from_secs(15);
/// How often to ask for it.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// The answer while it is another's.
const HELD: &str = "urn:ropeline:problem:lease-held";

/// An event's log, as far as it was read.
#[derive(Debug, Default)]
pub struct Log {
    /// The entries in their order.
    pub entries: Vec<Entry>,
    /// The same as they were given, byte for byte.
    raw: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    event: String,
    seq: u64,
    number: u64,
    admitted_at: String,
    session_expires_at: String,
    jti: String,
}

#[derive(Deserialize)]
struct Drained<'a> {
    #[serde(borrow)]
    entries: Vec<&'a serde_json::value::RawValue>,
}

/// Reads all of an event's log from the beginning. A relay that was killed keeps its lease for a while, also where nothing was left
/// to drain: that is waited for.
///
/// # Errors
/// When the relay's calls are refused, or an entry is not what it should be.
pub async fn read(world: &World, event: &str) -> Result<Log, String> {
    let until = Instant::now() + LEASE;
    let ask = async |path: &str, body: Value| -> Result<Answer, String> {
        let mut answer = world.keyed(Role::Relay, Method::POST, path, &body).await;
        while answer.status == StatusCode::CONFLICT && answer.json()["type"] == HELD && Instant::now() < until {
            tokio::time::sleep(ASK_AGAIN).await;
            answer = world.keyed(Role::Relay, Method::POST, path, &body).await;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(format!("{path} of {event}: {}", answer.text())) }
    };
    let lease = ask("/queue/relay/lease", json!({"event": event, "relay": "soak"})).await?.json();
    let epoch = lease["epoch"].as_u64().ok_or("a lease without an epoch")?;
    let mut log = Log::default();
    loop {
        let mut drain = json!({"event": event, "epoch": epoch, "after": log.raw.len(), "limit": 500});
        if lease["topic"].is_null() {
            // Where they would go: the first drain must say so.
            drain["topic"] = json!("soak");
            drain["partition"] = json!(0);
            drain["next_offset"] = json!(0);
        }
        let answer = ask("/queue/relay/drain", drain).await?;
        let drained: Drained<'_> = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        if drained.entries.is_empty() {
            break;
        }
        for raw in drained.entries {
            log.entries.push(entry(event, raw.get())?);
            log.raw.push(raw.get().to_owned());
        }
    }
    ask("/queue/relay/lease/release", json!({"event": event, "epoch": epoch})).await?;
    Ok(log)
}

impl Log {
    #[cfg(test)]
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        Self { entries, raw: Vec::new() }
    }

    /// The entries in their order, byte for byte.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.raw
    }

    /// What is no longer as it was read before.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let now = self.raw.iter().map(Some).chain(std::iter::repeat(None));
        let both = before.raw.iter().zip(now).filter(|(before, now)| Some(*before) != *now);
        both.map(|(before, now)| format!("the log had {before}, it now has {now:?}")).collect()
    }
}

fn entry(event: &str, raw: &str) -> Result<Entry, String> {
    let record: Record = serde_json::from_str(raw).map_err(|error| format!("{error}: {raw}"))?;
    if record.event != event || record.jti != format!("{event}/{}", record.seq) {
        return Err(format!("a record of another admission in the log of {event}: {raw}"));
    }
    let ms = |text: &str| {
        let time = DateTime::parse_from_rfc3339(text).map_err(|error| format!("{error}: {raw}"))?;
        u64::try_from(time.timestamp_millis()).map_err(|error| error.to_string())
    };
    let (admitted_at, expires) = (ms(&record.admitted_at)?, ms(&record.session_expires_at)?);
    Ok(Entry { seq: record.seq, number: record.number, admitted_at, expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_changes_or_is_gone_is_found() {
        let log = |raw: &[&str]| Log { entries: Vec::new(), raw: raw.iter().map(ToString::to_string).collect() };
        assert!(log(&["a", "b", "c"]).changed_since(&log(&["a", "b"])).is_empty());
        assert_eq!(log(&["a", "x"]).changed_since(&log(&["a", "b", "c"])).len(), 2);
    }
}
