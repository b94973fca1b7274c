//! The settings of one event: what is allowed, and yet is rarely meant.

use ropeline_queue::UnixMillis;
use ropeline_report::{Level, Line};
use serde_json::Value;

use crate::switch::Switch;

/// What one lane takes, entries per second; see docs/configuration.md.
const PER_LANE: u64 = 400;
/// How long Kafka may be away before `max_unacked` stops the line, without a warning.
const LEAST_MINUTES: u64 = 5;

/// One line for each thing; one in all where everything is as it should be.
pub fn check(settings: &Value, peak_per_second: Option<u64>) -> Vec<Line> {
    let number = |name: &str| settings.get(name).and_then(Value::as_u64).unwrap_or_default();
    let text = |name: &str| settings.get(name).and_then(Value::as_str);
    let flag = |name: &str| settings.get(name).and_then(Value::as_bool).unwrap_or_default();
    let event = text("event").unwrap_or_default();
    let mut lines = Vec::new();
    let mut say = |level, found: String, remedy: &str| lines.push(Line::new(level, "event", event, found, remedy));

    let over = text("event_end_time").and_then(UnixMillis::parse_rfc3339).is_some_and(|end| end.0 <= now_ms());
    if over {
        let remedy = "`ropeline events purge` gives its storage back, when everything is in Kafka";
        say(Level::Note, "has ended".to_owned(), remedy);
        return lines;
    }
    if let Some(held) = Switch::held_by(settings) {
        let (found, remedy) = held.split_once(": ").unwrap_or((held, ""));
        say(Level::Warn, found.to_owned(), remedy);
    }
    let (lanes, per_minute) = (number("lanes"), number("new_users_per_minute"));
    if let Some(peak) = peak_per_second.filter(|peak| *peak > lanes * PER_LANE) {
        let needed = peak.div_ceil(PER_LANE).next_power_of_two();
        let found = format!("{lanes} lanes take {} entries per second, and {peak} are expected", lanes * PER_LANE);
        let remedy = match needed {
            ..=256 => format!("lanes = {needed}; fixed once the first number is given"),
            _ => "no event takes so many: spread the sale over several".to_owned(),
        };
        say(Level::Warn, found, &remedy);
    }
    let minutes = number("max_unacked") / per_minute.max(1);
    if minutes < LEAST_MINUTES {
        let found = format!("max_unacked stops the line when Kafka is away for {minutes} minutes");
        say(Level::Warn, found, "raise max_unacked to what the sale admits while Kafka may be away");
    }
    // Every slot is kept for a session and the half minute after it.
    let turnover = number("total_active_users") * 60 / (number("session_duration_seconds") + 30);
    if turnover * 2 < per_minute {
        let found = format!(
            "total_active_users lets in about {turnover} a minute when no session ends early, new_users_per_minute {per_minute}"
        );
        say(Level::Note, found, "raise total_active_users if the shop can take more, or have it call `complete`");
    }
    if text("return_url").is_none() && settings.get("gate").is_none_or(Value::is_null) {
        let found = "return_url and gate are null: the waiting page sends the admitted nowhere".to_owned();
        say(Level::Note, found, "set return_url, unless a page of your own uses the client library");
    }
    if text("return_url").is_some_and(|url| url.starts_with("http://")) {
        say(Level::Warn, "return_url is http: passes travel in clear".to_owned(), "set an https address");
    }
    if flag("test") {
        say(Level::Note, "is a rehearsal".to_owned(), "nothing is to be done; a sale is an event of its own");
    }
    if lines.is_empty() {
        lines.push(Line::ok(
            "event",
            event,
            format!("{lanes} lanes, {} at a time, {per_minute} a minute", number("total_active_users")),
        ));
    }
    lines
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropeline_queue::{EventId, Settings};
    use serde_json::json;

    fn with(changes: &Value, peak: Option<u64>) -> Vec<Line> {
        let event = EventId::parse("demo").unwrap();
        let mut settings = serde_json::to_value(Settings::defaults(&event)).unwrap();
        settings["event"] = "demo".into();
        settings["return_url"] = "https://shop.example/in".into();
        settings["total_active_users"] = 1_000.into();
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        check(&settings, peak)
    }

    #[test]
    fn an_event_as_it_should_be_is_one_line() {
        let lines = with(&json!({}), Some(1_600));
        assert_eq!((lines.len(), lines[0].level), (1, Level::Ok));
    }

    #[test]
    fn what_is_rarely_meant_is_told_with_what_to_do() {
        for (changes, peak, level, says) in [
            (json!({}), Some(1_601), Level::Warn, "lanes = 8"),
            (json!({}), Some(200_000), Level::Warn, "spread the sale"),
            (json!({"max_unacked": 500}), None, Level::Warn, "raise max_unacked"),
            (json!({"total_active_users": 100}), None, Level::Note, "raise total_active_users"),
            (json!({"return_url": null}), None, Level::Note, "set return_url"),
            (json!({"return_url": "http://shop.example"}), None, Level::Warn, "https address"),
            (json!({"sold_out": true}), None, Level::Warn, "sold-out --undo"),
            (json!({"queue_all": true}), None, Level::Warn, "resume"),
            (json!({"test": true}), None, Level::Note, "event of its own"),
            (json!({"event_end_time": "2020-01-01T00:00:00.000Z", "sold_out": true}), None, Level::Note, "purge"),
        ] {
            let lines = with(&changes, peak);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!(lines[0].level, level, "{changes}");
            assert!(lines[0].remedy.as_ref().is_some_and(|remedy| remedy.contains(says)), "{lines:?}");
        }
    }
}
