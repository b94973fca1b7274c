//! Who is let in: protocol.md §2. Exact limits, in line order among those present, and nobody absent costs anything.

use std::collections::BTreeMap;

use super::store::{Admission, Change, LineStore, Over, OverBy, Session, Why};
use super::{Changes, Line};
use crate::Subject;
use crate::types::{Number, Position, Seq, UnixMillis};
use crate::visitor::Account;
use crate::wire::{Exchange, Op, OpAnswer, Phase};

/// Verifiers may accept a pass this long after its end; its slot is not given away before.
pub const LEEWAY_SECONDS: u64 = 30;

struct Claimed<'a> {
    number: Number,
    sub: Subject,
    account: Option<&'a Account>,
    entered_at: UnixMillis,
}

/// Storage as this step leaves it: what it has changed already goes before what is stored.
struct Sessions<'a, S> {
    store: &'a S,
    by_number: BTreeMap<Number, Session>,
    by_seq: BTreeMap<Seq, Session>,
}

impl<S: LineStore> Sessions<'_, S> {
    fn of(&self, number: Number) -> Result<Option<Session>, S::Error> {
        let session = match self.by_number.get(&number) {
            Some(session) => Some(*session),
            None => self.store.session_of(number)?,
        };
        Ok(session.map(|session| self.by_seq.get(&session.seq).copied().unwrap_or(session)))
    }

    fn at(&self, seq: Seq) -> Result<Option<Session>, S::Error> {
        match self.by_seq.get(&seq) {
            Some(session) => Ok(Some(*session)),
            None => self.store.session(seq),
        }
    }

    fn keep(&mut self, session: Session, changes: &mut Changes) {
        self.by_seq.insert(session.seq, session);
        changes.push(Change::Session(session));
    }
}

/// When an entry was admitted, as it stands in its record. Nothing before it holds a quotation mark of its own.
pub(super) fn admitted_at(record: &str) -> Option<&str> {
    record.split_once(r#""admitted_at":""#)?.1.split_once('"').map(|(at, _)| at)
}

impl Line {
    /// Works through the ops of an exchange: everything that frees or renews first, then all claims together.
    pub(super) fn operate<S: LineStore>(
        &mut self,
        store: &S,
        m: &Exchange,
        changes: &mut Changes,
    ) -> Result<Vec<OpAnswer>, S::Error> {
        let mut sessions = Sessions { store, by_number: BTreeMap::new(), by_seq: BTreeMap::new() };
        let mut early = Vec::with_capacity(m.ops.len());
        for op in &m.ops {
            early.push(match op {
                Op::Claim { .. } | Op::Look { .. } => None,
                Op::Renew { number } => Some(self.renew(&mut sessions, *number, changes)?),
                Op::Leave { number } => Some(self.leave(&mut sessions, *number, changes)?),
                Op::Complete { seq } => Some(self.complete(&mut sessions, *seq, changes)?),
                Op::Redeem { seq } => Some(self.redeem(&mut sessions, *seq, changes)?),
            });
        }
        self.admit(&mut sessions, &m.ops, changes)?;
        let mut answers = Vec::with_capacity(m.ops.len());
        for (op, early) in m.ops.iter().zip(early) {
            answers.push(match (early, op) {
                (Some(answer), _) => answer,
                (None, Op::Claim { number, .. }) => match self.look(&sessions, *number)? {
                    OpAnswer::Waiting | OpAnswer::Called if self.phase() == Phase::SoldOut => OpAnswer::SoldOut,
                    answer => answer,
                },
                (None, Op::Look { number }) => self.look(&sessions, *number)?,
                (None, _) => OpAnswer::Done,
            });
        }
        Ok(answers)
    }

    /// All claims are marked present first and then admitted in ascending position, each only while there is more room than
    /// smaller positions that are present.
    fn admit<S: LineStore>(
        &mut self,
        sessions: &mut Sessions<'_, S>,
        ops: &[Op],
        changes: &mut Changes,
    ) -> Result<(), S::Error> {
        let mut claims = BTreeMap::new();
        let mut passing = Vec::new();
        if matches!(self.phase(), Phase::SoldOut | Phase::Ended) {
            return Ok(());
        }
        for op in ops {
            let Op::Claim { number, sub, entered_at, ref account } = *op else { continue };
            if number == Number(0) || self.gone.contains(number) {
                continue;
            }
            let Some(position) = self.order.learn(number).filter(|position| *position <= self.head.frontier) else {
                continue;
            };
            if !self.ready.contains(position) && sessions.of(number)?.is_some() {
                continue;
            }
            // Two tabs in one exchange are one question.
            if claims.insert(position, Claimed { number, sub, account: account.as_ref(), entered_at }).is_some() {
                continue;
            }
            let asks = self.ready.mark(position, self.head.clk);
            if !asks.is_awaited {
                passing.push(position);
            }
            if asks.is_new {
                self.controller.shown(position);
                self.pace.came(position, self.head.clk < self.hold_until);
            }
        }
        // Who was present before a restart must be known again before anybody is let in.
        if self.head.clk < self.hold_until {
            return Ok(());
        }
        let mut room = self.room();
        let mut smaller_present = 0;
        let mut admitted = Vec::new();
        for position in self.ready.positions() {
            if room <= smaller_present {
                break;
            }
            if let Some(claimed) = claims.remove(&position) {
                admitted.push((position, claimed));
                room -= 1;
            } else {
                smaller_present += 1;
            }
        }
        for (position, claimed) in admitted {
            self.ready.remove(position);
            self.pace.went(position);
            let admission = self.admission(sessions.store, position, &claimed)?;
            self.sessions.take(admission.session.release_at);
            self.admitted.add(1);
            self.over_limit += u64::from(!self.is_within_limits());
            sessions.by_number.insert(claimed.number, admission.session);
            changes.push(Change::Admit(admission));
        }
        for position in passing {
            self.ready.pass_over(position);
        }
        Ok(())
    }

    /// Whether what is counted is within both limits: a look at the counts themselves, by no rule that admits.
    fn is_within_limits(&self) -> bool {
        self.sessions.used() <= self.configured.settings.total_active_users
            && self.admitted.total() <= self.per_minute()
    }

    fn admission<S: LineStore>(
        &mut self,
        store: &S,
        position: Position,
        claimed: &Claimed<'_>,
    ) -> Result<Admission, S::Error> {
        let clk = self.head.clk;
        let called_at = store.called_at(position)?.unwrap_or(clk);
        let seq = self.head.seq.next();
        self.head.seq = seq;
        let session = self.session_from(seq, clk);
        let visitor = claimed.account.map_or_else(|| claimed.sub.to_string(), |account| account.as_str().to_owned());
        // All of these are numbers, times and texts of alphabets that need no escaping.
        let record = format!(
            concat!(
                r#"{{"event":"{event}","seq":{seq},"number":{number},"position":{position},"visitor":"{visitor}","#,
                r#""entered_at":"{entered_at}","called_at":"{called_at}","admitted_at":"{admitted_at}","#,
                r#""session_expires_at":"{session_expires_at}","jti":"{event}/{seq}"}}"#
            ),
            event = self.event,
            seq = seq,
            position = position,
            number = claimed.number,
            visitor = visitor,
            entered_at = claimed.entered_at.rfc3339(),
            called_at = called_at.rfc3339(),
            admitted_at = clk.rfc3339(),
            session_expires_at = session.session_expires_at.rfc3339(),
        );
        Ok(Admission { session, number: claimed.number, admitted_at: clk, record })
    }

    fn session_from(&self, seq: Seq, clk: UnixMillis) -> Session {
        let session_expires_at = clk.plus_seconds(self.configured.settings.session_duration_seconds);
        let release_at = session_expires_at.plus_seconds(LEEWAY_SECONDS);
        Session { seq, session_expires_at, release_at, over: None, redeemed: false }
    }

    /// What this place is now.
    fn look<S: LineStore>(&self, sessions: &Sessions<'_, S>, number: Number) -> Result<OpAnswer, S::Error> {
        if self.gone.contains(number) {
            return Ok(OpAnswer::Left);
        }
        let is_ended = self.phase() == Phase::Ended;
        let Some(position) = self.order.position(number).filter(|position| *position <= self.head.frontier) else {
            return Ok(if is_ended { OpAnswer::EventEnded } else { OpAnswer::Waiting });
        };
        if self.ready.contains(position) && !is_ended {
            return Ok(OpAnswer::Called);
        }
        let unadmitted = if is_ended { OpAnswer::EventEnded } else { OpAnswer::Called };
        Ok(sessions.of(number)?.map_or(unadmitted, |session| self.session_state(&session)))
    }

    pub(super) fn is_over(&self, session: &Session) -> bool {
        session.over.is_some() || self.head.clk >= session.session_expires_at
    }

    fn session_state(&self, session: &Session) -> OpAnswer {
        if self.is_over(session) {
            return OpAnswer::Ended;
        }
        OpAnswer::Admitted { seq: session.seq, session_expires_at: session.session_expires_at }
    }

    /// Only while the session lasts; never shortens it; the log's record stays as it is.
    fn renew<S: LineStore>(
        &mut self,
        sessions: &mut Sessions<'_, S>,
        number: Number,
        changes: &mut Changes,
    ) -> Result<OpAnswer, S::Error> {
        let Some(old) = sessions.of(number)? else {
            return self.look(sessions, number);
        };
        if self.session_state(&old) == OpAnswer::Ended {
            return Ok(OpAnswer::Ended);
        }
        if self.configured.settings.disable_session_renewal {
            return Ok(OpAnswer::RenewalDisabled);
        }
        if self.phase() == Phase::Ended {
            return Ok(OpAnswer::EventEnded);
        }
        let new = Session { redeemed: old.redeemed, ..self.session_from(old.seq, self.head.clk) };
        if new.session_expires_at > old.session_expires_at {
            self.sessions.free(old.release_at);
            self.sessions.take(new.release_at);
            sessions.keep(new, changes);
            return Ok(self.session_state(&new));
        }
        Ok(self.session_state(&old))
    }

    /// Gives up a place, or ends a session: its slot stays taken until no verifier accepts the pass any more.
    fn leave<S: LineStore>(
        &mut self,
        sessions: &mut Sessions<'_, S>,
        number: Number,
        changes: &mut Changes,
    ) -> Result<OpAnswer, S::Error> {
        if number == Number(0) || number > self.head.last_number || self.gone.contains(number) {
            return Ok(OpAnswer::Done);
        }
        match sessions.of(number)? {
            Some(session) if session.over.is_none() => {
                sessions.keep(Session { over: self.over(OverBy::Left), ..session }, changes);
            }
            Some(_) => {}
            None => {
                if let Some(position) = self.order.position(number) {
                    self.ready.remove(position);
                    self.pace.went(position);
                }
                self.vanish(number, number, Why::Left, changes);
            }
        }
        Ok(OpAnswer::Done)
    }

    pub(super) const fn over(&self, by: OverBy) -> Option<Over> {
        Some(Over { at: self.head.clk, by })
    }

    /// The origin honours this admission no more: its slot is free at once.
    fn complete<S: LineStore>(
        &mut self,
        sessions: &mut Sessions<'_, S>,
        seq: Seq,
        changes: &mut Changes,
    ) -> Result<OpAnswer, S::Error> {
        if let Some(session) = sessions.at(seq)?
            && session.release_at > self.head.clk
        {
            self.sessions.free(session.release_at);
            self.pace.completed();
            let over = session.over.or(self.over(OverBy::Completed));
            sessions.keep(Session { release_at: self.head.clk, over, ..session }, changes);
        }
        Ok(OpAnswer::Done)
    }

    /// Single use, for origins that remember no `jti`: true once, and only while the session lasts.
    fn redeem<S: LineStore>(
        &mut self,
        sessions: &mut Sessions<'_, S>,
        seq: Seq,
        changes: &mut Changes,
    ) -> Result<OpAnswer, S::Error> {
        let first = match sessions.at(seq)? {
            Some(session) if !session.redeemed && !self.is_over(&session) => {
                sessions.keep(Session { redeemed: true, ..session }, changes);
                true
            }
            _ => false,
        };
        Ok(OpAnswer::Redeemed { first })
    }
}
