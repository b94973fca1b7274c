//! An event with one lane, led by hand: the line, its rows, the time, and what visitors and operators do.

#![allow(dead_code, reason = "every test binary uses a part of this")]

use ropeline_queue::line::history::History;
use ropeline_queue::line::{ConfigureError, Step};
use ropeline_queue::wire::{Exchange, Numbering, Op, OpAnswer, Paused, Phase, Refusal};
use ropeline_queue::{LaneId, Line, Number, Settings, UnixMillis};

use crate::common::{MemoryLine, Write, demo, subject};

pub const PREQUEUE: u64 = 100_000;
pub const OPENING: u64 = 200_000;
pub const END: u64 = 900_000;

pub struct Event {
    pub line: Line,
    pub rows: MemoryLine,
    pub now: u64,
    k: u64,
}

/// Everybody who shows up is let in at once, if anybody is.
pub fn roomy() -> Settings {
    Settings { total_active_users: 1_000, new_users_per_minute: 100_000, lanes: 1, ..Settings::defaults(&demo()) }
}

pub fn timed() -> Settings {
    Settings {
        prequeue_start_time: Some(UnixMillis(PREQUEUE)),
        event_start_time: Some(UnixMillis(OPENING)),
        event_end_time: Some(UnixMillis(END)),
        ..roomy()
    }
}

pub fn drawn() -> Settings {
    Settings { shuffle_at_event_start: true, ..timed() }
}

impl Event {
    pub fn new(settings: Settings) -> Self {
        let rows = MemoryLine::new(settings);
        let now = 1_000;
        Self { line: rows.restore(UnixMillis(now)), rows, now, k: 0 }
    }

    pub fn commit<T>(&mut self, step: Step<T>) -> T {
        self.rows.commit(&step.changes, Write::Works).unwrap();
        step.answer
    }

    pub fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self
    }

    pub fn restart(&mut self) -> &mut Self {
        self.line = self.rows.restore(UnixMillis(self.now));
        self
    }

    pub fn exchange(&mut self, count: u64, ops: Vec<Op>) -> (Numbering, Vec<OpAnswer>) {
        let stored_k = self.k;
        let lanes = if count > 0 { self.rows.configured.settings.lanes } else { 0 };
        self.k += u64::from(count > 0);
        let m = Exchange { lane: LaneId(0), inc: 1, k: self.k, count, stored_k, lanes, ops };
        let step = self.line.exchange(&self.rows, UnixMillis(self.now), &m).unwrap();
        let reply = self.commit(step);
        assert_eq!((reply.inc, reply.k), (m.inc, m.k), "a reply names its exchange");
        (reply.numbering, reply.ops)
    }

    pub fn enter(&mut self, count: u64) -> Numbering {
        self.exchange(count, Vec::new()).0
    }

    pub fn ask(&mut self, op: Op) -> OpAnswer {
        self.exchange(0, vec![op]).1[0]
    }

    pub fn claim(&mut self, number: u64) -> OpAnswer {
        self.ask(claim(number))
    }

    pub fn phase(&mut self) -> Phase {
        let step = self.line.board(UnixMillis(self.now));
        self.commit(step).phase
    }

    pub fn paused(&mut self) -> Option<Paused> {
        let step = self.line.board(UnixMillis(self.now));
        self.commit(step).paused
    }

    pub fn set(&mut self, change: impl FnOnce(&mut Settings)) -> Result<u64, ConfigureError> {
        let mut settings = self.rows.configured.settings.clone();
        change(&mut settings);
        let step = self.line.configure(UnixMillis(self.now), settings, None, "admin:test");
        self.commit(step).map(|configured| configured.version)
    }

    pub fn fixed(&mut self, field: &str, change: impl FnOnce(&mut Settings)) {
        match self.set(change) {
            Err(ConfigureError::Fixed { field: named, .. }) if named == field => {}
            other => panic!("{field}: {other:?}"),
        }
    }

    pub fn history(&mut self, number: u64) -> Option<History> {
        self.line.history(&self.rows, UnixMillis(self.now), Number(number)).unwrap()
    }

    /// Everybody claims until nobody new gets in: the numbers in the order of their admission.
    pub fn let_all_in(&mut self, numbers: u64) -> Vec<u64> {
        for _ in 0..20 {
            self.now += 1_000;
            self.exchange(0, (1..=numbers).map(claim).collect());
        }
        self.rows.admissions.values().map(|admission| admission.number.get()).collect()
    }
}

pub fn claim(number: u64) -> Op {
    Op::Claim { number: Number(number), sub: subject(number), entered_at: UnixMillis(1_000), account: None }
}

pub fn given(numbering: &Numbering) -> u64 {
    match numbering {
        Numbering::Range { first, .. } => first.get(),
        other => panic!("{other:?}"),
    }
}

pub fn refused(numbering: &Numbering) -> Refusal {
    match numbering {
        Numbering::Refused { reason } => *reason,
        other => panic!("{other:?}"),
    }
}
