//! Admission is exact: random histories over the real line, held at every step against a naive reading of the protocol.
//!
//! `ROPELINE_SEED=<number>` replays a run (the seed is printed), `ROPELINE_CASES=<number>` makes it longer.

mod common;
#[path = "common/history.rs"]
mod history;
#[path = "common/naive.rs"]
mod naive;

use common::{MemoryLine, Write, subject};
use history::{Event, Limits, Wish, events, limits};
use naive::{Naive, Place};
use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use ropeline_queue::line::log::{Ack, Drain, LogError};
use ropeline_queue::line::{LineStore, Why};
use ropeline_queue::wire::{Board, Exchange, Numbering, Op, OpAnswer, Refusal};
use ropeline_queue::{LaneId, Line, Number, Seq, UnixMillis};

struct Harness {
    line: Line,
    rows: MemoryLine,
    naive: Naive,
    now: u64,
    inc: u64,
    k: u64,
    version: u64,
    last_board: Board,
    /// Living places before each place, when last looked.
    ahead: Vec<u64>,
    admissions: u64,
}

impl Harness {
    fn new(limits: Limits) -> Self {
        let rows = MemoryLine::new(limits.settings());
        Self {
            line: rows.restore(UnixMillis(0)),
            naive: Naive::new(limits.settings()),
            rows,
            now: 1_000_000,
            inc: 1,
            k: 0,
            version: 1,
            last_board: Board::default(),
            ahead: Vec::new(),
            admissions: 0,
        }
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(self.now)
    }

    /// Stores, as the object around the line does. False: it failed, and the line was restored.
    fn commit(&mut self, changes: &[ropeline_queue::line::Change], write: Write, before: &Naive) -> bool {
        if changes.is_empty() {
            return true;
        }
        let outcome = self.rows.commit(changes, write);
        match write {
            Write::FailsBefore => self.naive = before.clone(),
            Write::Works | Write::FailsAfter => {
                self.naive.frontier_is(self.rows.head.frontier.get());
                self.naive.stored_clk = self.naive.clk;
            }
        }
        if outcome.is_err() {
            self.restart();
        }
        outcome.is_ok()
    }

    fn restart(&mut self) {
        self.line = self.rows.restore(self.now());
        self.naive.restart(self.now);
    }

    /// One exchange, its answers held against the naive reading. `None`: the write failed.
    fn exchange(&mut self, count: u64, ops: Vec<Op>, write: Write) -> Option<Numbering> {
        let before = self.naive.clone();
        self.naive.time(self.now);
        let m = Exchange {
            lane: LaneId(0),
            inc: self.inc,
            k: if count > 0 { self.k + 1 } else { self.k },
            count,
            stored_k: self.k,
            lanes: if count > 0 { self.naive.settings.lanes } else { 0 },
            ops,
        };
        let waiting = self.naive.living_in(1..=self.naive.places.len() as u64);
        let room = self.naive.settings.max_line_length.saturating_sub(waiting);
        let repeated = self.rows.lanes.get(&LaneId(0)).is_some_and(|row| count > 0 && row.k == m.k && row.inc == m.inc);
        let step = self.line.exchange(&self.rows, self.now(), &m).expect("reads work");
        match step.answer.numbering {
            Numbering::Range { first, count: given, at } if !repeated => {
                assert!(count <= room, "the line is full");
                assert_eq!((first.get(), given, at.get()), (self.naive.places.len() as u64 + 1, count, self.naive.clk));
                for number in first.get()..first.get() + count {
                    let (sub, entered_at) = (subject(number), self.naive.clk);
                    self.naive.places.push(Place { sub, entered_at, called_at: None, gone: None, admission: None });
                }
            }
            Numbering::Range { first, at, .. } => {
                let place = &self.naive.places[first.get() as usize - 1];
                assert_eq!((first.get() + count - 1, at.get()), (self.naive.places.len() as u64, place.entered_at));
            }
            Numbering::Refused { reason } => {
                assert!(repeated || (reason == Refusal::LineFull { room } && count > room), "{reason:?}, room {room}");
            }
            Numbering::None => assert_eq!(count, 0),
            Numbering::Stale | Numbering::Conflict => panic!("{:?} for {m:?}", step.answer.numbering),
        }
        let expected = self.naive.operate(&m.ops);
        assert_eq!(step.answer.ops, expected, "{:?} at {}", m.ops, self.naive.clk);
        if self.naive.clk < self.naive.hold_until {
            assert_eq!(self.naive.log.len(), before.log.len());
            assert_eq!(step.answer.board.frontier, before.frontier);
        }
        self.commit(&step.changes, write, &before).then_some(())?;
        self.board_is(&step.answer.board);
        Some(step.answer.numbering)
    }

    fn board_is(&mut self, board: &Board) {
        let last = &self.last_board;
        assert!(board.version >= last.version && board.frontier >= last.frontier, "{last:?} then {board:?}");
        let naive = &self.naive;
        let end = naive.places.len() as u64;
        assert_eq!(board.last_number, end);
        assert_eq!(board.waiting, naive.living_in(naive.frontier + 1..=end));
        assert_eq!(board.called, naive.living_in(1..=naive.frontier));
        assert_eq!(board.active_users, naive.live_sessions());
        self.last_board = board.clone();
    }

    fn enter(&mut self, count: u64, write: Write) {
        let numbering = self.exchange(count, Vec::new(), write);
        // A lane that has no answer sends the same again.
        let numbering = numbering.unwrap_or_else(|| self.exchange(count, Vec::new(), Write::Works).expect("works"));
        assert!(matches!(numbering, Numbering::Range { .. } | Numbering::Refused { .. }));
        let again = self.exchange(count, Vec::new(), Write::Works).expect("works");
        assert_eq!(again, numbering, "a repeat is answered the same");
        self.k += 1;
    }

    fn void(&mut self, count: u64) {
        let numbering = self.exchange(count, Vec::new(), Write::Works).expect("works");
        self.inc += 1;
        if let Numbering::Range { first, count, .. } = numbering {
            for place in &mut self.naive.places[first.get() as usize - 1..][..count as usize] {
                place.gone = Some(Why::Void);
            }
        }
        self.exchange(0, Vec::new(), Write::Works).expect("works");
    }

    fn ops(&self, wishes: &[Wish]) -> Vec<Op> {
        let end = self.naive.places.len() as u64;
        if end == 0 {
            return Vec::new();
        }
        let number = |pick: u64| Number(pick % end + 1);
        let claim = |number: Number| {
            let place = &self.naive.places[number.get() as usize - 1];
            Op::Claim { number, sub: place.sub, entered_at: UnixMillis(place.entered_at), account: None }
        };
        // Most of those who ask are about to be admitted or were lately: else random wishes would rarely meet.
        let admitted = |pick: u64| match self.naive.log.len() as u64 {
            0 => number(pick),
            log => Number(self.naive.log[(pick % log) as usize].number),
        };
        let mut ops = Vec::new();
        for wish in wishes {
            match *wish {
                Wish::Claim(pick) => ops.push(claim(number(pick))),
                Wish::ClaimMany(pick, count) => {
                    let from = pick % (self.naive.frontier + 1) + 1;
                    ops.extend((from..=end.min(from + count)).rev().map(|number| claim(Number(number))));
                }
                Wish::Look(pick) => ops.push(Op::Look { number: number(pick) }),
                Wish::Renew(pick) if pick % 5 == 0 => ops.push(Op::Renew { number: number(pick) }),
                Wish::Renew(pick) => ops.push(Op::Renew { number: admitted(pick) }),
                Wish::Leave(pick) if pick % 3 == 0 => ops.push(Op::Leave { number: admitted(pick) }),
                Wish::Leave(pick) => ops.push(Op::Leave { number: number(pick) }),
                Wish::Redeem(pick) => ops.push(Op::Redeem { seq: Seq(pick % (self.naive.log.len() as u64 + 2)) }),
                Wish::Complete(pick) => ops.push(Op::Complete { seq: Seq(pick % (self.naive.log.len() as u64 + 2)) }),
            }
        }
        ops
    }

    fn ask(&mut self, wishes: &[Wish], write: Write) {
        let ops = self.ops(wishes);
        let looks: Vec<_> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Claim { number, .. } | Op::Renew { number } => Some(Op::Look { number: *number }),
                _ => None,
            })
            .collect();
        self.exchange(0, ops, write);
        // Whatever was answered, and to whomever: asking again at the same instant says the same.
        let again = self.exchange(0, looks.clone(), Write::Works);
        assert_eq!(again, Some(Numbering::None));
    }

    fn board(&mut self, write: Write) {
        let before = self.naive.clone();
        self.naive.time(self.now);
        let step = self.line.board(self.now());
        if self.commit(&step.changes, write, &before) {
            self.board_is(&step.answer);
        }
    }

    fn configure(&mut self, limits: Limits, write: Write) {
        let before = self.naive.clone();
        self.naive.time(self.now);
        let live = self.naive.live_sessions();
        let wrong = self.line.configure(self.now(), limits.settings(), Some(self.version + 7), "test").answer;
        assert!(wrong.is_err(), "a lost update is refused");
        let step = self.line.configure(self.now(), limits.settings(), Some(self.version), "test");
        let changed = self.naive.settings != limits.settings();
        self.naive.settings = limits.settings();
        let configured = step.answer.expect("nothing fixed changes");
        assert_eq!(configured.version, self.version + u64::from(changed));
        self.commit(&step.changes, write, &before);
        self.version = self.rows.configured.version;
        assert_eq!(self.line.configured(), &self.rows.configured);
        if self.naive.clk == before.clk {
            assert_eq!(self.naive.live_sessions(), live, "a lowered limit evicts nobody");
        }
    }

    fn relay(&mut self) {
        let before = self.naive.clone();
        self.naive.time(self.now);
        let lease = self.line.lease(&self.rows, self.now(), "relay").expect("the only relay");
        self.commit(&lease.changes, Write::Works, &before);
        let epoch = lease.answer.epoch;
        let mut after = lease.answer.acked_seq;
        while after < lease.answer.head {
            let drain = Drain {
                epoch,
                after,
                limit: 7,
                topic: Some("sale".into()),
                partition: Some(3),
                next_offset: Some(0),
                ack: None,
            };
            let step = self.line.drain(&self.rows, self.now(), &drain).expect("leased");
            self.commit(&step.changes, Write::Works, &before);
            after = after.plus(step.answer.entries.len() as u64);
            let ack = Ack { seq: after, next_offset: after.get() as i64 };
            let step = self.line.ack::<()>(self.now(), epoch, ack).expect("drained");
            self.commit(&step.changes, Write::Works, &before);
            self.naive.acked = after.get();
        }
        let late: Result<_, LogError<()>> = self.line.ack(self.now(), epoch, Ack { seq: after.next(), next_offset: 0 });
        assert!(late.is_err(), "what was not handed out cannot be acked");
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let stats = self.line.stats(self.now());
        assert_eq!(stats.over_limit, 0, "what counts admissions beyond a limit agrees");
        self.naive.time(self.now);
        let naive = &self.naive;
        let end = naive.places.len() as u64;
        assert_eq!(stats.entered, end);
        assert_eq!(stats.voided, naive.gone(Why::Void));
        assert_eq!(stats.left, naive.gone(Why::Left));
        assert_eq!(stats.waiting, naive.living_in(naive.frontier + 1..=end));
        assert_eq!(stats.called, naive.living_in(1..=naive.frontier));
        assert_eq!(stats.admitted, naive.log.len() as u64);
        assert_eq!(stats.active, naive.live_sessions());
        assert_eq!((stats.head_seq, stats.acked_seq), (naive.log.len() as u64, naive.acked));
        assert_eq!(stats.entered, stats.voided + stats.left + stats.waiting + stats.called + stats.admitted);
        assert_eq!(stats.admitted, stats.active + stats.ended);
        assert_eq!(stats.updated_at.get(), naive.clk);

        let mut living = 0;
        let ahead: Vec<u64> = (1..=end)
            .map(|number| {
                let before = living;
                let lives =
                    self.rows.why_gone(Number(number)).is_none() && !self.rows.by_number.contains_key(&Number(number));
                living += u64::from(lives);
                before
            })
            .collect();
        assert!(
            self.ahead.iter().zip(&ahead).all(|(before, now)| now <= before),
            "somebody got further from the front"
        );
        self.ahead = ahead;

        assert_eq!(self.rows.admissions.len(), naive.log.len());
        for (expected, (seq, admission)) in naive.log.iter().zip(&self.rows.admissions) {
            assert_eq!(admission.session.seq, *seq);
            let record: serde_json::Value = serde_json::from_str(&admission.record).expect("the record is JSON");
            assert_eq!(record, expected.record);
            assert_eq!(admission.session.session_expires_at.get(), expected.expires_at);
            assert_eq!(admission.session.release_at.get(), expected.release_at);
        }
        self.admissions = naive.log.len() as u64;
    }

    fn run(&mut self, event: &Event) {
        match event {
            Event::Enter(count, write) => self.enter(*count, *write),
            Event::Void(count) => self.void(*count),
            Event::Ask(wishes, write) => self.ask(wishes, *write),
            Event::Tick(ms) => self.now += ms,
            Event::ClockSteppedBack(ms) => self.now = self.now.saturating_sub(*ms),
            Event::Restart => self.restart(),
            Event::Board(write) => self.board(*write),
            Event::Configure(limits, write) => self.configure(*limits, *write),
            Event::Relay => self.relay(),
        }
        self.check();
    }
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn limits_are_exact_and_admission_follows_the_line_whatever_happens() {
    let seed = from_env("ROPELINE_SEED", 20_261_122);
    let cases = from_env("ROPELINE_CASES", 1_000) as u32;
    println!("seed {seed}, {cases} cases: replay with ROPELINE_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let admitted = std::cell::Cell::new(0);
    let outcome = runner.run(&(limits(), vec(events(), 1..150)), |(limits, events)| {
        let mut harness = Harness::new(limits);
        for event in &events {
            harness.run(event);
        }
        admitted.set(admitted.get() + harness.admissions);
        Ok(())
    });
    println!("{} admissions", admitted.get());
    if let Err(failure) = outcome {
        panic!("ROPELINE_SEED={seed}: {failure}");
    }
    assert!(admitted.get() > u64::from(cases) * 5, "the histories admit too few to prove anything");
}

const ROOMY: Limits = Limits {
    total_active_users: 5,
    new_users_per_minute: 200,
    session_duration_seconds: 60,
    disable_session_renewal: false,
    max_unacked: 1_000,
    max_line_length: 1_000,
};

#[test]
fn a_restarted_line_admits_nobody_for_exactly_three_seconds() {
    let mut harness = Harness::new(ROOMY);
    harness.enter(3, Write::Works);
    harness.restart();
    for (after, admitted) in [(0, 0), (1_500, 0), (2_999, 0), (3_000, 1)] {
        harness.now = 1_000_000 + after;
        harness.ask(&[Wish::Claim(0)], Write::Works);
        assert_eq!(harness.rows.admissions.len(), admitted, "{after} ms after the restart");
        harness.check();
    }
    // Those who were known before it go first, whoever asks first after it.
    harness.restart();
    harness.now += 2_900;
    harness.ask(&[Wish::Claim(1)], Write::Works);
    harness.configure(Limits { total_active_users: 2, ..ROOMY }, Write::Works);
    harness.now += 200;
    harness.ask(&[Wish::Claim(2)], Write::Works);
    assert_eq!(harness.rows.admissions.len(), 1, "one slot, and the smaller position is present");
    harness.ask(&[Wish::Claim(1)], Write::Works);
    assert_eq!(harness.rows.admissions.len(), 2);
    harness.check();
}

#[test]
fn a_line_that_has_called_nobody_starts_at_once() {
    let mut harness = Harness::new(ROOMY);
    harness.restart();
    harness.enter(1, Write::Works);
    harness.ask(&[Wish::Claim(0)], Write::Works);
    assert_eq!(harness.rows.admissions.len(), 1);
}

#[test]
fn a_read_that_fails_changes_nothing_that_was_stored() {
    let mut harness = Harness::new(ROOMY);
    harness.enter(20, Write::Works);
    harness.ask(&[Wish::ClaimMany(0, 3)], Write::Works);
    assert_eq!(harness.naive.log.len(), 4);
    harness.rows.reads_fail = true;
    let claim = harness.ops(&[Wish::Claim(4)]);
    let m = Exchange { lane: LaneId(0), inc: 1, k: 1, count: 0, stored_k: 1, lanes: 0, ops: claim.clone() };
    assert!(harness.line.exchange(&harness.rows, harness.now(), &m).is_err());
    assert!(harness.rows.session_of(Number(1)).is_err());
    harness.rows.reads_fail = false;
    harness.restart();
    harness.now += 3_000;
    harness.exchange(0, claim, Write::Works);
    assert_eq!(harness.naive.log.len(), 5);
    assert!(matches!(harness.naive.operate(&[Op::Look { number: Number(5) }])[..], [OpAnswer::Admitted { .. }]));
    harness.check();
}
