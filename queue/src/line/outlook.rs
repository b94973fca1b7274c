//! Looks ahead: how many will show up and be let in, second by second, if all goes on as it does.
//!
//! The limits are played forward from what is known exactly: when sessions in use end, when admissions of the last minute
//! leave the window. So a line that stands still until sessions end is foreseen to do so, and to move on when they do.

use crate::eta::HORIZONS;

/// How far it looks at most; the last of the [`HORIZONS`].
const SECONDS: usize = 3_600;
/// It looks as far as this in any case: more visitors are on their way.
const LEAST_SECONDS: usize = 10;

/// How the line stands, in whole seconds from now.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// How many slots there are.
    pub slots: f64,
    /// Slots in use.
    pub used: f64,
    /// The limits of admissions in any so many seconds; the minute's is the last.
    pub rates: Vec<Rate>,
    /// What fits into the second that has begun.
    pub room: f64,
    /// (in how many seconds, how many) sessions in use end; in order.
    pub releases: Vec<(u64, u64)>,
    /// After how many seconds a slot that is taken is free again, if nobody is early.
    pub holds: usize,
    /// Share of the sessions in use that is completed early, in any second.
    pub completes: f64,
    /// How many of those called long ago come back in a second, and are let in before others are called.
    pub back: f64,
    /// Those present and those on their way: as many need not be called any more.
    pub buffer: f64,
}

/// So many admissions fit into any so many seconds.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// The time.
    pub seconds: u64,
    /// The limit.
    pub most: f64,
    /// (in how many seconds, how many) of those in it leave it; in order.
    pub leaving: Vec<(u64, u64)>,
}

/// How many are let in in about five seconds, and a few to spare, are called ahead of the room there is.
pub fn ahead_of_room(last_minute: f64) -> f64 {
    last_minute / 12.0 + last_minute.min(3.0)
}

/// How many more will have been asked to show up, by second: entry `t` is `t` seconds from now. Ends at a horizon at which it
/// is `enough`, or at the last.
pub fn play(situation: &Situation, enough: f64) -> Vec<f64> {
    let mut windows: Vec<Window<'_>> = situation.rates.iter().map(Window::new).collect();
    let mut releases = Plan::new(&situation.releases);
    let lasts = 1.0 - situation.completes;
    let holds_share = lasts.powi(i32::try_from(situation.holds).unwrap_or(i32::MAX));
    let mut used = situation.used;
    let (mut admitted, mut asked, mut share) = (0.0, 0.0_f64, 1.0);
    let mut reach = Vec::new();
    let mut own: Vec<f64> = Vec::new();
    for second in 0..=SECONDS {
        let mut fits = situation.room;
        if second > 0 {
            let taken = |back: usize| second.checked_sub(back).and_then(|at| own.get(at)).copied().unwrap_or_default();
            share *= lasts;
            let ended = releases.at(second) * share + taken(situation.holds) * holds_share;
            used = (used * lasts - ended).max(0.0);
            for window in &mut windows {
                window.forget(second, taken(window.seconds));
            }
            fits = windows.iter().map(Window::fits).fold(f64::INFINITY, f64::min);
        }
        let room = fits.min(situation.slots - used).max(0.0);
        let ahead = admitted + room + ahead_of_room(windows.last().map_or(0.0, |minute| minute.used));
        asked = asked.max(ahead - situation.buffer - situation.back * second as f64);
        reach.push(asked);
        if asked >= enough && HORIZONS.iter().any(|horizon| usize::from(*horizon) == second) && second >= LEAST_SECONDS
        {
            break;
        }
        admitted += room;
        used += room;
        for window in &mut windows {
            window.used += room;
        }
        own.push(room);
    }
    reach
}

/// A [`Rate`] as it is played.
struct Window<'a> {
    seconds: usize,
    most: f64,
    used: f64,
    leaving: Plan<'a>,
}

impl<'a> Window<'a> {
    fn new(rate: &'a Rate) -> Self {
        Self {
            seconds: usize::try_from(rate.seconds).unwrap_or(usize::MAX),
            most: rate.most,
            used: rate.leaving.iter().map(|(_, count)| *count as f64).sum(),
            leaving: Plan::new(&rate.leaving),
        }
    }

    fn forget(&mut self, second: usize, own: f64) {
        self.used = (self.used - self.leaving.at(second) - own).max(0.0);
    }

    fn fits(&self) -> f64 {
        self.most - self.used
    }
}

/// What happens when, in order.
struct Plan<'a>(std::iter::Peekable<std::slice::Iter<'a, (u64, u64)>>);

impl<'a> Plan<'a> {
    fn new(events: &'a [(u64, u64)]) -> Self {
        Self(events.iter().peekable())
    }

    /// How many up to this second that were not before it.
    fn at(&mut self, second: usize) -> f64 {
        let mut sum = 0;
        while let Some((_, count)) = self.0.next_if(|(at, _)| *at <= second as u64) {
            sum += count;
        }
        sum as f64
    }
}

/// [`play`] at the [`HORIZONS`], when `moving` of the time is not lost in stops.
pub fn at_horizons(reach: &[f64], moving: f64) -> Vec<f64> {
    let at = |second: f64| {
        let (before, part) = (second.floor() as usize, second.fract());
        let before_reach = reach.get(before).copied()?;
        let after_reach = reach.get(before + 1).copied().unwrap_or(before_reach);
        Some(before_reach + (after_reach - before_reach) * part)
    };
    HORIZONS.iter().map_while(|horizon| at(f64::from(*horizon) * moving)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(slots: f64, per_minute: f64) -> Situation {
        let rate = |seconds, most| Rate { seconds, most, leaving: Vec::new() };
        let room = (per_minute / 40.0).ceil();
        Situation { slots, rates: vec![rate(1, room), rate(60, per_minute)], room, holds: 90, ..Situation::default() }
    }

    #[test]
    fn a_small_line_is_played_as_by_hand() {
        let small = Situation {
            slots: 8.0,
            used: 6.0,
            rates: vec![
                Rate { seconds: 1, most: 2.0, leaving: vec![(1, 1)] },
                Rate { seconds: 4, most: 5.0, leaving: vec![(1, 1), (3, 1), (4, 1)] },
            ],
            room: 1.0,
            releases: vec![(2, 2), (3, 1), (5, 3)],
            holds: 4,
            completes: 0.25,
            back: 0.125,
            buffer: 0.5,
        };
        let reach = play(&small, 0.0);
        // A program of its own, written from the words above, says the same.
        let expected =
            [3.75, 5.625, 17.0 / 3.0, 155.0 / 24.0, 8.25, 10.125, 61.0 / 6.0, 263.0 / 24.0, 12.75, 14.625, 44.0 / 3.0];
        assert_eq!(reach.len(), expected.len());
        assert!(reach.iter().zip(expected).all(|(is, expected)| (is - expected).abs() < 1e-9), "{reach:?}");
    }

    #[test]
    fn a_minute_never_takes_more_than_its_limit() {
        let reach = play(&open(1e9, 600.0), f64::INFINITY);
        let ahead = ahead_of_room(600.0) + 15.0;
        for minute in 1..=50_usize {
            let (most, reached) = (600.0 * minute as f64 + ahead, reach[minute * 60 - 1]);
            assert!(reached <= most, "minute {minute}: {reached} > {most}");
            assert!(reached >= 600.0 * minute as f64 - 1.0, "minute {minute}: {reached}");
        }
    }

    #[test]
    fn slots_that_are_taken_hold_the_line_until_they_are_free() {
        let mut taken = open(100.0, 6_000.0);
        taken.used = 100.0;
        taken.room = 0.0;
        taken.releases = vec![(40, 60), (70, 40)];
        let reach = play(&taken, f64::INFINITY);
        assert_eq!((reach[39], reach[40], reach[69]), (0.0, 60.0, reach[68]));
        // At 70 all forty come, and a few are called ahead; then the line stands until the first sixty leave again.
        assert!(reach[69] <= 60.0 + ahead_of_room(60.0) && reach[70] >= 100.0, "{:?}", &reach[69..72]);
        assert!(reach[129] <= 100.0 + ahead_of_room(100.0) && reach[130] >= 160.0, "{:?}", &reach[129..132]);
        let early = play(&Situation { completes: 0.01, ..taken }, f64::INFINITY);
        assert!(early[39] > 20.0, "{}", early[39]);
    }

    #[test]
    fn slots_are_foreseen_as_if_each_session_were_followed() {
        let taken = Situation {
            slots: 8.0,
            used: 8.0,
            rates: vec![Rate { seconds: 60, most: 1e9, leaving: Vec::new() }],
            releases: vec![(2, 4), (3, 2)],
            holds: 3,
            completes: 0.25,
            ..Situation::default()
        };
        // (ends at, how many): of each a quarter leaves in every second, and at its end the rest.
        let mut sessions = vec![(2, 4.0), (3, 2.0), (usize::MAX, 2.0)];
        let mut admitted = 0.0;
        for (second, reached) in play(&taken, 0.0).into_iter().enumerate() {
            if second > 0 {
                sessions.iter_mut().for_each(|(_, count)| *count *= 0.75);
                sessions.retain(|(end, _)| *end != second);
            }
            let room = 8.0 - sessions.iter().map(|(_, count)| count).sum::<f64>();
            let expected = admitted + room + ahead_of_room(admitted);
            assert!((reached - expected).abs() < 1e-9, "second {second}: {reached}, not {expected}");
            sessions.push((second + taken.holds, room));
            admitted += room;
        }
    }

    #[test]
    fn who_is_on_the_way_already_is_not_called_again() {
        let mut buffered = open(1e9, 600.0);
        buffered.buffer = 300.0;
        let reach = play(&buffered, f64::INFINITY);
        assert!(reach[10] < 1.0 && reach[30] > 100.0, "{} {}", reach[10], reach[30]);
    }

    #[test]
    fn time_that_is_lost_in_stops_comes_late() {
        let straight: Vec<f64> = (0..=SECONDS).map(|second| second as f64).collect();
        let half = at_horizons(&straight, 0.5);
        assert_eq!((half[0], half[6], half[31]), (0.5, 5.0, 1_800.0));
        let called_ahead: Vec<f64> = straight.iter().map(|second| 100.0 + second).collect();
        assert_eq!(at_horizons(&called_ahead, 0.5)[0], 100.5);
    }

    #[test]
    fn it_looks_no_farther_than_needed() {
        let all = play(&open(1e9, 600.0), f64::INFINITY);
        let part = play(&open(1e9, 600.0), 1_200.0);
        assert_eq!((all.len(), part.len()), (3_601, 101));
        assert_eq!(part[..], all[..101]);
        assert_eq!(play(&open(1e9, 600.0), 0.0).len(), 11);
        assert_eq!(at_horizons(&part, 1.0).len(), 17);
    }
}
