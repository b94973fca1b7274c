//! A line's rows in memory, as far as a simulated sale needs them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ropeline_queue::line::{
    Change, Course, Head, LaneRow, Line, LineStore, Progress, RelayRow, Seed, Session, Snapshot, Why,
};
use ropeline_queue::wire::Configured;
use ropeline_queue::{EventId, LaneId, Number, Position, Seq, Settings, UnixMillis};

/// What the line's object would have in its database.
#[derive(Debug)]
pub struct Rows {
    head: Head,
    course: Course,
    configured: Configured,
    lanes: BTreeMap<LaneId, LaneRow>,
    gone: Vec<(Number, Number)>,
    called: Vec<(Position, u64, UnixMillis)>,
    /// By `seq`, which begins with 1.
    sessions: Vec<(Session, UnixMillis)>,
    by_number: BTreeMap<Number, Seq>,
    relay: RelayRow,
}

impl Rows {
    /// A new event's.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            head: Head::default(),
            course: Course::new(Seed([7; 32])),
            configured: Configured { version: 1, settings },
            lanes: BTreeMap::new(),
            gone: Vec::new(),
            called: Vec::new(),
            sessions: Vec::new(),
            by_number: BTreeMap::new(),
            relay: RelayRow::default(),
        }
    }

    /// Writes the changes of one step.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Head(head) => self.head = head,
                Change::Lane(lane, row) => {
                    self.lanes.insert(lane, row);
                }
                Change::Gone { first, last, .. } => self.gone.push((first, last)),
                Change::Called { last, count, at } => self.called.push((last, count, at)),
                Change::Admit(admission) => {
                    self.by_number.insert(admission.number, admission.session.seq);
                    self.sessions.push((admission.session, admission.admitted_at));
                }
                Change::Session(session) => {
                    if let Some(row) = index(session.seq).and_then(|at| self.sessions.get_mut(at)) {
                        row.0 = session;
                    }
                }
                Change::Course(course) => self.course = course,
                Change::Audit(_) | Change::Page(_) => {}
                Change::Relay(row) => self.relay = row,
                Change::Configured(configured) => self.configured = *configured,
            }
        }
    }

    /// The line as an object that starts now finds it.
    #[must_use]
    pub fn restore(&self, event: EventId, now: UnixMillis) -> Line {
        let clk = self.head.clk;
        let oldest = UnixMillis(clk.get().saturating_sub(61_000));
        let (mut releases, mut admitted, mut called) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (session, at) in &self.sessions {
            if session.release_at > clk {
                *releases.entry(session.release_at).or_default() += 1;
            }
            if *at >= oldest {
                *admitted.entry(*at).or_default() += 1;
            }
        }
        for (_, count, at) in self.called.iter().filter(|(.., at)| *at >= oldest) {
            *called.entry(*at).or_default() += count;
        }
        let snapshot = Snapshot {
            head: self.head.clone(),
            course: self.course,
            configured: self.configured.clone(),
            lanes: self.lanes.iter().map(|(lane, row)| (*lane, *row)).collect(),
            gone: self.gone.clone(),
            releases: releases.into_iter().collect(),
            admitted: admitted.into_iter().collect(),
            called: called.into_iter().collect(),
            marks: Progress::times(clk).map(|at| self.progress(at)).collect(),
            relay: self.relay.clone(),
        };
        Line::restore(event, snapshot, now)
    }

    fn progress(&self, at: UnixMillis) -> Progress {
        let called = self.called.partition_point(|(.., called_at)| *called_at <= at);
        let seq = self.sessions.partition_point(|(_, admitted_at)| *admitted_at <= at);
        let frontier = called.checked_sub(1).and_then(|last| self.called.get(last)).map(|(last, ..)| *last);
        Progress { at, frontier: frontier.unwrap_or_default(), seq: Seq(seq as u64) }
    }
}

fn index(seq: Seq) -> Option<usize> {
    usize::try_from(seq.get()).ok()?.checked_sub(1)
}

impl LineStore for Rows {
    type Error = Infallible;

    fn session_of(&self, number: Number) -> Result<Option<Session>, Infallible> {
        self.by_number.get(&number).map_or(Ok(None), |seq| self.session(*seq))
    }

    fn session(&self, seq: Seq) -> Result<Option<Session>, Infallible> {
        Ok(index(seq).and_then(|at| self.sessions.get(at)).map(|(session, _)| *session))
    }

    fn called_at(&self, position: Position) -> Result<Option<UnixMillis>, Infallible> {
        let index = self.called.partition_point(|(last, ..)| *last < position);
        Ok(self.called.get(index).map(|(.., at)| *at))
    }

    /// No visitor of these sales leaves.
    fn gone(&self, _number: Number) -> Result<Option<(Why, Option<UnixMillis>)>, Infallible> {
        Ok(None)
    }

    /// The records themselves interest nobody here, only how many there are.
    fn records(&self, after: Seq, limit: usize, _max_bytes: usize) -> Result<Vec<String>, Infallible> {
        let there = self.sessions.len().saturating_sub(usize::try_from(after.get()).unwrap_or(usize::MAX));
        Ok(vec![String::new(); there.min(limit)])
    }
}
