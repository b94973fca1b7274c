//! Whose turn it is: a free slot goes to the smallest called position that is present, also after a restart. Whoever is let in
//! leaves room for all those before it who asked a moment ago; of those who fell silent, for who has asked twice in a row since.

use std::collections::BTreeMap;

use ropeline_queue::line::Change;
use ropeline_queue::{Number, Position};

use super::Verdict;

/// Somebody who asked this long ago is present for sure: the page asks more often, and a line that has just started admits nobody
/// for longer than that.
const PRESENT_MS: u64 = 1_900;
/// Who did not ask for longer than this has fallen silent.
const SILENT_MS: u64 = 4_000;

/// A called position that asked and was told to ask again.
#[derive(Debug)]
struct Asked {
    at: u64,
    /// For the first time, or not long after the last time.
    awaited: bool,
}

/// Who asked.
#[derive(Debug, Default)]
pub(super) struct Turn {
    asked: BTreeMap<Position, Asked>,
}

impl Turn {
    pub(super) fn asked(&mut self, position: Position, clk: u64) {
        let awaited = match self.asked.get(&position) {
            Some(before) if before.at == clk => before.awaited,
            before => before.is_none_or(|before| before.at + SILENT_MS >= clk),
        };
        self.asked.insert(position, Asked { at: clk, awaited });
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
        let present = |asked: &Asked| asked.awaited && asked.at + PRESENT_MS >= clk;
        let present = self.asked.range(..last).filter(|(_, asked)| present(asked)).count() as u64;
        if present > left {
            return Err(format!("position {last} is let in, {present} before it are present, and {left} may follow"));
        }
        Ok(())
    }
}
