//! What the integration tests of the engine share: storage in memory, as the Durable Objects keep it in SQLite.
//!
//! A [`MemoryLine`] or [`MemoryLane`] takes the changes of a step all together or not at all; what a restarted object finds is
//! rebuilt from the rows alone.

#![allow(dead_code, reason = "every test binary uses a part of this")]

use std::collections::BTreeMap;

use ropeline_queue::lane::{Lane, LaneChange, LaneMeta};
use ropeline_queue::line::{
    Admission, Audit, Change, Course, Head, LaneRow, Line, LineStore, Opened, Progress, RelayRow, Seed, Session,
    Snapshot, Why,
};
use ropeline_queue::wire::Configured;
use ropeline_queue::{EventId, LaneId, Number, Position, Seq, Settings, Subject, UnixMillis};

/// The event of all tests.
pub fn demo() -> EventId {
    EventId::parse("demo").unwrap()
}

/// The secret of every draw.
pub const SEED: Seed = Seed([7; 32]);

/// The visitor with this index, in a form that sorts by it. Which lane it would hash to plays no part here.
pub fn subject(index: u64) -> Subject {
    let text = format!("{index:022}");
    // The last character carries two bits only: `A` (none of them set) keeps the text canonical.
    Subject::parse(&format!("{}A", &text[1..])).unwrap()
}

/// How the next [`MemoryLine::commit`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Written, and known to be.
    Works,
    /// Fails, and nothing was written.
    FailsBefore,
    /// Reported as failed although everything was written.
    FailsAfter,
}

/// A write or a read was reported as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFailed;

/// A line's rows.
#[derive(Clone, Debug)]
pub struct MemoryLine {
    pub head: Head,
    pub course: Course,
    pub configured: Configured,
    pub lanes: BTreeMap<LaneId, LaneRow>,
    pub gone: BTreeMap<Number, (Number, Why, UnixMillis)>,
    /// (to where, how many, when), in order.
    pub called: Vec<(Position, u64, UnixMillis)>,
    pub admissions: BTreeMap<Seq, Admission>,
    pub by_number: BTreeMap<Number, Seq>,
    pub relay: RelayRow,
    pub audits: Vec<Audit>,
    /// The operator's own page.
    pub page: Option<String>,
    /// When set, every read fails.
    pub reads_fail: bool,
}

impl MemoryLine {
    pub fn new(settings: Settings) -> Self {
        // What opens at once has opened, so that a first step is like any other.
        let opened = settings.event_start_time.is_none().then_some(Opened { at: UnixMillis(0), count: 0 });
        Self {
            head: Head::default(),
            course: Course { opened, ..Course::new(SEED) },
            configured: Configured { version: 1, settings },
            lanes: BTreeMap::new(),
            gone: BTreeMap::new(),
            called: Vec::new(),
            admissions: BTreeMap::new(),
            by_number: BTreeMap::new(),
            relay: RelayRow::default(),
            audits: Vec::new(),
            page: None,
            reads_fail: false,
        }
    }

    /// All of it or nothing. After an error the line must be dropped and [`MemoryLine::restore`]d.
    pub fn commit(&mut self, changes: &[Change], write: Write) -> Result<(), StoreFailed> {
        if write != Write::FailsBefore {
            changes.iter().for_each(|change| self.apply(change));
            self.check();
        }
        if write == Write::Works { Ok(()) } else { Err(StoreFailed) }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Head(head) => self.head = head.clone(),
            Change::Lane(lane, row) => {
                self.lanes.insert(*lane, *row);
            }
            Change::Course(course) => self.course = *course,
            Change::Audit(audit) => self.audits.push(audit.clone()),
            Change::Gone { first, last, why, at } => {
                let overlaps = self.gone.range(..=*last).next_back().is_some_and(|(_, (end, ..))| end >= first);
                assert!(!overlaps, "{first}..{last} is gone twice");
                self.gone.insert(*first, (*last, *why, *at));
            }
            Change::Called { last, count, at } => self.called.push((*last, *count, *at)),
            Change::Admit(admission) => {
                let seq = admission.session.seq;
                assert!(self.admissions.insert(seq, admission.clone()).is_none(), "seq {seq} is written twice");
                let twice = self.by_number.insert(admission.number, seq);
                assert!(twice.is_none(), "number {} is admitted twice", admission.number);
            }
            Change::Session(session) => {
                self.admissions.get_mut(&session.seq).expect("a session of an admission").session = *session;
            }
            Change::Relay(row) => self.relay = row.clone(),
            Change::Page(page) => self.page = page.clone(),
            Change::Configured(configured) => self.configured = Configured::clone(configured),
        }
    }

    /// What holds in storage at all times, whatever happened.
    fn check(&self) {
        assert_eq!(self.admissions.len() as u64, self.head.seq.get(), "seq is dense and the head says where it ends");
        assert!(self.head.frontier.get() <= self.head.last_number.get());
        assert!(self.relay.acked <= self.relay.drained && self.relay.drained <= self.head.seq);
        assert_eq!(
            self.called.last().map(|(last, ..)| *last).unwrap_or_default(),
            self.head.frontier,
            "the frontier is where the last call moved it"
        );
    }

    pub fn why_gone(&self, number: Number) -> Option<Why> {
        self.gone_since(number).map(|(why, _)| why)
    }

    fn gone_since(&self, number: Number) -> Option<(Why, UnixMillis)> {
        let (_, (last, why, at)) = self.gone.range(..=number).next_back()?;
        (number <= *last).then_some((*why, *at))
    }

    /// What a starting object reads.
    pub fn snapshot(&self) -> Snapshot {
        let clk = self.head.clk;
        let oldest = UnixMillis(clk.get().saturating_sub(61_000));
        let mut releases = BTreeMap::<_, u64>::new();
        let mut admitted = BTreeMap::<_, u64>::new();
        for Admission { session, admitted_at, .. } in self.admissions.values() {
            if session.release_at > clk {
                *releases.entry(session.release_at).or_default() += 1;
            }
            if *admitted_at >= oldest {
                *admitted.entry(*admitted_at).or_default() += 1;
            }
        }
        let mut called = BTreeMap::<_, u64>::new();
        for (_, count, at) in self.called.iter().filter(|(.., at)| *at >= oldest) {
            *called.entry(*at).or_default() += count;
        }
        Snapshot {
            head: self.head.clone(),
            course: self.course,
            configured: self.configured.clone(),
            lanes: self.lanes.iter().map(|(lane, row)| (*lane, *row)).collect(),
            gone: self.gone.iter().map(|(first, (last, ..))| (*first, *last)).collect(),
            releases: releases.into_iter().collect(),
            admitted: admitted.into_iter().collect(),
            called: called.into_iter().collect(),
            marks: Progress::times(clk).map(|at| self.progress(at)).collect(),
            relay: self.relay.clone(),
        }
    }

    /// How far the line had come by then.
    fn progress(&self, at: UnixMillis) -> Progress {
        let called = self.called.iter().rev().find(|(.., called_at)| *called_at <= at);
        let admitted = self.admissions.iter().rev().find(|(_, admission)| admission.admitted_at <= at);
        Progress {
            at,
            frontier: called.map(|(last, ..)| *last).unwrap_or_default(),
            seq: admitted.map(|(seq, _)| *seq).unwrap_or_default(),
        }
    }

    /// A new instance over what is stored.
    pub fn restore(&self, now: UnixMillis) -> Line {
        Line::restore(demo(), self.snapshot(), now)
    }

    fn read<T>(&self, value: T) -> Result<T, StoreFailed> {
        if self.reads_fail { Err(StoreFailed) } else { Ok(value) }
    }
}

impl LineStore for MemoryLine {
    type Error = StoreFailed;

    fn session_of(&self, number: Number) -> Result<Option<Session>, StoreFailed> {
        let seq = self.by_number.get(&number);
        self.read(seq.and_then(|seq| self.admissions.get(seq)).map(|admission| admission.session))
    }

    fn session(&self, seq: Seq) -> Result<Option<Session>, StoreFailed> {
        self.read(self.admissions.get(&seq).map(|admission| admission.session))
    }

    fn called_at(&self, position: Position) -> Result<Option<UnixMillis>, StoreFailed> {
        let index = self.called.partition_point(|(last, ..)| *last < position);
        self.read(self.called.get(index).map(|(.., at)| *at))
    }

    fn gone(&self, number: Number) -> Result<Option<(Why, Option<UnixMillis>)>, StoreFailed> {
        self.read(self.gone_since(number).map(|(why, at)| (why, Some(at))))
    }

    fn records(&self, after: Seq, limit: usize, max_bytes: usize) -> Result<Vec<String>, StoreFailed> {
        let mut bytes = 0;
        let mut records = Vec::new();
        for admission in self.admissions.range(after.next()..).take(limit).map(|(_, admission)| admission) {
            bytes += admission.record.len();
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push(admission.record.clone());
        }
        self.read(records)
    }
}

/// A lane's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemoryLane {
    pub meta: LaneMeta,
    pub visitors: BTreeMap<Subject, (Number, UnixMillis)>,
}

impl MemoryLane {
    pub fn commit(&mut self, changes: &[LaneChange]) {
        for change in changes {
            match change {
                LaneChange::Meta(meta) => self.meta = *meta,
                LaneChange::Visitors { subjects, first, at } => {
                    for (offset, subject) in (0..).zip(subjects) {
                        self.visitors.insert(*subject, (first.plus(offset), *at));
                    }
                }
            }
        }
    }

    /// A new instance over what is stored.
    pub fn restore(&self, id: LaneId) -> Lane {
        Lane::restore(id, self.meta)
    }
}
