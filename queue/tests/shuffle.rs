//! The shuffle is the published one, a permutation, and fair.
//!
//! `ROPELINE_SEED=<number>` replays a run (the seed is printed).

use ropeline_queue::shuffle::{Draw, MAX_COUNT, Seed, TooMany, commitment};
use ropeline_queue::{EventId, Number, Position, hex};
use sha2::{Digest, Sha256};

fn event() -> EventId {
    EventId::parse("demo").unwrap()
}

fn draw(seed: &Seed, count: u64) -> Draw {
    Draw::new(&event(), seed, count).unwrap()
}

/// The seed of the published vectors: 00 01 … 1f.
fn vector_seed() -> Seed {
    core::array::from_fn(|at| at as u8)
}

fn base_seed() -> u64 {
    let base = match std::env::var("ROPELINE_SEED") {
        Ok(text) => text.parse().expect("ROPELINE_SEED must be a number"),
        Err(_) => 20_261_122,
    };
    println!("ROPELINE_SEED={base}");
    base
}

fn seed_of(base: u64, index: u64) -> Seed {
    Sha256::new().chain_update(base.to_be_bytes()).chain_update(index.to_be_bytes()).finalize().into()
}

#[test]
fn the_commitment_is_the_one_that_independent_programs_compute() {
    let text = "8657a0f68316fa54612b1ec60803338b13d7e25f4325e001b147b472828596ae";
    assert_eq!(hex::encode(&commitment(&event(), &vector_seed())), text);
    assert_eq!(hex::decode(text), Some(commitment(&event(), &vector_seed())));
    let other = EventId::parse("demo2").unwrap();
    assert_ne!(commitment(&other, &vector_seed()), commitment(&event(), &vector_seed()), "the event counts");
    assert_ne!(commitment(&event(), &[0; 32]), commitment(&event(), &vector_seed()), "the seed counts");
}

#[test]
fn positions_are_those_that_independent_programs_compute() {
    let vectors: [(u64, &[(u64, u64)]); 4] = [
        (5, &[(1, 3), (2, 2), (3, 5), (4, 4), (5, 1)]),
        (10, &[(1, 1), (2, 6), (3, 10), (4, 5), (5, 2), (6, 8)]),
        (1_000, &[(1, 22), (2, 536), (3, 534), (4, 559), (5, 487), (6, 920), (1_000, 879)]),
        (1_000_000, &[(1, 782_556), (2, 72_501), (3, 553_711), (4, 979_497), (5, 801_825), (6, 852_237)]),
    ];
    for (count, pairs) in vectors {
        let draw = draw(&vector_seed(), count);
        for &(number, position) in pairs {
            assert_eq!(draw.position(Number(number)), Position(position), "N = {count}");
            assert_eq!(draw.number(Position(position)), Number(number), "N = {count}");
        }
    }
}

#[test]
fn every_draw_is_a_permutation_and_its_inverse_undoes_it() {
    let base = base_seed();
    let larger = (0..3).map(|index| {
        let [a, b, ..] = seed_of(base ^ 1, index);
        200 + u64::from(u16::from_be_bytes([a, b]) % 4_096)
    });
    for count in (0..=200).chain(larger) {
        let draw = draw(&seed_of(base, count), count);
        let mut taken = vec![false; count as usize];
        for number in (1..=count).map(Number) {
            let position = draw.position(number);
            let slot = &mut taken[position.get() as usize - 1];
            assert!(!std::mem::replace(slot, true), "N = {count}: {position} twice");
            assert_eq!(draw.number(position), number, "N = {count}");
        }
    }
}

#[test]
fn the_largest_draws_are_undone_by_their_inverse_too() {
    let base = base_seed();
    for count in [1 << 24, (1 << 30) + 1, MAX_COUNT] {
        let draw = draw(&seed_of(base, count), count);
        for number in [1, 2, count / 2, count - 1, count].map(Number) {
            let position = draw.position(number);
            assert!((1..=count).contains(&position.get()), "N = {count}: {position}");
            assert_eq!(draw.number(position), number, "N = {count}");
        }
    }
    assert_eq!(Draw::new(&event(), &[0; 32], MAX_COUNT + 1).unwrap_err(), TooMany { count: MAX_COUNT + 1 });
}

#[test]
fn who_comes_after_the_cut_keeps_position_equal_to_number() {
    for count in [0, 1, 2, 5, 1_000] {
        let draw = draw(&vector_seed(), count);
        for beyond in [count + 1, count + 2, count + 1_000_000, u64::MAX] {
            assert_eq!(draw.position(Number(beyond)), Position(beyond), "N = {count}");
            assert_eq!(draw.number(Position(beyond)), Number(beyond), "N = {count}");
        }
        assert_eq!((draw.position(Number(0)), draw.number(Position(0))), (Position(0), Number(0)), "no place at all");
    }
    assert_eq!(draw(&vector_seed(), 1).position(Number(1)), Position(1), "alone");
}

/// Pearson's statistic against equal shares stays below what one fair run in about a million exceeds
/// (the quantile by Wilson and Hilferty).
fn assert_uniform(counts: &[u32], what: &str) {
    let total: u32 = counts.iter().sum();
    let expected = f64::from(total) / counts.len() as f64;
    let statistic: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    let ninth = 2.0 / (9.0 * (counts.len() as f64 - 1.0));
    let bound = (counts.len() as f64 - 1.0) * (1.0 - ninth + 4.75 * ninth.sqrt()).powi(3);
    assert!(statistic < bound, "{what}: chi-square {statistic:.1} is not below {bound:.1}");
}

#[test]
fn every_order_of_a_few_is_equally_likely() {
    let base = base_seed();
    for count in 2..=4 {
        let mut orders = std::collections::BTreeMap::new();
        for index in 0..4_000 {
            let draw = draw(&seed_of(base, index), count);
            let order: Vec<u64> = (1..=count).map(|number| draw.position(Number(number)).get()).collect();
            *orders.entry(order).or_insert(0) += 1;
        }
        let all_orders = (1..=count as usize).product();
        let mut counts: Vec<u32> = orders.into_values().collect();
        assert!(counts.len() <= all_orders);
        counts.resize(all_orders, 0);
        assert_uniform(&counts, &format!("orders of {count}"));
    }
}

#[test]
fn every_number_gets_every_position_equally_often() {
    let base = base_seed();
    for count in [5, 7, 16, 17] {
        for number in [1, 2, count] {
            let mut counts = vec![0; count as usize];
            for index in 0..1_000 {
                let position = draw(&seed_of(base, index), count).position(Number(number));
                counts[position.get() as usize - 1] += 1;
            }
            assert_uniform(&counts, &format!("positions of {number} in {count}"));
        }
    }
}
