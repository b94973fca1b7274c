//! What a line answers to the batches of a lane, one by one: again, late, out of turn, after a crash, and when it is nearly full.

mod common;
#[path = "common/event.rs"]
mod event;

use event::{Event, given, refused, roomy};
use ropeline_queue::line::Why;
use ropeline_queue::settings::QueueingMethod;
use ropeline_queue::wire::{Exchange, Numbering, Refusal};
use ropeline_queue::{LaneId, Number, Settings, UnixMillis};

/// A batch of the lane's instance `inc`; `stored_k` is the last whose outcome that has stored.
fn batch(event: &mut Event, inc: u64, k: u64, count: u64, stored_k: u64) -> Numbering {
    let lanes = u16::from(count > 0);
    let m = Exchange { lane: LaneId(0), inc, k, count, stored_k, lanes, ops: Vec::new() };
    let step = event.line.exchange(&event.rows, UnixMillis(event.now), &m).unwrap();
    event.commit(step).numbering
}

#[test]
fn a_batch_that_comes_again_is_answered_the_same_and_one_that_differs_is_a_conflict() {
    let mut event = Event::new(roomy());
    let first = batch(&mut event, 1, 1, 3, 0);
    assert_eq!(given(&first), 1);
    assert_eq!(batch(&mut event, 1, 1, 3, 0), first);
    assert_eq!(batch(&mut event, 1, 1, 2, 0), Numbering::Conflict);
    event.set(|settings| settings.queueing_method = QueueingMethod::Reject).unwrap();
    for _ in 0..2 {
        assert_eq!(refused(&batch(&mut event, 1, 2, 3, 1)), Refusal::Closed);
    }
    assert_eq!(batch(&mut event, 1, 2, 2, 1), Numbering::Conflict);
    event.set(|settings| settings.queueing_method = QueueingMethod::Fifo).unwrap();
    assert_eq!(refused(&batch(&mut event, 1, 2, 3, 1)), Refusal::Closed, "a refusal stays one");
    assert_eq!(batch(&mut event, 1, 1, 3, 0), Numbering::Stale, "its lane has moved on");
    assert_eq!(batch(&mut event, 1, 4, 1, 3), Numbering::Conflict, "there was no third");
    assert_eq!(given(&batch(&mut event, 1, 3, 1, 2)), 4);
}

#[test]
fn what_a_lane_that_crashed_did_not_store_is_void_and_nothing_else() {
    let mut event = Event::new(roomy());
    assert_eq!(given(&batch(&mut event, 1, 1, 3, 0)), 1);
    assert_eq!(given(&batch(&mut event, 1, 2, 2, 1)), 4);
    assert_eq!(batch(&mut event, 2, 1, 0, 1), Numbering::None);
    assert_eq!(batch(&mut event, 1, 3, 1, 2), Numbering::Stale, "the instance of before");
    assert_eq!(event.rows.head.voided, 2);
    assert_eq!([3, 4, 5].map(|number| event.rows.why_gone(Number(number))), [None, Some(Why::Void), Some(Why::Void)]);
    assert_eq!(given(&batch(&mut event, 2, 2, 1, 1)), 6);
    assert_eq!(batch(&mut event, 3, 2, 0, 2), Numbering::None);
    assert_eq!(event.rows.head.voided, 2, "all was stored");
    assert_eq!(given(&batch(&mut event, 3, 3, 2, 2)), 7);
    assert_eq!(batch(&mut event, 4, 2, 0, 2), Numbering::None);
    assert_eq!(event.rows.head.voided, 4);
}

#[test]
fn a_line_takes_exactly_as_many_as_fit() {
    let mut event = Event::new(Settings { max_line_length: 5, ..roomy() });
    assert_eq!(given(&event.enter(3)), 1);
    assert_eq!(event.line.stats(UnixMillis(event.now)).called, 3);
    assert_eq!(refused(&event.enter(3)), Refusal::LineFull { room: 2 });
    assert_eq!(given(&event.enter(2)), 4);
    assert_eq!(refused(&event.enter(1)), Refusal::LineFull { room: 0 });
}
