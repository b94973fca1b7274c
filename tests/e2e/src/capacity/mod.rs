//! How much one machine carries: enters a second against latency for several numbers of lanes, and waiting people against latency.
//! Behind `cargo xtask capacity`.
//!
//! All objects share one thread of `workerd` here, and its generator the machine: what lanes bring on the platform, where each has a thread
//! of its own, is computed (`xtask/src/capacity/plan.rs`), not measured. What is measured is what one thread carries, that more lanes cost
//! little, and that a long line is no slower than a short one.

use std::time::Duration;

use crate::overload::knee::Climb;

mod lanes;
mod waiting;

pub use lanes::Lanes;
pub use waiting::Waiting;

/// How thoroughly.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The way to each knee.
    pub climb: Climb,
    /// Enters, and polls, beside so many who wait, each for so long.
    pub lasts: Duration,
}

impl Scale {
    /// For figures: some seven minutes.
    pub const WHOLE: Self =
        Self { climb: Climb { step: Duration::from_secs(4), growth: 1.2 }, lasts: Duration::from_secs(10) };
    /// To see that it works: some three minutes.
    pub const QUICK: Self =
        Self { climb: Climb { step: Duration::from_secs(3), growth: 1.5 }, lasts: Duration::from_secs(3) };
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1_000.0)
}
