//! Promise 3: the same visitor has the same place as long as it lives, and nobody else gets it.

use std::collections::BTreeMap;

use ropeline_queue::Number;

use super::Verdict;

/// Whose the numbers are.
#[derive(Debug)]
pub(crate) struct Places {
    owners: BTreeMap<Number, usize>,
    told: Vec<Option<Number>>,
    stored: Vec<Option<Number>>,
    lanes: Vec<Option<usize>>,
}

impl Places {
    pub(super) fn new(visitors: usize) -> Self {
        Self {
            owners: BTreeMap::new(),
            told: vec![None; visitors],
            stored: vec![None; visitors],
            lanes: vec![None; visitors],
        }
    }

    pub(super) fn owner(&self, number: Number) -> Option<usize> {
        self.owners.get(&number).copied()
    }

    pub(super) fn told(&self, visitor: usize) -> Option<Number> {
        self.told.get(visitor).copied().flatten()
    }

    pub(super) fn lane_of(&self, visitor: usize) -> Option<usize> {
        self.lanes.get(visitor).copied().flatten()
    }

    pub(super) fn number_stored(&self, visitor: Option<usize>) -> Option<Number> {
        self.stored.get(visitor?).copied().flatten()
    }

    /// A lane keeps this visitor.
    pub(crate) fn kept_by(&mut self, visitor: usize, lane: usize) {
        if let Some(slot) = self.lanes.get_mut(visitor) {
            *slot = Some(lane);
        }
    }

    /// A lane stores a visitor's place; `over`: the place before, if any, can never be let in again.
    pub(super) fn stored(&mut self, visitor: usize, number: Number, before: Option<Number>, over: bool) -> Verdict {
        if let Some(owner) = self.owners.insert(number, visitor)
            && owner != visitor
        {
            return Err(format!("number {number} of visitor {owner} is given to visitor {visitor}"));
        }
        if let Some(slot) = self.stored.get_mut(visitor) {
            *slot = Some(number);
        }
        if !over {
            return Err(format!("visitor {visitor} gets number {number} while its place {before:?} lives"));
        }
        Ok(())
    }

    /// A visitor is told its number.
    pub(super) fn answered(&mut self, visitor: usize, number: Number, is_over: impl Fn(Number) -> bool) -> Verdict {
        if self.owner(number) != Some(visitor) {
            return Err(format!("visitor {visitor} is told number {number}, which is of {:?}", self.owner(number)));
        }
        let Some(slot) = self.told.get_mut(visitor) else { return Ok(()) };
        match *slot {
            Some(told) if told != number && !is_over(told.min(number)) => {
                Err(format!("visitor {visitor} was told number {told} and is told {number}, and the first lives"))
            }
            told => {
                *slot = told.max(Some(number));
                Ok(())
            }
        }
    }
}
