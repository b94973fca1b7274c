//! Much more than the knee, and whether knee and burst were of the same machine: its speed is not the same each minute.

use std::fmt;

use anyhow::Result;

use super::{Answered, Outcome, SHARE};

/// Whoever serves so much more than the knee has a higher one.
pub(super) const TOO_LOW: f64 = 1.25;
/// Bursts at most until one fits its knee: a machine that was slower or faster for that second has another one, a Worker that breaks
/// down under the burst falls short of each.
const TRIES: usize = 4;

/// What became of visitors who came at more than the knee.
#[derive(Debug, Clone)]
pub struct Burst {
    /// Places a second that the machine kept up with before.
    pub knee: f64,
    /// What became of them.
    pub outcome: Outcome,
}

impl Burst {
    /// Of the knee, how much was served.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.outcome.good_rate() / self.knee
    }

    /// One row of the report's table, under this name.
    pub(super) fn row(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Self { knee, outcome } = self;
        let failed: usize = outcome.failures().values().sum();
        writeln!(
            f,
            "| {knee:.0} a second {name} | {} | {} | {} | {} | {failed} | {:.0}, {:.2} | {:.2?} |",
            outcome.visits.len(),
            outcome.places().count(),
            outcome.count(&Answered::PutOff),
            outcome.count(&Answered::NotAsked),
            outcome.good_rate(),
            self.share(),
            outcome.p99_asked(),
        )
    }
}

/// Bursts, until one is of the same machine as its knee; all of them, the last one counts.
pub(super) fn settle(
    mut find: impl FnMut() -> Result<f64>,
    mut burst: impl FnMut(f64) -> Result<Outcome>,
) -> Result<Vec<Burst>> {
    let mut bursts: Vec<Burst> = Vec::new();
    while bursts.len() < TRIES {
        let knee = match bursts.last() {
            Some(last) if last.share() > TOO_LOW => last.outcome.good_rate(),
            Some(last) if last.share() >= SHARE => break,
            _ => find()?,
        };
        bursts.push(Burst { knee, outcome: burst(knee)? });
    }
    Ok(bursts)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::Visit;
    use super::*;

    /// So many places in one second.
    fn served(places: usize) -> Outcome {
        let now = Instant::now();
        let visit =
            Visit { key: String::new(), sent: now, done: now, took: Duration::ZERO, answered: Answered::Place(1) };
        Outcome { visits: vec![visit; places], took: Duration::from_secs(1) }
    }

    /// The shares of the bursts, of machines that are found to keep up with `knees` and serve `rates`.
    fn shares(knees: &[f64], rates: &[usize]) -> Vec<f64> {
        let (mut knees, mut rates) = (knees.iter(), rates.iter());
        let bursts = settle(|| Ok(*knees.next().unwrap()), |_| Ok(served(*rates.next().unwrap()))).unwrap();
        assert_eq!((knees.next(), rates.next()), (None, None), "all were needed");
        bursts.iter().map(Burst::share).collect()
    }

    #[test]
    fn a_burst_of_the_machine_of_its_knee_is_the_only_one() {
        assert_eq!(shares(&[100.0], &[80]), [0.8]);
        assert_eq!(shares(&[100.0], &[125]), [1.25]);
    }

    #[test]
    fn a_machine_that_serves_more_than_its_knee_has_a_higher_one() {
        assert_eq!(shares(&[100.0], &[200, 180]), [2.0, 0.9]);
    }

    #[test]
    fn a_machine_that_was_faster_for_a_second_has_a_lower_knee() {
        assert_eq!(shares(&[100.0, 80.0], &[70, 72]), [0.7, 0.9]);
    }

    #[test]
    fn a_knee_that_is_never_found_ends() {
        assert_eq!(shares(&[100.0], &[200, 400, 800, 1_600]), [2.0; TRIES]);
    }

    #[test]
    fn who_breaks_down_under_each_burst_falls_short_in_the_end() {
        assert_eq!(shares(&[100.0; TRIES], &[50; TRIES]), [0.5; TRIES]);
    }
}
