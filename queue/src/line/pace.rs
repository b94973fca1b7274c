//! The pace of the line, as measured over the last minutes: how many of the called show up, how many sessions are completed
//! early, how much time is lost in stops.
//!
//! Bounded: a mark for each second of the last ten minutes. Nothing here is stored: after a restart the marks are made from
//! the rows of what was called and admitted.

use std::collections::{BTreeSet, VecDeque};

use super::store::Progress;
use crate::eta::Spread;
use crate::types::Position;

/// Most of the called show up within as long, so calls are compared with who came by that much later.
const LAG_SECONDS: u64 = 3;
/// How far back is measured at most.
pub const MEMORY_SECONDS: u64 = 600;
/// No farther back than until this many have shown up: what is newer is better, when there is enough of it.
const ENOUGH: f64 = 400.0;
/// But no less than this, which is two rounds of the minute's limit.
const LEAST_SECONDS: u64 = 122;
/// Who first asks this long after being called, longer than hidden tabs need, has come back: that says nothing of the others.
const BACK_SECONDS: u64 = 75;
/// How many come back is taken from as short a time or from all, whichever is less: after a burst it is over.
const BACK_MEASURED_SECONDS: u64 = 20;
/// Times lost in stops are held against this much more time than was measured: the first stop is not the rule.
const STOPS_SECONDS: f64 = 120.0;
/// So many who came and are not let in are remembered, so that nobody comes twice.
const MOST_CAME: usize = 50_000;
/// Before anything is known, as if of two who were called one had come.
const ASSUMED: f64 = 2.0;

/// Sums since the line began, or since it was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Living positions called.
    pub called: u64,
    /// Called visitors that showed up, those who came back among them.
    pub shown: u64,
    /// Called visitors that came back, as far as can be told.
    pub back: f64,
    /// Sessions completed before their end.
    pub completed: u64,
    /// Seconds of sessions in use.
    pub session_seconds: u64,
    /// Seconds in which nobody was called because the log could not be emptied.
    pub stopped_seconds: u64,
    /// How often that began.
    pub stops: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mark {
    second: u64,
    frontier: Position,
    sums: Sums,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Living positions to call for one visitor that shows up; 1 or more.
    pub positions_per_show: f64,
    /// How many more that may be, for a distance in positions.
    pub sooner: Spread,
    /// How many fewer.
    pub later: Spread,
    /// How many come back in a second.
    pub back: f64,
    /// Share of the sessions in use that is completed early, in any second.
    pub completes: f64,
    /// Share of the time that is not lost in stops.
    pub moving: f64,
    /// How sure times are, for a wait in seconds.
    pub seconds: Spread,
}

/// Marks of the last minutes.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    marks: VecDeque<Mark>,
    sums: Sums,
    second: u64,
    stopped: bool,
    /// Who came and is not let in yet.
    came: BTreeSet<Position>,
}

impl Pace {
    /// After a restart: how far the line had come, oldest first, and how many living positions that had called.
    #[must_use]
    pub fn resumed(marks: impl IntoIterator<Item = (Progress, u64)>) -> Self {
        let mut pace = Self::default();
        for (Progress { at, frontier, seq }, called) in marks {
            pace.sums = Sums { called, shown: seq.get(), ..pace.sums };
            pace.second = at.second();
            pace.marks.push_back(Mark { second: pace.second, frontier, sums: pace.sums });
        }
        pace
    }

    /// Someone who was not present asks to be let in. Only the first time tells anything, and nothing if that may have been
    /// before a restart.
    pub fn came(&mut self, position: Position, known_before: bool) {
        if self.came.len() >= MOST_CAME || !self.came.insert(position) || known_before {
            return;
        }
        let then = self.second.saturating_sub(BACK_SECONDS);
        let long_ago = self.marks.partition_point(|mark| mark.second <= then).checked_sub(1);
        if let Some(mark) = long_ago.and_then(|at| self.marks.get(at))
            && position <= mark.frontier
        {
            // Of those called since then as many come back, for all that is known; each by itself may just be late.
            self.sums.back += self.sums.called as f64 / mark.sums.called.max(1) as f64;
        }
    }

    /// Living positions were called.
    pub fn called(&mut self, count: u64) {
        self.sums.called += count;
    }

    /// Someone is let in, or gives up.
    pub fn went(&mut self, position: Position) {
        self.came.remove(&position);
    }

    /// A session was completed before its end.
    pub fn completed(&mut self) {
        self.sums.completed += 1;
    }

    /// How the line stands in this second: `shown` ever, slots in use, and whether it is stopped.
    pub fn observe(&mut self, second: u64, frontier: Position, shown: u64, used: u64, stopped: bool) {
        let passed = if self.second == 0 { 0 } else { second.saturating_sub(self.second) };
        self.second = self.second.max(second);
        self.sums.session_seconds += used * passed;
        self.sums.stopped_seconds += if stopped { passed } else { 0 };
        self.sums.stops += u64::from(stopped && !self.stopped);
        self.stopped = stopped;
        self.sums.shown = shown;
        if self.marks.back().is_none_or(|mark| mark.second < second) {
            self.marks.push_back(Mark { second, frontier, sums: self.sums });
        }
        while self.marks.front().is_some_and(|mark| mark.second + MEMORY_SECONDS < second) {
            self.marks.pop_front();
        }
    }

    /// What the last minutes say.
    #[must_use]
    pub fn measured(&self) -> Measured {
        let Shows { called, shown, lately } = self.shows();
        let shown = shown.min(called);
        let share = ((shown + ASSUMED / 2.0) / (called + ASSUMED)).min(1.0);
        let by_chance = 1.0 - share;
        let oldest = self.marks.front().copied().unwrap_or_default();
        let seconds = (self.second - oldest.second) as f64;
        let since = |of: fn(&Sums) -> u64| of(&self.sums).saturating_sub(of(&oldest.sums)) as f64;
        let session_seconds = since(|sums| sums.session_seconds);
        let completes = if session_seconds > 0.0 { since(|sums| sums.completed) / session_seconds } else { 0.0 };
        let (stopped, stops) = (since(|sums| sums.stopped_seconds), since(|sums| sums.stops).max(1.0));
        // Stops that begin by chance: the variance of the time lost in t seconds is 2 × rate × length² × t,
        // and ranges are to hold a little more than one deviation.
        let by_stops = 2.5 * stopped * stopped / (stops * (seconds + STOPS_SECONDS));
        let once = by_chance / share;
        Measured {
            positions_per_show: 1.0 / share,
            sooner: Spread {
                always: 0.01
                    + (by_chance + 0.2) / (shown + 1.0)
                    + 300.0 / (called + 1.0).powi(2)
                    + (lately / (called + 1.0)).powi(2),
                once,
            },
            later: Spread { always: 0.03 + (by_chance + 0.2) / (shown + 1.0), once },
            completes: completes.clamp(0.0, 0.1),
            back: self.back_per_second(),
            moving: 1.0 - stopped / (seconds + STOPS_SECONDS),
            seconds: Spread { always: 0.004 + by_stops / (seconds + STOPS_SECONDS), once: by_stops },
        }
    }

    fn back_per_second(&self) -> f64 {
        let since = |mark: &Mark| {
            let back = self.sums.back - mark.sums.back;
            back / self.second.saturating_sub(mark.second).max(BACK_MEASURED_SECONDS) as f64
        };
        let then = self.second.saturating_sub(BACK_MEASURED_SECONDS);
        let lately = self.marks.get(self.marks.partition_point(|mark| mark.second < then)).map_or(0.0, since);
        self.marks.front().map_or(0.0, since).min(lately)
    }

    /// How many of how many came, over as short a time as tells enough.
    fn shows(&self) -> Shows {
        let recently = self.called_by(self.second.saturating_sub(LAG_SECONDS));
        let lately = self.sums.called as f64 - recently;
        let mut shows = Shows { lately, ..Shows::default() };
        for mark in self.marks.iter().rev() {
            let back = self.sums.back - mark.sums.back;
            shows.shown = (self.sums.shown.saturating_sub(mark.sums.shown) as f64 - back).max(0.0);
            // Before the first mark nobody had been called.
            shows.called = recently - self.called_by(mark.second.saturating_sub(LAG_SECONDS));
            if shows.shown >= ENOUGH && mark.second + LEAST_SECONDS <= self.second {
                break;
            }
        }
        shows
    }

    /// Positions called by that second: in between where marks are far apart, as they are after a restart.
    fn called_by(&self, second: u64) -> f64 {
        let after = self.marks.partition_point(|mark| mark.second <= second);
        let before = after.checked_sub(1).and_then(|at| self.marks.get(at)).copied().unwrap_or_default();
        let Some(next) = self.marks.get(after) else { return before.sums.called as f64 };
        let share = (second - before.second) as f64 / (next.second - before.second) as f64;
        let called = next.sums.called.saturating_sub(before.sums.called) as f64;
        before.sums.called as f64 + called * share
    }
}

/// Of `called` places `shown` visitors came; `lately` more were called who may still be on their way.
#[derive(Clone, Copy, Debug, Default)]
struct Shows {
    called: f64,
    shown: f64,
    lately: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Seq, UnixMillis};

    /// A line that calls ten a second, of whom every `one_of`th comes three seconds later and is let in at once.
    fn steady(pace: &mut Pace, seconds: core::ops::Range<u64>, one_of: u64) {
        for second in seconds {
            pace.called(10);
            let called = 10 * (second + 1);
            pace.observe(second, Position(called), called.saturating_sub(30) / one_of, 0, false);
        }
    }

    #[test]
    fn what_is_measured_follows_from_what_was_seen() {
        let mut pace = Pace::default();
        for second in 100..=400_u64 {
            pace.called(6 + second % 3);
            if second % 10 == 0 {
                pace.completed();
            }
            let called = pace.sums.called;
            pace.observe(second, Position(called), called.saturating_sub(40) / 3, 20 + second % 7, second % 50 < 4);
        }
        for position in [50, 51, 1_900, 2_050] {
            pace.came(Position(position), false);
        }
        for second in 401..=410 {
            pace.called(5);
            let called = pace.sums.called;
            pace.observe(second, Position(called), called.saturating_sub(40) / 3 + 4, 25, false);
        }
        // Since the mark of second 100: 24 of 310 s lost in 6 stops; 30 completed in 7,151 s of sessions.
        let (by_stops, held) = (2.5 * 24.0 * 24.0 / (6.0 * 430.0), 430.0);
        let expected = [
            3.002_469_625_807_59,
            0.012_522_300_603_713,
            2.002_469_625_807_59,
            0.032_160_135_726_945,
            2.002_469_625_807_59,
            0.008_592_634_884_385,
            30.0 / 7_151.0,
            1.0 - 24.0 / held,
            0.004 + by_stops / held,
            by_stops,
        ];
        let Measured { positions_per_show, sooner, later, back, completes, moving, seconds } = pace.measured();
        let measured = [
            positions_per_show,
            sooner.always,
            sooner.once,
            later.always,
            later.once,
            back,
            completes,
            moving,
            seconds.always,
            seconds.once,
        ];
        for (at, (is, expected)) in measured.into_iter().zip(expected).enumerate() {
            assert!((is - expected).abs() < 1e-12, "{at}: {is}, not {expected}");
        }
    }

    #[test]
    fn nothing_is_known_before_anybody_could_come() {
        let mut pace = Pace::default();
        assert_eq!(pace.measured().moving, 1.0);
        steady(&mut pace, 0..3, 2);
        let Measured { positions_per_show, sooner, later, .. } = pace.measured();
        assert_eq!(positions_per_show, 2.0);
        assert!(sooner.always > 100.0, "it may be that hardly anybody comes");
        assert!(later.always < 1.0, "but no more than all");
    }

    #[test]
    fn the_share_that_comes_is_measured_and_gets_surer() {
        let mut pace = Pace::default();
        steady(&mut pace, 0..30, 5);
        let early = pace.measured();
        assert!((early.positions_per_show - 5.0).abs() < 0.3, "{early:?}");
        steady(&mut pace, 30..400, 5);
        let late = pace.measured();
        assert!((late.positions_per_show - 5.0).abs() < 0.1, "{late:?}");
        assert!(late.sooner.always < early.sooner.always && late.later.always < early.later.always);
        assert!((late.sooner.once - 4.0).abs() < 0.1, "by chance alone");
    }

    #[test]
    fn what_was_long_ago_is_forgotten_and_memory_is_bounded() {
        let mut pace = Pace::default();
        steady(&mut pace, 1_000..3_000, 5);
        assert_eq!(pace.marks.len() as u64, MEMORY_SECONDS + 1);
        let shown = (30_000 - 30) / 5;
        for second in 3_000..3_200 {
            pace.called(10);
            pace.observe(second, Position(10 * (second + 1)), shown + 10 * (second - 3_000), 0, false);
        }
        assert!((pace.measured().positions_per_show - 1.0).abs() < 0.05, "two minutes tell enough");
        for position in 0..2 * MOST_CAME as u64 {
            pace.came(Position(position), false);
        }
        assert_eq!(pace.came.len(), MOST_CAME);
    }

    #[test]
    fn a_burst_of_returners_says_nothing_of_those_to_be_called() {
        let mut pace = Pace::default();
        steady(&mut pace, 0..300, 2);
        // Of those called in the last 75 seconds as many as of all others.
        for position in (0..900).chain(2_400..2_700) {
            pace.came(Position(position), false);
            pace.came(Position(position), false);
        }
        // They are let in before anybody is called.
        for second in 300..320 {
            pace.observe(second, Position(3_000), 1_485 + (second - 299) * 60, 0, false);
        }
        let during = pace.measured();
        assert!((during.positions_per_show - 2.0).abs() < 0.1, "{during:?}");
        assert!((during.back - 1_200.0 / 319.0).abs() < 0.1, "{during:?}");
        for second in 320..390 {
            pace.called(10);
            pace.observe(second, Position(10 * (second + 1)), 2_685 + (second - 319) * 5, 0, false);
        }
        assert_eq!(pace.measured().back, 0.0, "it is over");
        for second in 390..950 {
            pace.called(10);
            pace.observe(second, Position(10 * (second + 1)), 2_685 + (second - 319) * 5, 0, false);
        }
        let forgotten = pace.measured();
        assert!((forgotten.positions_per_show - 2.0).abs() < 0.1, "{forgotten:?}");
    }

    #[test]
    fn who_may_have_been_there_before_a_restart_has_not_come_back() {
        let mut pace = Pace::default();
        steady(&mut pace, 0..300, 1);
        pace.came(Position(7), true);
        pace.came(Position(7), false);
        pace.came(Position(8), false);
        pace.went(Position(8));
        pace.came(Position(2_990), false);
        assert!((pace.sums.back - 3_000.0 / 2_250.0).abs() < 1e-9, "one, and its share of those called lately");
    }

    #[test]
    fn only_those_who_wait_to_be_let_in_are_remembered() {
        let mut pace = Pace::default();
        steady(&mut pace, 0..300, 1);
        for position in 0..MOST_CAME as u64 {
            pace.came(Position(position), true);
        }
        pace.came(Position(MOST_CAME as u64), true);
        assert_eq!(pace.came.len(), MOST_CAME);
        for position in 1..MOST_CAME as u64 {
            pace.went(Position(position));
        }
        assert_eq!(pace.came, BTreeSet::from([Position(0)]));
    }

    #[test]
    fn a_second_has_one_mark_however_often_it_is_looked_at() {
        let mut pace = Pace::default();
        for shown in 0..100 {
            pace.observe(7, Position(100), shown, 1, false);
        }
        assert_eq!((pace.marks.len(), pace.sums.shown), (1, 99));
    }

    #[test]
    fn time_lost_in_stops_and_visits_completed_early_are_measured() {
        let mut pace = Pace::default();
        for second in 0..=480 {
            if second % 4 == 0 {
                pace.completed();
            }
            pace.observe(second, Position(0), 0, 50, second % 120 < 30);
        }
        let measured = pace.measured();
        assert!((measured.moving - 0.8).abs() < 0.01, "a quarter of 480 s, held against 600: {measured:?}");
        assert!((measured.completes - 0.005).abs() < 0.000_1, "{measured:?}");
        assert!(measured.seconds.once > 10.0);
    }

    #[test]
    fn a_restarted_line_goes_on_with_the_share_that_rows_tell() {
        let clk = UnixMillis(2_000_000);
        let marks = Progress::times(clk).map(|at| {
            let called = 10 * at.second();
            (Progress { at, frontier: Position(called), seq: Seq((called - 30) / 5) }, called)
        });
        let measured = Pace::resumed(marks).measured();
        assert!((measured.positions_per_show - 5.0).abs() < 0.1, "{measured:?}");
        assert!(measured.sooner.always < 0.02, "{measured:?}");
    }
}
