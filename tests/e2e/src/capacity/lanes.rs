//! The rate of enters, raised until it bends, for several numbers of lanes.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Scale, ms};
use crate::overload::knee::{self, Knee, Step};
use crate::{WorldOptions, overload};

/// The numbers of lanes.
const LANES: [u16; 3] = [1, 4, 16];

/// A knee for each number of lanes.
#[derive(Debug)]
pub struct Lanes {
    knees: Vec<(u16, Knee)>,
}

impl Lanes {
    /// Measures, each on a Worker of its own.
    ///
    /// # Errors
    /// When the generator cannot begin, or the machine serves nobody in time.
    ///
    /// # Panics
    /// When something is missing, with how to get it.
    pub async fn measure(scale: &Scale, mut say: impl FnMut(&str)) -> Result<Self> {
        let mut knees = Vec::new();
        for lanes in LANES {
            say(&format!("enters a second, {lanes} lanes"));
            let world = WorldOptions::default().var("ROPELINE_TRACE", "").start();
            world.create("lanes", &json!({"lanes": lanes})).await;
            let arrivals = overload::arrivals(&world, "lanes", 0, Duration::ZERO);
            knees.push((lanes, knee::find(&arrivals, scale.climb, &mut say)?));
        }
        Ok(Self { knees })
    }

    /// The highest knee, enters a second.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.knees.iter().map(|(_, knee)| knee.per_second).fold(0.0, f64::max)
    }
}

fn cell(step: Option<&Step>) -> String {
    match step {
        Some(step) if step.keeps_up() => format!("{}, {}", ms(step.p50), ms(step.p99)),
        Some(step) => format!("{}, {}, **bends**: {:.0} served", ms(step.p50), ms(step.p99), step.served),
        None => String::new(),
    }
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.knees.iter().map(|(lanes, _)| format!("`lanes` {lanes}: p50, p99")).collect();
        writeln!(f, "| enters a second | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
        // All of them began with the same rate, and raised it alike.
        let longest = self.knees.iter().map(|(_, knee)| &knee.steps).max_by_key(|steps| steps.len());
        for (index, step) in longest.into_iter().flatten().enumerate() {
            let cells: Vec<_> = self.knees.iter().map(|(_, knee)| cell(knee.steps.get(index))).collect();
            writeln!(f, "| {:.0} | {} |", step.per_second, cells.join(" | "))?;
        }
        let knees: Vec<_> = self.knees.iter().map(|(_, knee)| format!("**{:.0}**", knee.per_second)).collect();
        writeln!(f, "| the knee | {} |", knees.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_lanes_ends_where_it_bends() {
        let step = |per_second, p99| Step {
            per_second,
            served: per_second,
            p50: Duration::from_millis(p99 / 2),
            p99: Duration::from_millis(p99),
        };
        let knee = |steps: &[Step], per_second| Knee { steps: steps.to_vec(), per_second };
        let lanes = Lanes {
            knees: vec![
                (1, knee(&[step(150.0, 20), step(300.0, 900)], 150.0)),
                (4, knee(&[step(150.0, 30), step(300.0, 50), step(600.0, 800)], 300.0)),
            ],
        };
        assert_eq!(
            lanes.to_string(),
            "| enters a second | `lanes` 1: p50, p99 | `lanes` 4: p50, p99 |\n\
             |---|---|---|\n\
             | 150 | 10 ms, 20 ms | 15 ms, 30 ms |\n\
             | 300 | 450 ms, 900 ms, **bends**: 300 served | 25 ms, 50 ms |\n\
             | 600 |  | 400 ms, 800 ms, **bends**: 600 served |\n\
             | the knee | **150** | **300** |\n"
        );
        assert_eq!(lanes.best(), 300.0);
    }
}
