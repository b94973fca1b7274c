//! A lane by itself: who waits for what, and that a batch never changes while it is under way.

mod common;

use common::{MemoryLane, demo, subject};
use ropeline_queue::lane::{Abort, LaneChange, LaneMeta, LaneStep, MAX_PENDING, Overloaded, WaiterId, Wake};
use ropeline_queue::shuffle::Draw;
use ropeline_queue::visitor::MAX_ACCOUNT;
use ropeline_queue::wire::{
    Board, Exchange, ExchangeReply, MAX_BATCH, MAX_OPS, Numbering, Op, OpAnswer, Refusal, Shuffle,
};
use ropeline_queue::{Account, Lane, LaneId, Number, Seq, UnixMillis, hex, json};

const AT: UnixMillis = UnixMillis(1_000);

fn lane() -> Lane {
    MemoryLane::default().restore(LaneId(3))
}

fn reply(numbering: Numbering, ops: &[OpAnswer]) -> ExchangeReply {
    // With inc 0, as lines of an earlier version answer: taken for whatever is under way.
    ExchangeReply { inc: 0, k: 0, numbering, ops: ops.to_vec(), turns: Vec::new(), board: Board::default() }
}

fn range(first: u64, count: u64) -> ExchangeReply {
    reply(Numbering::Range { first: Number(first), count, at: AT }, &[])
}

fn full(room: u64) -> ExchangeReply {
    reply(Numbering::Refused { reason: Refusal::LineFull { room } }, &[])
}

fn sent(lane: &mut Lane) -> Exchange {
    lane.exchange().expect("there is something to say").0
}

fn place(number: u64) -> Wake {
    Wake::Place { number: Number(number), entered_at: AT, called: false, commitment: None }
}

fn woken(step: LaneStep) -> Vec<(WaiterId, Wake)> {
    assert_eq!(step.abort, None);
    let mut wakes = step.wakes;
    wakes.sort_by_key(|(waiter, _)| *waiter);
    wakes
}

fn subjects(step: &LaneStep) -> Vec<ropeline_queue::Subject> {
    let visitors = step.changes.iter().find_map(|change| match change {
        LaneChange::Visitors { subjects, .. } => Some(subjects.clone()),
        LaneChange::Meta(_) => None,
    });
    visitors.unwrap_or_default()
}

#[test]
fn the_first_exchange_of_an_instance_is_a_new_incarnation_and_is_stored_first() {
    let mut rows = MemoryLane { meta: LaneMeta { inc: 4, k: 9 }, ..MemoryLane::default() };
    let mut lane = rows.restore(LaneId(3));
    assert!(lane.exchange().is_none(), "an instance with nothing to say writes nothing");
    lane.join(subject(1), 4, 1).unwrap();
    let (exchange, changes) = lane.exchange().unwrap();
    assert_eq!(changes, [LaneChange::Meta(LaneMeta { inc: 5, k: 9 })]);
    rows.commit(&changes);
    assert_eq!((exchange.inc, exchange.k, exchange.stored_k, exchange.count, exchange.lanes), (5, 10, 9, 1, 4));
    let step = lane.reply(&range(7, 1));
    rows.commit(&step.changes);
    assert_eq!(rows.meta, LaneMeta { inc: 5, k: 10 });
    assert_eq!(rows.visitors[&subject(1)], (Number(7), AT));
    lane.join(subject(2), 4, 2).unwrap();
    let (exchange, changes) = lane.exchange().unwrap();
    assert_eq!((exchange.inc, exchange.k, changes.len()), (5, 11, 0), "once per instance");
}

#[test]
fn a_retry_joins_the_open_batch_and_the_one_in_flight() {
    let mut lane = lane();
    lane.join(subject(1), 4, 10).unwrap();
    lane.join(subject(1), 4, 11).unwrap();
    assert_eq!(sent(&mut lane).count, 1);
    lane.join(subject(1), 4, 12).unwrap();
    lane.join(subject(2), 4, 20).unwrap();
    assert_eq!(lane.pending(), 4);
    let step = lane.reply(&range(1, 1));
    assert_eq!(subjects(&step), [subject(1)]);
    assert_eq!(woken(step), [(10, place(1)), (11, place(1)), (12, place(1))]);
    assert_eq!(lane.pending(), 1);
    assert_eq!(sent(&mut lane).count, 1, "only the other visitor is left");
    assert_eq!(woken(lane.reply(&range(2, 1))), [(20, place(2))]);
    assert!(lane.exchange().is_none());
}

#[test]
fn a_frozen_batch_is_resent_to_the_letter_whoever_comes_meanwhile() {
    let mut lane = lane();
    for visitor in 0..5 {
        lane.join(subject(visitor), 4, visitor).unwrap();
    }
    lane.submit(Op::Look { number: Number(3) }, 100).unwrap();
    let first = sent(&mut lane);
    for round in 0..3 {
        lane.join(subject(50 + round), 4, 50 + round).unwrap();
        lane.submit(Op::Leave { number: Number(round) }, 200 + round).unwrap();
        let (again, changes) = lane.exchange().unwrap();
        assert_eq!((&again, changes.len()), (&first, 0));
        lane.give_up_waiting();
        assert_eq!(sent(&mut lane), first);
    }
    let step = lane.reply(&reply(Numbering::Range { first: Number(1), count: 5, at: AT }, &[OpAnswer::Waiting]));
    assert_eq!(subjects(&step), (0..5).map(subject).collect::<Vec<_>>(), "in the order in which they came");
}

#[test]
fn giving_up_answers_everybody_and_keeps_the_batch_under_way() {
    let mut lane = lane();
    lane.join(subject(1), 4, 1).unwrap();
    lane.submit(Op::Look { number: Number(9) }, 2).unwrap();
    let first = sent(&mut lane);
    lane.join(subject(2), 4, 3).unwrap();
    lane.submit(Op::Look { number: Number(9) }, 4).unwrap();
    let mut wakes = lane.give_up_waiting();
    wakes.sort_by_key(|(waiter, _)| *waiter);
    assert_eq!(wakes, [1, 2, 3, 4].map(|waiter| (waiter, Wake::Unavailable)));
    assert_eq!(lane.pending(), 0);
    lane.join(subject(1), 4, 5).unwrap();
    assert_eq!(sent(&mut lane), first);
    let step = lane.reply(&reply(Numbering::Range { first: Number(1), count: 1, at: AT }, &[OpAnswer::Waiting]));
    assert_eq!(subjects(&step), [subject(1)]);
    assert_eq!(woken(step), [(5, place(1))], "who asked again gets it; the op waits for nobody");
    assert!(lane.exchange().is_none(), "who was answered 'unavailable' before a number was asked for is not numbered");
}

#[test]
fn a_lane_takes_in_no_more_waiters_than_it_can_hold() {
    let mut lane = lane();
    for visitor in 0..MAX_PENDING as u64 - 1 {
        lane.join(subject(visitor), 4, visitor).unwrap();
    }
    lane.submit(Op::Look { number: Number(1) }, 1_000_000).unwrap();
    assert_eq!(lane.join(subject(99_999), 4, 1_000_001), Err(Overloaded));
    assert_eq!(lane.join(subject(1), 4, 1_000_002), Err(Overloaded), "a retry is a waiter too");
    assert_eq!(lane.submit(Op::Look { number: Number(1) }, 1_000_003), Err(Overloaded));
    assert_eq!(sent(&mut lane).count, MAX_BATCH as u64);
    assert_eq!(lane.join(subject(99_999), 4, 1_000_004), Err(Overloaded), "those in flight count");
    let step = lane
        .reply(&reply(Numbering::Range { first: Number(1), count: MAX_BATCH as u64, at: AT }, &[OpAnswer::Waiting]));
    assert_eq!(woken(step).len(), MAX_BATCH + 1);
    assert_eq!(lane.pending(), MAX_PENDING - MAX_BATCH - 1);
    lane.join(subject(99_999), 4, 1_000_005).unwrap();
}

#[test]
fn when_the_line_is_nearly_full_the_first_in_line_ask_again_first() {
    let mut lane = lane();
    for visitor in 0..5 {
        lane.join(subject(visitor), 4, visitor).unwrap();
    }
    let first = sent(&mut lane);
    lane.join(subject(8), 4, 8).unwrap();
    let step = lane.reply(&full(2));
    assert_eq!(step.changes, [LaneChange::Meta(LaneMeta { inc: 1, k: 1 })], "a refusal uses up k");
    let refused = Wake::Refused(Refusal::LineFull { room: 2 });
    assert_eq!(woken(step), [2, 3, 4].map(|waiter| (waiter, refused.clone())));
    assert_eq!(lane.pending(), 3);
    let second = sent(&mut lane);
    assert_eq!((second.k, second.count, second.stored_k), (first.k + 1, 3, first.k));
    let step = lane.reply(&full(2));
    assert_eq!(woken(step), [(8, refused)]);
    sent(&mut lane);
    assert_eq!(woken(lane.reply(&range(1, 2))), [(0, place(1)), (1, place(2))]);
}

#[test]
fn a_refused_batch_always_shrinks() {
    let mut lane = lane();
    for visitor in 0..3 {
        lane.join(subject(visitor), 4, visitor).unwrap();
    }
    for left in [2, 1, 0] {
        sent(&mut lane);
        assert_eq!(woken(lane.reply(&full(1_000))).len(), 1, "a line cannot make its lane ask the same for ever");
        assert_eq!(lane.pending(), left);
    }
    assert!(lane.exchange().is_none());
}

#[test]
fn visitors_who_believe_in_different_numbers_of_lanes_never_share_a_batch() {
    let moved = Wake::Refused(Refusal::Moved);
    let mut lane = lane();
    lane.join(subject(1), 4, 1).unwrap();
    assert_eq!(lane.join(subject(2), 8, 2), Err(Overloaded));
    assert_eq!(sent(&mut lane).lanes, 4);
    lane.join(subject(2), 8, 2).unwrap();
    let step = lane.reply(&reply(Numbering::Refused { reason: Refusal::Moved }, &[]));
    assert_eq!(woken(step), [(1, moved)]);
    assert_eq!(sent(&mut lane).lanes, 8);
    lane.join(subject(3), 4, 3).unwrap();
    // The line was full for a batch of another belief than those who came meanwhile: they are not mixed.
    lane.reply(&range(1, 1));
    lane.join(subject(4), 4, 4).unwrap();
    assert_eq!(sent(&mut lane).count, 2);
    lane.join(subject(5), 8, 5).unwrap();
    let step = lane.reply(&full(1));
    assert_eq!(woken(step).len(), 2, "nobody of the old batch is kept");
    let next = sent(&mut lane);
    assert_eq!((next.count, next.lanes), (1, 8));
}

#[test]
fn a_zombie_and_a_contradicted_lane_fail_all_their_waiters_and_end() {
    let conflicts = [
        (reply(Numbering::Stale, &[]), Abort::Stale),
        (reply(Numbering::Conflict, &[]), Abort::Conflict),
        (range(1, 3), Abort::Conflict),
        (reply(Numbering::None, &[OpAnswer::Done]), Abort::Conflict),
    ];
    for (answer, abort) in conflicts {
        let mut lane = lane();
        lane.join(subject(1), 4, 1).unwrap();
        lane.join(subject(2), 4, 2).unwrap();
        lane.submit(Op::Look { number: Number(1) }, 3).unwrap();
        sent(&mut lane);
        lane.join(subject(3), 4, 4).unwrap();
        lane.join(subject(1), 4, 5).unwrap();
        lane.submit(Op::Look { number: Number(1) }, 6).unwrap();
        let mut step = lane.reply(&answer);
        step.wakes.sort_by_key(|(waiter, _)| *waiter);
        assert_eq!((step.abort, step.changes.len()), (Some(abort), 0), "{answer:?}");
        assert_eq!(step.wakes, [1, 2, 3, 4, 5, 6].map(|waiter| (waiter, Wake::Unavailable)));
        assert_eq!(lane.pending(), 0);
    }
    for unasked in [range(1, 1), range(1, 0), full(0)] {
        let mut lane = lane();
        lane.submit(Op::Look { number: Number(1) }, 1).unwrap();
        sent(&mut lane);
        assert_eq!(lane.reply(&unasked).abort, Some(Abort::Conflict), "nobody asked for numbers: {unasked:?}");
    }
}

#[test]
fn every_op_is_answered_to_the_one_who_asked() {
    let mut lane = lane();
    let answers: Vec<_> =
        (0..20).map(|n| OpAnswer::Admitted { seq: Seq(n), session_expires_at: UnixMillis(n) }).collect();
    for n in 0..20 {
        lane.submit(Op::Renew { number: Number(n) }, 500 + n).unwrap();
    }
    let exchange = sent(&mut lane);
    assert_eq!((exchange.count, exchange.lanes, exchange.k, exchange.stored_k), (0, 0, 0, 0));
    assert_eq!(exchange.ops, (0..20).map(|n| Op::Renew { number: Number(n) }).collect::<Vec<_>>());
    lane.submit(Op::Renew { number: Number(77) }, 577).unwrap();
    let step = lane.reply(&reply(Numbering::None, &answers));
    assert!(step.changes.is_empty());
    let expected: Vec<_> =
        answers.iter().zip(500..).map(|(answer, waiter)| (waiter, Wake::Op { answer: *answer, in_ms: None })).collect();
    assert_eq!(woken(step), expected);
    assert_eq!(lane.pending(), 1);
    sent(&mut lane);
    assert_eq!(woken(lane.reply(&reply(Numbering::None, &[]))), [(577, Wake::Unavailable)], "no answer: ask again");
}

#[test]
fn an_exchange_without_visitors_names_no_number_of_lanes() {
    let mut lane = lane();
    lane.join(subject(1), 4, 1).unwrap();
    assert_eq!(sent(&mut lane).lanes, 4);
    woken(lane.reply(&range(1, 1)));
    lane.submit(Op::Look { number: Number(1) }, 2).unwrap();
    assert_eq!(sent(&mut lane).lanes, 0);
}

#[test]
fn a_reply_nobody_waits_for_changes_nothing() {
    let mut lane = lane();
    assert_eq!(lane.reply(&range(1, 1)), LaneStep::default());
    lane.join(subject(1), 4, 1).unwrap();
    sent(&mut lane);
    woken(lane.reply(&range(1, 1)));
    assert_eq!(lane.reply(&range(1, 1)), LaneStep::default());
}

#[test]
fn a_reply_to_another_exchange_changes_nothing() {
    let mut lane = lane();
    lane.join(subject(1), 4, 1).unwrap();
    let exchange = sent(&mut lane);
    let named = |inc, k| ExchangeReply { inc, k, ..range(1, 1) };
    for (inc, k) in [(exchange.inc + 1, exchange.k), (exchange.inc, exchange.k + 1), (exchange.inc, exchange.k - 1)] {
        assert_eq!(lane.reply(&named(inc, k)), LaneStep::default());
        assert_eq!(sent(&mut lane), exchange, "still under way");
    }
    assert_eq!(woken(lane.reply(&named(exchange.inc, exchange.k))), [(1, place(1))]);
}

#[test]
fn before_a_draw_nobody_is_called_and_everybody_is_told_the_commitment() {
    let shuffle = Shuffle { commitment: "c".repeat(64), ..Shuffle::default() };
    let before = Board { shuffle: Some(shuffle.clone()), ..Board::default() };
    let after = Shuffle { seed: Some(hex::encode(&common::SEED.0)), count: Some(2), cut_at: Some(AT), ..shuffle };
    let mut lane = lane();
    for visitor in 0..2 {
        lane.join(subject(visitor), 4, visitor).unwrap();
    }
    sent(&mut lane);
    // Meanwhile a board comes another way, made after the cut with everybody called.
    lane.saw(&Board { frontier: 3, shuffle: Some(after.clone()), ..Board::default() });
    let wakes = woken(lane.reply(&ExchangeReply { board: before, ..range(1, 2) }));
    let told = |wake: &Wake| matches!(wake, Wake::Place { called: false, commitment: Some(c), .. } if c.len() == 64);
    assert!(wakes.iter().all(|(_, wake)| told(wake)), "{wakes:?}");
    assert!(!lane.is_waiting(&demo(), Number(1)) && !lane.is_waiting(&demo(), Number(2)), "the draw is known by now");

    // Who comes after the cut is called by its number, and told no commitment; who takes part is not called at once.
    for visitor in [2, 3] {
        lane.join(subject(visitor), 4, visitor).unwrap();
    }
    sent(&mut lane);
    let board = Board { frontier: 3, shuffle: Some(after), ..Board::default() };
    let wakes = woken(lane.reply(&ExchangeReply { board, ..range(2, 2) }));
    let told = [false, true].map(|called| Wake::Place {
        called,
        commitment: None,
        number: Number(2 + u64::from(called)),
        entered_at: AT,
    });
    assert_eq!(wakes.into_iter().map(|(_, wake)| wake).collect::<Vec<_>>(), told);
}

#[test]
fn a_draw_that_is_known_says_who_is_called_and_is_never_forgotten() {
    let before = Shuffle { commitment: "c".repeat(64), ..Shuffle::default() };
    let drawn =
        Shuffle { seed: Some(hex::encode(&common::SEED.0)), count: Some(20), cut_at: Some(AT), ..before.clone() };
    let draw = Draw::new(&demo(), &common::SEED.0, 20).unwrap();
    let mut lane = lane();
    lane.saw(&Board { shuffle: Some(before.clone()), ..Board::default() });
    assert!(lane.is_waiting(&demo(), Number(1)), "it has no position yet");
    for shuffle in [drawn, before] {
        lane.saw(&Board { frontier: 7, shuffle: Some(shuffle), ..Board::default() });
        for number in (1..=20).map(Number) {
            assert_eq!(lane.is_waiting(&demo(), number), draw.position(number).get() > 7, "{number}");
        }
    }
}

#[test]
fn a_place_is_called_as_soon_as_any_board_has_said_so() {
    let mut lane = lane();
    lane.saw(&Board { frontier: 5, ..Board::default() });
    lane.saw(&Board { frontier: 3, ..Board::default() });
    assert!(!lane.is_waiting(&demo(), Number(5)) && lane.is_waiting(&demo(), Number(6)));
    lane.join(subject(1), 4, 1).unwrap();
    lane.join(subject(2), 4, 2).unwrap();
    sent(&mut lane);
    let wakes = woken(lane.reply(&range(5, 2)));
    let called = |wake: &Wake| matches!(wake, Wake::Place { called: true, .. });
    assert_eq!(wakes.iter().map(|(_, wake)| called(wake)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn the_largest_exchange_stays_below_256_kb() {
    largest_exchange(None, MAX_OPS);
    // As many bytes in fewer claims.
    largest_exchange(Some(Account::parse(&"x".repeat(MAX_ACCOUNT)).unwrap()), MAX_OPS / 3);
}

fn largest_exchange(account: Option<Account>, ops: usize) {
    const MOST: u64 = (1 << 53) - 1;
    let rows = MemoryLane { meta: LaneMeta { inc: MOST - 1, k: MOST - 1 }, ..MemoryLane::default() };
    let mut lane = rows.restore(LaneId(255));
    for visitor in 0..MAX_BATCH as u64 {
        lane.join(subject(visitor), 256, visitor).unwrap();
    }
    for waiter in 0..ops as u64 + 100 {
        let account = account.clone();
        let op = Op::Claim { number: Number(MOST), sub: subject(waiter), entered_at: UnixMillis(MOST), account };
        lane.submit(op, 1_000_000 + waiter).unwrap();
    }
    let exchange = sent(&mut lane);
    assert_eq!((exchange.count, exchange.ops.len()), (MAX_BATCH as u64, ops));
    let body = serde_json::to_string(&exchange).unwrap();
    assert!(body.len() < 256 * 1024, "{} bytes", body.len());
    assert_eq!(json::read::<Exchange>(&body).unwrap(), exchange);
    let answer = OpAnswer::Admitted { seq: Seq(MOST), session_expires_at: UnixMillis(MOST) };
    let back = reply(Numbering::Range { first: Number(MOST), count: MAX_BATCH as u64, at: AT }, &vec![answer; ops]);
    assert!(serde_json::to_string(&back).unwrap().len() < 256 * 1024);
    assert_eq!(lane.pending(), MAX_BATCH + ops + 100);
}

#[test]
fn unknown_fields_of_a_newer_version_are_ignored() {
    let exchange: Exchange = json::read(
        r#"{"lane":1,"inc":2,"k":3,"count":0,"stored_k":3,"lanes":0,"later":[1],"ops":[{"look":{"number":4,"later":5}}]}"#,
    )
    .unwrap();
    assert_eq!(exchange.ops, [Op::Look { number: Number(4) }]);
    let reply = serde_json::json!({
        "numbering": {"range": {"first": 1, "count": 2, "at": 3, "later": 0}},
        "board": serde_json::to_value(Board::default()).unwrap(),
        "later": {},
    });
    let reply: ExchangeReply = json::read(&reply.to_string()).unwrap();
    assert_eq!(reply.numbering, Numbering::Range { first: Number(1), count: 2, at: UnixMillis(3) });
}
