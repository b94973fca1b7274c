//! Estimates worth trusting, in every shape a sale has; and the published table is the one that this version makes.
//!
//! `ROPELINE_SEED=7` judges the sales of another seed instead.

use ropeline_calibration::judge::{LEAST_INSIDE, MOST_ERROR, judge_all};
use ropeline_calibration::shapes::SHAPES;
use ropeline_calibration::{SEEDS, table};

#[test]
fn waits_are_as_long_as_was_said() {
    let other: Option<u64> =
        std::env::var("ROPELINE_SEED").ok().map(|seed| seed.parse().expect("ROPELINE_SEED is a number"));
    let seeds = other.map_or_else(|| SEEDS.to_vec(), |seed| vec![seed]);
    let scores = judge_all(&seeds);
    let table = table::table(&scores);
    println!("seeds {seeds:?}\n{table}");
    let mut wrong = Vec::new();
    for (shape, score) in SHAPES.iter().zip(&scores) {
        if score.judged < 5_000 {
            wrong.push(format!("{}: only {} answers were judged", shape.name, score.judged));
        }
        if score.inside < LEAST_INSIDE {
            wrong.push(format!("{}: only {:.1} % inside", shape.name, score.inside * 100.0));
        }
        // An error that could not be measured is wrong as well.
        if score.error.is_nan() || score.error > MOST_ERROR {
            wrong.push(format!("{}: likely is off by {:.1} %", shape.name, score.error * 100.0));
        }
        if score.width > 3.0 {
            wrong.push(format!("{}: ranges of {:.1} say nothing", shape.name, score.width));
        }
    }
    assert!(wrong.is_empty(), "seeds {seeds:?}:\n{}", wrong.join("\n"));
    if other.is_none() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/estimates.md");
        let page = std::fs::read_to_string(path).expect("docs/estimates.md");
        let fresh = table::put_into(&page, &table).expect("docs/estimates.md has a place for the table");
        assert!(page == fresh, "docs/estimates.md is of another version: run `cargo xtask calibrate --write`");
    }
}
