//! What lines and lanes keep in storage, in memory: the tables of `line_store.rs` and `lane_store.rs` of the Worker.

use std::collections::BTreeMap;

use ropeline_queue::lane::{LaneChange, LaneMeta};
use ropeline_queue::line::{
    Admission, Change, Course, Head, LaneRow, LineStore, Progress, RelayRow, Seed, Session, Snapshot, Why,
};
use ropeline_queue::wire::Configured;
use ropeline_queue::{LaneId, Number, Position, Seq, Settings, Subject, UnixMillis};

use crate::disk::Rows;

/// What the registry is known to have heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) busy: bool,
    pub(crate) stamp: u64,
}

/// What a line's shell writes.
#[allow(clippy::large_enum_variant, reason = "nearly all of them are the large one")]
#[derive(Clone, Debug)]
pub(crate) enum LineChange {
    Engine(Change),
    Told(Told),
    /// When the alarm is due, in true time.
    Alarm(Option<u64>),
}

/// A line's tables.
#[derive(Clone, Debug)]
pub(crate) struct LineRows {
    pub(crate) head: Head,
    pub(crate) course: Course,
    pub(crate) configured: Configured,
    pub(crate) lanes: BTreeMap<LaneId, LaneRow>,
    /// first → (last, why, when)
    pub(crate) gone: BTreeMap<Number, (Number, Why, UnixMillis)>,
    /// (to where, how many, when), in order.
    pub(crate) called: Vec<(Position, u64, UnixMillis)>,
    pub(crate) admissions: Vec<Admission>,
    pub(crate) by_number: BTreeMap<Number, Seq>,
    pub(crate) relay: RelayRow,
    pub(crate) audits: u64,
    pub(crate) told: Told,
    pub(crate) alarm: Option<u64>,
    /// When set, the next reads fail.
    pub(crate) reads_fail: bool,
}

/// A read failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadFailed;

impl LineRows {
    pub(crate) fn new(settings: Settings, clk: UnixMillis, seed: [u8; 32]) -> Self {
        Self {
            head: Head { clk, ..Head::default() },
            course: Course::new(Seed(seed)),
            configured: Configured { version: 1, settings },
            lanes: BTreeMap::new(),
            gone: BTreeMap::new(),
            called: Vec::new(),
            admissions: Vec::new(),
            by_number: BTreeMap::new(),
            relay: RelayRow::default(),
            audits: 0,
            told: Told::default(),
            alarm: None,
            reads_fail: false,
        }
    }

    pub(crate) fn admission(&self, seq: Seq) -> Option<&Admission> {
        self.admissions.get(usize::try_from(seq.get()).ok()?.checked_sub(1)?)
    }

    pub(crate) fn admission_of(&self, number: Number) -> Option<&Admission> {
        self.by_number.get(&number).and_then(|seq| self.admission(*seq))
    }

    pub(crate) fn gone_since(&self, number: Number) -> Option<(Why, UnixMillis)> {
        let (_, (last, why, at)) = self.gone.range(..=number).next_back()?;
        (number <= *last).then_some((*why, *at))
    }

    /// Whether this place can never be let in (again), at `clk`.
    pub(crate) fn is_over(&self, number: Number, clk: UnixMillis) -> bool {
        self.gone_since(number).is_some()
            || self
                .admission_of(number)
                .is_some_and(|it| it.session.over.is_some() || it.session.session_expires_at <= clk)
    }

    /// What a starting object reads.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let clk = self.head.clk;
        let oldest = UnixMillis(clk.get().saturating_sub(61_000));
        let mut releases = BTreeMap::<_, u64>::new();
        let mut admitted = BTreeMap::<_, u64>::new();
        for Admission { session, admitted_at, .. } in &self.admissions {
            if session.release_at > clk {
                *releases.entry(session.release_at).or_default() += 1;
            }
            if *admitted_at >= oldest {
                *admitted.entry(*admitted_at).or_default() += 1;
            }
        }
        let mut called = BTreeMap::<_, u64>::new();
        for (_, count, at) in self.called.iter().rev().take_while(|(.., at)| *at >= oldest) {
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
        let called = self.called.partition_point(|(.., called_at)| *called_at <= at).checked_sub(1);
        let frontier = called.and_then(|last| self.called.get(last)).map(|(last, ..)| *last).unwrap_or_default();
        let seq = self.admissions.partition_point(|admission| admission.admitted_at <= at);
        Progress { at, frontier, seq: Seq(seq as u64) }
    }

    /// Lets go of the texts of records from `after` up to what is known to be in Kafka: nobody asks for those again.
    pub(crate) fn forget_acked(&mut self, after: Seq) {
        let range = |seq: Seq| usize::try_from(seq.get()).unwrap_or(usize::MAX);
        let acked = self.admissions.get_mut(range(after)..range(self.relay.acked)).unwrap_or_default();
        acked.iter_mut().for_each(|admission| admission.record = String::new());
    }

    fn read<T>(&self, value: T) -> Result<T, ReadFailed> {
        if self.reads_fail { Err(ReadFailed) } else { Ok(value) }
    }

    fn engine(&mut self, change: &Change) {
        match change {
            Change::Head(head) => self.head = head.clone(),
            Change::Lane(lane, row) => {
                self.lanes.insert(*lane, *row);
            }
            Change::Course(course) => self.course = *course,
            Change::Audit(_) => self.audits += 1,
            Change::Page(_) => {}
            Change::Gone { first, last, why, at } => {
                self.gone.insert(*first, (*last, *why, *at));
            }
            Change::Called { last, count, at } => self.called.push((*last, *count, *at)),
            Change::Admit(admission) => {
                self.by_number.insert(admission.number, admission.session.seq);
                self.admissions.push(admission.clone());
            }
            Change::Session(session) => {
                let index = usize::try_from(session.seq.get()).unwrap_or(0).wrapping_sub(1);
                if let Some(admission) = self.admissions.get_mut(index) {
                    admission.session = *session;
                }
            }
            Change::Relay(row) => self.relay = row.clone(),
            Change::Configured(configured) => self.configured = Configured::clone(configured),
        }
    }
}

impl Rows for LineRows {
    type Change = LineChange;

    fn apply(&mut self, change: &LineChange) {
        match change {
            LineChange::Engine(change) => self.engine(change),
            LineChange::Told(told) => self.told = *told,
            LineChange::Alarm(due) => self.alarm = *due,
        }
    }
}

impl LineStore for LineRows {
    type Error = ReadFailed;

    fn session_of(&self, number: Number) -> Result<Option<Session>, ReadFailed> {
        self.read(self.admission_of(number).map(|admission| admission.session))
    }

    fn session(&self, seq: Seq) -> Result<Option<Session>, ReadFailed> {
        self.read(self.admission(seq).map(|admission| admission.session))
    }

    fn called_at(&self, position: Position) -> Result<Option<UnixMillis>, ReadFailed> {
        let index = self.called.partition_point(|(last, ..)| *last < position);
        self.read(self.called.get(index).map(|(.., at)| *at))
    }

    fn gone(&self, number: Number) -> Result<Option<(Why, Option<UnixMillis>)>, ReadFailed> {
        self.read(self.gone_since(number).map(|(why, at)| (why, Some(at))))
    }

    fn records(&self, after: Seq, limit: usize, max_bytes: usize) -> Result<Vec<String>, ReadFailed> {
        let from = usize::try_from(after.get()).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut records = Vec::new();
        for admission in self.admissions.iter().skip(from).take(limit) {
            bytes += admission.record.len();
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push(admission.record.clone());
        }
        self.read(records)
    }
}

/// A visitor as its lane has stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VisitorRow {
    pub(crate) number: Number,
    pub(crate) entered_at: UnixMillis,
    pub(crate) left: bool,
}

/// What a lane's shell writes.
#[derive(Clone, Debug)]
pub(crate) enum LaneWrite {
    Engine(LaneChange),
    Left(Subject, Number),
}

/// A lane's tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaneRows {
    pub(crate) meta: LaneMeta,
    pub(crate) visitors: BTreeMap<Subject, VisitorRow>,
}

impl Rows for LaneRows {
    type Change = LaneWrite;

    fn apply(&mut self, change: &LaneWrite) {
        match change {
            LaneWrite::Engine(LaneChange::Meta(meta)) => self.meta = *meta,
            LaneWrite::Engine(LaneChange::Visitors { subjects, first, at }) => {
                for (offset, subject) in (0..).zip(subjects) {
                    let row = VisitorRow { number: first.plus(offset), entered_at: *at, left: false };
                    self.visitors.insert(*subject, row);
                }
            }
            LaneWrite::Left(subject, number) => {
                if let Some(row) = self.visitors.get_mut(subject).filter(|row| row.number == *number) {
                    row.left = true;
                }
            }
        }
    }
}
