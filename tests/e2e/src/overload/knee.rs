//! The knee: the most that is kept up with, found by raising the rate of enters step by step until it bends.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Arrivals, Outcome};

/// What 99 of 100 wait at most where the machine keeps up, from their coming on.
pub const KEEPS_UP: Duration = Duration::from_millis(500);
/// Of those who come, how many must have their place while they come.
const SERVED: f64 = 0.9;
/// So often is a rate tried until it is kept up with: the machine has other work.
const TRIES: usize = 3;
/// Between them.
const REST: Duration = Duration::from_secs(1);
/// Where it begins, enters a second.
const FIRST: f64 = 150.0;

/// How the rate is raised.
#[derive(Debug, Clone, Copy)]
pub struct Climb {
    /// Each rate for so long.
    pub step: Duration,
    /// From one rate to the next.
    pub growth: f64,
}

/// What one rate was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Enters a second.
    pub per_second: f64,
    /// Places a second that were given.
    pub served: f64,
    /// What half of the visitors waited at most.
    pub p50: Duration,
    /// What 99 of 100 waited at most.
    pub p99: Duration,
}

impl Step {
    fn of(per_second: f64, outcome: &Outcome) -> Self {
        Self { per_second, served: outcome.good_rate(), p50: outcome.p50(), p99: outcome.p99() }
    }

    /// Whether the machine keeps up with it.
    #[must_use]
    pub fn keeps_up(&self) -> bool {
        self.p99 <= KEEPS_UP && self.served >= SERVED * self.per_second
    }
}

/// All rates that were tried, in the order of their growth.
#[derive(Debug, Clone)]
pub struct Knee {
    /// Those that were kept up with; the last one was not.
    pub steps: Vec<Step>,
    /// The highest that was kept up with, enters a second.
    pub per_second: f64,
}

/// Raises the rate of these arrivals until it is not kept up with.
///
/// # Errors
/// When the generator cannot begin, or not even the first rate is kept up with.
pub fn find(arrivals: &Arrivals, climb: Climb, mut say: impl FnMut(&str)) -> Result<Knee> {
    let at = |per_second: f64, lasts| Arrivals { per_second: per_second as u32, lasts, ..arrivals.clone() };
    // The first thousand are slower: nothing is compiled yet.
    at(200.0, Duration::from_secs(2)).run()?;
    climb_by(climb.growth, |rate, attempt| {
        if attempt > 0 {
            std::thread::sleep(REST);
        }
        let step = Step::of(rate, &at(rate, climb.step).run()?);
        say(&format!("  {rate:.0} a second: p99 {:.0?}", step.p99));
        Ok(step)
    })
}

/// `run` is given the rate, and how often it was tried before.
fn climb_by(growth: f64, mut run: impl FnMut(f64, usize) -> Result<Step>) -> Result<Knee> {
    let mut steps: Vec<Step> = Vec::new();
    let mut rate = FIRST;
    loop {
        let mut step = run(rate, 0)?;
        for attempt in 1..TRIES {
            if !step.keeps_up() {
                step = run(rate, attempt)?;
            }
        }
        let keeps_up = step.keeps_up();
        let best = steps.last().map(|step| step.per_second);
        steps.push(step);
        if !keeps_up {
            let per_second = best.with_context(|| {
                format!("this machine does not serve {rate} visitors a second in time: it has other work")
            })?;
            return Ok(Knee { steps, per_second });
        }
        rate *= growth;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps up with 500 a second, and is slow by chance in the first tries of each rate, so many.
    fn machine(hiccups: usize) -> impl FnMut(f64, usize) -> Result<Step> {
        move |per_second, attempt| {
            let slow = per_second > 500.0 || attempt < hiccups;
            let p99 = Duration::from_millis(if slow { 900 } else { 40 });
            Ok(Step { per_second, served: per_second, p50: p99 / 2, p99 })
        }
    }

    #[test]
    fn the_knee_is_the_last_rate_that_is_kept_up_with_and_all_steps_are_told() {
        let knee = climb_by(2.0, machine(0)).unwrap();
        assert_eq!(knee.per_second, 300.0);
        assert_eq!(knee.steps.iter().map(|step| step.per_second).collect::<Vec<_>>(), [150.0, 300.0, 600.0]);
        assert_eq!(knee.steps.iter().map(Step::keeps_up).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn a_step_that_is_slow_by_chance_is_tried_again() {
        assert_eq!(climb_by(2.0, machine(TRIES - 1)).unwrap().per_second, 300.0);
        assert!(climb_by(2.0, machine(TRIES)).is_err());
    }

    #[test]
    fn a_machine_that_serves_too_few_of_those_who_come_does_not_keep_up() {
        let few = Step { per_second: 150.0, served: 100.0, p50: Duration::ZERO, p99: Duration::ZERO };
        assert!(!few.keeps_up());
        let error = climb_by(2.0, |per_second, _| Ok(Step { per_second, ..few.clone() })).unwrap_err();
        assert!(error.to_string().contains("150"), "{error}");
    }
}
