//! Holds answers to what became of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sale::{self, Answer};
use crate::shapes::{SHAPES, Shape};

/// At least so many of the waits must be inside of what was said.
pub const LEAST_INSIDE: f64 = 0.8;
/// The likely value's median error must not be greater.
pub const MOST_ERROR: f64 = 0.2;

/// How good the answers of one shape are. Shares are 0 … 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Answers with an estimate that were judged.
    pub judged: usize,
    /// Share of the answers without an estimate.
    pub silent: f64,
    /// Share whose wait was within low … high.
    pub inside: f64,
    /// Share whose wait was shorter than low.
    pub early: f64,
    /// Median of |likely − wait| / wait, after the first minute.
    pub error: f64,
    /// The same, of which nine tenths are smaller.
    pub error_90: f64,
    /// Median of high / low.
    pub width: f64,
    /// Answers whose wait held a change of pace by the operator, and the share of them inside.
    pub apart: (usize, f64),
}

/// All shapes, each with every seed, on as many threads as there are cores.
#[must_use]
pub fn judge_all(seeds: &[u64]) -> Vec<Score> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut scores = Vec::new();
        while let Some((at, shape)) = SHAPES.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            scores.push((at, judge(shape, seeds.iter().copied())));
        }
        scores
    };
    let mut scores: Vec<(usize, Score)> = std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a sale is played to its end")).collect()
    });
    scores.sort_unstable_by_key(|(at, _)| *at);
    scores.into_iter().map(|(_, score)| score).collect()
}

/// Plays the shape with each seed and judges all answers together.
#[must_use]
pub fn judge(shape: &Shape, seeds: impl IntoIterator<Item = u64>) -> Score {
    let answers: Vec<Answer> = seeds.into_iter().flat_map(|seed| sale::play(shape, seed)).collect();
    score(shape, &answers)
}

fn score(shape: &Shape, answers: &[Answer]) -> Score {
    let (mut inside, mut early, mut judged) = (0, 0, 0);
    let (mut apart, mut apart_inside) = (0, 0);
    let (mut errors, mut widths) = (Vec::new(), Vec::new());
    for answer in answers {
        let Some(eta) = answer.eta else { continue };
        // In whole seconds, as the answer is; a visitor who was never called waits for ever.
        let wait = answer.called.map_or(f64::INFINITY, |called| called.saturating_sub(answer.at) as f64 / 1_000.0);
        let is_inside = eta.low as f64 <= wait && wait <= eta.high as f64;
        let changed = shape.operator.map(|(at, _)| at * 1_000);
        if changed.is_some_and(|at| answer.at < at && answer.called.is_none_or(|called| called > at)) {
            apart += 1;
            apart_inside += usize::from(is_inside);
            continue;
        }
        judged += 1;
        inside += usize::from(is_inside);
        early += usize::from(wait < eta.low as f64);
        widths.push(eta.high as f64 / eta.low.max(1) as f64);
        if answer.at >= 60_000 {
            errors.push((eta.likely as f64 - wait).abs() / wait.max(1.0));
        }
    }
    let share = |part: usize, all: usize| if all == 0 { 0.0 } else { part as f64 / all as f64 };
    Score {
        judged,
        silent: share(answers.iter().filter(|answer| answer.eta.is_none()).count(), answers.len()),
        inside: share(inside, judged),
        early: share(early, judged),
        error: quantile(&mut errors, 0.5),
        error_90: quantile(&mut errors, 0.9),
        width: quantile(&mut widths, 0.5),
        apart: (apart, share(apart_inside, apart)),
    }
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get((values.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}
