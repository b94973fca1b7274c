use ropeline_queue::eta::{Forecast, HORIZONS};
use ropeline_queue::place::{Place, Seat};
use ropeline_queue::wire::{Board, MAX_BATCH};
use ropeline_queue::{EventId, Number, Position, Settings, UnixMillis};
use serde_json::json;

use super::*;

fn plan(people: u64, rush_seconds: u64, per_minute: u64) -> Plan {
    Sale { people, rush_seconds, per_minute }.plan()
}

#[test]
fn lanes_are_so_many_that_the_planned_opening_fires_no_alarm() {
    for (people, rush, wanted, lanes) in
        [(10, 60, 1, 1), (9_600, 60, 1, 1), (9_601, 60, 2, 2), (1_000_000, 60, 105, 128), (2_400_000, 60, 250, 256)]
    {
        let plan = plan(people, rush, 600);
        assert_eq!((plan.wanted_lanes, plan.lanes), (wanted, lanes), "{people}");
        assert!(plan.peak <= plan.alarm_enters(), "{people}");
        assert!(plan.misfits().iter().all(|misfit| !misfit.contains("want")), "{people}: {:?}", plan.misfits());
    }
}

#[test]
fn what_does_not_fit_is_said_with_a_rush_that_would() {
    let plan = plan(10_000_000, 60, 20_000);
    assert_eq!((plan.wanted_lanes, plan.lanes), (1_042, 256));
    let misfits = plan.misfits().join("\n");
    assert!(misfits.contains("333,333 enters") && misfits.contains("over 245 s"), "{misfits}");
    assert!(misfits.contains("requests a second to one lane"), "{misfits}");
    let slower = Sale { rush_seconds: 245, ..plan.sale }.plan();
    assert!(!slower.misfits().join("\n").contains("want"), "{:?}", slower.misfits());
    assert!(Sale { people: 30_000_000, ..plan.sale }.plan().misfits().join("\n").contains("GB"));
}

#[test]
fn a_million_by_hand() {
    let plan = plan(1_000_000, 60, 3_000);
    assert!((plan.peak - 33_333.0).abs() < 1.0);
    assert!((plan.drain_seconds - 20_000.0).abs() < 1e-6);
    assert!((plan.batch - 133.3).abs() < 0.1 && plan.batch < MAX_BATCH as f64);
    assert!((plan.pause_seconds - 0.512).abs() < 1e-9);
    assert!((plan.rows - 4_030_000.0).abs() < 1.0);
    assert_eq!((plan.active, plan.line_length, plan.unacked), (16_500.0, 2_000_000.0, 30_000.0));
    assert_eq!(plan.alarm_enters(), 40_960.0);
    assert!(plan.line_requests < 300.0 && plan.lane_bytes < 1e6, "{plan:?}");
    // 10 polls in the last 20 s, 34 in the ten minutes before, then one a minute.
    let longest = 10.0 + 10.0 * 30_f64.ln() + 19_400.0 / 60.0;
    assert!((polls_until(20_000.0) - longest).abs() < 1e-9);
    assert!(plan.polls > 0.4 * 1e6 * longest && plan.polls < 0.6 * 1e6 * longest, "{}", plan.polls);
}

#[test]
fn polls_are_as_many_as_the_simulation_counts() {
    // `cargo xtask simulate --visitors 1000000`: 800,000 of them poll, 1,926 s, 39.34 million.
    let polls = 0.8 * average_polls(1_926.0);
    assert!((polls / 39.34 - 1.0).abs() < 0.1, "{polls}");
}

#[test]
fn intervals_are_those_of_the_engine() {
    let event = EventId::parse("demo").unwrap();
    // A line that calls one a second, so that a place's wait is its distance.
    let reach = HORIZONS.iter().map(|at| f64::from(*at)).collect();
    let board = Board { forecast: Some(Forecast { reach, ..Forecast::default() }), ..Board::default() };
    for wait in [5, 40, 200, 900, 3_000] {
        let seat = Seat { number: Number(wait), position: Some(Position(wait)), seen: 0 };
        let told = Place::on(&board, &event, &seat, UnixMillis(0), 0.5).poll_after_seconds;
        let rate = (polls_until(wait as f64 + 0.5) - polls_until(wait as f64 - 0.5)).recip();
        assert!((told - rate).abs() <= 0.1, "{wait}: {told} {rate}");
    }
    let (board, seat) = (Board::default(), Seat { number: Number(9), position: None, seen: 0 });
    let unknown = Place::on(&board, &event, &seat, UnixMillis(0), 0.5);
    assert_eq!(unknown.poll_after_seconds, UNKNOWN_POLL_SECONDS);
}

#[test]
fn settings_and_bounds_are_those_of_the_product() {
    let event = EventId::parse("demo").unwrap();
    let set = |field: &str, value: f64| {
        let body = json!({field: value as u64});
        Settings::defaults(&event).with(&event, body.as_object().unwrap()).is_ok()
    };
    for (field, most) in [
        ("lanes", MOST_LANES as f64),
        ("total_active_users", MOST_ACTIVE),
        ("max_line_length", MOST_IN_LINE),
        ("max_unacked", MOST_UNACKED),
    ] {
        assert!(set(field, most) && !set(field, 2.0 * most), "{field}");
    }
    assert_eq!(Settings::defaults(&event).session_duration_seconds, SESSION_SECONDS);
    let file = |path: &str| std::fs::read_to_string(crate::paths::root().join(path)).unwrap();
    for (path, text) in [
        ("ops/prometheus/alerts.yml", format!("{ALARM_ENTERS} * ropeline_lanes")),
        (
            "ops/prometheus/alerts.yml",
            format!("> on (event) {ALARM_ENTER_SECONDS} + {} * ropeline_lanes", 1.0 / EXCHANGES),
        ),
        ("docs/configuration.md", format!("divided by {}", ALARM_ENTERS * 5.0 / 4.0)),
        ("src/objects/lane_do.rs", format!("EXCHANGES_PER_SECOND: f64 = {EXCHANGES:.1}")),
        ("src/directory.rs", format!("REFRESH_MS: f64 = {}_000.0", REGISTRY_SECONDS)),
        ("src/boards.rs", format!("BOARD_LANES: u16 = {BOARD_LANES}")),
    ] {
        assert!(file(path).contains(&text), "{path} has not {text:?}");
    }
}

#[test]
fn slow_enters_are_slower_than_the_lanes_pause() {
    assert!((plan(10_000, 60, 200).alarm_seconds() - 0.508).abs() < 1e-9);
    assert!((plan(1_000_000, 60, 3_000).alarm_seconds() - 1.012).abs() < 1e-9);
}
