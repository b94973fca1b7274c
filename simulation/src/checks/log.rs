//! Promise 7: in the partition the first copy of `seq` s follows the first copies of 1 … s−1, none is missing, all copies are
//! equal, and a batch is repeated only when the outcome of an earlier produce was unknown or the broker throttled it.

use std::collections::{BTreeMap, BTreeSet};

use super::Verdict;
use crate::relay::Produce;
use crate::rows::LineRows;

/// When a produce began, and when it was cleanly answered.
#[derive(Clone, Copy, Debug)]
struct Life {
    began: u64,
    clean: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) produces: Vec<Produce>,
    lives: Vec<Life>,
    by_seq: BTreeMap<u64, Vec<usize>>,
    first_copies: u64,
    excused: BTreeSet<u64>,
    step: u64,
    pub(crate) repeats: u64,
}

impl Log {
    /// A relay could not know that these are in the log: its read-back met a bound, or retention was faster.
    pub(crate) fn may_repeat(&mut self, first: u64, last: u64) {
        self.excused.extend(first..=last);
    }

    pub(crate) fn begins(&mut self, produce: Produce, step: u64) -> usize {
        let id = self.produces.len();
        self.step = step;
        for entry in &produce.batch {
            self.by_seq.entry(entry.seq.0).or_default().push(id);
        }
        self.produces.push(produce);
        self.lives.push(Life { began: step, clean: None });
        id
    }

    /// A relay has its answer.
    pub(crate) fn ended(&mut self, produce: usize, clean: bool) {
        self.step += 1;
        if clean {
            self.lives[produce].clean = Some(self.step);
        }
    }

    /// A batch is in the log, perhaps for the second time.
    pub(super) fn appended(&mut self, produce: usize, rows: &LineRows) -> Verdict {
        let Produce { batch, twice, .. } = &self.produces[produce];
        for entry in batch {
            let seq = entry.seq.0;
            let stored = rows.admission(ropeline_queue::Seq(seq)).map(|admission| admission.record.as_str());
            if stored != Some(entry.value.as_str()) {
                return Err(format!("seq {seq} reaches Kafka as {}, and stored is {stored:?}", entry.value));
            }
            if seq == self.first_copies + 1 {
                self.first_copies = seq;
                continue;
            }
            if seq > self.first_copies {
                return Err(format!("seq {seq} is in Kafka before {}", self.first_copies + 1));
            }
            self.repeats += 1;
            if !*twice && !self.excused.contains(&seq) && !self.is_doubtful(seq) {
                return Err(format!("seq {seq} is repeated for nothing"));
            }
        }
        Ok(())
    }

    /// Whether some produce of this `seq` began while the outcome of an earlier one was not known.
    fn is_doubtful(&self, seq: u64) -> bool {
        let Some(produces) = self.by_seq.get(&seq) else { return false };
        let Some(last) = produces.iter().max() else { return false };
        let began = self.lives[*last].began;
        produces.iter().any(|earlier| earlier < last && self.lives[*earlier].clean.is_none_or(|clean| clean > began))
    }

    pub(super) fn step(&self, rows: &LineRows) -> Verdict {
        let relay = &rows.relay;
        if relay.acked.get() > self.first_copies || relay.acked > relay.drained || relay.drained > rows.head.seq {
            return Err(format!(
                "acked {} drained {} head {}, but {} are in Kafka",
                relay.acked, relay.drained, rows.head.seq, self.first_copies
            ));
        }
        Ok(())
    }

    pub(super) fn complete(&self, rows: &LineRows) -> Verdict {
        if self.first_copies == rows.head.seq.get() {
            return Ok(());
        }
        Err(format!("{} of {} admissions are in Kafka", self.first_copies, rows.head.seq))
    }
}
