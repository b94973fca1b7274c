//! The brake: each pull halves, a line that is not pulled opens again by itself, and what it leaves is a limit like any other.

mod common;
#[path = "common/event.rs"]
mod event;

use event::{Event, claim, roomy};
use ropeline_queue::wire::{BrakeCause, Braked, Paused};
use ropeline_queue::{Settings, UnixMillis};

/// Percent left of the limit.
fn left(event: &mut Event) -> u64 {
    let now = UnixMillis(event.now);
    let braked = event.line.stats(now).brake;
    assert!(braked.is_none_or(|braked| braked.percent < 100), "what takes nothing is not in force");
    braked.map_or(100, |braked| braked.percent)
}

fn pull(event: &mut Event) -> u64 {
    let step = event.line.brake(UnixMillis(event.now), BrakeCause::Canary, "relay:test");
    event.commit(step)
}

/// Everybody asks to be let in, each second; how many were.
fn admitted_in(event: &mut Event, seconds: u64) -> usize {
    let before = event.rows.admissions.len();
    for _ in 0..seconds {
        event.now += 1_000;
        event.exchange(0, (1..=600).map(claim).collect());
    }
    event.rows.admissions.len() - before
}

#[test]
fn each_pull_halves_until_nothing_is_left_and_without_one_it_opens_step_by_step() {
    let mut event = Event::new(Settings { new_users_per_minute: 200, ..roomy() });
    assert_eq!((left(&mut event), event.paused()), (100, None));
    for percent in [50, 25, 12, 6, 0, 0] {
        assert_eq!(pull(&mut event), percent);
        event.now += 1_000;
        assert_eq!(pull(&mut event), percent, "another relay's pull a second later is the same one");
        event.now += 3_000;
    }
    assert_eq!(event.paused(), Some(Paused::Relay), "closed");
    let mut course = vec![(event.now, 0)];
    for _ in 0..100 {
        event.now += 1_000;
        let now = left(&mut event);
        if course.last().is_some_and(|(_, before)| *before != now) {
            course.push((event.now, now));
        }
    }
    let steps: Vec<u64> = course.iter().map(|(_, percent)| *percent).collect();
    assert_eq!(steps, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    assert_eq!(course[1].0 - course[0].0, 11_000, "15 s after the last pull");
    assert!(course[2..].windows(2).all(|pair| pair[1].0 - pair[0].0 == 6_000), "{course:?}");
    assert_eq!(event.paused(), None);
}

#[test]
fn a_pull_while_it_opens_halves_what_there_is_by_then() {
    let mut event = Event::new(Settings { new_users_per_minute: 200, ..roomy() });
    assert_eq!(pull(&mut event), 50);
    event.now += 21_500;
    assert_eq!(left(&mut event), 70);
    assert_eq!(pull(&mut event), 35);
    let mut again_after = |ms| {
        event.now += ms;
        pull(&mut event)
    };
    assert_eq!([4_000, 4_000, 4_000].map(&mut again_after), [17, 8, 0]);
    assert_eq!(again_after(15_000), 5, "half of the first ten points, and not too little");
}

#[test]
fn what_it_leaves_is_kept_to_and_used() {
    let mut event = Event::new(Settings { new_users_per_minute: 100, ..roomy() });
    event.enter(600);
    assert!((80..=100).contains(&admitted_in(&mut event, 60)));
    for _ in 0..12 {
        pull(&mut event);
        admitted_in(&mut event, 5);
    }
    assert_eq!(admitted_in(&mut event, 9), 0, "closed");
    let stats = event.line.stats(UnixMillis(event.now));
    assert_eq!((stats.new_users_per_minute, stats.over_limit), (0, 0));
    assert_eq!(stats.brake, Some(Braked { percent: 0, cause: BrakeCause::Canary }));
    let opening = admitted_in(&mut event, 60);
    assert!((20..80).contains(&opening), "gradually: {opening}");
    assert!((80..=100).contains(&admitted_in(&mut event, 60)), "as before");
    assert_eq!(event.line.stats(UnixMillis(event.now)).over_limit, 0);
}

#[test]
fn the_origins_pace_and_the_brake_hold_together() {
    let mut event = Event::new(Settings { new_users_per_minute: 100, ..roomy() });
    let step = event.line.set_pace(UnixMillis(event.now), Some(30), "origin:test");
    event.commit(step);
    pull(&mut event);
    assert_eq!(event.line.paced().in_force, 15);
    let step = event.line.set_pace(UnixMillis(event.now), Some(1), "origin:test");
    event.commit(step);
    assert_eq!(event.line.paced().in_force, 1, "a limit is not rounded to nothing");
}

#[test]
fn it_is_audited_once_while_it_lasts_and_a_line_that_starts_again_has_none() {
    let mut event = Event::new(roomy());
    for _ in 0..4 {
        pull(&mut event);
        event.now += 5_000;
    }
    let audits =
        |event: &Event| event.rows.audits.iter().map(|audit| (audit.action, audit.by.clone())).collect::<Vec<_>>();
    assert_eq!(audits(&event), [("brake", "relay:test".to_owned())]);
    event.now += 200_000;
    pull(&mut event);
    assert_eq!(audits(&event).len(), 2);
    event.restart();
    assert_eq!(left(&mut event), 100);
}
