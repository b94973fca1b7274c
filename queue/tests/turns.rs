//! Who is called and finds no room is told when there will be some; a place that has fallen silent keeps no room from others.

mod common;

use common::{MemoryLine, Write, demo, subject};
use ropeline_queue::place::poll_after_turn;
use ropeline_queue::wire::{Exchange, ExchangeReply, Op, OpAnswer, Turn};
use ropeline_queue::{LaneId, Line, Number, Settings, UnixMillis};

const START_MS: u64 = 1_000_000;

struct Sale {
    line: Line,
    rows: MemoryLine,
    began: u64,
}

impl Sale {
    /// Everybody has entered and, since nobody came for a while, is called.
    fn of(slots: u64, visitors: u64) -> Self {
        let settings = Settings {
            total_active_users: slots,
            new_users_per_minute: 60_000,
            session_duration_seconds: 10,
            lanes: 1,
            ..Settings::defaults(&demo())
        };
        let rows = MemoryLine::new(settings);
        let mut sale = Self { line: rows.restore(UnixMillis(START_MS)), rows, began: START_MS };
        let mut count = visitors;
        while sale.exchange(0, count, &[]).board.frontier < visitors {
            sale.began += 11_000;
            count = 0;
        }
        sale
    }

    fn exchange(&mut self, after_ms: u64, count: u64, claims: &[u64]) -> ExchangeReply {
        let claim = |number: &u64| Op::Claim {
            number: Number(*number),
            sub: subject(*number),
            entered_at: UnixMillis(START_MS),
            account: None,
        };
        let ops = claims.iter().map(claim).collect();
        let (k, stored_k) = if count > 0 { (1, 0) } else { (1, 1) };
        let m = Exchange { lane: LaneId(0), inc: 1, k, count, stored_k, lanes: u16::from(count > 0), ops };
        let step = self.line.exchange(&self.rows, UnixMillis(self.began + after_ms), &m).unwrap();
        self.rows.commit(&step.changes, Write::Works).unwrap();
        step.answer
    }

    fn claim(&mut self, after_ms: u64, claims: &[u64]) -> (Vec<bool>, Vec<Turn>) {
        let reply = self.exchange(after_ms, 0, claims);
        (reply.ops.iter().map(|answer| matches!(answer, OpAnswer::Admitted { .. })).collect(), reply.turns)
    }
}

#[test]
fn who_asks_again_when_told_is_let_in_at_that_moment_and_not_before() {
    let mut sale = Sale::of(1, 3);
    assert_eq!(sale.claim(1_000, &[1, 2, 3]).0, [true, false, false]);
    // The slot is free 10 + 30 seconds after it was taken.
    assert_eq!(sale.claim(38_500, &[2, 3]), (vec![false; 2], vec![]), "too far off to say");
    assert_eq!(sale.claim(39_800, &[3, 2]), (vec![false; 2], vec![Turn { op: 1, in_ms: 1_200 }]), "the smaller one");
    assert_eq!(sale.claim(40_999, &[2]), (vec![false], vec![Turn { op: 0, in_ms: 1 }]));
    assert_eq!(sale.claim(41_000, &[2]), (vec![true], vec![]));
}

#[test]
fn each_of_those_present_is_told_of_the_room_that_is_left_by_those_before_it() {
    let mut sale = Sale::of(3, 6);
    for (after_ms, number) in [(1_000, 1), (1_100, 2), (1_700, 3)] {
        assert_eq!(sale.claim(after_ms, &[number]).0, [true]);
    }
    let turns = |ops: &[(u64, u64)]| ops.iter().map(|&(op, in_ms)| Turn { op, in_ms }).collect::<Vec<_>>();
    assert_eq!(sale.claim(40_000, &[4, 5, 6]).1, turns(&[(0, 1_000), (1, 1_100), (2, 1_700)]));
    assert_eq!(sale.claim(40_500, &[6]).1, turns(&[(0, 1_200)]), "whether the others ask in this exchange or not");
}

#[test]
fn nobody_waits_again_for_who_asked_and_fell_silent_until_it_has_asked_twice_in_a_row() {
    let mut sale = Sale::of(1, 4);
    assert_eq!(sale.claim(1_000, &[1, 2]).0, [true, false]);
    // Two falls silent: nobody waits for it, also after it asks once more.
    assert_eq!(sale.claim(40_000, &[2, 3]).0, [false, false]);
    assert_eq!(sale.claim(41_000, &[3]).0, [true]);
    // Three's slot is free at 81,000. Two is back by then: it asks twice in a row.
    assert_eq!(sale.claim(78_000, &[2, 4]).0, [false, false]);
    assert_eq!(sale.claim(80_000, &[2, 4]).0, [false, false]);
    assert_eq!(sale.claim(81_000, &[4]).0, [false], "the smaller one is present");
    assert_eq!(sale.claim(81_500, &[2]).0, [true]);
}

#[test]
fn a_silent_place_is_let_in_when_there_is_room_as_it_asks() {
    let mut sale = Sale::of(1, 3);
    assert_eq!(sale.claim(1_000, &[1, 2]).0, [true, false]);
    assert_eq!(sale.claim(61_000, &[2, 3]).0, [true, false], "its position goes before");
}

#[test]
fn those_told_of_their_turn_ask_no_sooner_than_that_and_within_bounds() {
    assert_eq!([0, 1, 290, 1_234, 1_900, 9_000].map(poll_after_turn), [0.3, 0.3, 0.3, 1.3, 1.9, 2.0]);
}
