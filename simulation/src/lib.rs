//! Whole systems of Ropeline, simulated: a seed says who comes, what breaks and when.
//!
//! The engine ([`ropeline_queue`]) and the relay's machine ([`ropeline_relay::machine`]) are the real ones; around them is a
//! world of one thread and one generator: visitors, isolates, the shells of lanes and line, a registry, relay processes, a Kafka
//! partition, a network and clocks. After every step the checkers of `checks/` have their say, one for each promise; when the
//! faults stop, all must come to rest.
//!
//! ```text
//! visitor ─▶ isolate ─▶ lane (store, wake) ──JSON──▶ line (step, commit, answer) ──JSON──▶ relay machine ─▶ partition
//! ```
//!
//! * `plan`: what a seed stands for. `world`: the queue of what happens next. `network`, `message`, `wire`: calls and their JSON.
//! * `lane`, `line`, `registry`, `isolate`: the shells, as in the Worker's `src/`; `disk`, `rows`: their storage with its gate.
//! * `visitor`, `relay`, `kafka`, `faults`: who comes, who drains, where it goes, what breaks.

mod checks;
mod disk;
mod faults;
mod isolate;
mod kafka;
mod lane;
mod line;
mod message;
mod network;
mod plan;
mod random;
mod registry;
mod relay;
mod rows;
pub mod rush;
mod trace;
mod visitor;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::plan::Plan;
use crate::trace::Trace;
use crate::world::World;

/// What one seed was.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// Events that happened.
    pub steps: u64,
    /// How much time went by in the simulation.
    pub simulated_ms: u64,
    /// Visitors let in.
    pub admitted: u64,
    /// Records of Kafka that were repeats.
    pub repeated: u64,
    /// The promise that was broken, and how.
    pub broken: Option<String>,
}

/// Runs one seed; with `trace`, prints what happens.
#[must_use]
pub fn run(seed: u64, trace: bool) -> Run {
    let mut world = World::new(Plan::of(seed), Trace { on: trace });
    if trace {
        println!("{:#?}", world.plan);
    }
    // Overflow, a broken assertion: a panic of the engine is a broken promise, too.
    let panicked = catch_unwind(AssertUnwindSafe(|| world.run())).err();
    let panicked = panicked.map(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        format!(
            "panic: {}",
            text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        )
    });
    let broken = world.checks.broken.as_ref().map(|violation| format!("{:?}: {}", violation.promise, violation.text));
    Run {
        seed,
        steps: world.steps,
        simulated_ms: world.now,
        admitted: world.line.disk.rows.head.seq.get(),
        repeated: world.checks.log.repeats,
        broken: panicked.or(broken),
    }
}
