//! The great sale in small: the books of all checkers, and what each object is asked. `cargo xtask simulate --visitors 1000000` is the long form.

use ropeline_simulation::rush::{Outcome, Rush};

fn play(lanes: u16) -> Outcome {
    let rush = Rush { visitors: 20_000, seconds: 60, lanes, per_minute: 500, seed: 1 };
    rush.play().unwrap_or_else(|broken| panic!("{lanes} lanes: {broken}"))
}

#[test]
fn everybody_who_stays_is_let_in_in_order_and_the_minute_is_used() {
    let outcome = play(4);
    println!("{outcome}");
    // One in five never comes back, one in a hundred gives up: the seed decides which.
    assert!((15_600..16_000).contains(&outcome.admitted), "{outcome}");
    let least_ms = outcome.admitted * 60_000 / 500;
    assert!((least_ms - 60_000..least_ms + 60_000).contains(&outcome.lasted_ms), "{outcome}");
}

#[test]
fn the_line_is_asked_as_seldom_however_many_lanes_there_are() {
    for lanes in [1, 16, 256] {
        let outcome = play(lanes);
        let (polls, line, lane) = outcome.peaks();
        // 250 exchanges, a board, and the relay's drains: what begins in one second may be heard in the next.
        assert!(line <= 250 + 25, "{lanes} lanes: {outcome}");
        // Twice the average, at the opening, and who claims.
        let enters = 2 * 20_000 / 60;
        let fair = enters / u64::from(lanes);
        assert!((fair..2 * fair + 20).contains(&lane), "{lanes} lanes: {outcome}");
        assert!(polls > lane, "{lanes} lanes: {outcome}");
        // Each lane asks once in so long, and the way there and back takes up to 30 ms.
        let (half, most) = outcome.waits_ms();
        let pause = u64::from(lanes) * 4;
        assert!(half <= pause + 30 && most <= pause + 60, "{lanes} lanes: {outcome}");
    }
}
