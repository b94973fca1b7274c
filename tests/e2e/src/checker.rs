//! Rebuilds limits and order from the trace, by the rules of the protocol and without the product's code.
//!
//! At every admission: `live sessions < total_active_users`; admissions in 601 tenths of a second `< new_users_per_minute` (R), in the
//! last second `< ceil(R / 20)`, in the last five `< ceil(R / 8)`, in the last twenty `< ceil(9 R / 25)`; and there was more room than present smaller positions.

use std::collections::BTreeMap;

use crate::trace::Trace;

/// Verifiers may take a pass this long after its end.
const LEEWAY_MS: u64 = 30_000;
/// Who has not asked for this long is not present.
const FRESH_MS: u64 = 4_000;

/// The limits of an event that do not change while it is traced.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `total_active_users`.
    pub total_active_users: u64,
    /// `new_users_per_minute`.
    pub new_users_per_minute: u64,
    /// `session_duration_seconds`.
    pub session_duration_seconds: u64,
}

/// One admission, as the trace tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Place in the admission log.
    pub seq: u64,
    /// Place in the line.
    pub number: u64,
    /// When, by the line's clock, milliseconds.
    pub clk: u64,
    /// Live sessions, this one included.
    pub live: u64,
    /// Present smaller positions that were left waiting.
    pub smaller_present: u64,
}

#[derive(Default)]
struct State {
    /// seq → when its slot is free.
    release: BTreeMap<u64, u64>,
    /// number → seq.
    seq_of: BTreeMap<u64, u64>,
    /// When admissions were, in tenths of a second.
    tenths: Vec<u64>,
    /// number → when it asked last, for those whom others wait for.
    ready: BTreeMap<u64, u64>,
    /// number → when it asked last.
    asked: BTreeMap<u64, u64>,
    admitted: Vec<Admitted>,
}

/// Goes through the trace and fails at the first admission that breaks a rule. Gives all admissions in their order.
///
/// # Panics
/// With the admission and the rule.
#[must_use]
pub fn check(trace: &Trace, limits: &Limits) -> Vec<Admitted> {
    let mut state = State::default();
    let (mut clk, mut frontier) = (0, 0);
    for exchange in &trace.exchanges {
        assert!(exchange.clk >= clk, "the line's clock ran back from {clk} to {}", exchange.clk);
        assert!(exchange.frontier >= frontier, "the frontier fell from {frontier} to {}", exchange.frontier);
        (clk, frontier) = (exchange.clk, exchange.frontier);
        state.ready.retain(|_, asked| *asked + FRESH_MS >= clk);
        for answered in &exchange.ops {
            if let Some(seq) = answered.complete()
                && let Some(release) = state.release.get_mut(&seq)
            {
                *release = (*release).min(clk);
            }
            if let (Some(_), Some((seq, expires))) = (answered.renew(), answered.admitted())
                && let Some(release) = state.release.get_mut(&seq)
            {
                assert!(expires + LEEWAY_MS >= *release, "a renewal of {seq} shortened its session");
                *release = expires + LEEWAY_MS;
            }
            if let Some(number) = answered.leave() {
                state.ready.remove(&number);
            }
        }
        let mut new = BTreeMap::new();
        for answered in &exchange.ops {
            let Some(number) = answered.claim() else { continue };
            if answered.answer == "called" {
                let before = state.asked.insert(number, clk);
                // Who fell silent is waited for again once it has asked twice in a row.
                if before.is_none_or(|before| before + FRESH_MS >= clk) {
                    state.ready.insert(number, clk);
                }
            }
            let Some((seq, expires)) = answered.admitted() else { continue };
            match state.seq_of.get(&number) {
                Some(known) => assert_eq!(*known, seq, "place {number} was admitted twice"),
                None => {
                    state.ready.insert(number, clk);
                    new.insert(seq, (number, expires));
                }
            }
        }
        for (seq, (number, expires)) in new {
            state.admit(limits, clk, seq, number, expires);
        }
        let live = state.live(clk);
        assert_eq!(exchange.active, live, "slots in use at {clk}, as the line and as the trace count them");
    }
    state.admitted
}

impl State {
    fn live(&self, clk: u64) -> u64 {
        self.release.values().filter(|release| **release > clk).count() as u64
    }

    fn admit(&mut self, limits: &Limits, clk: u64, seq: u64, number: u64, expires: u64) {
        if let Some(other) = self.seq_of.insert(number, seq) {
            panic!("place {number} was admitted as {other} and as {seq}");
        }
        assert_eq!(seq, self.admitted.len() as u64 + 1, "seq is dense and in order");
        assert_eq!(expires, clk + limits.session_duration_seconds * 1_000, "the session of {seq}");
        let per_minute = limits.new_users_per_minute;
        let tenth = clk / 100;
        let used = self.live(clk);
        let within = |tenths: u64| self.tenths.iter().filter(|at| **at + tenths > tenth).count() as u64;
        let caps = [
            ("minute", 601, per_minute),
            ("second", 10, per_minute.div_ceil(20)),
            ("five seconds", 50, per_minute.div_ceil(8)),
            ("twenty seconds", 200, (per_minute * 9).div_ceil(25)),
        ];
        assert!(used < limits.total_active_users, "seq {seq}: {used} live sessions before it");
        let mut room = limits.total_active_users - used;
        for (what, tenths, cap) in caps {
            let before = within(tenths);
            assert!(before < cap, "seq {seq}: {before} admissions in a {what} before it");
            room = room.min(cap - before);
        }
        let smaller_present = self.ready.range(..number).count() as u64;
        assert!(
            room > smaller_present,
            "place {number} was admitted with room for {room} while {smaller_present} smaller ones were present: {:?}",
            self.ready.range(..number).collect::<Vec<_>>()
        );
        self.ready.remove(&number);
        self.release.insert(seq, expires + LEEWAY_MS);
        self.tenths.push(tenth);
        self.admitted.push(Admitted { seq, number, clk, live: used + 1, smaller_present });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trace::{Answered, Exchange};

    const LIMITS: Limits = Limits { total_active_users: 2, new_users_per_minute: 40, session_duration_seconds: 10 };

    fn claims(clk: u64, active: u64, claims: &[(u64, Option<u64>)]) -> Exchange {
        let ops = claims.iter().map(|(number, seq)| Answered {
            op: json!({"claim": {"number": number}}),
            answer: seq
                .map_or(json!("called"), |seq| json!({"admitted": {"seq": seq, "session_expires_at": clk + 10_000}})),
        });
        Exchange { clk, lane: 0, numbering: json!("none"), ops: ops.collect(), frontier: 9, active }
    }

    #[test]
    fn a_line_in_order_passes() {
        let trace = Trace { exchanges: vec![claims(1_000, 2, &[(1, Some(1)), (2, Some(2)), (3, None)])] };
        assert_eq!(check(&trace, &LIMITS).len(), 2);
    }

    #[test]
    #[should_panic(expected = "smaller ones were present")]
    fn jumping_the_line_is_found() {
        let _ = check(&Trace { exchanges: vec![claims(1_000, 2, &[(1, None), (2, Some(1)), (3, Some(2))])] }, &LIMITS);
    }

    #[test]
    #[should_panic(expected = "live sessions before it")]
    fn one_session_too_many_is_found() {
        let _ =
            check(&Trace { exchanges: vec![claims(1_000, 3, &[(1, Some(1)), (2, Some(2)), (3, Some(3))])] }, &LIMITS);
    }

    #[test]
    #[should_panic(expected = "in a second before it")]
    fn a_minute_in_one_second_is_found() {
        let limits = Limits { total_active_users: 9, ..LIMITS };
        let _ =
            check(&Trace { exchanges: vec![claims(1_000, 3, &[(1, Some(1)), (2, Some(2)), (3, Some(3))])] }, &limits);
    }
}
