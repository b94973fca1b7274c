//! Admission as protocol.md §2 says it, in the plainest possible way: lists and loops, nothing remembered that could be counted.
//!
//! It shares no code with the engine but the words in which both speak. It does not know when the frontier moves (a heuristic); it is told.

use std::collections::{BTreeMap, BTreeSet};

use ropeline_queue::line::Why;
use ropeline_queue::wire::{Op, OpAnswer};
use ropeline_queue::{Seq, Settings, Subject, UnixMillis};
use serde_json::json;

#[derive(Clone, Debug)]
pub struct Place {
    pub sub: Subject,
    pub entered_at: u64,
    pub called_at: Option<u64>,
    pub gone: Option<Why>,
    /// Index in the log.
    pub admission: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Admitted {
    pub number: u64,
    pub at: u64,
    pub expires_at: u64,
    pub release_at: u64,
    pub over: bool,
    pub redeemed: bool,
    /// The record that must be in the log.
    pub record: serde_json::Value,
}

#[derive(Clone, Debug)]
pub struct Naive {
    pub clk: u64,
    /// The clock of the last write.
    pub stored_clk: u64,
    pub frontier: u64,
    /// Number 1 first.
    pub places: Vec<Place>,
    pub log: Vec<Admitted>,
    /// Number → when it claimed, since the last start.
    pub seen: BTreeMap<u64, Vec<u64>>,
    pub hold_until: u64,
    pub settings: Settings,
    pub acked: u64,
}

impl Naive {
    pub fn new(settings: Settings) -> Self {
        Self {
            clk: 0,
            stored_clk: 0,
            frontier: 0,
            places: Vec::new(),
            log: Vec::new(),
            seen: BTreeMap::new(),
            hold_until: 0,
            settings,
            acked: 0,
        }
    }

    pub fn time(&mut self, now: u64) {
        self.clk = self.clk.max(now);
    }

    pub fn restart(&mut self, now: u64) {
        self.clk = self.stored_clk.max(now);
        self.seen.clear();
        self.hold_until = if self.living_in(1..=self.frontier) > 0 { self.clk + 3_000 } else { 0 };
    }

    pub fn frontier_is(&mut self, frontier: u64) {
        for number in self.frontier + 1..=frontier {
            self.places[number as usize - 1].called_at = Some(self.clk);
        }
        self.frontier = frontier;
    }

    pub fn living(&self, number: u64) -> bool {
        let place = &self.places[number as usize - 1];
        place.gone.is_none() && place.admission.is_none()
    }

    pub fn living_in(&self, numbers: impl Iterator<Item = u64>) -> u64 {
        numbers.filter(|&number| self.living(number)).count() as u64
    }

    pub fn gone(&self, why: Why) -> u64 {
        self.places.iter().filter(|place| place.gone == Some(why)).count() as u64
    }

    /// Slots in use.
    pub fn live_sessions(&self) -> u64 {
        self.log.iter().filter(|admitted| admitted.release_at > self.clk).count() as u64
    }

    /// Admissions in the last so many tenths of a second, the current one among them.
    fn admitted_in(&self, tenths: u64) -> u64 {
        self.log.iter().filter(|admitted| admitted.at / 100 + tenths > self.clk / 100).count() as u64
    }

    pub fn room(&self) -> u64 {
        let limits = &self.settings;
        [
            limits.total_active_users.saturating_sub(self.live_sessions()),
            limits.new_users_per_minute.saturating_sub(self.admitted_in(601)),
            limits.new_users_per_minute.div_ceil(20).saturating_sub(self.admitted_in(10)),
            limits.new_users_per_minute.div_ceil(8).saturating_sub(self.admitted_in(50)),
            (limits.new_users_per_minute * 9).div_ceil(25).saturating_sub(self.admitted_in(200)),
            limits.max_unacked.saturating_sub(self.log.len() as u64 - self.acked),
        ]
        .into_iter()
        .min()
        .unwrap()
    }

    fn present(&self, number: u64) -> bool {
        let asked = self.seen.get(&number).map_or(&[][..], Vec::as_slice);
        match asked {
            _ if !self.living(number) => false,
            [] => false,
            [once] => self.clk - once <= 3_000,
            [.., before, last] => last - before <= 4_000 && self.clk - last <= 4_000,
        }
    }

    /// What the ops of one exchange must be answered.
    pub fn operate(&mut self, ops: &[Op]) -> Vec<OpAnswer> {
        let early: Vec<_> = ops.iter().map(|op| self.before_claims(op)).collect();
        let mut claims = BTreeSet::new();
        for op in ops {
            if let Op::Claim { number, .. } = op
                && number.get() <= self.frontier
                && self.living(number.get())
                && claims.insert(number.get())
            {
                self.seen.entry(number.get()).or_default().push(self.clk);
            }
        }
        if self.clk >= self.hold_until {
            for number in claims {
                let smaller = (1..number).filter(|&smaller| self.present(smaller)).count() as u64;
                if self.room() > smaller {
                    self.admit(number);
                }
            }
        }
        let answer = |(op, early): (&Op, Option<OpAnswer>)| match op {
            Op::Claim { number, .. } | Op::Look { number } => self.state(number.get()),
            _ => early.expect("answered before the claims"),
        };
        ops.iter().zip(early).map(answer).collect()
    }

    fn before_claims(&mut self, op: &Op) -> Option<OpAnswer> {
        match *op {
            Op::Claim { .. } | Op::Look { .. } => None,
            Op::Renew { number } => Some(self.renew(number.get())),
            Op::Leave { number } => {
                let place = &mut self.places[number.get() as usize - 1];
                match place.admission {
                    Some(index) => self.log[index].over = true,
                    None => place.gone = place.gone.or(Some(Why::Left)),
                }
                Some(OpAnswer::Done)
            }
            Op::Complete { seq } => {
                let clk = self.clk;
                let index = (seq.get() as usize).wrapping_sub(1);
                if let Some(admitted) = self.log.get_mut(index).filter(|admitted| admitted.release_at > clk) {
                    admitted.release_at = clk;
                    admitted.over = true;
                }
                Some(OpAnswer::Done)
            }
            Op::Redeem { seq } => {
                let clk = self.clk;
                let admitted = self.log.get_mut((seq.get() as usize).wrapping_sub(1));
                let usable =
                    admitted.filter(|admitted| !admitted.redeemed && !admitted.over && admitted.expires_at > clk);
                let first = usable.is_some();
                if let Some(admitted) = usable {
                    admitted.redeemed = true;
                }
                Some(OpAnswer::Redeemed { first })
            }
        }
    }

    fn renew(&mut self, number: u64) -> OpAnswer {
        let Some(index) = self.places[number as usize - 1].admission else { return self.state(number) };
        if self.state(number) == OpAnswer::Ended {
            return OpAnswer::Ended;
        }
        if self.settings.disable_session_renewal {
            return OpAnswer::RenewalDisabled;
        }
        let expires_at = self.clk + 1_000 * self.settings.session_duration_seconds;
        let admitted = &mut self.log[index];
        if expires_at > admitted.expires_at {
            admitted.expires_at = expires_at;
            admitted.release_at = expires_at + 30_000;
        }
        self.state(number)
    }

    fn admit(&mut self, number: u64) {
        let clk = self.clk;
        let limits = &self.settings;
        // Said once more in the words of the promise, at the instant of the admission and counting it.
        assert!(self.live_sessions() < limits.total_active_users);
        let minute = self.log.iter().filter(|admitted| clk - admitted.at <= 60_000).count() as u64;
        assert!(minute < limits.new_users_per_minute, "{minute} in the last 60 s");
        let place = &mut self.places[number as usize - 1];
        let seq = self.log.len() + 1;
        place.admission = Some(seq - 1);
        let expires_at = clk + 1_000 * limits.session_duration_seconds;
        let record = json!({
            "event": "demo", "seq": seq, "number": number, "position": number, "visitor": place.sub.to_string(),
            "entered_at": UnixMillis(place.entered_at).rfc3339(),
            "called_at": UnixMillis(place.called_at.expect("only the called are admitted")).rfc3339(),
            "admitted_at": UnixMillis(clk).rfc3339(), "session_expires_at": UnixMillis(expires_at).rfc3339(),
            "jti": format!("demo/{seq}"),
        });
        self.log.push(Admitted {
            number,
            at: clk,
            expires_at,
            release_at: expires_at + 30_000,
            over: false,
            redeemed: false,
            record,
        });
    }

    fn state(&self, number: u64) -> OpAnswer {
        let place = &self.places[number as usize - 1];
        match place.admission {
            _ if place.gone.is_some() => OpAnswer::Left,
            None if number > self.frontier => OpAnswer::Waiting,
            None => OpAnswer::Called,
            Some(index) if self.log[index].over || self.log[index].expires_at <= self.clk => OpAnswer::Ended,
            Some(index) => OpAnswer::Admitted {
                seq: Seq(index as u64 + 1),
                session_expires_at: UnixMillis(self.log[index].expires_at),
            },
        }
    }
}
