//! Promise 1: numbers are unique and dense, and if A was answered before the first request for B was sent, A's is smaller.

use ropeline_queue::Number;
use ropeline_queue::line::{Change, Outcome};

use super::Verdict;
use crate::rows::LineRows;

/// The highest number answered when a visitor's first request was sent, and when its first request for another place was.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    first: Option<u64>,
    again: Option<u64>,
    lowest_number: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Order {
    highest_answered: u64,
    asked: Vec<Asked>,
}

impl Order {
    pub(super) fn new(visitors: usize) -> Self {
        Self { highest_answered: 0, asked: vec![Asked::default(); visitors] }
    }

    /// A visitor sends a request that may give it a place.
    pub(crate) fn asks(&mut self, visitor: usize, again: bool) {
        let highest = self.highest_answered;
        if let Some(asked) = self.asked.get_mut(visitor) {
            asked.first.get_or_insert(highest);
            if again {
                asked.again.get_or_insert(highest);
            }
        }
    }

    /// A number leaves its lane.
    pub(super) fn answered(&mut self, visitor: usize, number: Number) -> Verdict {
        let number = number.get();
        let Some(asked) = self.asked.get_mut(visitor) else {
            return Err(format!("number {number} is answered to nobody we know"));
        };
        let lowest = asked.lowest_number.get_or_insert(number);
        let before = if *lowest < number { asked.again } else { asked.first };
        *lowest = number.min(*lowest);
        let Some(before) = before else {
            return Err(format!("visitor {visitor} has number {number} and never asked for one"));
        };
        if number <= before {
            return Err(format!(
                "visitor {visitor} has number {number}, but {before} was answered before it first asked for a place"
            ));
        }
        self.highest_answered = self.highest_answered.max(number);
        Ok(())
    }

    /// Every range given goes on where the last one ended.
    pub(super) fn line_writes(&self, rows: &LineRows, changes: &[&Change]) -> Verdict {
        let mut last = rows.head.last_number;
        for change in changes {
            match change {
                Change::Lane(lane, row) if rows.lanes.get(lane) != Some(row) => {
                    if let Some(Outcome::Range { first, count, .. }) = row.outcome {
                        if first != last.next() || count == 0 {
                            return Err(format!("{count} numbers from {first} on are given, but the last was {last}"));
                        }
                        last = last.plus(count);
                    }
                }
                Change::Head(head) if head.last_number != last => {
                    return Err(format!("the last number is {} instead of {last}", head.last_number));
                }
                Change::Head(head) if head.clk < rows.head.clk || head.frontier < rows.head.frontier => {
                    return Err(format!("clock or frontier run back: {:?} after {:?}", head, rows.head));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
