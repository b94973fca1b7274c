//! Promise 8: every buffer, batch and table has a bound.

use ropeline_queue::Lane;
use ropeline_queue::lane::MAX_PENDING;
use ropeline_queue::wire::{Exchange, ExchangeReply, MAX_BATCH, MAX_OPS};

use super::Verdict;
use crate::lane::{LaneObject, MOST_LANES};
use crate::rows::LineRows;

const MOST_BODY: usize = 256 * 1024;

pub(super) fn exchange(exchange: &Exchange, body: &str) -> Verdict {
    if exchange.count > MAX_BATCH as u64 || exchange.ops.len() > MAX_OPS || body.len() > MOST_BODY {
        return Err(format!(
            "an exchange asks for {} places and {} ops in {} bytes",
            exchange.count,
            exchange.ops.len(),
            body.len()
        ));
    }
    Ok(())
}

pub(super) fn reply(exchange: &Exchange, reply: &ExchangeReply, rows: &LineRows) -> Verdict {
    let answered = reply.ops.is_empty() || reply.ops.len() == exchange.ops.len();
    if !answered || rows.lanes.len() > MOST_LANES {
        return Err(format!("{} ops, {} answers, {} lanes", exchange.ops.len(), reply.ops.len(), rows.lanes.len()));
    }
    Ok(())
}

pub(super) fn lane(lane: &LaneObject) -> Verdict {
    let pending = lane.lane.as_ref().map_or(0, Lane::pending);
    if pending > MAX_PENDING || lane.waiters.len() > MAX_PENDING {
        return Err(format!("lane {} holds {pending} pending and {} waiters", lane.id, lane.waiters.len()));
    }
    Ok(())
}

pub(super) fn line(rows: &LineRows) -> Verdict {
    if rows.head.frontier.get() > rows.head.last_number.get() {
        return Err(format!("frontier {} beyond the last number {}", rows.head.frontier, rows.head.last_number));
    }
    Ok(())
}
