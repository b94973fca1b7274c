//! What a lane counts of its own work, for `GET /queue/metrics`: in memory, from the start of its instance.
//!
//! A visitor who hangs up before the answer is not counted, nor is what never reached the lane: the platform's own refusals are seen
//! by the relay's canary.

use std::cell::RefCell;

use ropeline_queue::tally::LaneTally;

use super::command::Entered;
use super::reply::Refused;
use crate::clock::{age_ms, now_ms};

/// The counters of one instance.
pub struct Tally(RefCell<LaneTally>);

impl Tally {
    /// All at zero, from now on.
    pub fn start() -> Self {
        Self(RefCell::new(LaneTally::new(now_ms() as u64)))
    }

    /// An enter that began at `began` has this outcome.
    pub fn entered(&self, began: f64, outcome: &Result<Entered, Refused>) {
        let mut counts = self.0.borrow_mut();
        match outcome {
            Ok(Entered::Place { new: true, .. }) => counts.new += 1,
            Ok(Entered::Place { new: false, .. }) => counts.known += 1,
            Ok(Entered::Refused { .. }) => counts.refused += 1,
            // The door's question; who is let through asks again.
            Ok(Entered::Unknown) => return,
            Err(_) => counts.unavailable += 1,
        }
        let ms = age_ms(began);
        if ms.is_finite() {
            counts.took(ms as u64);
        }
    }

    /// What somebody asked about a place has this outcome.
    pub fn asked<T>(&self, outcome: &Result<T, Refused>) {
        let mut counts = self.0.borrow_mut();
        match outcome {
            Ok(_) => counts.asked += 1,
            Err(_) => counts.asked_unavailable += 1,
        }
    }

    /// An exchange got no answer, or none that is one.
    pub fn exchange_failed(&self) {
        self.0.borrow_mut().exchanges_failed += 1;
    }

    /// The counts, with how many wait now.
    pub fn read(&self, pending: usize) -> LaneTally {
        LaneTally { pending: pending as u64, ..self.0.borrow().clone() }
    }
}
