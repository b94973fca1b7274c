//! Promise 2: the true number of those ahead never grows, and what was called stays called.

use std::collections::BTreeMap;

use ropeline_queue::line::Change;
use ropeline_queue::shuffle::Draw;
use ropeline_queue::{Number, Position};

use super::Verdict;
use crate::plan::demo;
use crate::rows::LineRows;

/// Living places that are not admitted, in a Fenwick tree over positions.
#[derive(Debug, Default)]
pub(crate) struct Backwards {
    /// Positions of those who took part in a draw, from number 1 on; none before it, or where there is no draw.
    drawn: Vec<u64>,
    /// A draw is still to come: there are no positions.
    hidden: bool,
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

    /// Where this number stands; none while a draw is still to come.
    pub(super) fn position(&self, number: Number) -> Option<Position> {
        let index = usize::try_from(number.get()).unwrap_or(usize::MAX).wrapping_sub(1);
        (!self.hidden).then(|| Position(self.drawn.get(index).copied().unwrap_or(number.get())))
    }

    fn set(&mut self, number: u64, living: bool) {
        if let Some(position) = self.position(Number(number)) {
            self.add(position.get(), living);
        }
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
                        self.set(number, !gone);
                    }
                    self.known = self.known.max(head.last_number.get());
                }
                Change::Gone { first, last, .. } => {
                    if let Some(twice) = (first.get()..=last.get()).find(|at| rows.gone_since(Number(*at)).is_some()) {
                        return Err(format!("number {twice} is gone twice"));
                    }
                    (first.get()..=last.get().min(self.known)).for_each(|number| self.set(number, false));
                }
                Change::Admit(admission) => self.set(admission.number.get(), false),
                _ => {}
            }
        }
        Ok(())
    }

    /// Books anew from what is stored: the order has changed for good (a draw), or writes were lost that nobody was told of.
    pub(super) fn rebuild(&mut self, rows: &LineRows) -> Verdict {
        let shuffled = rows.configured.settings.shuffle_at_event_start;
        let count = rows.course.opened.map_or(0, |opened| opened.count);
        self.hidden = shuffled && rows.course.opened.is_none();
        self.drawn = match Draw::new(&demo(), &rows.course.seed.0, count) {
            Ok(draw) if shuffled => (1..=count).map(|number| draw.position(Number(number)).get()).collect(),
            _ => Vec::new(),
        };
        let mut sorted = self.drawn.clone();
        sorted.sort_unstable();
        if sorted.iter().zip(1..).any(|(position, at)| *position != at) {
            return Err(format!("the draw is no permutation: {:?}", self.drawn));
        }
        self.living.clear();
        self.sums.clear();
        self.known = rows.head.last_number.get();
        for number in 1..=self.known {
            let living = rows.gone_since(Number(number)).is_none() && rows.admission_of(Number(number)).is_none();
            self.set(number, living);
        }
        Ok(())
    }

    /// The holder of this number looks.
    pub(super) fn ahead(&mut self, number: Number) -> Verdict {
        let Some(position) = self.position(number) else { return Ok(()) };
        let ahead = self.count_before(position.get());
        match self.before.insert(number, ahead) {
            Some(before) if before < ahead => {
                Err(format!("{before} were ahead of number {number} and now {ahead} are"))
            }
            _ => Ok(()),
        }
    }
}
