//! Limits are fully used: a simulation of a sale with simulated time, over the real lane, line and polls.
//!
//! 95 % of those who enter never come back. The others poll as the answer tells them and, once called, ask every 1.5 seconds.
//! From the third minute on, at least 95 % of the limit that binds is used over any five minutes: on average so much of it is
//! taken, as the limit itself counts, in a slot or within the last 60 seconds.

mod common;

use std::collections::BTreeMap;

use common::{MemoryLane, MemoryLine, Write, demo, subject};
use ropeline_queue::lane::Wake;
use ropeline_queue::place::{self, Place, Seat, State};
use ropeline_queue::wire::{Board, Op, OpAnswer};
use ropeline_queue::{Lane, LaneId, Line, Number, Settings, UnixMillis};

const STEP_MS: u64 = 100;
const MINUTES: u64 = 14;
const START_MS: u64 = 1_000_000_000;

/// A small generator of its own, so that a seed means the same for ever (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Sale {
    line: Line,
    rows: MemoryLine,
    lane: Lane,
    lane_rows: MemoryLane,
    board: Board,
    now: u64,
    random: Random,
}

impl Sale {
    fn new(settings: Settings, seed: u64) -> Self {
        let (rows, lane_rows) = (MemoryLine::new(settings), MemoryLane::default());
        Self {
            line: rows.restore(UnixMillis(START_MS)),
            rows,
            lane: lane_rows.restore(LaneId(0)),
            lane_rows,
            board: Board::default(),
            now: START_MS,
            random: Random(seed),
        }
    }

    /// One exchange, if there is anything to say: what the waiters are told.
    fn cycle(&mut self) -> Vec<(u64, Wake)> {
        let Some((exchange, changes)) = self.lane.exchange() else { return Vec::new() };
        self.lane_rows.commit(&changes);
        let step = self.line.exchange(&self.rows, UnixMillis(self.now), &exchange).expect("reads work");
        self.rows.commit(&step.changes, Write::Works).expect("writes work");
        let step = self.lane.reply(&step.answer);
        assert_eq!(step.abort, None);
        self.lane_rows.commit(&step.changes);
        step.wakes
    }

    fn refresh_board(&mut self) {
        let step = self.line.board(UnixMillis(self.now));
        self.rows.commit(&step.changes, Write::Works).expect("writes work");
        self.board = step.answer;
    }
}

/// What was used of the limits, and how the line stood, in each second of the sale.
#[derive(Default)]
struct Used {
    admitted: Vec<u64>,
    last_minute: Vec<u64>,
    active: Vec<u64>,
    waiting: Vec<u64>,
    median_wait_ms: u64,
}

/// `crowd` enter as fast as they can; `show` of them come back.
fn sell(settings: Settings, crowd: u64, seed: u64, show: f64, restart_at: Option<u64>) -> Used {
    let mut sale = Sale::new(settings.clone(), seed);
    let mut polls: BTreeMap<u64, Vec<Number>> = BTreeMap::new();
    let mut first_claim = BTreeMap::new();
    let mut waits = Vec::new();
    let mut used = Used::default();
    let mut entered = 0;
    for tick in 0..MINUTES * 60_000 / STEP_MS {
        sale.now = START_MS + tick * STEP_MS;
        if restart_at == Some(tick * STEP_MS) {
            sale.line = sale.rows.restore(UnixMillis(sale.now));
        }
        let burst = (crowd - entered).min(2_000);
        for visitor in entered..entered + burst {
            sale.lane.join(subject(visitor), settings.lanes, visitor).expect("a burst fits");
        }
        entered += burst;
        let due: Vec<Number> = polls.range(..=sale.now).flat_map(|(_, numbers)| numbers.clone()).collect();
        polls = polls.split_off(&(sale.now + 1));
        for number in due {
            let jitter = sale.random.share();
            let event = demo();
            let place = Place::on(&sale.board, &event, &seat(number), UnixMillis(sale.now), jitter);
            if place.state == State::Called {
                let op =
                    Op::Claim { number, sub: subject(number.get()), entered_at: UnixMillis(START_MS), account: None };
                if sale.lane.submit(op, crowd + number.get()).is_err() {
                    polls.entry(sale.now + 1_000).or_default().push(number);
                    continue;
                }
                first_claim.entry(number).or_insert(sale.now);
            } else {
                let after = sale.now + (place.poll_after_seconds * 1_000.0) as u64;
                polls.entry(after).or_default().push(number);
            }
        }
        let mut admitted = 0;
        for (waiter, wake) in sale.cycle() {
            match wake {
                Wake::Place { number, .. } => {
                    if sale.random.share() < show {
                        let after = sale.now + 1_000 + sale.random.next() % 4_000;
                        polls.entry(after).or_default().push(number);
                    }
                }
                Wake::Op { answer: OpAnswer::Admitted { .. }, .. } => {
                    let number = Number(waiter - crowd);
                    admitted += 1;
                    waits.push(sale.now - first_claim[&number]);
                }
                Wake::Op { answer: OpAnswer::Called | OpAnswer::Waiting, in_ms } => {
                    let number = Number(waiter - crowd);
                    let after = in_ms.map_or(1.5, place::poll_after_turn);
                    polls.entry(sale.now + (after * 1_000.0) as u64).or_default().push(number);
                }
                other => panic!("{waiter}: {other:?}"),
            }
        }
        if tick % 10 == 0 {
            sale.refresh_board();
            let stats = sale.line.stats(UnixMillis(sale.now));
            used.admitted.push(0);
            used.active.push(stats.active);
            used.last_minute.push(stats.admitted_last_minute);
            used.waiting.push(stats.waiting);
        }
        *used.admitted.last_mut().expect("the first tick pushed") += admitted;
    }
    waits.sort_unstable();
    used.median_wait_ms = waits.get(waits.len() / 2).copied().unwrap_or_default();
    used
}

/// The least share of `limit` used on average over any five minutes from the third on.
fn least_share(per_second: &[u64], limit: f64) -> f64 {
    let average = |window: &[u64]| window.iter().sum::<u64>() as f64 / (limit * window.len() as f64);
    per_second[120..].windows(300).map(average).fold(f64::INFINITY, f64::min)
}

fn proves(seed: u64, what: &str, used: &Used, share: f64) {
    let percent = share * 100.0;
    println!("seed {seed}: {what}: {percent:.1} % used, median wait once called {} ms", used.median_wait_ms);
    assert!(used.waiting.iter().all(|waiting| *waiting > 0), "seed {seed}: {what}: the line ran dry");
    assert!(share >= 0.95, "seed {seed}: {what}: only {percent:.1} % used");
}

fn per_minute(limit: u64) -> Settings {
    Settings { total_active_users: 1_000_000, new_users_per_minute: limit, lanes: 1, ..Settings::defaults(&demo()) }
}

#[test]
fn with_95_percent_no_shows_the_minute_limit_is_fully_used() {
    for (seed, limit) in (1..).zip([20, 60, 120, 600, 1_500]) {
        let used = sell(per_minute(limit), limit * MINUTES * 24, seed, 0.05, None);
        let what = format!("{limit} a minute");
        proves(seed, &what, &used, least_share(&used.last_minute, limit as f64));
        let sum = least_share(&used.admitted, limit as f64 / 60.0);
        assert!(sum >= 0.95, "seed {seed}: {what}: only {:.1} % by plain sums", sum * 100.0);
    }
}

#[test]
fn with_95_percent_no_shows_the_slots_are_fully_used() {
    for (seed, slots) in (11..).zip([20, 200, 700]) {
        let settings = Settings {
            total_active_users: slots,
            new_users_per_minute: 1_000_000,
            session_duration_seconds: 60,
            lanes: 1,
            ..Settings::defaults(&demo())
        };
        let used = sell(settings, slots * MINUTES * 24, seed, 0.05, None);
        proves(seed, &format!("{slots} slots"), &used, least_share(&used.active, slots as f64));
    }
}

#[test]
fn where_everybody_comes_the_limit_is_used_as_well_and_nobody_waits_long_once_called() {
    let used = sell(per_minute(600), 600 * (MINUTES + 1), 21, 1.0, None);
    proves(21, "everybody comes", &used, least_share(&used.last_minute, 600.0));
    assert!(used.median_wait_ms <= 10_000);
}

#[test]
fn a_restart_of_the_line_costs_seconds_not_minutes() {
    let used = sell(per_minute(600), 600 * MINUTES * 24, 31, 0.05, Some(6 * 60_000));
    proves(31, "a restart in minute six", &used, least_share(&used.last_minute, 600.0));
}

fn seat(number: Number) -> Seat {
    Seat { number, position: Some(number.position()), seen: 0 }
}
