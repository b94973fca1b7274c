//! Promise 5: what was answered survives every crash.

use std::collections::{BTreeMap, BTreeSet};

use ropeline_queue::{Number, Seq, UnixMillis};

use super::Verdict;
use crate::rows::LineRows;

/// What has left the objects.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    highest: Number,
    admitted: BTreeMap<Number, (Seq, UnixMillis)>,
    left: BTreeSet<Number>,
    completed: BTreeSet<Seq>,
    redeemed: BTreeSet<Seq>,
    config_version: u64,
}

impl Durable {
    pub(super) fn place(&mut self, number: Number) {
        self.highest = self.highest.max(number);
    }

    pub(super) fn left(&mut self, number: Number) {
        self.left.insert(number);
    }

    pub(super) fn completed(&mut self, seq: Seq, rows: &LineRows) {
        if rows.admission(seq).is_some_and(|admission| admission.session.over.is_some()) {
            self.completed.insert(seq);
        }
    }

    pub(super) fn redeemed(&mut self, seq: Seq) {
        self.redeemed.insert(seq);
    }

    pub(super) fn configured(&mut self, version: u64) {
        self.config_version = self.config_version.max(version);
    }

    /// An admission is answered: it is on disk by now.
    pub(super) fn admitted(&mut self, number: Number, seq: Seq, expires: UnixMillis, disk: &LineRows) -> Verdict {
        let kept = self.admitted.entry(number).or_insert((seq, expires));
        kept.1 = kept.1.max(expires);
        let fact = *kept;
        is_kept(number, fact, disk)
    }

    pub(super) fn line_starts(&self, rows: &LineRows) -> Verdict {
        for (number, fact) in &self.admitted {
            is_kept(*number, *fact, rows)?;
        }
        for number in &self.left {
            let gone = rows.gone_since(*number).is_some();
            if !gone && rows.admission_of(*number).is_none_or(|admission| admission.session.over.is_none()) {
                return Err(format!("number {number} was given up, and lives after a crash"));
            }
        }
        for seq in &self.completed {
            if rows.admission(*seq).is_none_or(|admission| admission.session.over.is_none()) {
                return Err(format!("seq {seq} was completed, and lives after a crash"));
            }
        }
        for seq in &self.redeemed {
            if rows.admission(*seq).is_none_or(|admission| !admission.session.redeemed) {
                return Err(format!("seq {seq} was redeemed, and is not after a crash"));
            }
        }
        if rows.head.last_number < self.highest || rows.configured.version < self.config_version {
            return Err(format!(
                "number {} and settings {} were answered; after a crash there are {} and {}",
                self.highest, self.config_version, rows.head.last_number, rows.configured.version
            ));
        }
        Ok(())
    }
}

fn is_kept(number: Number, (seq, expires): (Seq, UnixMillis), rows: &LineRows) -> Verdict {
    let stored = rows.admission_of(number).map(|admission| admission.session);
    match stored {
        Some(session) if session.seq == seq && session.session_expires_at >= expires => Ok(()),
        stored => Err(format!("number {number} was admitted as {seq} until {expires}, and stored is {stored:?}")),
    }
}
