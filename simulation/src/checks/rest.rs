//! When faults stop, all comes to rest: nobody present waits for ever, not even who asks once a minute, and all is acked. And
//! the other half of promise 4: limits are fully used while enough of those present wait.

use ropeline_queue::Settings;

use super::Verdict;
use crate::plan::{MINUTE, Ms, SECOND, Shape};

/// After faults stop, all is at rest within this time.
const BOUND_MS: Ms = 80 * MINUTE;
/// Of the slots, on average over five minutes.
const LEAST_PERCENT_OF_SLOTS: u64 = 95;
/// Of the minute's limit as it counts itself (admissions in the last 60 seconds), on average over five minutes.
const LEAST_PERCENT_OF_MINUTES: u64 = 95;
/// The same by plain sums of admissions.
const LEAST_PERCENT_BY_SUMS: u64 = 95;

/// How the limits stood in one second.
#[derive(Clone, Copy, Debug)]
struct Second {
    admitted: u64,
    last_minute: u64,
    used: u64,
    wanting: usize,
}

#[derive(Debug)]
pub(crate) struct Rest {
    /// Visitors who still want to be let in.
    pub(crate) unfinished: usize,
    deadline: Option<Ms>,
    shape: Shape,
    slots: u64,
    per_minute: u64,
    cycle_seconds: u64,
    seconds: Vec<Second>,
}

impl Rest {
    /// `unfinished`: how many of the visitors will want to be let in.
    pub(crate) fn new(unfinished: usize, shape: Shape, settings: &Settings) -> Self {
        Self {
            unfinished,
            deadline: None,
            shape,
            slots: settings.total_active_users,
            per_minute: settings.new_users_per_minute,
            cycle_seconds: settings.session_duration_seconds + 30,
            seconds: Vec::new(),
        }
    }

    pub(crate) fn wants(&mut self, wants: bool) {
        self.unfinished = if wants { self.unfinished + 1 } else { self.unfinished.saturating_sub(1) };
    }

    pub(crate) fn begins(&mut self, now: Ms) {
        self.deadline = Some(now + BOUND_MS);
    }

    pub(super) fn is_overdue(&self, now: Ms) -> bool {
        self.deadline.is_some_and(|deadline| now > deadline)
    }

    pub(super) fn is_new_second(&self, now: Ms) -> bool {
        self.seconds.len() as u64 <= now / SECOND
    }

    /// Notes how limits stand, once a second.
    pub(super) fn observe(&mut self, now: Ms, admitted: u64, last_minute: u64, used: u64) {
        let second = usize::try_from(now / SECOND).unwrap_or(usize::MAX);
        let wanting = self.unfinished;
        while self.seconds.len() <= second {
            self.seconds.push(Second { admitted, last_minute, used, wanting });
        }
    }

    /// From the third minute on, over any five minutes in which a minute's worth and more of those present waited throughout.
    pub(super) fn limits_were_used(&self) -> Verdict {
        if self.shape != Shape::Full {
            return Ok(());
        }
        let by_slots = self.slots < self.per_minute;
        let least = if by_slots { LEAST_PERCENT_OF_SLOTS } else { LEAST_PERCENT_OF_MINUTES };
        let enough = if by_slots { self.slots * 60 / self.cycle_seconds + 10 } else { self.per_minute } as usize;
        let waited = self.seconds.iter().take_while(|second| second.wanting > enough).count();
        let judged = &self.seconds[..waited];
        if judged.len() < 120 + 300 {
            return Err(format!("only {} seconds can be judged", judged.len()));
        }
        for (start, window) in judged[120..].windows(301).enumerate() {
            let (Some(first), Some(last)) = (window.first(), window.last()) else { continue };
            let (used, limit, sum): (u64, _, _) = if by_slots {
                let slots = self.slots * 300;
                (window[1..].iter().map(|second| second.used).sum(), slots, slots)
            } else {
                let minutes = window[1..].iter().map(|second| second.last_minute).sum();
                (minutes, self.per_minute * 300, (last.admitted - first.admitted) * 60)
            };
            // What counts as used in the third minute was partly admitted in the second, which the promise leaves out.
            let counts = by_slots || start >= 60;
            // Nobody is let in by halves: one admission may be missing.
            if (counts && (used + 60) * 100 < limit * least) || (sum + 60) * 100 < limit * LEAST_PERCENT_BY_SUMS {
                return Err(format!(
                    "only {:.1} % of {} are used from second {} on, {:.1} % by plain sums",
                    used as f64 * 100.0 / limit as f64,
                    if by_slots { format!("{} slots", self.slots) } else { format!("{} a minute", self.per_minute) },
                    start + 120,
                    sum as f64 * 100.0 / limit as f64
                ));
            }
        }
        Ok(())
    }
}
