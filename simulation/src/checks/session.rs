//! Promise 6: one place gives one session and one `seq`, and only a place that is living, called and stored is let in.

use std::collections::{BTreeMap, BTreeSet};

use ropeline_queue::line::Change;
use ropeline_queue::{Number, Position, Seq, Subject, from_json, json};

use super::Verdict;
use crate::rows::LineRows;

struct Record {
    event: String,
    seq: u64,
    number: u64,
    position: u64,
    visitor: Subject,
    entered_at: String,
    called_at: String,
    admitted_at: String,
    session_expires_at: String,
    jti: String,
}

from_json! {
    struct Record {
        event, seq, number, position, visitor, entered_at, called_at, admitted_at, session_expires_at, jti,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    answered: BTreeMap<Number, Seq>,
    redeemed: BTreeSet<Seq>,
}

impl Sessions {
    /// An admission is answered: always the same one.
    pub(super) fn answered(&mut self, number: Number, seq: Seq) -> Verdict {
        let first = *self.answered.entry(number).or_insert(seq);
        if first == seq { Ok(()) } else { Err(format!("number {number} was admitted as {first} and is now {seq}")) }
    }

    /// The origin is told whether it is the first to use a pass: once.
    pub(super) fn redeemed(&mut self, seq: Seq, first: bool) -> Verdict {
        if first && !self.redeemed.insert(seq) { Err(format!("seq {seq} is redeemed twice")) } else { Ok(()) }
    }

    /// `number_of`: the place that a lane has stored for a subject.
    pub(super) fn line_writes(
        &self,
        rows: &LineRows,
        changes: &[&Change],
        number_of: impl Fn(Subject) -> Option<Number>,
        position_of: impl Fn(Number) -> Option<Position>,
    ) -> Verdict {
        let mut seq = rows.head.seq;
        let mut numbers = Vec::new();
        for change in changes {
            let Change::Admit(admission) = change else { continue };
            let number = admission.number;
            if admission.session.seq != seq.next() {
                return Err(format!("seq {} follows {seq}", admission.session.seq));
            }
            seq = seq.next();
            if rows.admission_of(number).is_some() || numbers.contains(&number) {
                return Err(format!("number {number} is admitted twice"));
            }
            numbers.push(number);
            let Some(position) = position_of(number).filter(|position| *position <= rows.head.frontier) else {
                return Err(format!("number {number} is admitted, but not called (frontier {})", rows.head.frontier));
            };
            if rows.gone_since(number).is_some() {
                return Err(format!("number {number} is admitted, but gone"));
            }
            let record: Record = json::read(&admission.record).map_err(|error| error.to_string())?;
            if number_of(record.visitor) != Some(number) {
                return Err(format!("number {number} is admitted as {}, whose place it is not", record.visitor));
            }
            let same = record.event == "demo"
                && record.seq == seq.get()
                && record.number == number.get()
                && record.position == position.get()
                && record.jti == format!("demo/{seq}")
                && record.admitted_at == admission.admitted_at.rfc3339()
                && record.session_expires_at == admission.session.session_expires_at.rfc3339();
            // RFC 3339 in UTC sorts as text.
            let in_time = record.entered_at <= record.called_at && record.called_at <= record.admitted_at;
            if !same || !in_time {
                return Err(format!("the record does not fit its admission: {}", admission.record));
            }
        }
        let head = changes.iter().find_map(|change| match change {
            Change::Head(head) => Some(head.seq),
            _ => None,
        });
        if head != Some(seq) { Err(format!("the head says {head:?} instead of {seq}")) } else { Ok(()) }
    }
}
