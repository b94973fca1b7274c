//! Planted contradictions, each of which must be found, and the unknown outcomes that explain one.

use super::*;
use crate::soak::check::scene::{Scene, admitted, place};

fn broken(scene: &Scene, logs: &[Vec<Entry>]) -> (Vec<String>, Vec<String>) {
    let [same, durable] = places(&scene.history(), logs);
    (same.broken, durable.broken)
}

/// Breaks promise 3 alone.
fn assert_another_place(scene: &Scene, why: &str) {
    let (same, durable) = broken(scene, &[Vec::new()]);
    assert!(same.iter().any(|broken| broken.contains(why)), "{same:?}");
    assert!(durable.iter().all(|broken| broken.starts_with("told seq")), "{durable:?}");
}

/// Breaks promise 5 alone.
fn assert_lost(scene: &Scene, why: &str) {
    let (same, durable) = broken(scene, &[Vec::new()]);
    assert!(same.is_empty(), "{same:?}");
    assert!(durable.iter().any(|broken| broken.contains(why)), "{durable:?}");
}

fn assert_holds(scene: &Scene) {
    let (same, durable) = broken(scene, &[Vec::new()]);
    assert!(same.is_empty(), "{same:?}");
    assert!(durable.iter().all(|broken| broken.starts_with("told seq")), "{durable:?}");
}

#[test]
fn another_number_for_the_same_key_is_found() {
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).enter(1, 11, 20, place(2, State::Waiting));
    assert_another_place(&scene, "had 1, now told 2");
}

#[test]
fn another_number_after_a_kill_is_a_loss() {
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).kill(11, 15).enter(1, 16, 20, place(2, State::Waiting));
    assert_lost(&scene, "had 1, now told 2");
}

#[test]
fn two_numbers_for_parallel_calls_are_found() {
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).enter(1, 0, 11, place(2, State::Waiting));
    assert_another_place(&scene, "had 1, now told 2");
}

#[test]
fn a_place_that_is_made_twice_is_found() {
    let mut scene = Scene::new();
    let new = Outcome::Place { new: true, number: 1, frontier: 0, state: State::Waiting };
    scene.enter(1, 0, 10, new.clone()).enter(1, 11, 20, new);
    assert_another_place(&scene, "made again");
}

#[test]
fn a_second_place_needs_a_first_one_that_is_over() {
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).again(1, 11, 20, place(2, State::Waiting));
    assert_another_place(&scene, "had 1, now told 2");
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).leave(1, 1, 11, 12, Outcome::Later);
    scene.again(1, 13, 20, place(2, State::Waiting));
    assert_holds(&scene);
    scene.enter(1, 21, 30, place(1, State::Left));
    assert_another_place(&scene, "had 2, now told 1");
}

#[test]
fn a_leave_that_is_forgotten_is_found() {
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).leave(1, 1, 11, 12, Outcome::Done).kill(13, 14);
    scene.enter(1, 15, 20, place(1, State::Waiting));
    assert_lost(&scene, "was left");
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).leave(1, 1, 11, 12, Outcome::Later).kill(13, 14);
    scene.enter(1, 15, 20, place(1, State::Waiting));
    assert_holds(&scene);
}

#[test]
fn a_leave_that_nobody_asked_for_is_found() {
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).enter(1, 11, 20, place(1, State::Left));
    assert_another_place(&scene, "nobody asked");
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, place(1, State::Waiting)).claim(1, 1, 11, 20, Outcome::PlaceLeft);
    assert_another_place(&scene, "never left");
}

#[test]
fn an_admission_that_is_forgotten_or_changed_is_found() {
    for (answer, why) in [
        (place(1, State::Called), "was admitted as 1, now Called"),
        (Outcome::NotYourTurn, "not its turn"),
        (place(1, State::Admitted { seq: 2, expires: u64::MAX }), "was admitted as 1"),
        (place(1, State::Admitted { seq: 1, expires: 1 }), "was admitted as 1"),
    ] {
        let mut scene = Scene::new();
        let first = admitted(&scene, 1, 1, 10_000);
        scene.enter(1, 0, 10, place(1, State::Called)).claim(1, 1, 11, 20, first).kill(21, 22);
        scene.claim(1, 1, 23, 30, answer);
        assert_lost(&scene, why);
    }
}

#[test]
fn a_board_may_not_know_an_admission() {
    let mut scene = Scene::new();
    let first = admitted(&scene, 1, 1, 10_000);
    scene.enter(1, 0, 10, place(1, State::Called)).claim(1, 1, 11, 20, first);
    scene.enter(1, 21, 30, place(1, State::Called));
    assert_holds(&scene);
}

#[test]
fn a_session_ends_when_it_was_told_to_and_not_before() {
    for (at, ends_well) in [(9_000, false), (10_001, true)] {
        let mut scene = Scene::new();
        let first = admitted(&scene, 1, 1, 10_000);
        scene.enter(1, 0, 10, place(1, State::Called)).claim(1, 1, 11, 20, first);
        scene.call(1, What::Renew, Some(1), (at, at + 1), Outcome::SessionEnded);
        if ends_well { assert_holds(&scene) } else { assert_another_place(&scene, "nothing ended the session") }
    }
}

#[test]
fn a_completion_that_is_forgotten_is_found() {
    let mut scene = Scene::new();
    let first = admitted(&scene, 1, 1, 10_000);
    scene.enter(1, 0, 10, place(1, State::Called)).claim(1, 1, 11, 20, first.clone());
    scene.call(1, What::Complete, Some(1), (21, 22), Outcome::Done).kill(23, 24).claim(1, 1, 25, 30, first);
    assert_lost(&scene, "was over, now Admitted");
}

#[test]
fn being_let_in_without_asking_is_found() {
    let mut scene = Scene::new();
    let in_at_once = admitted(&scene, 1, 1, 10_000);
    scene.enter(1, 0, 10, in_at_once);
    assert_another_place(&scene, "nobody asked");
}

#[test]
fn a_frontier_that_falls_with_a_kill_is_found() {
    let at = |frontier| Outcome::Place { new: false, number: 9, frontier, state: State::Waiting };
    let mut scene = Scene::new();
    scene.enter(1, 0, 10, at(5)).enter(1, 11, 20, at(4));
    assert_holds(&scene);
    scene.kill(21, 22).enter(1, 23, 30, at(4));
    assert_lost(&scene, "frontier 4 after a kill, 5 before it");
}

#[test]
fn an_admission_that_was_told_must_be_in_the_log_as_it_was_told() {
    let mut scene = Scene::new();
    let first = admitted(&scene, 1, 1, 10_000);
    scene.enter(1, 0, 10, place(1, State::Called)).claim(1, 1, 11, 20, first);
    let (admitted_at, expires) = (scene.unix(0), scene.unix(10_000));
    let logged = |seq, number| vec![vec![Entry { seq, number, admitted_at, expires }]];
    assert!(broken(&scene, &logged(1, 1)).1.is_empty());
    assert_eq!(broken(&scene, &logged(1, 2)).1.len(), 1);
    assert_eq!(broken(&scene, &[Vec::new()]).1.len(), 1);
}
