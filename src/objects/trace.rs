//! What `ROPELINE_TRACE = "true"` prints, for tests.

use ropeline_queue::wire::{Exchange, ExchangeReply, Op, OpAnswer};
use ropeline_queue::{EventId, json};

/// One JSON line per exchange with what a checker needs to know that limits and order were kept.
pub fn exchange(event: Option<&EventId>, exchange: &Exchange, reply: &ExchangeReply) {
    let answered = exchange.ops.iter().zip(&reply.ops);
    let ops: Vec<_> = answered.map(|(op, answer)| json::object(&[("op", op), ("answer", answer)])).collect();
    let claims = exchange.ops.iter().any(|op| matches!(op, Op::Claim { .. } | Op::Complete { .. } | Op::Leave { .. }));
    if !claims && exchange.count == 0 {
        return;
    }
    let admitted = reply.ops.iter().filter(|answer| matches!(answer, OpAnswer::Admitted { .. })).count();
    let line = json::object(&[
        ("trace", &"exchange"),
        ("event", &event),
        ("clk", &reply.board.updated_at),
        ("lane", &exchange.lane),
        ("numbering", &reply.numbering),
        ("ops", &json::Raw(&json::list(&ops))),
        ("admitted", &admitted),
        ("frontier", &reply.board.frontier),
        ("active", &reply.board.active_users),
    ]);
    worker::console_log!("{line}");
}
