//! Promise 2: the true number of those ahead never grows, and what was called stays called.

use std::collections::BTreeMap;

use ropeline_queue::Number;
use ropeline_queue::line::Change;

use super::Verdict;
use crate::rows::LineRows;

/// Living places that are not admitted, in a Fenwick tree over positions.
#[derive(Debug, Default)]
pub(crate) struct Backwards {
    /// Whether each position is living and not admitted.
    living: Vec<bool>,
    sums: Vec<u32>,
    known: u64,
    /// What was true when its holder last looked.
    before: BTreeMap<Number, u64>,
}

impl Backwards {
    fn add(&mut self, position: u64, living: bool) {
        let Ok(index) = usize::try_from(position) else { return };
        if index >= self.living.len() {
            let size = (index + 1).next_power_of_two().max(1_024);
            self.living.resize(size, false);
            let all = std::mem::take(&mut self.living);
            self.sums = vec![0; size + 1];
            self.living = vec![false; size];
            for (position, _) in all.iter().enumerate().filter(|(_, living)| **living) {
                self.flip(position, true);
            }
        }
        if self.living[index] != living {
            self.flip(index, living);
        }
    }

    fn flip(&mut self, index: usize, living: bool) {
        self.living[index] = living;
        let mut at = index + 1;
        while at < self.sums.len() {
            self.sums[at] = if living { self.sums[at] + 1 } else { self.sums[at] - 1 };
            at += at & at.wrapping_neg();
        }
    }

    /// How many living places are before this one.
    fn count_before(&self, position: u64) -> u64 {
        let mut at = usize::try_from(position).unwrap_or(usize::MAX).min(self.sums.len().saturating_sub(1));
        let mut sum = 0;
        while at > 0 {
            sum += u64::from(self.sums[at]);
            at -= at & at.wrapping_neg();
        }
        sum
    }

    pub(super) fn line_writes(&mut self, rows: &LineRows, changes: &[&Change]) -> Verdict {
        for change in changes {
            match change {
                Change::Head(head) => {
                    for number in self.known + 1..=head.last_number.get() {
                        // What was given and voided within one transaction is gone already.
                        let gone = changes.iter().any(|change| {
                            matches!(change, Change::Gone { first, last, .. } if (first.get()..=last.get()).contains(&number))
                        });
                        self.add(number, !gone);
                    }
                    self.known = self.known.max(head.last_number.get());
                }
                Change::Gone { first, last, .. } => {
                    if let Some(twice) = (first.get()..=last.get()).find(|at| rows.why_gone(ropeline_queue::Position(*at)).is_some()) {
                        return Err(format!("position {twice} is gone twice"));
                    }
                    (first.get()..=last.get().min(self.known)).for_each(|at| self.add(at, false));
                }
                Change::Admit(admission) => self.add(admission.number.get(), false),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes were lost that nobody had been told of.
    pub(super) fn rebuild(&mut self, rows: &LineRows) {
        self.living.clear();
        self.sums.clear();
        self.known = rows.head.last_number.get();
        for number in 1..=self.known {
            let number = Number(number);
            let living = rows.why_gone(number.position()).is_none() && rows.admission_of(number).is_none();
            self.add(number.get(), living);
        }
    }

    /// The holder of this number looks.
    pub(super) fn ahead(&mut self, number: Number) -> Verdict {
        let ahead = self.count_before(number.get());
        match self.before.insert(number, ahead) {
            Some(before) if before < ahead => Err(format!("{before} were ahead of number {number} and now {ahead} are")),
            _ => Ok(()),
        }
    }
}
