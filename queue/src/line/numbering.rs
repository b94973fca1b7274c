//! Numbers for a lane's batch: protocol.md §1.
//!
//! Only the last batch of each lane is kept. The incarnation `inc` makes late messages of a dead lane instance harmless: without
//! it a delayed batch would be numbered out of order, or a delayed recovery would void a range whose holders were answered.

use core::cmp::Ordering;

use super::order::Order;
use super::store::{Change, LaneRow, Outcome, Why};
use super::{Changes, Line};
use crate::shuffle::MAX_COUNT;
use crate::wire::{Exchange, Numbering, Refusal};

impl Line {
    pub(super) fn number(&mut self, m: &Exchange, changes: &mut Changes) -> Numbering {
        let mut row = self.lanes.get(&m.lane).copied().unwrap_or_default();
        if m.inc < row.inc {
            return Numbering::Stale;
        }
        if m.inc > row.inc {
            self.void_unstored(&row, m.stored_k, changes);
            row = LaneRow { inc: m.inc, k: m.stored_k, outcome: None };
            self.keep_lane(m, row, changes);
        }
        if m.count == 0 {
            return Numbering::None;
        }
        match m.k.cmp(&row.k) {
            // A copy that was long under way: its lane has the outcome and has moved on, so nobody listens to this answer.
            Ordering::Less => return Numbering::Stale,
            Ordering::Equal => {
                return match row.outcome {
                    Some(Outcome::Range { first, count, at }) if count == m.count => {
                        Numbering::Range { first, count, at }
                    }
                    Some(Outcome::Refused { count, reason }) if count == m.count => Numbering::Refused { reason },
                    _ => Numbering::Conflict,
                };
            }
            Ordering::Greater if m.k == row.k + 1 => {}
            Ordering::Greater => return Numbering::Conflict,
        }
        let (outcome, answer) = match self.refuses(m) {
            Some(reason) => (Outcome::Refused { count: m.count, reason }, Numbering::Refused { reason }),
            None => {
                let (first, count, at) = (self.head.last_number.next(), m.count, self.head.clk);
                self.head.last_number = self.head.last_number.plus(count);
                (Outcome::Range { first, count, at }, Numbering::Range { first, count, at })
            }
        };
        // A refusal uses up k as well: else a late copy of the batch would be granted, and its numbers go to the next one.
        self.keep_lane(m, LaneRow { inc: m.inc, k: m.k, outcome: Some(outcome) }, changes);
        answer
    }

    fn keep_lane(&mut self, m: &Exchange, row: LaneRow, changes: &mut Changes) {
        self.lanes.insert(m.lane, row);
        changes.push(Change::Lane(m.lane, row));
    }

    /// A new instance of the lane does not have the last range: nobody was told its numbers, and nobody ever will be.
    fn void_unstored(&mut self, row: &LaneRow, stored_k: u64, changes: &mut Changes) {
        if row.k <= stored_k {
            return;
        }
        let Some(Outcome::Range { first, count, .. }) = row.outcome else {
            return;
        };
        let last = first.plus(count.saturating_sub(1));
        self.head.voided += count;
        self.vanish(first, last, Why::Void, changes);
    }

    fn refuses(&self, m: &Exchange) -> Option<Refusal> {
        if m.lanes != self.configured.settings.lanes {
            return Some(Refusal::Moved);
        }
        if let Some(reason) = self.closed() {
            return Some(reason);
        }
        let mut room = self.configured.settings.max_line_length.saturating_sub(self.waiting() + self.called());
        if matches!(self.order, Order::Hidden) {
            room = room.min(MAX_COUNT.saturating_sub(self.head.last_number.get()));
        }
        (m.count > room).then_some(Refusal::LineFull { room })
    }
}
