//! One order per admission.
//!
//! Invariant: for every `jti` [`Orders::place`] makes at most one order, for as long as any pass
//! with that `jti` can be good. Renewed passes have the same `jti` and a later `exp`, so an entry
//! is kept [`KEEP`] past the moment from which on the line renews no more: that is when it has
//! confirmed `complete`; until then (or if it never does) the entry stays. A pass that was given
//! while no queue was in force is never renewed under the same `jti`.
//!
//! A real shop has a database: a `UNIQUE` column `jti` in the order table does all of this file,
//! survives restarts and works for several processes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

/// A little more than the longest session the line gives (1,800 s) and the leeway for clocks.
const KEEP: u64 = 1_860;
const MAX_ORDERS: usize = 200_000;

#[derive(Default)]
pub(crate) struct Orders {
    placed: Mutex<Placed>,
}

#[derive(Default)]
struct Placed {
    by_jti: HashMap<String, Order>,
    last_id: u64,
}

struct Order {
    id: u64,
    /// Unknown until the line has confirmed that the visit is over.
    forget_at: Option<u64>,
}

/// What became of an order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    New(u64),
    /// This admission has bought already: the id of that order.
    Again(u64),
    /// Nothing more can be remembered, so nothing more is sold: closed rather than sold twice.
    Full,
}

impl Orders {
    pub(crate) fn place(&self, jti: &str, now_seconds: u64) -> Placing {
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if placed.by_jti.len() >= MAX_ORDERS {
            placed.by_jti.retain(|_, order| order.forget_at.is_none_or(|at| at > now_seconds));
        }
        let full = placed.by_jti.len() >= MAX_ORDERS;
        let id = placed.last_id + 1;
        match placed.by_jti.entry(jti.to_owned()) {
            Entry::Occupied(entry) => return Placing::Again(entry.get().id),
            Entry::Vacant(_) if full => return Placing::Full,
            Entry::Vacant(entry) => entry.insert(Order { id, forget_at: None }),
        };
        placed.last_id = id;
        Placing::New(id)
    }

    /// The order this admission was used for: its pass is honoured no more.
    pub(crate) fn of(&self, jti: &str) -> Option<u64> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        placed.by_jti.get(jti).map(|order| order.id)
    }

    /// From now on no pass is made for this `jti`: the line knows that the visit is over, or it was a pass of
    /// its own that is never renewed.
    pub(crate) fn no_more_passes(&self, jti: &str, now_seconds: u64) {
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = placed.by_jti.get_mut(jti) {
            order.forget_at = Some(now_seconds + KEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_buys_once() {
        let orders = Orders::default();
        assert_eq!(orders.of("demo/1"), None);
        assert_eq!(orders.place("demo/1", 100), Placing::New(1));
        assert_eq!(orders.place("demo/2", 100), Placing::New(2));
        assert_eq!(orders.place("demo/1", u64::MAX), Placing::Again(1));
        assert_eq!(orders.of("demo/1"), Some(1));
    }

    #[test]
    fn a_full_shop_forgets_only_what_no_pass_can_use() {
        let orders = Orders::default();
        for seq in 0..MAX_ORDERS {
            orders.place(&format!("demo/{seq}"), 100);
        }
        orders.no_more_passes("demo/7", 100);
        assert_eq!(orders.place("demo/new", 100 + KEEP - 1), Placing::Full);
        assert_eq!(orders.place("demo/7", 100 + KEEP - 1), Placing::Again(8));
        assert!(matches!(orders.place("demo/new", 100 + KEEP), Placing::New(_)));
        assert_eq!(orders.place("demo/8", u64::MAX), Placing::Again(9), "never confirmed, never forgotten");
    }
}
