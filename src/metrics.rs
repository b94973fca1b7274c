//! The text of `GET /queue/metrics`: Prometheus' text format 0.0.4.
//!
//! Invariant: every metric of the Worker is named in this file, with base units and a help text, and listed in `docs/metrics.md`; labels
//! are names of events and words of fixed sets, never anything of a visitor.

use std::fmt::{Display, Write as _};

use ropeline_queue::tally::{LaneTally, MS_BOUNDS};
use ropeline_queue::wire::{Configured, Paused, Phase, Stats};
use ropeline_queue::{EventId, UnixMillis};

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was read of one event.
pub struct Reading<'a> {
    /// Its id.
    pub event: &'a EventId,
    /// Its settings, as the registry has them.
    pub configured: &'a Configured,
    /// The line's counts, if it answered.
    pub stats: Option<Stats>,
    /// What its lanes say.
    pub lanes: Lanes,
}

/// What was read of an event's lanes.
pub struct Lanes {
    /// How many answered.
    pub up: u64,
    /// The most that wait at one of them.
    pub pending: u64,
    /// What all have counted.
    pub total: LaneTally,
}

/// A value in thousandths: numbers with a point would bring the code that writes floating point with them.
#[derive(Clone, Copy)]
struct Amount(u64);

impl Amount {
    const fn whole(n: u64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    fn flag(is: bool) -> Self {
        Self::whole(u64::from(is))
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, thousandths) = (self.0 / 1_000, self.0 % 1_000);
        match thousandths {
            0 => write!(f, "{whole}"),
            n if n % 100 == 0 => write!(f, "{whole}.{}", n / 100),
            n if n % 10 == 0 => write!(f, "{whole}.{:02}", n / 10),
            n => write!(f, "{whole}.{n:03}"),
        }
    }
}

/// A metric with one value for each event.
struct PerEvent {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Reading<'_>) -> Option<Amount>,
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

const fn gauge(name: &'static str, help: &'static str, value: fn(&Reading<'_>) -> Option<Amount>) -> PerEvent {
    PerEvent { name, kind: GAUGE, help, value }
}

const fn counter(name: &'static str, help: &'static str, value: fn(&Reading<'_>) -> Option<Amount>) -> PerEvent {
    PerEvent { name, kind: COUNTER, help, value }
}

fn line(it: &Reading<'_>, value: fn(&Stats) -> u64) -> Option<Amount> {
    it.stats.as_ref().map(|stats| Amount::whole(value(stats)))
}

const PER_EVENT: [PerEvent; 30] = [
    gauge("line_up", "1 if the event's line answered this reading, else 0", |it| {
        Some(Amount::flag(it.stats.is_some()))
    }),
    gauge("lanes", "How many lanes the event has", |it| Some(Amount::whole(it.configured.settings.lanes.into()))),
    gauge("lanes_up", "Lanes that answered this reading", |it| Some(Amount::whole(it.lanes.up))),
    gauge("event_test", "1 for a rehearsal, else 0", |it| Some(Amount::flag(it.configured.settings.test))),
    gauge("event_start_timestamp_seconds", "When the event opens, if a time is set", |it| {
        it.configured.settings.event_start_time.map(|at| Amount(at.get()))
    }),
    gauge("line_clock_timestamp_seconds", "The line's clock", |it| {
        it.stats.as_ref().map(|stats| Amount(stats.updated_at.get()))
    }),
    counter("entered_visitors_total", "Numbers given to visitors", |it| line(it, |stats| stats.entered)),
    counter("left_visitors_total", "Places given up before they were admitted", |it| line(it, |stats| stats.left)),
    counter("voided_numbers_total", "Numbers lost to a crash of a lane", |it| line(it, |stats| stats.voided)),
    counter("admissions_total", "Visitors let in", |it| line(it, |stats| stats.admitted)),
    counter("ended_sessions_total", "Sessions whose slot is free again", |it| line(it, |stats| stats.ended)),
    counter("acked_admissions_total", "Admissions known to be in Kafka", |it| line(it, |stats| stats.acked_seq)),
    counter("limit_exceeded_total", "Admissions by which a limit was passed: 0, or there is a bug", |it| {
        line(it, |stats| stats.over_limit)
    }),
    gauge("waiting_visitors", "Living places that are not called yet", |it| line(it, |stats| stats.waiting)),
    gauge("called_visitors", "Living places that are called and not admitted", |it| line(it, |stats| stats.called)),
    gauge("present_visitors", "Called visitors that asked to be let in during the last seconds", |it| {
        line(it, |stats| stats.present)
    }),
    gauge("active_sessions", "Slots in use", |it| line(it, |stats| stats.active)),
    gauge("active_sessions_limit", "Slots there are: total_active_users", |it| {
        Some(Amount::whole(it.configured.settings.total_active_users))
    }),
    gauge("admissions_last_minute", "Admissions of the last 60 to 61 seconds", |it| {
        line(it, |stats| stats.admitted_last_minute)
    }),
    gauge(
        "admissions_last_minute_limit",
        "The limit of it: new_users_per_minute, or the origin's pace where that is lower; of that what a brake leaves",
        |it| line(it, |stats| stats.new_users_per_minute),
    ),
    gauge("frontier_position", "Every position up to it has been called; never falls", |it| {
        line(it, |stats| stats.frontier)
    }),
    gauge("show_up_ratio", "Share of called visitors that show up, as measured", |it| {
        it.stats.as_ref().map(|stats| Amount((stats.show_rate * 1_000.0) as u64))
    }),
    gauge("unacked_admissions", "Admissions not known to be in Kafka", |it| {
        line(it, |stats| stats.head_seq.saturating_sub(stats.acked_seq))
    }),
    gauge("unacked_admissions_limit", "At so many nobody is admitted: max_unacked", |it| {
        Some(Amount::whole(it.configured.settings.max_unacked))
    }),
    gauge("event_leased_by_relay", "1 while a relay has the event's lease, else 0", |it| {
        line(it, |stats| u64::from(stats.relay_leased))
    }),
    gauge(
        "enter_waiting_requests",
        "Requests that wait at the event's fullest lane; at 4,000 it puts others off",
        |it| Some(Amount::whole(it.lanes.pending)),
    ),
    counter("exchange_failures_total", "Calls from lanes to their line that got no answer", |it| {
        Some(Amount::whole(it.lanes.total.exchanges_failed))
    }),
    gauge("event_paused_by_operator", "1 while nobody is called because of queue_all, or a pace of 0, else 0", |it| {
        it.stats.as_ref().map(|stats| Amount::flag(stats.paused == Some(Paused::QueueAll)))
    }),
    gauge("brake_ratio", "How much of the limit of a minute a brake leaves: 1 while none is pulled", |it| {
        it.stats.as_ref().map(|stats| Amount(stats.brake.map_or(100, |braked| braked.percent) * 10))
    }),
    gauge(
        "event_paused_by_relay",
        "1 while nobody is admitted because max_unacked is reached or the brake pulled all the way, else 0",
        |it| it.stats.as_ref().map(|stats| Amount::flag(stats.paused == Some(Paused::Relay))),
    ),
];

const PHASES: [(Phase, &str); 6] = [
    (Phase::Scheduled, "scheduled"),
    (Phase::Prequeue, "prequeue"),
    (Phase::Open, "open"),
    (Phase::Suspended, "suspended"),
    (Phase::SoldOut, "sold_out"),
    (Phase::Ended, "ended"),
];

/// Counts of lanes by outcome.
type Outcomes = [(&'static str, fn(&LaneTally) -> u64)];

const ENTERS: &Outcomes = &[
    ("new", |tally| tally.new),
    ("known", |tally| tally.known),
    ("refused", |tally| tally.refused),
    ("unavailable", |tally| tally.unavailable),
];

const ASKED: &Outcomes = &[("answered", |tally| tally.asked), ("unavailable", |tally| tally.asked_unavailable)];

/// When keys are to be taken away.
pub fn removals(keys: &[(String, UnixMillis)]) -> String {
    const NAME: &str = "key_removal_timestamp_seconds";
    let mut out = Out(String::new());
    out.family(NAME, GAUGE, "When a key is to be taken away: ROPELINE_KEY_REMOVALS");
    for (key, at) in keys {
        out.sample(NAME, format_args!("key=\"{key}\""), Amount(at.get()));
    }
    out.0
}

/// The whole text. `left_out`: events there was no room for; `read_at`: when the objects were read.
pub fn text(readings: &[Reading<'_>], live: u64, left_out: u64, read_at: UnixMillis) -> String {
    let mut out = Out(String::new());
    out.family("build_info", GAUGE, "Always 1; the version of the Worker is the label");
    out.sample("build_info", format_args!("version=\"{}\"", env!("CARGO_PKG_VERSION")), Amount::whole(1));
    out.single("live_events", "Events that are not purged", Amount::whole(live));
    out.single(
        "left_out_events",
        "Events that are not in this answer, for there are too many",
        Amount::whole(left_out),
    );
    out.single("read_timestamp_seconds", "When the objects were read: at most five seconds ago", Amount(read_at.get()));
    for PerEvent { name, kind, help, value } in &PER_EVENT {
        out.family(name, kind, help);
        for reading in readings {
            if let Some(value) = value(reading) {
                out.sample(name, format_args!("event=\"{}\"", reading.event), value);
            }
        }
    }
    out.family("event_phase", GAUGE, "1 for the phase that the event is in, 0 for the others");
    for reading in readings {
        for (phase, word) in
            reading.stats.iter().flat_map(|stats| PHASES.map(|(phase, word)| (stats.phase == phase, word)))
        {
            let labels = format_args!("event=\"{}\",phase=\"{word}\"", reading.event);
            out.sample("event_phase", labels, Amount::flag(phase));
        }
    }
    out.outcomes(readings, "enter_requests_total", "Enters that lanes answered, by what became of them", ENTERS);
    let help = "Claims, renewals, leaves, and what origins ask, that lanes answered, by what became of them";
    out.outcomes(readings, "place_requests_total", help, ASKED);
    out.family("enter_duration_seconds", "histogram", "How long enters took in their lane");
    for Reading { event, lanes: Lanes { total, .. }, .. } in readings {
        let mut count = 0;
        let bounds = MS_BOUNDS.iter().map(|ms| Amount(*ms).to_string()).chain(["+Inf".to_owned()]);
        for (bound, within) in bounds.zip(total.enter_buckets.iter().chain(std::iter::repeat(&0))) {
            count += within;
            let labels = format_args!("event=\"{event}\",le=\"{bound}\"");
            out.sample("enter_duration_seconds_bucket", labels, Amount::whole(count));
        }
        let labels = format_args!("event=\"{event}\"");
        out.sample("enter_duration_seconds_sum", labels, Amount(total.enter_ms));
        out.sample("enter_duration_seconds_count", labels, Amount::whole(count));
    }
    out.0
}

struct Out(String);

// Writing to a string does not fail.
impl Out {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP ropeline_{name} {help}.\n# TYPE ropeline_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: std::fmt::Arguments<'_>, value: Amount) {
        let _ = writeln!(self.0, "ropeline_{name}{{{labels}}} {value}");
    }

    fn single(&mut self, name: &str, help: &str, value: Amount) {
        self.family(name, GAUGE, help);
        let _ = writeln!(self.0, "ropeline_{name} {value}");
    }

    fn outcomes(&mut self, readings: &[Reading<'_>], name: &str, help: &str, outcomes: &Outcomes) {
        self.family(name, COUNTER, help);
        for reading in readings {
            for (outcome, count) in outcomes {
                let labels = format_args!("event=\"{}\",outcome=\"{outcome}\"", reading.event);
                self.sample(name, labels, Amount::whole(count(&reading.lanes.total)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn an_amount_is_written_as_a_number() {
        for (amount, text) in [(0, "0"), (7_000, "7"), (1_500, "1.5"), (10, "0.01"), (25, "0.025"), (12_340, "12.34")] {
            assert_eq!(Amount(amount).to_string(), text);
        }
    }
}
