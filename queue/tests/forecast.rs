//! What the board foresees, for lines small enough to be reckoned by hand, and when that is made anew.

mod common;
#[path = "common/event.rs"]
mod event;

use event::{Event, claim, roomy};
use ropeline_queue::eta::{Forecast, HORIZONS, Spread};
use ropeline_queue::wire::{Op, Paused};
use ropeline_queue::{Number, Settings, UnixMillis};

fn foreseen(event: &mut Event) -> Forecast {
    let step = event.line.board(UnixMillis(event.now));
    event.commit(step).forecast.unwrap()
}

fn reach(forecast: &Forecast, second: u16) -> f64 {
    let at = HORIZONS.iter().position(|horizon| *horizon == second).unwrap();
    forecast.reach[at]
}

/// Thirty a second are let in at most, and six hundred a minute.
fn brisk() -> Settings {
    Settings { new_users_per_minute: 600, ..roomy() }
}

fn leave(numbers: core::ops::RangeInclusive<u64>) -> Vec<Op> {
    numbers.map(|number| Op::Leave { number: Number(number) }).collect()
}

#[test]
fn what_is_foreseen_is_what_limits_allow_times_those_who_must_be_called_for_one_that_shows_up() {
    let mut event = Event::new(brisk());
    event.enter(1_000);
    let forecast = foreseen(&mut event);
    // In a second thirty more, and 5.5 ahead of them; the first thirty are on their way. Two must be called for one, for all that
    // is known.
    assert_eq!(forecast.reach[..3], [71.0, 106.0, 108.5]);
    assert_eq!((forecast.reach.len(), reach(&forecast, 100)), (17, 2_041.0), "all who wait, and as many again");
    // Half of those who wait leave: twice as many positions hold one.
    event.exchange(0, leave(501..=985));
    event.now = 2_000;
    let forecast = foreseen(&mut event);
    assert_eq!(forecast.reach[..3], [142.0, 212.0, 217.0]);
    assert_eq!((forecast.reach.len(), reach(&forecast, 40)), (13, 1_884.0));
}

#[test]
fn where_all_have_left_the_forecast_is_that_of_a_line_of_nobody() {
    let mut event = Event::new(brisk());
    event.enter(1_000);
    event.exchange(0, leave(31..=1_000));
    event.now = 2_000;
    assert_eq!(foreseen(&mut event).reach[..3], [71.0, 106.0, 108.5]);
}

#[test]
fn slots_that_are_taken_are_foreseen_to_come_back_again_and_again() {
    let mut event = Event::new(Settings { total_active_users: 2, ..roomy() });
    event.at(1_000_000).enter(100_000);
    event.exchange(0, (1..=2).map(claim).collect());
    event.now += 12_000;
    let forecast = foreseen(&mut event);
    // 300 and 30 seconds: the slots are free in 318 seconds, and in 648.
    assert!(reach(&forecast, 250) < 1.0 && reach(&forecast, 320) > 1.0, "{forecast:?}");
    assert_eq!(reach(&forecast, 320), reach(&forecast, 630));
    assert!(reach(&forecast, 800) > reach(&forecast, 630), "{forecast:?}");
}

#[test]
fn who_is_present_or_on_the_way_need_not_be_called() {
    let mut event = Event::new(Settings { total_active_users: 10, ..roomy() });
    event.enter(1_000);
    event.exchange(0, (1..=10).map(claim).collect());
    // Three are called to spare. One of them comes, two are on their way.
    assert_eq!(event.rows.head.frontier.get(), 13);
    event.exchange(0, vec![claim(11)]);
    event.now = 2_000;
    let forecast = foreseen(&mut event);
    // Ten in the last minute are 10 / 12 + 3 ahead of the room there is, of whom three are called; two positions for one.
    assert_eq!(forecast.reach[0], 1.7);
}

#[test]
fn a_forecast_lasts_a_second_unless_what_it_was_made_for_changes() {
    let mut event = Event::new(brisk());
    event.enter(1_000);
    let first = foreseen(&mut event);
    event.now = 1_999;
    event.exchange(0, (1..=24).map(claim).collect());
    assert_eq!(foreseen(&mut event), first, "the same second");
    event.enter(900);
    assert_eq!(foreseen(&mut event), first, "less than twice as many");
    event.enter(3_000);
    let longer = foreseen(&mut event);
    assert!(longer.reach.len() > first.reach.len(), "it says more of those who have come");
    event.set(|settings| settings.total_active_users = 30).unwrap();
    let fewer = foreseen(&mut event);
    assert!(reach(&fewer, 100) < reach(&longer, 100), "another version of the settings");
    let step = event.line.set_pace(UnixMillis(event.now), Some(60), "origin:test");
    event.commit(step);
    let slower = foreseen(&mut event);
    assert!(reach(&slower, 10) < reach(&fewer, 10), "another pace");
    event.now = 2_000;
    assert_ne!(foreseen(&mut event), slower, "another second");
}

#[test]
fn only_time_in_which_the_log_cannot_be_emptied_counts_as_lost() {
    let mut event = Event::new(Settings { max_unacked: 5, ..brisk() });
    event.enter(1_000);
    for _ in 0..60 {
        event.now += 1_000;
        foreseen(&mut event);
    }
    assert_eq!(foreseen(&mut event).seconds, Spread { always: 0.004, once: 0.0 });
    event.exchange(0, (1..=5).map(claim).collect());
    assert_eq!(event.paused(), Some(Paused::Relay));
    for _ in 0..60 {
        event.now += 1_000;
        foreseen(&mut event);
    }
    assert!(foreseen(&mut event).seconds.once > 10.0);
}

#[test]
fn a_restarted_line_counts_no_places_that_were_passed_over_as_called() {
    let mut event = Event::new(brisk());
    event.enter(5_000);
    event.exchange(0, leave(31..=100));
    for _ in 0..60 {
        event.now += 1_000;
        event.exchange(0, (1..=1_000).map(claim).collect());
    }
    assert_eq!((event.rows.head.passed, event.rows.admissions.len()), (70, 600));
    event.restart();
    let step = event.line.board(UnixMillis(event.now));
    let once = event.commit(step).forecast.unwrap().sooner.once;
    assert!(once < 0.1, "all but those called in the last seconds came: {once}");
}
