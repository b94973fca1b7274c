//! What a sale asks of the platform, reckoned from how many come, how fast, and how many the shop takes a minute.
//!
//! Arrivals fall evenly from twice their average to nothing at the end of the rush, as in `cargo xtask simulate --visitors`. Everybody stays and is
//! let in: whoever does not costs less. So `lanes × 320 >= 2 × people / rush` holds, or [`Plan::misfits`] says that it does not.

use ropeline_queue::line::LEEWAY_SECONDS;
use ropeline_queue::line::log::MAX_DRAIN;

use super::table::whole;
use crate::platform::{Use, limit, objects_price};

/// Of the average, at the opening.
const PEAK: f64 = 2.0;
/// Enters a second and lane at which `RopelineEnterRateHigh` fires (ops/prometheus/alerts.yml): four fifths of the 400 that a lane is meant
/// for, which are two fifths of what the platform lets an object take. An opening as planned shall not fire it.
const ALARM_ENTERS: f64 = 320.0;
/// The most that `lanes` may be.
const MOST_LANES: u64 = 256;
/// All lanes of an event together make at most so many a second (`src/objects/lane_do.rs`).
const EXCHANGES: f64 = 250.0;
/// So many lanes at most are asked for boards (`src/boards.rs`), each once a second by each isolate that is polled.
const BOARD_LANES: f64 = 16.0;
/// Assumed: polls a second that an isolate answers. One takes 0.07 ms of CPU; the platform decides how many isolates there are.
const ISOLATE_POLLS: f64 = 500.0;
/// Each isolate asks the registry anew after so many seconds (`src/directory.rs`).
const REGISTRY_SECONDS: f64 = 4.0;
/// A relay looks so often for more, a second.
const RELAY_LOOKS: f64 = 5.0;
/// Requests until somebody who is called is in: as the simulation counts them.
const CLAIMS: f64 = 3.5;
/// At p99 so far beyond the lanes' pause `RopelineEnterSlow` fires (ops/prometheus/alerts.yml), seconds.
const ALARM_ENTER_SECONDS: f64 = 0.5;
/// The settings' bounds (docs/configuration.md).
const MOST_ACTIVE: f64 = 1_000_000.0;
const MOST_IN_LINE: f64 = 10_000_000.0;
const MOST_UNACKED: f64 = 1_000_000.0;
/// The default `session_duration_seconds`.
const SESSION_SECONDS: u64 = 300;
/// Minutes for which Kafka may be away before nobody is let in.
const OUTAGE_MINUTES: f64 = 10.0;

/// Of an enter, a poll, and a claim that admits: calls and rows as counted, CPU as measured (docs/performance.md).
const ENTER: Use = Use { requests: 1.0, cpu_ms: 0.26, calls: 1.1, rows: 1.03 };
const POLL: Use = Use { requests: 1.0, cpu_ms: 0.07, calls: 0.01, rows: 0.0 };
const ADMISSION: Use = Use { requests: CLAIMS, cpu_ms: 0.44 * CLAIMS, calls: CLAIMS, rows: 3.0 };
/// Bytes of SQLite: a place in its lane (`cargo xtask capacity` finds 43 to 57), an admission with its record and index in the line.
const PLACE_BYTES: f64 = 60.0;
const ADMISSION_BYTES: f64 = 390.0;

/// A sale to be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// How many come.
    pub people: u64,
    /// Within so many seconds.
    pub rush_seconds: u64,
    /// How many the shop takes a minute.
    pub per_minute: u64,
}

/// What it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The sale.
    pub sale: Sale,
    /// Enters a second at the opening.
    pub peak: f64,
    /// Lanes that this would take, whether there are as many or not.
    pub wanted_lanes: u64,
    /// The setting: a power of two up to 256.
    pub lanes: u64,
    /// The pause between two exchanges of a lane under load, seconds: as long may an enter wait for its batch.
    pub pause_seconds: f64,
    /// Places in one exchange at the opening.
    pub batch: f64,
    /// Enters and claims a second in a lane at the opening.
    pub lane_requests: f64,
    /// Isolates that answer polls, if the platform has as many as assumed.
    pub isolates: f64,
    /// Reads a second by them: in each lane that is asked for boards, and in the registry.
    pub reads: [f64; 2],
    /// Requests a second to the line, at most.
    pub line_requests: f64,
    /// Until the last is in, seconds.
    pub drain_seconds: f64,
    /// Polls of all until they are in.
    pub polls: f64,
    /// Polls a second while all wait and know for how long.
    pub polls_per_second: f64,
    /// The same while nobody can know (the start, and any pause): everybody asks each 5 seconds.
    pub polls_unknown: f64,
    /// Rows written.
    pub rows: f64,
    /// Bytes in each lane.
    pub lane_bytes: f64,
    /// Bytes in the line.
    pub line_bytes: f64,
    /// Dollars: enters, polls, admissions, objects in memory.
    pub dollars: [f64; 4],
    /// The setting `total_active_users`.
    pub active: f64,
    /// The setting `max_line_length`.
    pub line_length: f64,
    /// The setting `max_unacked`.
    pub unacked: f64,
}

impl Sale {
    /// What it takes.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn plan(self) -> Plan {
        let (people, per_minute) = (self.people as f64, self.per_minute.max(1) as f64);
        let per_second = per_minute / 60.0;
        let peak = PEAK * people / self.rush_seconds.max(1) as f64;
        let wanted_lanes = (peak / ALARM_ENTERS).ceil() as u64;
        let lanes = wanted_lanes.next_power_of_two().min(MOST_LANES);
        let in_lanes = lanes as f64;
        let drain_seconds = people / per_second;
        let polls = people * average_polls(drain_seconds);
        let polls_per_second = people * polls_until(drain_seconds) / drain_seconds;
        let polls_unknown = people / UNKNOWN_POLL_SECONDS;
        let isolates = (polls_unknown / ISOLATE_POLLS).ceil();
        let millions = |use_: Use, count: f64| use_.price() * count / 1e6;
        Plan {
            sale: self,
            peak,
            wanted_lanes,
            lanes,
            pause_seconds: in_lanes / EXCHANGES,
            batch: peak / EXCHANGES,
            lane_requests: (peak + per_second * CLAIMS) / in_lanes,
            isolates,
            reads: [isolates / in_lanes.min(BOARD_LANES), isolates / REGISTRY_SECONDS],
            line_requests: EXCHANGES + in_lanes.min(BOARD_LANES) + per_second / MAX_DRAIN as f64 + RELAY_LOOKS,
            drain_seconds,
            polls,
            polls_per_second,
            polls_unknown,
            rows: people * (ENTER.rows + ADMISSION.rows),
            lane_bytes: people * PLACE_BYTES / in_lanes,
            line_bytes: people * ADMISSION_BYTES,
            dollars: [
                millions(ENTER, people),
                millions(POLL, polls),
                millions(ADMISSION, people),
                objects_price(in_lanes + 1.0, drain_seconds),
            ],
            active: (per_second * (SESSION_SECONDS + LEEWAY_SECONDS) as f64).ceil().min(MOST_ACTIVE),
            line_length: (2.0 * people).min(MOST_IN_LINE),
            unacked: (OUTAGE_MINUTES * per_minute).min(MOST_UNACKED),
        }
    }
}

impl Plan {
    /// All dollars together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.dollars.iter().sum()
    }

    /// At so many enters a second `RopelineEnterRateHigh` fires.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn alarm_enters(&self) -> f64 {
        ALARM_ENTERS * self.lanes as f64
    }

    /// At such a p99 `RopelineEnterSlow` fires, seconds.
    #[must_use]
    pub fn alarm_seconds(&self) -> f64 {
        ALARM_ENTER_SECONDS + self.pause_seconds
    }

    /// What does not fit into one event, and what to do about it.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn misfits(&self) -> Vec<String> {
        let mut misfits = Vec::new();
        let people = self.sale.people as f64;
        if self.wanted_lanes > MOST_LANES {
            let most = ALARM_ENTERS * MOST_LANES as f64;
            misfits.push(format!(
                "{} enters a second want {} lanes of {MOST_LANES}: let them come over {} s, or put off at the CDN what exceeds {} a second",
                whole(self.peak),
                whole(self.wanted_lanes as f64),
                whole((PEAK * people / most).ceil()),
                whole(most)
            ));
        }
        let [boards, lists] = self.reads;
        for (object, requests) in [("one lane", self.lane_requests + boards), ("the registry", lists)] {
            if requests > limit::OBJECT_REQUESTS_PER_SECOND {
                let (requests, most) = (whole(requests), whole(limit::OBJECT_REQUESTS_PER_SECOND));
                misfits
                    .push(format!("{requests} requests a second to {object}, and the platform's soft limit is {most}"));
            }
        }
        if self.line_bytes > limit::OBJECT_BYTES {
            let fit = limit::OBJECT_BYTES / ADMISSION_BYTES;
            misfits.push(format!(
                "the log of all admissions takes {:.0} GB, and an object has 10: {} admissions fit",
                self.line_bytes / 1e9,
                whole(fit)
            ));
        }
        if people > MOST_IN_LINE {
            misfits
                .push(format!("`max_line_length` ends at {}: split the sale into several events", whole(MOST_IN_LINE)));
        }
        misfits
    }
}

/// Between two polls, seconds.
const LEAST_POLL_SECONDS: f64 = 2.0;
const MOST_POLL_SECONDS: f64 = 60.0;
const UNKNOWN_POLL_SECONDS: f64 = 5.0;

/// Polls of one visitor from so long before its turn on: the integral of 1 / interval, which is a tenth of
/// the wait, 2 s at least and 60 at most (`queue/src/place.rs`).
fn polls_until(wait: f64) -> f64 {
    let (near, far) = (10.0 * LEAST_POLL_SECONDS, 10.0 * MOST_POLL_SECONDS);
    let often = wait.min(near) / LEAST_POLL_SECONDS;
    let tenths = 10.0 * (wait.clamp(near, far) / near).ln();
    let seldom = (wait - far).max(0.0) / MOST_POLL_SECONDS;
    often + tenths + seldom
}

/// The same on average over all who wait, the last of them so long.
fn average_polls(longest: f64) -> f64 {
    const PARTS: u32 = 1_000;
    let wait = |part: u32| longest * (f64::from(part) + 0.5) / f64::from(PARTS);
    (0..PARTS).map(|part| polls_until(wait(part))).sum::<f64>() / f64::from(PARTS)
}

#[cfg(test)]
mod tests;
