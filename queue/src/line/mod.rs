//! A line: owns one event's numbers, frontier, sessions and admission log.
//!
//! Invariants, at all times and over restarts: `frontier <= last_number`; `acked <= drained <= seq`; the clock `clk`, the frontier,
//! the numbers and `seq` never fall; `used slots <= total_active_users` and `admissions in any 60 s <= new_users_per_minute` at the
//! instant of every admission.
//!
//! Every step takes the time, catches up with it, and returns its answer with the [`Change`]s that must be stored in one
//! transaction before the answer leaves. **When a step fails or its changes cannot be stored, drop the line and
//! [`Line::restore`] it**: its memory is then ahead of the truth.
//!
//! * `numbering`: numbers for the batches of lanes.
//! * `admission`: claims, renewals, leaves, completions.
//! * `controller`: how many to call.
//! * [`log`]: the relay's lease, drain and ack.

mod admission;
mod controller;
mod gone;
pub mod log;
mod numbering;
mod ready;
mod sessions;
mod store;
mod window;

use std::collections::BTreeMap;

use thiserror::Error;

pub use self::admission::LEEWAY_SECONDS;
use self::controller::Controller;
use self::gone::Gone;
use self::ready::Ready;
use self::sessions::Sessions;
pub use self::store::{Admission, Change, Head, LaneRow, LineStore, Outcome, RelayRow, Session, Snapshot, Target, Why};
use self::window::Window;
use crate::settings::Settings;
use crate::types::{EventId, LaneId, Position, UnixMillis};
use crate::wire::{Board, Configured, Exchange, ExchangeReply, Numbering, Stats};

/// For this long after it starts a line with called places that are not admitted registers claims and admits nobody.
pub const HOLD_MS: u64 = 3_000;

/// How many more than on average are needed are called, lest room stays unused.
const SPARE: u64 = 3;

type Changes = Vec<Change>;

/// An answer, and what must be stored before it leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<T> {
    /// What to answer.
    pub answer: T,
    /// What to store first, all in one transaction. Empty: nothing changed.
    pub changes: Vec<Change>,
}

/// Why settings are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigureError {
    /// The caller changed another version than the one there is.
    #[error("the settings are at version {current} by now")]
    Changed {
        /// The version there is.
        current: u64,
    },
    /// The setting cannot change any more.
    #[error("'{field}' cannot change any more")]
    Fixed {
        /// Which.
        field: &'static str,
        /// Since when it is fixed.
        since: &'static str,
    },
}

/// One event's line, in memory.
#[derive(Clone, Debug)]
pub struct Line {
    event: EventId,
    head: Head,
    configured: Configured,
    lanes: BTreeMap<LaneId, LaneRow>,
    gone: Gone,
    sessions: Sessions,
    admitted: Window,
    called: Window,
    ready: Ready,
    controller: Controller,
    relay: RelayRow,
    hold_until: UnixMillis,
}

impl Line {
    /// The line as it was stored, at `now`.
    #[must_use]
    pub fn restore(event: EventId, snapshot: Snapshot, now: UnixMillis) -> Self {
        let Snapshot { head, configured, lanes, gone, releases, admitted, called, relay } = snapshot;
        let mut line = Self {
            event,
            head,
            configured,
            lanes: lanes.into_iter().collect(),
            gone: Gone::default(),
            sessions: Sessions::default(),
            admitted: Window::default(),
            called: Window::default(),
            ready: Ready::default(),
            controller: Controller::default(),
            relay,
            hold_until: UnixMillis(0),
        };
        line.gone.frontier_moved(line.head.frontier);
        for (first, last) in gone {
            line.gone.insert(first, last);
        }
        for (release_at, count) in releases {
            (0..count).for_each(|_| line.sessions.take(release_at));
        }
        for (window, counts) in [(&mut line.admitted, admitted), (&mut line.called, called)] {
            for (second, count) in counts {
                window.advance(second);
                window.add(count);
            }
        }
        line.controller = Controller::resumed(line.admitted.total(), line.called.total());
        line.catch_up(now);
        // Only the called who are not admitted can have been present.
        if line.called() > 0 {
            line.hold_until = line.head.clk.plus(HOLD_MS);
        }
        line
    }

    /// One exchange with a lane.
    ///
    /// # Errors
    /// What the store says; the line must then be restored.
    pub fn exchange<S: LineStore>(
        &mut self,
        store: &S,
        now: UnixMillis,
        m: &Exchange,
    ) -> Result<Step<ExchangeReply>, S::Error> {
        self.catch_up(now);
        let mut changes = Vec::new();
        let numbering = self.number(m, &mut changes);
        let ops = match numbering {
            Numbering::Stale | Numbering::Conflict => Vec::new(),
            _ => self.operate(store, m, &mut changes)?,
        };
        self.call(&mut changes);
        self.seal(&mut changes);
        Ok(Step { answer: ExchangeReply { numbering, ops, board: self.view() }, changes })
    }

    /// The board as it is now; calls whoever can be called.
    pub fn board(&mut self, now: UnixMillis) -> Step<Board> {
        self.catch_up(now);
        let mut changes = Vec::new();
        self.call(&mut changes);
        self.seal(&mut changes);
        Step { answer: self.view(), changes }
    }

    /// Counts for dashboards.
    pub fn stats(&mut self, now: UnixMillis) -> Stats {
        self.catch_up(now);
        let admitted = self.head.seq.get();
        Stats {
            entered: self.head.last_number.get(),
            waiting: self.waiting(),
            called: self.called(),
            present: self.ready.count(),
            active: self.sessions.used(),
            admitted,
            left: self.gone.total() - self.head.voided,
            ended: admitted - self.sessions.used(),
            voided: self.head.voided,
            head_seq: admitted,
            acked_seq: self.relay.acked.get(),
            frontier: self.head.frontier.get(),
            admitted_last_minute: self.admitted.total(),
            pace_per_minute: self.called.per_minute(),
            show_rate: self.controller.show_rate(),
            updated_at: self.head.clk,
        }
    }

    /// The event's settings with their version.
    #[must_use]
    pub const fn configured(&self) -> &Configured {
        &self.configured
    }

    /// Takes new settings. The same again change nothing. `if_version`: only if that is the version there is.
    ///
    /// # Errors
    /// [`ConfigureError`]; nothing has changed then.
    pub fn configure(
        &mut self,
        now: UnixMillis,
        settings: Settings,
        if_version: Option<u64>,
    ) -> Result<Step<Configured>, ConfigureError> {
        self.catch_up(now);
        let Configured { version: current, settings: old } = &self.configured;
        if if_version.is_some_and(|wanted| wanted != *current) {
            return Err(ConfigureError::Changed { current: *current });
        }
        let numbered = self.head.last_number.get() > 0;
        for (field, since, changed) in [
            ("location_hint", "the event was created", old.location_hint != settings.location_hint),
            ("lanes", "the first number was given", numbered && old.lanes != settings.lanes),
            ("audience", "the first number was given", numbered && old.audience != settings.audience),
            ("topic", "the first entry was drained", self.relay.target.is_some() && old.topic != settings.topic),
        ] {
            if changed {
                return Err(ConfigureError::Fixed { field, since });
            }
        }
        let mut changes = Vec::new();
        if *old != settings {
            self.configured = Configured { version: current + 1, settings };
            changes.push(Change::Configured(self.configured.clone()));
        }
        self.seal(&mut changes);
        Ok(Step { answer: self.configured.clone(), changes })
    }

    /// Whether entries of the admission log are not yet known to be in Kafka.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.relay.acked < self.head.seq
    }

    /// Moves the clock, which never runs back, and everything that hangs on it.
    fn catch_up(&mut self, now: UnixMillis) {
        let clk = self.head.clk.max(now);
        self.head.clk = clk;
        self.sessions.advance(clk);
        self.admitted.advance(clk.second());
        self.called.advance(clk.second());
        self.ready.advance(clk);
        self.controller.advance(clk);
    }

    /// Moves the frontier as far as room, those present and those on their way ask for.
    fn call(&mut self, changes: &mut Changes) {
        let last = self.head.last_number.position();
        if self.head.clk < self.hold_until || self.paused().is_some() || self.head.frontier >= last {
            return;
        }
        // Room now, what will be admitted in about five seconds at the measured pace, and while anybody is admitted a few to
        // spare: where the limits are small, chance alone would often leave nobody present.
        let admitted = self.admitted.total();
        let target = self.room() + admitted / 12 + admitted.min(SPARE);
        let want = self.controller.want(target, self.ready.count());
        let (frontier, called) = self.gone.advance(self.head.frontier, want, last);
        if frontier == self.head.frontier {
            return;
        }
        self.controller.called(self.head.clk, self.head.frontier, frontier, called);
        self.called.add(called);
        self.gone.frontier_moved(frontier);
        self.head.frontier = frontier;
        changes.push(Change::Called { last: frontier, count: called, at: self.head.clk });
    }

    /// Whatever changed, the line's own row goes with it: it carries the clock.
    fn seal(&mut self, changes: &mut Changes) {
        if !changes.is_empty() {
            self.head.version += 1;
            changes.push(Change::Head(self.head.clone()));
        }
    }

    fn vanish(&mut self, first: Position, last: Position, why: Why, changes: &mut Changes) {
        self.gone.insert(first, last);
        changes.push(Change::Gone { first, last, why });
    }

    /// Living places beyond the frontier.
    fn waiting(&self) -> u64 {
        self.head.last_number.position().since(self.head.frontier) - self.gone.above()
    }

    /// Living places up to the frontier that are not admitted.
    fn called(&self) -> u64 {
        self.head.frontier.get() - (self.gone.total() - self.gone.above()) - self.head.seq.get()
    }

    fn view(&self) -> Board {
        let settings = &self.configured.settings;
        Board {
            version: self.head.version,
            config_version: self.configured.version,
            paused: self.paused(),
            frontier: self.head.frontier.get(),
            last_number: self.head.last_number.get(),
            waiting: self.waiting(),
            called: self.called(),
            active_users: self.sessions.used(),
            total_active_users: settings.total_active_users,
            new_users_per_minute: settings.new_users_per_minute,
            admitted_last_minute: self.admitted.total(),
            pace_per_minute: self.called.per_minute(),
            free_per_minute: (settings.new_users_per_minute.saturating_sub(self.admitted.total()))
                .min(settings.total_active_users.saturating_sub(self.sessions.used())),
            message: settings.message.clone(),
            public_counts: settings.public_counts,
            updated_at: self.head.clk,
        }
    }
}
