//! Whose turn it is: a free slot goes to the smallest called position that is present, also after a restart. Whoever is let in
//! leaves room for all those before it who asked a moment ago.

use std::collections::BTreeMap;

use ropeline_queue::line::Change;
use ropeline_queue::{Number, Position};

use super::Verdict;

/// Somebody who asked this long ago is present for sure: the page asks more often, and a line that has just started admits nobody
/// for longer than that.
const PRESENT_MS: u64 = 1_900;

/// Called positions that asked and were told to ask again, with when that was.
#[derive(Debug, Default)]
pub(super) struct Turn {
    asked: BTreeMap<Position, u64>,
}

impl Turn {
    pub(super) fn asked(&mut self, position: Position, clk: u64) {
        self.asked.insert(position, clk);
    }

    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    /// `left`: what the limits leave after this transaction.
    pub(super) fn line_writes(
        &mut self,
        changes: &[&Change],
        left: u64,
        position_of: impl Fn(Number) -> Option<Position>,
    ) -> Verdict {
        let (mut last, mut clk) = (None, 0);
        for change in changes {
            match change {
                Change::Admit(admission) => {
                    let position = position_of(admission.number).unwrap_or_default();
                    self.asked.remove(&position);
                    last = last.max(Some(position));
                }
                Change::Gone { first, last, .. } => {
                    for position in (first.get()..=last.get()).filter_map(|number| position_of(Number(number))) {
                        self.asked.remove(&position);
                    }
                }
                Change::Head(head) => clk = head.clk.get(),
                _ => {}
            }
        }
        let Some(last) = last else { return Ok(()) };
        let present = self.asked.range(..last).filter(|(_, at)| **at + PRESENT_MS >= clk).count() as u64;
        if present > left {
            return Err(format!("position {last} is let in, {present} before it are present, and {left} may follow"));
        }
        Ok(())
    }
}
