//! How long a wait will be: the line's [`Forecast`], and what it says of one place.
//!
//! The line foresees how far its frontier will come and how sure that is; the board carries it, and a Worker reads each
//! visitor's [`Eta`] from it without asking anybody. `low <= likely <= high`, and for one forecast none of them falls with the
//! distance.

use serde::Serialize;

use crate::from_json;

/// The seconds after its making for which a forecast says where the frontier will be. Part of what line and Worker agree on.
pub const HORIZONS: [u16; 32] = [
    1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 320, 400, 500, 630, 800, 1_000,
    1_250, 1_600, 2_000, 2_500, 3_600,
];

/// Boards and polls are up to this many seconds old.
const EARLY_SECONDS: f64 = 1.0;
const LATE_SECONDS: f64 = 2.0;

/// How long until a place is called: most likely, and a range around it. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Eta {
    /// Hardly sooner.
    pub low: u64,
    /// Most likely.
    pub likely: u64,
    /// Hardly later.
    pub high: u64,
}

impl Eta {
    /// A time that is known.
    #[must_use]
    pub const fn exactly(seconds: u64) -> Self {
        Self { low: seconds, likely: seconds, high: seconds }
    }
}

/// How wide a range is around an amount `x`: `x / (1 + w) ..= x × (1 + w)` with `w = sqrt(always + once / x)`.
///
/// What adds up from many independent pieces gets surer with its size (`once`); what is wrong with all of it does not (`always`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Does not shrink with the amount.
    pub always: f64,
    /// Shrinks with the amount.
    pub once: f64,
}

from_json! { struct Spread { always, once } }

impl Spread {
    fn width(self, amount: f64) -> f64 {
        if amount <= 0.0 {
            return 0.0;
        }
        (self.always + self.once / amount).max(0.0).sqrt()
    }

    /// `x² / (x + sqrt(always × x² + once × x))` never falls while `x` grows.
    fn less(self, amount: f64) -> f64 {
        amount / (1.0 + self.width(amount))
    }

    /// The amount and as much as it may be more.
    #[must_use]
    pub fn more(self, amount: f64) -> f64 {
        amount * (1.0 + self.width(amount))
    }
}

/// Where the frontier will be, as the line foresees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// How many positions further it will be at each of the [`HORIZONS`], most likely. Never falls. May end early, where more
    /// would reach beyond all who wait.
    pub reach: Vec<f64>,
    /// How much farther it may come.
    pub sooner: Spread,
    /// How much less far it may come.
    pub later: Spread,
    /// How much longer, or shorter, the same way may take.
    pub seconds: Spread,
}

from_json! { struct Forecast { reach, sooner, later, seconds } }

impl Forecast {
    /// The wait of the place that is `distance` positions beyond the frontier; none when it cannot be foreseen.
    #[must_use]
    pub fn eta(&self, distance: u64) -> Option<Eta> {
        let distance = distance.max(1) as f64;
        let likely = self.seconds_to(distance)?;
        let low = self.seconds.less(self.seconds_to(self.sooner.less(distance))?) - EARLY_SECONDS;
        let high = self.seconds.more(self.seconds_to(self.later.more(distance))?) + LATE_SECONDS;
        // `as` takes what is below zero as zero, and what is beyond all bounds as the largest there is.
        Some(Eta { low: low.floor() as u64, likely: likely.round() as u64, high: high.ceil() as u64 })
    }

    /// When the frontier will have moved by `distance`: straight lines between the horizons, and beyond the last of them on
    /// as over its second half.
    fn seconds_to(&self, distance: f64) -> Option<f64> {
        let (mut second, mut reached) = (0.0, 0.0);
        for (at, reach) in HORIZONS.into_iter().map(f64::from).zip(self.reach.iter().copied()) {
            if reach >= distance {
                return Some(second + (at - second) * (distance - reached) / (reach - reached));
            }
            (second, reached) = (at, reach);
        }
        let half = HORIZONS.into_iter().map(f64::from).zip(self.reach.iter().copied());
        let (half_second, half_reached) = half.take_while(|(at, _)| *at <= second / 2.0).last().unwrap_or_default();
        let per_second = (reached - half_reached) / (second - half_second);
        (per_second > 0.0).then(|| second + (distance - reached) / per_second)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steady(per_second: f64) -> Forecast {
        let reach = HORIZONS.iter().map(|at| f64::from(*at) * per_second).collect();
        Forecast { reach, ..Forecast::default() }
    }

    #[test]
    fn a_steady_line_is_distance_by_pace_even_beyond_the_last_horizon() {
        let forecast = steady(10.0);
        for (distance, likely) in [(0, 0), (10, 1), (600, 60), (655, 66), (36_000, 3_600), (360_000, 36_000)] {
            let eta = forecast.eta(distance).unwrap();
            assert_eq!(eta.likely, likely, "{distance}");
            assert!(eta.high <= eta.likely + 3 && eta.low + 2 >= eta.likely, "{eta:?}");
        }
    }

    #[test]
    fn a_range_allows_for_the_age_of_boards_and_polls() {
        assert_eq!(steady(10.0).eta(600), Some(Eta { low: 59, likely: 60, high: 62 }));
    }

    #[test]
    fn beyond_the_last_horizon_it_goes_on_as_over_the_second_half() {
        let reach = HORIZONS.iter().map(|at| 100.0 + f64::from(at.saturating_sub(1_600))).collect();
        let forecast = Forecast { reach, ..Forecast::default() };
        assert_eq!(forecast.eta(2_600).map(|eta| eta.likely), Some(4_100));
    }

    #[test]
    fn a_line_that_does_not_move_says_nothing() {
        assert_eq!(steady(0.0).eta(1), None);
        assert_eq!(Forecast::default().eta(1), None);
    }

    #[test]
    fn a_stop_is_waited_for_by_those_behind_it_only() {
        let reach = HORIZONS.iter().map(|at| if *at < 125 { 100.0 } else { f64::from(*at) }).collect();
        let forecast = Forecast { reach, ..Forecast::default() };
        assert_eq!(forecast.eta(100).unwrap().likely, 1);
        assert!(forecast.eta(101).unwrap().likely > 100);
    }

    #[test]
    fn what_adds_up_is_surer_the_more_there_is_of_it() {
        let spread = Spread { always: 0.01, once: 4.0 };
        let forecast = Forecast { sooner: spread, later: spread, ..steady(1.0) };
        let width = |distance| {
            let eta = forecast.eta(distance).unwrap();
            eta.high as f64 / eta.low.max(1) as f64
        };
        assert!(width(20) > width(200) && width(200) > width(2_000), "{} {} {}", width(20), width(200), width(2_000));
    }

    fn forecasts() -> impl Strategy<Value = Forecast> {
        let steps =
            proptest::collection::vec(prop_oneof![Just(0.0), 0.0..20.0_f64, 0.0..5_000.0_f64], 0..=HORIZONS.len());
        let spread = || (0.0..2.0_f64, 0.0..300.0_f64).prop_map(|(always, once)| Spread { always, once });
        (steps, spread(), spread(), spread()).prop_map(|(steps, sooner, later, seconds)| {
            let mut sum = 0.0;
            let reach = steps.into_iter().map(|step| {
                sum += step;
                sum
            });
            Forecast { reach: reach.collect(), sooner, later, seconds }
        })
    }

    proptest! {
        #[test]
        fn ranges_hold_the_likely_value_and_never_fall_with_the_distance(
            forecast in forecasts(),
            mut distances in proptest::collection::vec(prop_oneof![0_u64..300, 0_u64..200_000], 2..20),
        ) {
            distances.sort_unstable();
            let etas: Vec<_> = distances.iter().map(|distance| forecast.eta(*distance)).collect();
            for eta in etas.iter().flatten() {
                prop_assert!(eta.low <= eta.likely && eta.likely <= eta.high, "{eta:?}");
            }
            for pair in etas.windows(2) {
                let [near, far] = pair else { unreachable!() };
                match (near, far) {
                    (Some(near), Some(far)) => {
                        prop_assert!(near.low <= far.low && near.likely <= far.likely && near.high <= far.high);
                    }
                    (None, Some(_)) => prop_assert!(false, "the nearer place is known if the farther one is"),
                    _ => {}
                }
            }
        }
    }
}
