//! Whether admissions reach Kafka: nothing waits, or what waits moves.

use std::time::Duration;

use ropeline_report::{Level, Line};
use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;

const CHECK: &str = "relay";
/// How often it is looked whether entries move, and how long between.
const LOOKS: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(750);

/// How far the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Log {
    head: u64,
    acked: u64,
}

/// Looks at one event.
pub async fn check(admin: &Client, relay: Option<&Client>, settings: &Value) -> Line {
    let event = settings.get("event").and_then(Value::as_str).unwrap_or_default();
    let first = match log(admin, event).await {
        Ok(log) => log,
        Err(failure) => {
            let remedy = failure.remedy().unwrap_or("look into the Worker's log").to_owned();
            return Line::new(Level::Fail, CHECK, event, failure.to_string(), remedy);
        }
    };
    let mut last = first;
    for _ in 0..LOOKS {
        if last.acked >= last.head || last.acked > first.acked {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
        last = log(admin, event).await.unwrap_or(last);
    }
    let holder = match relay {
        Some(relay) => holder(relay, event).await,
        None => None,
    };
    judge(event, first, last, holder.as_deref())
}

async fn log(admin: &Client, event: &str) -> Result<Log, Failure> {
    let stats = admin.get(&format!("/admin/events/{event}/stats")).await?.body;
    let count = |name: &str| stats.get(name).and_then(Value::as_u64).unwrap_or_default();
    Ok(Log { head: count("head_seq"), acked: count("acked_seq") })
}

/// Who works on it; needs the relay key.
async fn holder(relay: &Client, event: &str) -> Option<String> {
    let state = relay.get(&format!("/relay/events/{event}")).await.ok()?.body;
    let relay = state.get("relay").and_then(Value::as_str);
    Some(relay.map_or_else(|| "no relay holds its lease".to_owned(), |relay| format!("relay {relay} holds its lease")))
}

fn judge(event: &str, first: Log, last: Log, holder: Option<&str>) -> Line {
    let lag = last.head.saturating_sub(last.acked);
    let who = holder.map(|holder| format!("; {holder}")).unwrap_or_default();
    if lag == 0 {
        return Line::ok(CHECK, event, format!("all {} admissions are in Kafka", last.head));
    }
    if last.acked > first.acked {
        return Line::ok(CHECK, event, format!("{lag} admissions are on their way to Kafka, and it moves{who}"));
    }
    let found = format!("{lag} admissions are not in Kafka, and nothing moves{who}");
    let remedy = "start a relay, or look into its log; `ropeline-relay check` says what it lacks, `ropeline-relay status` how far it is";
    Line::new(Level::Fail, CHECK, event, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_wait_are_bad_only_when_nothing_moves() {
        let log = |head, acked| Log { head, acked };
        let level = |first, last| judge("demo", first, last, None).level;
        assert_eq!(level(log(0, 0), log(0, 0)), Level::Ok);
        assert_eq!(level(log(9, 4), log(9, 9)), Level::Ok);
        assert_eq!(level(log(9, 4), log(20, 5)), Level::Ok);
        assert_eq!(level(log(9, 4), log(20, 4)), Level::Fail);
        let line = judge("demo", log(9, 4), log(9, 4), Some("no relay holds its lease"));
        assert!(line.found.contains("5 admissions are not in Kafka, and nothing moves; no relay"), "{line}");
    }
}
