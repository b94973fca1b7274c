//! One look at an event: counts, limits and phase together; and the rates between two looks.
//!
//! Invariant: `lag = head_seq - acked_seq`, and no rate is below zero.

use ropeline_queue::{EventId, UnixMillis};
use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// The event's id.
    pub event: String,
    /// What visitors call it.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// Why nobody is called, or null.
    pub paused: Option<String>,
    /// The version of its settings.
    pub config_version: u64,
    /// Numbers given.
    pub entered: u64,
    /// Living places beyond the frontier.
    pub waiting: u64,
    /// Living places up to the frontier that are not admitted.
    pub called: u64,
    /// Slots in use.
    pub active: u64,
    /// The most of them.
    pub total_active_users: u64,
    /// Admissions ever.
    pub admitted: u64,
    /// Admissions in the last 60 seconds.
    pub admitted_last_minute: u64,
    /// The most of them.
    pub new_users_per_minute: u64,
    /// Places given up.
    pub left: u64,
    /// Admissions whose slot is free again.
    pub ended: u64,
    /// Up to here everybody is called.
    pub frontier: u64,
    /// The last entry of the admission log.
    pub head_seq: u64,
    /// The last entry known to be in Kafka.
    pub acked_seq: u64,
    /// Entries that are not in Kafka.
    pub lag: u64,
    /// The line's clock.
    pub updated_at: String,
}

/// What happened between two looks, per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Numbers given.
    pub entering_per_second: f64,
    /// Admissions.
    pub admitting_per_second: f64,
}

impl Snapshot {
    /// Looks.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn take(client: &Client, event: &EventId) -> Result<Self, Failure> {
        let settings = client.event(event).await?.body;
        let stats = client.get(&format!("/admin/events/{event}/stats")).await?.body;
        let board = client.get(&format!("/events/{event}")).await?.body;
        Self::read(&settings, &stats, &board).ok_or_else(|| Failure::Unreachable {
            at: client.base().to_owned(),
            cause: "an answer that has not what this program knows".to_owned(),
            remedy: "use the `ropeline` of the Worker's version",
        })
    }

    /// Puts the three answers together.
    #[must_use]
    pub fn read(settings: &Value, stats: &Value, board: &Value) -> Option<Self> {
        let count = |name: &str| stats.get(name).and_then(Value::as_u64);
        let set = |name: &str| settings.get(name).and_then(Value::as_u64);
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let (head_seq, acked_seq) = (count("head_seq")?, count("acked_seq")?);
        Some(Self {
            event: text(stats, "event")?,
            name: text(settings, "name")?,
            phase: text(stats, "phase")?,
            paused: text(board, "paused"),
            config_version: set("config_version")?,
            entered: count("entered")?,
            waiting: count("waiting")?,
            called: count("called")?,
            active: count("active")?,
            total_active_users: set("total_active_users")?,
            admitted: count("admitted")?,
            admitted_last_minute: count("admitted_last_minute")?,
            new_users_per_minute: set("new_users_per_minute")?,
            left: count("left")?,
            ended: count("ended")?,
            frontier: count("frontier")?,
            head_seq,
            acked_seq,
            lag: head_seq.saturating_sub(acked_seq),
            updated_at: text(stats, "updated_at")?,
        })
    }

    /// What happened since `before`, by the line's clock; nothing when no time has gone by, or it is another line.
    #[must_use]
    pub fn rates_since(&self, before: &Self) -> Option<Rates> {
        let at = |look: &Self| UnixMillis::parse_rfc3339(&look.updated_at);
        let ms = at(self)?.0.checked_sub(at(before)?.0).filter(|ms| *ms > 0)?;
        let per_second = |now: u64, then: u64| Some(now.checked_sub(then)? as f64 * 1_000.0 / ms as f64);
        Some(Rates {
            entering_per_second: per_second(self.entered, before.entered)?,
            admitting_per_second: per_second(self.admitted, before.admitted)?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A look at a sale under way.
    pub(crate) fn look(second: u64, entered: u64, admitted: u64) -> Snapshot {
        let settings = json!({"event": "demo", "name": "A sale", "config_version": 3, "total_active_users": 200, "new_users_per_minute": 60});
        let stats = json!({
            "event": "demo", "phase": "open", "entered": entered, "waiting": 7, "called": 2, "active": 5, "admitted": admitted,
            "admitted_last_minute": 30, "left": 1, "ended": 0, "frontier": 12, "head_seq": 9, "acked_seq": 4,
            "updated_at": UnixMillis(1_800_000_000_000 + second * 1_000).rfc3339(),
        });
        Snapshot::read(&settings, &stats, &json!({"paused": null})).unwrap()
    }

    #[test]
    fn rates_are_differences_over_the_lines_own_time() {
        let (first, second) = (look(0, 100, 10), look(4, 300, 12));
        let rates = second.rates_since(&first).unwrap();
        assert_eq!((rates.entering_per_second, rates.admitting_per_second), (50.0, 0.5));
        assert_eq!(first.rates_since(&first), None, "no time has gone by");
        assert_eq!(first.rates_since(&second), None, "time does not run backwards");
        assert_eq!(look(8, 3, 1).rates_since(&second), None, "another line under this id");
    }

    #[test]
    fn the_lag_is_what_is_not_in_kafka() {
        assert_eq!(look(0, 1, 1).lag, 5);
    }

    #[test]
    fn an_answer_without_a_count_is_no_look() {
        assert_eq!(Snapshot::read(&json!({}), &json!({}), &json!({})), None);
    }
}
