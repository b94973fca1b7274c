//! The floor beside the product: what keeping the promises costs on this platform, with nothing of ours (`tests/bench/src/floor.js`).
//!
//! A goal above the floor is out of reach; what lies between floor and product is ours.

use std::fmt;

use super::load::{Kind, Load};
use super::table::Row;

/// What the floor is made of, each a path of its own that does one thing more than `hop`.
pub(super) const STEPS: [(&str, &str); 5] = [
    ("hop in JavaScript", "/hop"),
    ("… and a signature", "/sign"),
    ("… and a look", "/look"),
    ("… and a batch stored", "/store"),
    ("… numbered by a line", "/line"),
];

/// The load of one step.
pub(super) fn step(load: Load, path: &str) -> Load {
    Load { kind: Kind::Hop, path: path.to_owned(), ..load }
}

/// How far a ceiling can be reached, and how far it is.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    pub(super) product: &'a Row,
    pub(super) floor: &'a Row,
    pub(super) ceiling: &'a Row,
}

impl fmt::Display for Reach<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, floor, ceiling } = self;
        write!(
            f,
            "floor   {} / {}: {:.2} by rate, {:.2} by CPU time; {} / its floor: {:.2}, {:.2}",
            floor.name(),
            ceiling.name(),
            floor.rate() / ceiling.rate(),
            ceiling.cpu_us() / floor.cpu_us(),
            product.name(),
            product.rate() / floor.rate(),
            floor.cpu_us() / product.cpu_us(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::histogram::Histogram;
    use serde_json::json;

    #[test]
    fn a_product_twice_as_dear_as_its_floor_is_said_to_be_at_half_of_it() {
        let row = |name: &str, answers: u32| {
            let mut latencies = Histogram::default();
            (0..answers).for_each(|_| latencies.record(1_000));
            let mut row = Row::new(name);
            row.add(&json!({"latencies": latencies.to_json(), "seconds": 1.0, "cpu_seconds": 1.0}));
            row
        };
        let (hop, floor, enter) = (row("hop", 1_000), row("floor of enter", 800), row("enter", 400));
        assert_eq!(
            Reach { product: &enter, floor: &floor, ceiling: &hop }.to_string(),
            "floor   floor of enter / hop: 0.80 by rate, 0.80 by CPU time; enter / its floor: 0.50, 0.50"
        );
    }
}
