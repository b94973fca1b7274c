//! When faults stop, all comes to rest: nobody present waits for ever, not even who asks once a minute, and all is acked. And
//! the other half of promise 4: limits are fully used while enough of those present wait.

use super::Verdict;
use crate::plan::{MINUTE, Ms, Plan, SECOND, Shape};

/// After faults stop, all is at rest within this time.
const BOUND_MS: Ms = 80 * MINUTE;
/// Plain sums of admissions over five minutes, against the limit.
const LEAST_PERCENT: u64 = 95;

/// How the limits stood in one second.
#[derive(Clone, Copy, Debug)]
struct Second {
    admitted: u64,
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
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            unfinished: plan.visitors.iter().filter(|visitor| !visitor.no_show).count(),
            deadline: None,
            shape: plan.shape,
            slots: plan.settings.total_active_users,
            per_minute: plan.settings.new_users_per_minute,
            cycle_seconds: plan.settings.session_duration_seconds + 30,
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

    /// Notes how limits stand, once a second.
    pub(super) fn observe(&mut self, now: Ms, admitted: u64, used: u64) {
        if self.shape != Shape::Full {
            return;
        }
        let second = usize::try_from(now / SECOND).unwrap_or(usize::MAX);
        let wanting = self.unfinished;
        while self.seconds.len() <= second {
            self.seconds.push(Second { admitted, used, wanting });
        }
    }

    /// From the third minute on, over any five minutes in which a minute's worth and more of those present waited throughout.
    pub(super) fn limits_were_used(&self) -> Verdict {
        if self.shape != Shape::Full {
            return Ok(());
        }
        let by_slots = self.slots < self.per_minute;
        let enough = if by_slots { self.slots * 60 / self.cycle_seconds + 10 } else { self.per_minute } as usize;
        let waited = self.seconds.iter().take_while(|second| second.wanting > enough).count();
        let judged = &self.seconds[..waited];
        if judged.len() < 120 + 300 {
            return Err(format!("only {} seconds can be judged", judged.len()));
        }
        for (start, window) in judged[120..].windows(301).enumerate() {
            let (Some(first), Some(last)) = (window.first(), window.last()) else { continue };
            let (used, limit) = if by_slots {
                (window[1..].iter().map(|second| second.used).sum::<u64>(), self.slots * 300)
            } else {
                (last.admitted - first.admitted, self.per_minute * 5)
            };
            // Nobody is let in by halves.
            let least = limit * LEAST_PERCENT / 100;
            if used < least {
                let percent = used as f64 * 100.0 / limit as f64;
                let limit = if by_slots { format!("{} slots", self.slots) } else { format!("{} a minute", self.per_minute) };
                return Err(format!("only {percent:.1} % of {limit} are used from second {} on", start + 120));
            }
        }
        Ok(())
    }
}
