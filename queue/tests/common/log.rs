//! A line, and the relay that drains its admission log.

use crate::common::{MemoryLine, Write, demo, subject};
use ropeline_queue::line::log::{Ack, Drain, Drained, Lease, LogError, MAX_DRAIN, Replay};
use ropeline_queue::line::{Change, RelayRow, Step};
use ropeline_queue::wire::{Exchange, Op};
use ropeline_queue::{Epoch, LaneId, Line, Number, Seq, Settings, UnixMillis};

pub const START: u64 = 1_000_000;

pub struct Log {
    pub line: Line,
    pub rows: MemoryLine,
    pub now: u64,
    /// Rows of the relay written so far.
    pub written: u64,
}

pub type Refused = LogError<crate::common::StoreFailed>;

impl Log {
    /// A line with this many admissions.
    pub fn with(admissions: u64) -> Self {
        let settings = Settings {
            total_active_users: 1_000_000,
            new_users_per_minute: 1_000_000,
            topic: Some("sale".into()),
            ..Settings::defaults(&demo())
        };
        let rows = MemoryLine::new(settings);
        let mut log = Self { line: rows.restore(UnixMillis(START)), rows, now: START, written: 0 };
        log.admit(1, admissions);
        log
    }

    pub fn admit(&mut self, k: u64, admissions: u64) {
        let first = self.rows.head.last_number.get() + 1;
        let m = Exchange { lane: LaneId(0), inc: 1, k, count: admissions, stored_k: k - 1, lanes: 4, ops: Vec::new() };
        let claim = |n| Op::Claim { number: Number(n), sub: subject(n), entered_at: UnixMillis(START), account: None };
        let claims =
            Exchange { count: 0, k, stored_k: k, ops: (first..first + admissions).map(claim).collect(), ..m.clone() };
        for m in [m, claims] {
            let step = self.line.exchange(&self.rows, UnixMillis(self.now), &m).unwrap();
            self.rows.commit(&step.changes, Write::Works).unwrap();
        }
        assert_eq!(self.rows.head.seq.get(), first - 1 + admissions);
    }

    pub fn keep<T>(&mut self, step: Result<Step<T>, Refused>) -> Result<T, Refused> {
        let before = self.rows.relay.clone();
        let step = step?;
        self.written += u64::from(step.changes.iter().any(|change| matches!(change, Change::Relay(_))));
        self.rows.commit(&step.changes, Write::Works).unwrap();
        let RelayRow { epoch, drained, acked, next_offset, target, .. } = &self.rows.relay;
        assert!(acked <= drained && *drained <= self.rows.head.seq);
        assert!(*epoch >= before.epoch && *drained >= before.drained && *acked >= before.acked);
        if before.target.is_some() {
            assert!(*target == before.target && *next_offset >= before.next_offset);
        }
        Ok(step.answer)
    }

    pub fn lease(&mut self, relay: &str) -> Result<Lease, Refused> {
        let step = self.line.lease(&self.rows, UnixMillis(self.now), relay);
        self.keep(step)
    }

    pub fn renew(&mut self, epoch: Epoch) -> Result<u64, Refused> {
        let step = self.line.renew_lease(UnixMillis(self.now), epoch);
        self.keep(step)
    }

    pub fn release(&mut self, epoch: Epoch) -> Result<(), Refused> {
        let step = self.line.release_lease(UnixMillis(self.now), epoch);
        self.keep(step)
    }

    pub fn drain(&mut self, drain: &Drain) -> Result<Drained, Refused> {
        let step = self.line.drain(&self.rows, UnixMillis(self.now), drain);
        self.keep(step)
    }

    pub fn ack(&mut self, epoch: Epoch, seq: u64, next_offset: i64) -> Result<(), Refused> {
        let step = self.line.ack(UnixMillis(self.now), epoch, Ack { seq: Seq(seq), next_offset });
        self.keep(step)
    }

    /// An operator's replay into a new log that ends at `next_offset`: only that may take back what a relay has done.
    pub fn replay(&mut self, relay: &str, from: u64, next_offset: i64) -> Result<Lease, Refused> {
        let to = Replay { from: Seq(from), topic: "again".into(), partition: 5, next_offset };
        let before = self.rows.relay.clone();
        let step = self.line.replay(&self.rows, UnixMillis(self.now), relay, to, "relay:0123")?;
        self.rows.commit(&step.changes, Write::Works).unwrap();
        let row = &self.rows.relay;
        assert!(row.epoch > before.epoch && row.drained == before.drained && row.acked <= row.drained);
        Ok(step.answer)
    }

    pub fn restart(&mut self) {
        self.line = self.rows.restore(UnixMillis(self.now));
    }
}

pub fn after(epoch: Epoch, after: u64) -> Drain {
    Drain {
        epoch,
        after: Seq(after),
        limit: MAX_DRAIN,
        topic: Some("sale".into()),
        partition: Some(3),
        next_offset: Some(100),
        ack: None,
    }
}

pub fn is_stale<T>(outcome: Result<T, Refused>) -> bool {
    matches!(outcome, Err(LogError::StaleEpoch { .. }))
}

pub fn is_conflict<T>(outcome: Result<T, Refused>) -> bool {
    matches!(outcome, Err(LogError::Conflict(_)))
}

/// A line with this many admissions, all in Kafka, and its relay's lease given back.
pub fn all_acked(admissions: u64) -> Log {
    let mut log = Log::with(admissions);
    let epoch = log.lease("one").unwrap().epoch;
    log.drain(&after(epoch, 0)).unwrap();
    log.ack(epoch, admissions, 100 + i64::try_from(admissions).unwrap()).unwrap();
    log.release(epoch).unwrap();
    log
}
