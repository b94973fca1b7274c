//! What an engine takes of the 128 MB that an isolate has, counted by the allocator. A binary of its own: it counts all there is.

mod common;

use std::sync::Mutex;

use common::{StoreFailed, demo, subject};
use peak_alloc::PeakAlloc;
use ropeline_queue::lane::{Lane, LaneMeta, MAX_PENDING};
use ropeline_queue::line::{
    Course, Head, LaneRow, Line, LineStore, Opened, Outcome, RelayRow, Seed, Session, Snapshot, Why,
};
use ropeline_queue::wire::{Configured, Exchange, ExchangeReply, MAX_OPS, Numbering, Op, OpAnswer};
use ropeline_queue::{LaneId, Number, Position, Seq, Settings, UnixMillis};

#[global_allocator]
static COUNTER: PeakAlloc = PeakAlloc;

/// One test counts at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MB: f64 = 1_024.0 * 1_024.0;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const PLACES: u64 = 1_000_000;
const SESSIONS: u64 = 100_000;

/// What `make` takes at its peak beyond what was there, MB; its outcome is dropped after the count.
fn peak_mb<T>(make: impl FnOnce() -> T) -> f64 {
    let before = COUNTER.current_usage();
    COUNTER.reset_peak_usage();
    let made = make();
    let peak = COUNTER.peak_usage().saturating_sub(before);
    drop(made);
    peak as f64 / MB
}

/// Storage in which nobody is admitted yet, beyond those that a snapshot tells.
struct Empty;

impl LineStore for Empty {
    type Error = StoreFailed;

    fn session_of(&self, _: Number) -> Result<Option<Session>, StoreFailed> {
        Ok(None)
    }

    fn session(&self, _: Seq) -> Result<Option<Session>, StoreFailed> {
        Ok(None)
    }

    fn gone(&self, _: Number) -> Result<Option<(Why, Option<UnixMillis>)>, StoreFailed> {
        Ok(None)
    }

    fn called_at(&self, _: Position) -> Result<Option<UnixMillis>, StoreFailed> {
        Ok(Some(NOW))
    }

    fn records(&self, _: Seq, _: usize, _: usize) -> Result<Vec<String>, StoreFailed> {
        Ok(Vec::new())
    }
}

/// A sale at its height: every slot taken until a time of its own, every `gone_every`th place given up one by one, 256 lanes.
fn at_its_height(gone_every: u64, shuffled: bool) -> Snapshot {
    let settings = Settings {
        total_active_users: SESSIONS,
        new_users_per_minute: SESSIONS,
        lanes: 256,
        shuffle_at_event_start: shuffled,
        ..Settings::defaults(&demo())
    };
    let frontier = SESSIONS * 2;
    let gone: Vec<_> = (1..=PLACES / gone_every).map(|n| (Number(n * gone_every), Number(n * gone_every))).collect();
    let row = |lane: u64| LaneRow {
        inc: 1,
        k: 500,
        outcome: Some(Outcome::Range { first: Number(lane * 100 + 1), count: 100, at: NOW }),
    };
    Snapshot {
        head: Head {
            clk: NOW,
            last_number: Number(PLACES),
            frontier: Position(frontier),
            passed: frontier / gone_every,
            seq: Seq(SESSIONS),
            voided: 0,
            version: 100_000,
        },
        course: Course { opened: shuffled.then_some(Opened { at: NOW, count: PLACES }), ..Course::new(Seed([7; 32])) },
        configured: Configured { version: 1, settings },
        lanes: (0..256).map(|lane| (LaneId(lane), row(u64::from(lane)))).collect(),
        gone,
        releases: (1..=SESSIONS).map(|n| (NOW.plus(n * 10), 1)).collect(),
        admitted: (0..60).map(|second| (UnixMillis(NOW.get() - 60_000 + 1_000 * second), 1_600)).collect(),
        called: (0..60).map(|second| (UnixMillis(NOW.get() - 60_000 + 1_000 * second), 3_000)).collect(),
        marks: Vec::new(),
        relay: RelayRow::default(),
    }
}

/// The line as it is, and while 30,000 called places ask to be let in.
fn line_mb(gone_every: u64, shuffled: bool) -> f64 {
    let _alone = ALONE.lock().unwrap();
    peak_mb(|| {
        let mut line = Line::restore(demo(), at_its_height(gone_every, shuffled), NOW);
        let claims: Vec<_> = (1..=SESSIONS * 2).filter(|n| n % gone_every != 0).collect();
        for (turn, numbers) in claims.chunks(MAX_OPS).take(20).enumerate() {
            let claim = |number: &u64| Op::Claim {
                number: Number(*number),
                sub: subject(*number),
                entered_at: NOW,
                account: None,
            };
            let exchange = Exchange {
                lane: LaneId((turn % 256) as u16),
                inc: 1,
                k: 0,
                count: 0,
                stored_k: 500,
                lanes: 0,
                ops: numbers.iter().map(claim).collect(),
            };
            let reply = line.exchange(&Empty, NOW.plus(4_000), &exchange).unwrap().answer;
            assert_eq!(reply.ops.len(), numbers.len(), "{:?}", reply.numbering);
        }
        assert_eq!(line.stats(NOW.plus(4_000)).entered, PLACES);
        line
    })
}

#[test]
fn a_line_of_a_million_places_and_a_hundred_thousand_sessions_takes_32_mb_at_most() {
    for (gone_every, shuffled) in [(10, false), (2, false), (10, true)] {
        let mb = line_mb(gone_every, shuffled);
        println!("line, every {gone_every}th place given up, shuffled: {shuffled}: {mb:.1} MB");
        assert!((1.0..=32.0).contains(&mb), "{mb:.1} MB");
    }
}

#[test]
fn a_full_lane_takes_16_mb_at_most() {
    let _alone = ALONE.lock().unwrap();
    let board = Line::restore(demo(), at_its_height(10, false), NOW).board(NOW).answer;
    let mb = peak_mb(|| {
        let mut lane = Lane::restore(LaneId(0), LaneMeta { inc: 1, k: 1 });
        let mut waiter = 0;
        // Full of new visitors and of claims, a batch of both under way, and full again behind it.
        let mut fill = |lane: &mut Lane| {
            for n in 0_u64.. {
                waiter += 1;
                let number = Number(waiter);
                let claim = Op::Claim { number, sub: subject(waiter), entered_at: NOW, account: None };
                let taken = match n % 2 {
                    0 => lane.join(subject(waiter), 64, waiter),
                    _ => lane.submit(claim, waiter),
                };
                if taken.is_err() {
                    return n;
                }
            }
            0
        };
        assert!(fill(&mut lane) as usize >= MAX_PENDING - 1);
        let (exchange, changes) = lane.exchange().unwrap();
        fill(&mut lane);
        let numbering = Numbering::Range { first: Number(1), count: exchange.count, at: NOW };
        let ops = vec![OpAnswer::Called; exchange.ops.len()];
        let Exchange { inc, k, .. } = exchange;
        let step = lane.reply(&ExchangeReply { inc, k, numbering, ops, turns: Vec::new(), board });
        assert_eq!(step.abort, None);
        (lane, exchange, changes, step)
    });
    println!("lane: {mb:.1} MB");
    assert!((0.1..=16.0).contains(&mb), "{mb:.1} MB");
}
