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
//! * `phases`: opening, end, and what the operator and the origin switch.
//! * `brake`: what a watcher slows down.
//! * `numbering`: numbers for the batches of lanes.
//! * `order`: positions of numbers.
//! * `admission`: claims, renewals, leaves, completions.
//! * `room`: how many may be let in, and when there will be room for more.
//! * `controller`: how many to call.
//! * `pace`, `outlook`, `forecast`: what was measured, what follows from it, and what the board says of it.
//! * `configure`, [`history`]: what operators do and see.
//! * [`log`]: the relay's lease, drain and ack.

mod admission;
mod brake;
mod configure;
mod controller;
mod forecast;
mod gone;
pub mod history;
pub mod log;
mod numbering;
mod order;
mod outlook;
mod pace;
mod phases;
mod ready;
mod room;
mod sessions;
mod store;
mod window;

use std::collections::BTreeMap;

pub use self::admission::LEEWAY_SECONDS;
use self::brake::Brake;
pub use self::configure::ConfigureError;
use self::controller::Controller;
use self::forecast::Foreseen;
use self::gone::Gone;
use self::order::Order;
use self::pace::Pace;
pub use self::phases::Paced;
use self::ready::Ready;
use self::sessions::Sessions;
pub use self::store::{
    Admission, Audit, Change, Course, Head, LaneRow, LineStore, MOST_AUDITS, Opened, Outcome, Over, OverBy, Progress,
    RelayRow, Seed, Session, Snapshot, Target, Why,
};
use self::window::Window;
use crate::types::{EventId, LaneId, Number, Position, UnixMillis};
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

/// One event's line, in memory.
#[derive(Clone, Debug)]
pub struct Line {
    event: EventId,
    head: Head,
    course: Course,
    configured: Configured,
    order: Order,
    lanes: BTreeMap<LaneId, LaneRow>,
    gone: Gone,
    sessions: Sessions,
    admitted: Window,
    called: Window,
    ready: Ready,
    controller: Controller,
    pace: Pace,
    forecast: Option<Foreseen>,
    brake: Brake,
    relay: RelayRow,
    /// When the relay's lease ends; its row notes a later end, see [`log`].
    leased_until: UnixMillis,
    hold_until: UnixMillis,
    /// Admissions after which a limit did not hold, see [`Stats::over_limit`].
    over_limit: u64,
}

impl Line {
    /// The line as it was stored, at `now`.
    #[must_use]
    pub fn restore(event: EventId, snapshot: Snapshot, now: UnixMillis) -> Self {
        let Snapshot { head, course, configured, lanes, gone, releases, admitted, called, marks, relay } = snapshot;
        let mut line = Self {
            order: phases::order(&event, &course, configured.settings.shuffle_at_event_start),
            event,
            head,
            course,
            configured,
            lanes: lanes.into_iter().collect(),
            gone: Gone::default(),
            sessions: Sessions::default(),
            admitted: Window::default(),
            called: Window::default(),
            ready: Ready::default(),
            controller: Controller::default(),
            pace: Pace::default(),
            forecast: None,
            brake: Brake::default(),
            leased_until: relay.lease_until,
            relay,
            hold_until: UnixMillis(0),
            over_limit: 0,
        };
        for (first, last) in gone {
            line.gone.insert(first, last);
        }
        if matches!(line.order, Order::Fifo) {
            line.head.passed = line.gone.up_to(line.head.frontier.get());
        }
        for (release_at, count) in releases {
            (0..count).for_each(|_| line.sessions.take(release_at));
        }
        for (window, counts) in [(&mut line.admitted, admitted), (&mut line.called, called)] {
            for (at, count) in counts {
                window.advance(at);
                window.add(count);
            }
        }
        line.controller = Controller::resumed(line.admitted.total(), line.called.total());
        line.pace = Pace::resumed(marks.into_iter().map(|mark| line.called_at(mark)));
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
        self.turn(&mut changes);
        let numbering = self.number(m, &mut changes);
        let ops = match numbering {
            Numbering::Stale | Numbering::Conflict => Vec::new(),
            _ => self.operate(store, m, &mut changes)?,
        };
        let turns = self.turns(&m.ops, &ops);
        self.call(&mut changes);
        self.foresee();
        self.seal(&mut changes);
        Ok(Step { answer: ExchangeReply { inc: m.inc, k: m.k, numbering, ops, turns, board: self.view() }, changes })
    }

    /// The board as it is now; calls whoever can be called.
    pub fn board(&mut self, now: UnixMillis) -> Step<Board> {
        self.catch_up(now);
        let mut changes = Vec::new();
        self.turn(&mut changes);
        self.call(&mut changes);
        self.foresee();
        self.seal(&mut changes);
        Step { answer: self.view(), changes }
    }

    /// Counts for dashboards.
    pub fn stats(&mut self, now: UnixMillis) -> Stats {
        self.catch_up(now);
        let admitted = self.head.seq.get();
        Stats {
            phase: self.phase(),
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
            paused: self.paused(),
            new_users_per_minute: self.per_minute(),
            relay_leased: self.leased_until > self.head.clk,
            over_limit: self.over_limit,
            brake: self.brake.in_force(self.head.clk),
            updated_at: self.head.clk,
        }
    }

    /// The position of this number; none while a draw is still to come.
    #[must_use]
    pub fn position(&self, number: Number) -> Option<Position> {
        self.order.position(number)
    }

    /// Counts the changes: the board's version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.head.version
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
        self.admitted.advance(clk);
        self.called.advance(clk);
        self.ready.advance(clk);
        self.controller.advance(clk);
        if self.head.frontier >= self.head.last_number.position() {
            self.controller.nobody_waits();
        }
    }

    /// Moves the frontier as far as room, those present and those on their way ask for.
    fn call(&mut self, changes: &mut Changes) {
        let last = self.head.last_number.position();
        if self.head.clk < self.hold_until || !self.moves() || self.head.frontier >= last {
            return;
        }
        // Room now, what will be admitted in about five seconds at the measured pace, and while anybody is admitted a few to
        // spare: where the limits are small, chance alone would often leave nobody present.
        let admitted = self.admitted.total();
        let target = self.room() + admitted / 12 + admitted.min(SPARE);
        let want = self.controller.want(target, self.ready.count());
        let walk = self.order.advance(&self.gone, self.head.frontier, want, last);
        let (from, to, called) = (self.head.frontier, Position(walk.to), walk.living);
        if to == from {
            return;
        }
        self.controller.called(self.head.clk, from, to, called);
        self.called.add(called);
        self.pace.called(called);
        self.head.passed += to.since(from) - called;
        self.head.frontier = to;
        changes.push(Change::Called { last: to, count: called, at: self.head.clk });
    }

    /// Whatever changed, the line's own row goes with it: it carries the clock.
    fn seal(&mut self, changes: &mut Changes) {
        if !changes.is_empty() {
            self.head.version += 1;
            changes.push(Change::Head(self.head.clone()));
        }
    }

    fn vanish(&mut self, first: Number, last: Number, why: Why, changes: &mut Changes) {
        self.gone.insert(first, last);
        self.head.passed += self.order.passed(first, last, self.head.frontier);
        changes.push(Change::Gone { first, last, why, at: self.head.clk });
    }

    /// Living places beyond the frontier.
    fn waiting(&self) -> u64 {
        self.head.last_number.position().since(self.head.frontier) - (self.gone.total() - self.head.passed)
    }

    /// Living places up to the frontier that are not admitted.
    fn called(&self) -> u64 {
        self.head.frontier.get() - self.head.passed - self.head.seq.get()
    }

    fn view(&self) -> Board {
        let settings = &self.configured.settings;
        Board {
            version: self.head.version,
            config_version: self.configured.version,
            phase: self.phase(),
            queueing_method: settings.queueing_method,
            prequeue_start_time: settings.prequeue_start_time,
            event_start_time: settings.event_start_time,
            event_end_time: settings.event_end_time,
            shuffle: self.shuffle(),
            paused: self.paused(),
            frontier: self.head.frontier.get(),
            last_number: self.head.last_number.get(),
            waiting: self.waiting(),
            called: self.called(),
            active_users: self.sessions.used(),
            total_active_users: settings.total_active_users,
            new_users_per_minute: self.per_minute(),
            admitted_last_minute: self.admitted.total(),
            pace_per_minute: self.called.per_minute(),
            forecast: self.forecast.as_ref().map(|foreseen| foreseen.forecast.clone()),
            message: settings.message.clone(),
            public_counts: settings.public_counts,
            updated_at: self.head.clk,
        }
    }
}
