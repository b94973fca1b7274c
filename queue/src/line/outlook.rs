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
    /// Admissions that fit into any minute.
    pub per_minute: f64,
    /// Admissions that fit into a second.
    pub per_second: f64,
    /// What fits into the second that has begun.
    pub room: f64,
    /// (in how many seconds, how many) admissions leave the window of the last minute; in order.
    pub leaving: Vec<(u64, u64)>,
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

/// How many are let in in about five seconds, and a few to spare, are called ahead of the room there is.
pub fn ahead_of_room(last_minute: f64) -> f64 {
    last_minute / 12.0 + last_minute.min(3.0)
}

/// How many more will have been asked to show up, by second: entry `t` is `t` seconds from now. Ends at a horizon at which it
/// is `enough`, or at the last.
pub fn play(situation: &Situation, enough: f64) -> Vec<f64> {
    let mut leaving = Plan::new(&situation.leaving);
    let mut releases = Plan::new(&situation.releases);
    let lasts = 1.0 - situation.completes;
    let holds_share = lasts.powi(i32::try_from(situation.holds).unwrap_or(i32::MAX));
    let (mut used, mut window): (f64, f64) = (situation.used, situation.leaving.iter().map(|(_, n)| *n as f64).sum());
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
            window = (window - leaving.at(second) - taken(61)).max(0.0);
            fits = situation.per_second;
        }
        let room = fits.min(situation.slots - used).min(situation.per_minute - window).max(0.0);
        let ahead = admitted + room + ahead_of_room(window);
        asked = asked.max(ahead - situation.buffer - situation.back * second as f64);
        reach.push(asked);
        if asked >= enough && HORIZONS.iter().any(|horizon| usize::from(*horizon) == second) && second >= LEAST_SECONDS
        {
            break;
        }
        admitted += room;
        used += room;
        window += room;
        own.push(room);
    }
    reach
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
        let per_second = (per_minute / 8.0).ceil() / 5.0;
        Situation { slots, per_minute, per_second, room: per_second, holds: 90, ..Situation::default() }
    }

    #[test]
    fn a_minute_never_takes_more_than_its_limit() {
        let reach = play(&open(1e9, 600.0), f64::INFINITY);
        let ahead = ahead_of_room(600.0) + 15.0;
        for minute in 1..=50_usize {
            let most = 600.0 * minute as f64 + ahead;
            assert!(reach[minute * 61 - 1] <= most, "minute {minute}: {} > {most}", reach[minute * 61 - 1]);
            assert!(reach[minute * 61 - 1] >= 600.0 * minute as f64 - 1.0);
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
