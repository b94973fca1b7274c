//! A wheel of timers: millions of them, all due within the next minutes.

use crate::plan::Ms;

/// What is due within so many milliseconds is due at once.
pub(super) const TICK: Ms = 10;
/// More ticks than any timer is ahead: some five minutes.
const TICKS: usize = 1 << 15;

/// What is due when.
pub(super) struct Timers<T> {
    slots: Vec<Vec<T>>,
}

impl<T> Timers<T> {
    pub(super) fn new() -> Self {
        Self { slots: (0..TICKS).map(|_| Vec::new()).collect() }
    }

    /// `at` is after the present tick.
    pub(super) fn set(&mut self, at: Ms, item: T) {
        self.slots[Self::slot(at)].push(item);
    }

    /// All that is due in the tick of `now`.
    pub(super) fn due(&mut self, now: Ms) -> Vec<T> {
        std::mem::take(&mut self.slots[Self::slot(now)])
    }

    fn slot(at: Ms) -> usize {
        usize::try_from(at / TICK).unwrap_or(usize::MAX) % TICKS
    }
}
