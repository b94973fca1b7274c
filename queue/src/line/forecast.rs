//! From the line's state to the board's forecast, about once a second.

use super::Line;
use super::admission::LEEWAY_SECONDS;
use super::outlook::{self, Rate, Situation};
use super::store::Progress;
use crate::eta::{Forecast, Spread};
use crate::wire::Paused;

/// A forecast, and for when and what it was made.
#[derive(Clone, Debug)]
pub(super) struct Foreseen {
    second: u64,
    config_version: u64,
    per_minute: u64,
    /// How many positions were beyond the frontier: where there are many more by now, it says nothing of those.
    beyond: u64,
    pub(super) forecast: Forecast,
}

impl Foreseen {
    fn is_of(&self, line: &Line) -> bool {
        self.second == line.head.clk.second()
            && self.config_version == line.configured.version
            && self.per_minute == line.per_minute()
            && line.beyond() <= 2 * self.beyond
    }
}

impl Line {
    /// Measures the pace, and looks ahead.
    pub(super) fn foresee(&mut self) {
        let second = self.head.clk.second();
        let stopped = self.paused() == Some(Paused::Relay);
        let shown = self.head.seq.get() + self.ready.count();
        self.pace.observe(second, self.head.frontier, shown, self.sessions.used(), stopped);
        if self.forecast.as_ref().is_none_or(|foreseen| !foreseen.is_of(self)) {
            let (config_version, per_minute, beyond) = (self.configured.version, self.per_minute(), self.beyond());
            self.forecast = Some(Foreseen { second, config_version, per_minute, beyond, forecast: self.look_ahead() });
        }
    }

    /// Positions beyond the frontier.
    fn beyond(&self) -> u64 {
        self.head.last_number.position().since(self.head.frontier)
    }

    fn look_ahead(&self) -> Forecast {
        let measured = self.pace.measured();
        let settings = &self.configured.settings;
        let now = self.head.clk;
        let situation = Situation {
            slots: settings.total_active_users as f64,
            used: self.sessions.used() as f64,
            rates: self.rates(),
            room: self.room() as f64,
            releases: self.sessions.releases().map(|(at, count)| (at.second() - now.second(), count)).collect(),
            holds: usize::try_from(settings.session_duration_seconds + LEEWAY_SECONDS).unwrap_or(usize::MAX),
            completes: measured.completes,
            back: measured.back,
            buffer: self.ready.count() as f64 + self.controller.on_their_way(),
        };
        let living = self.waiting();
        let beyond = self.beyond();
        // Those who gave their place up are spread over the line.
        let positions = measured.positions_per_show * if living > 0 { beyond as f64 / living as f64 } else { 1.0 };
        let mut reach = outlook::at_horizons(
            &outlook::play(&situation, measured.later.more(beyond as f64) / positions),
            measured.moving,
        );
        for at in &mut reach {
            *at = tenths(*at * positions);
        }
        let rounded = |spread: Spread| Spread { always: thousandths(spread.always), once: thousandths(spread.once) };
        Forecast {
            reach,
            sooner: rounded(measured.sooner),
            later: rounded(measured.later),
            seconds: rounded(measured.seconds),
        }
    }

    fn rates(&self) -> Vec<Rate> {
        let seconds = |(in_ms, count): (u64, u64)| (in_ms.div_ceil(1_000), count);
        let shorter = self.shorter_than_a_minute().map(|(within, most)| {
            let leaving = self.admitted.leaving_last(within).map(seconds).collect();
            Rate { seconds: within, most: most as f64, leaving }
        });
        let leaving = self.admitted.leaving().map(seconds).collect();
        let minute = Rate { seconds: 60, most: self.per_minute() as f64, leaving };
        shorter.into_iter().chain([minute]).collect()
    }

    /// With how many living positions had been called by then: those that were passed over are spread over the way.
    pub(super) fn called_at(&self, progress: Progress) -> (Progress, u64) {
        let (frontier, whole) = (progress.frontier.get(), self.head.frontier.get());
        let passed = self.head.passed.saturating_mul(frontier).checked_div(whole).unwrap_or_default();
        (progress, frontier - passed)
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
