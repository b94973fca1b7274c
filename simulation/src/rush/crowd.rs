//! Who comes: millions, a few bytes each. Number and position are the same: nothing is drawn.

use ropeline_queue::Number;

use crate::plan::Ms;
use crate::random::Random;

/// Permille who enter and never ask again.
const NO_SHOWS: u64 = 200;
/// Permille who give their place up at their first poll.
const LEAVERS: u64 = 10;

/// What a visitor does once it has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Is never seen again.
    Away,
    /// Gives the place up.
    Leaves,
    /// Waits, and claims when it is called.
    Waits,
    /// Let in, or gone.
    Done,
}

/// All visitors, in the order in which they come.
pub(super) struct Crowd {
    pub(super) does: Vec<Does>,
    /// 0: none yet.
    numbers: Vec<u32>,
    /// When the first request was sent, then when the place was given: milliseconds from the beginning.
    times: Vec<u32>,
    shown: Vec<u32>,
    come: usize,
}

impl Crowd {
    pub(super) fn new(visitors: usize, random: &mut Random) -> Self {
        let does = |permille: u64| match permille {
            0..NO_SHOWS => Does::Away,
            _ if permille < NO_SHOWS + LEAVERS => Does::Leaves,
            _ => Does::Waits,
        };
        Self {
            does: (0..visitors).map(|_| does(random.below(1_000))).collect(),
            numbers: vec![0; visitors],
            times: vec![0; visitors],
            shown: vec![u32::MAX; visitors],
            come: 0,
        }
    }

    /// How many of them will want to be let in.
    pub(super) fn will_wait(&self) -> usize {
        self.does.iter().filter(|does| **does == Does::Waits).count()
    }

    /// Who comes up to this time of a rush whose rate falls evenly, from twice the average to nothing.
    pub(super) fn coming(&mut self, now: Ms, rush: Ms) -> std::ops::Range<usize> {
        let left = rush.saturating_sub(now) as f64 / rush as f64;
        let come = (self.does.len() as f64 * (1.0 - left * left)) as usize;
        let first = self.come;
        self.come = come.max(first);
        first..self.come
    }

    /// Sends its first request.
    pub(super) fn asks(&mut self, visitor: usize, now: Ms) {
        self.times[visitor] = short(now);
    }

    /// Has a place now; how long it waited for it.
    pub(super) fn placed(&mut self, visitor: usize, number: Number, entered_at: Ms, now: Ms) -> Ms {
        self.numbers[visitor] = short(number.get());
        now - Ms::from(std::mem::replace(&mut self.times[visitor], short(entered_at)))
    }

    /// Its number, if it has one.
    pub(super) fn number(&self, visitor: usize) -> Option<Number> {
        let number = self.numbers[visitor];
        (number > 0).then_some(Number(u64::from(number)))
    }

    /// When the place was given.
    pub(super) fn entered_at(&self, visitor: usize) -> Ms {
        Ms::from(self.times[visitor])
    }

    /// Is shown how many are ahead; what it was shown before.
    pub(super) fn shown(&mut self, visitor: usize, ahead: u64) -> Option<u64> {
        let before = std::mem::replace(&mut self.shown[visitor], short(ahead));
        (before != u32::MAX).then_some(u64::from(before))
    }
}

/// Numbers and times of a sale of days fit.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
