//! Promise 4, the exact part: at the instant of every admission, by the line's clock, live sessions ≤ `total_active_users` and
//! admissions in any 60 seconds ≤ `new_users_per_minute`. Books of their own, from what is written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ropeline_queue::line::{Change, Session};
use ropeline_queue::{Seq, UnixMillis};

use super::Verdict;
use crate::rows::LineRows;

/// Verifiers may accept a pass for so long after its end.
const LEEWAY_MS: u64 = 30_000;

#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// release → how many
    live: BTreeMap<u64, u64>,
    used: u64,
    admitted: VecDeque<u64>,
    completed: BTreeSet<Seq>,
}

impl Limits {
    /// The origin says that it is done with this.
    pub(crate) fn completes(&mut self, seq: Seq) {
        self.completed.insert(seq);
    }

    /// Slots used at this time of the line's clock.
    pub(super) fn used_at(&self, clk: u64) -> u64 {
        // A line that starts again may not remember this time: the books stay where the last write was.
        self.used - self.live.range(..=clk).map(|(_, count)| count).sum::<u64>()
    }

    /// Admissions in the 60 seconds before this time of the line's clock.
    pub(super) fn last_minute_at(&self, clk: u64) -> u64 {
        self.admitted.iter().rev().take_while(|at| **at + 60_000 >= clk).count() as u64
    }

    /// How many more may be let in, by slots and minute.
    pub(super) fn left(&self, rows: &LineRows) -> u64 {
        let settings = &rows.configured.settings;
        let per_minute = settings.new_users_per_minute.min(rows.course.pace.unwrap_or(u64::MAX));
        let slots = settings.total_active_users.saturating_sub(self.used);
        slots.min(per_minute.saturating_sub(self.admitted.len() as u64))
    }

    fn advance(&mut self, clk: u64) {
        while let Some(entry) = self.live.first_entry()
            && *entry.key() <= clk
        {
            self.used -= entry.remove();
        }
        while self.admitted.front().is_some_and(|at| at + 60_000 < clk) {
            self.admitted.pop_front();
        }
    }

    fn take(&mut self, release_at: u64) {
        *self.live.entry(release_at).or_default() += 1;
        self.used += 1;
    }

    fn free(&mut self, release_at: u64) {
        if let Some(count) = self.live.get_mut(&release_at) {
            *count -= 1;
            self.used -= 1;
            if *count == 0 {
                self.live.remove(&release_at);
            }
        }
    }

    pub(super) fn line_writes(&mut self, rows: &LineRows, changes: &[&Change]) -> Verdict {
        let clk = changes.iter().find_map(|change| match change {
            Change::Head(head) => Some(head.clk),
            _ => None,
        });
        let Some(UnixMillis(clk)) = clk else { return Err("a change without the line's own row".to_owned()) };
        self.advance(clk);
        let settings = &rows.configured.settings;
        let mut written: BTreeMap<Seq, Session> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Admit(admission) => {
                    let session = admission.session;
                    written.insert(session.seq, session);
                    let expires = clk + 1_000 * settings.session_duration_seconds;
                    if admission.admitted_at.get() != clk || session.session_expires_at.get() != expires {
                        return Err(format!("admission {} has other times than the clock's {clk}", session.seq));
                    }
                    self.check_release(&session)?;
                    self.take(session.release_at.get());
                    self.admitted.push_back(clk);
                    let (used, minute) = (self.used, self.admitted.len() as u64);
                    let pace = rows.course.pace.unwrap_or(u64::MAX);
                    if used > settings.total_active_users || minute > settings.new_users_per_minute.min(pace) {
                        return Err(format!(
                            "seq {}: {used} of {} slots, {minute} of {} in 60 seconds",
                            session.seq, settings.total_active_users, settings.new_users_per_minute
                        ));
                    }
                    if rows.head.seq.since(rows.relay.acked) >= settings.max_unacked {
                        return Err(format!("seq {} is admitted beyond max_unacked", session.seq));
                    }
                }
                Change::Session(session) => {
                    let before = written.get(&session.seq).copied();
                    let before = before.or_else(|| rows.admission(session.seq).map(|it| it.session));
                    let Some(before) = before else { return Err(format!("a session of no admission: {session:?}")) };
                    if session.session_expires_at < before.session_expires_at
                        || (before.over.is_some() && before.over != session.over)
                    {
                        return Err(format!("a session is cut short or revived: {session:?} after {before:?}"));
                    }
                    self.check_release(session)?;
                    written.insert(session.seq, *session);
                    if before.release_at.get() > clk {
                        self.free(before.release_at.get());
                    }
                    if session.release_at.get() > clk {
                        self.take(session.release_at.get());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A slot is kept as long as a verifier may accept the pass, unless the origin is done with it.
    fn check_release(&self, session: &Session) -> Verdict {
        let least = session.session_expires_at.get() + LEEWAY_MS;
        if session.release_at.get() >= least || self.completed.contains(&session.seq) {
            return Ok(());
        }
        Err(format!("the slot of {session:?} is free before its pass is void"))
    }

    /// Writes were lost that nobody had been told of.
    pub(super) fn rebuild(&mut self, rows: &LineRows) {
        let clk = rows.head.clk.get();
        *self = Self { completed: std::mem::take(&mut self.completed), ..Self::default() };
        for admission in &rows.admissions {
            if admission.session.release_at.get() > clk {
                self.take(admission.session.release_at.get());
            }
            self.admitted.push_back(admission.admitted_at.get());
        }
        self.advance(clk);
    }
}
