//! Which settings suspend, open or end an event: from what is, to what is to be sent.
//!
//! Invariant: a switch names only the settings it is about, and sends nothing where it is thrown already.

use ropeline_queue::UnixMillis;
use serde_json::{Map, Value, json};

/// What an operator throws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The event opens now.
    Open,
    /// Nobody is called.
    Pause,
    /// Everybody passes.
    Suspend,
    /// Neither of both any more.
    Resume,
    /// There is nothing left.
    SoldOut,
    /// There is something left.
    NotSoldOut,
    /// The event ends now.
    End,
}

impl Switch {
    /// What visitors see from then on.
    #[must_use]
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Open => "it opens now",
            Self::Pause => "nobody is called or admitted; places are still given",
            Self::Suspend => "everybody passes, with or without a place",
            Self::Resume => "the line goes on",
            Self::SoldOut => "nobody is called, admitted or given a place, and all who wait are told",
            Self::NotSoldOut => "the line goes on",
            Self::End => "it ends now: nobody is let in any more, sessions run out",
        }
    }

    /// What to send; nothing when it is so already. `now` is the line's clock.
    #[must_use]
    pub fn patch(self, settings: &Value, now: UnixMillis) -> Map<String, Value> {
        let flag = |name: &str| settings.get(name).and_then(Value::as_bool).unwrap_or_default();
        let time = |name: &str| settings.get(name).and_then(Value::as_str).and_then(UnixMillis::parse_rfc3339);
        let mut wanted: Vec<(&str, Value)> = match self {
            Self::Pause => vec![("queue_all", json!(true))],
            Self::Suspend => vec![("suspended", json!(true))],
            Self::Resume => vec![("queue_all", json!(false)), ("suspended", json!(false))],
            Self::SoldOut => vec![("sold_out", json!(true))],
            Self::NotSoldOut => vec![("sold_out", json!(false))],
            Self::Open => {
                let later = |name: &str| time(name).is_some_and(|at| at > now);
                let start = later("event_start_time").then(|| ("event_start_time", json!(now.rfc3339())));
                // Nobody came before, and nobody can come before any more.
                let prequeue = time("prequeue_start_time").is_some_and(|at| at >= now);
                return start
                    .into_iter()
                    .chain(prequeue.then_some(("prequeue_start_time", Value::Null)))
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
            }
            Self::End => {
                let over = time("event_end_time").is_some_and(|at| at <= now);
                let end = (!over).then(|| ("event_end_time".to_owned(), json!(now.rfc3339())));
                return end.into_iter().collect();
            }
        };
        wanted.retain(|(name, value)| json!(flag(name)) != *value);
        wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Why visitors of an open event are not let in all the same, with the command that helps.
    #[must_use]
    pub fn held_by(settings: &Value) -> Option<&'static str> {
        let flag = |name: &str| settings.get(name).and_then(Value::as_bool).unwrap_or_default();
        let rejects = settings.get("queueing_method").and_then(Value::as_str) == Some("reject");
        [
            (flag("sold_out"), "it is sold out: `ropeline events sold-out --undo` takes that back"),
            (flag("suspended"), "it is suspended, everybody passes: `ropeline events resume` takes that back"),
            (flag("queue_all"), "it is paused, nobody is called: `ropeline events resume` takes that back"),
            (rejects, "queueing_method is \"reject\", every enter is refused: `ropeline events apply` changes it"),
        ]
        .into_iter()
        .find_map(|(holds, why)| holds.then_some(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn patch(switch: Switch, settings: Value) -> Value {
        Value::Object(switch.patch(&settings, NOW))
    }

    #[test]
    fn a_switch_names_only_what_it_changes() {
        let calm = json!({"queue_all": false, "suspended": false, "sold_out": false, "lanes": 4});
        assert_eq!(patch(Switch::Suspend, calm.clone()), json!({"suspended": true}));
        assert_eq!(patch(Switch::Pause, calm.clone()), json!({"queue_all": true}));
        assert_eq!(patch(Switch::SoldOut, calm.clone()), json!({"sold_out": true}));
        assert_eq!(patch(Switch::Resume, calm.clone()), json!({}));
        assert_eq!(patch(Switch::NotSoldOut, calm), json!({}));
        assert_eq!(patch(Switch::Resume, json!({"queue_all": true, "sold_out": true})), json!({"queue_all": false}));
        assert_eq!(patch(Switch::Suspend, json!({"suspended": true})), json!({}));
    }

    #[test]
    fn an_event_opens_and_ends_by_the_lines_clock_and_only_once() {
        let at = |ms: i64| json!(UnixMillis(NOW.0.saturating_add_signed(ms)).rfc3339());
        let now = at(0);
        assert_eq!(patch(Switch::Open, json!({"event_start_time": null})), json!({}));
        assert_eq!(patch(Switch::Open, json!({"event_start_time": at(-1)})), json!({}));
        let early = json!({"event_start_time": at(60_000), "prequeue_start_time": at(-60_000)});
        assert_eq!(patch(Switch::Open, early), json!({"event_start_time": now}));
        let both = json!({"event_start_time": at(60_000), "prequeue_start_time": at(30_000)});
        assert_eq!(patch(Switch::Open, both), json!({"event_start_time": now, "prequeue_start_time": null}));
        assert_eq!(patch(Switch::End, json!({"event_end_time": null})), json!({"event_end_time": now}));
        assert_eq!(patch(Switch::End, json!({"event_end_time": at(60_000)})), json!({"event_end_time": now}));
        assert_eq!(patch(Switch::End, json!({"event_end_time": at(-60_000)})), json!({}));
    }

    #[test]
    fn what_holds_an_open_event_is_told_with_what_helps() {
        assert_eq!(Switch::held_by(&json!({"queueing_method": "fifo"})), None);
        for (settings, says) in [
            (json!({"sold_out": true, "queue_all": true}), "sold-out --undo"),
            (json!({"suspended": true}), "resume"),
            (json!({"queue_all": true}), "resume"),
            (json!({"queueing_method": "reject"}), "apply"),
        ] {
            assert!(Switch::held_by(&settings).is_some_and(|why| why.contains(says)), "{settings}");
        }
    }
}
