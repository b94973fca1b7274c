//! The line's shell, as `src/objects/line_do.rs` of the Worker: step, commit, answer; on failure the memory is dropped.

use ropeline_queue::line::log::{Drain, LogError};
use ropeline_queue::line::{Change, Step};
use ropeline_queue::wire::Exchange;
use ropeline_queue::{Line, UnixMillis};

use crate::disk::Disk;
use crate::message::{CallId, Client, LogRefused, Out, Outcome, Request, To};
use crate::plan::{Dialect, MINUTE, Ms, SECOND, demo};
use crate::rows::{LineChange, LineRows, ReadFailed, Told};
use crate::wire::{Kind, decode, encode};
use crate::world::{Event, World};

const TELL_BOUND_MS: Ms = 5_000;
const TELL_AGAIN_MS: Ms = 1_000;

/// The line.
pub(crate) struct LineObject {
    pub(crate) disk: Disk<LineRows, Out>,
    pub(crate) line: Option<Line>,
    /// Counts the instances; what an older one was told is ignored.
    instance: u64,
    /// Counts the crashes; a write of an older life never reaches the disk.
    life: u64,
    pub(crate) offset: i64,
    /// For when the alarm is set, as far as this instance knows.
    armed: Option<Ms>,
    /// A tell may have been heard although nobody said so: by the instance before this one, or without an answer.
    unsure: bool,
    telling_until: Ms,
}

/// What an entry's JSON is handed out in.
#[derive(serde::Serialize)]
struct DrainedJson {
    entries: Vec<Box<serde_json::value::RawValue>>,
    head: u64,
}

impl LineObject {
    pub(crate) fn new(rows: LineRows, offset: i64, slow: bool) -> Self {
        let disk = Disk::new(rows, slow);
        Self { disk, line: None, instance: 0, life: 0, offset, armed: None, unsure: true, telling_until: 0 }
    }
}

impl World {
    fn line_sends(&mut self, out: Out) {
        if let Some(out) = self.line.disk.send(out) {
            self.release(out);
        }
    }

    pub(crate) fn line_clock(&self) -> UnixMillis {
        UnixMillis(self.clock(self.line.offset))
    }

    pub(crate) fn flush_line(&mut self, life: u64) {
        if self.line.life == life {
            for out in self.line.disk.flush() {
                self.release(out);
            }
        }
    }

    fn line_writes(&mut self, changes: Vec<LineChange>) {
        let most = self.weather().flush;
        let after = self.random.below(most + 1);
        self.checks.line_writes(&self.line.disk.rows, &changes);
        let order = changes
            .iter()
            .any(|change| matches!(change, LineChange::Engine(Change::Course(_) | Change::Configured(_))));
        let late = self.line.disk.write(changes, after > 0);
        if order && self.line.disk.rows.configured.settings.shuffle_at_event_start {
            self.checks.order_changed(&self.line.disk.rows);
        }
        if late {
            let life = self.line.life;
            self.schedule_in(after, Event::FlushLine { life });
        }
    }

    /// Runs `work` on the line, restored if it is not in memory, and stores what it changed. `None`: that failed.
    fn step<T, E>(&mut self, work: impl FnOnce(&mut Line, &LineRows) -> Result<Step<T>, E>) -> Option<Result<T, E>> {
        let now = self.line_clock();
        let weather = self.weather();
        self.line.disk.rows.reads_fail = self.random.chance(weather.read_fails);
        if self.line.line.is_none() {
            self.checks.line_starts(&self.line.disk.rows);
        }
        let LineObject { disk, line, .. } = &mut self.line;
        let memory = line.get_or_insert_with(|| Line::restore(demo(), disk.rows.snapshot(), now));
        let step = match work(memory, &disk.rows) {
            Ok(step) => step,
            Err(error) => {
                // Dropped also where that is not needed: it must do no harm.
                if self.line.disk.rows.reads_fail {
                    self.line_forgets();
                }
                return Some(Err(error));
            }
        };
        if !step.changes.is_empty() {
            let fails = self.random.chance(weather.write_fails);
            if !fails || self.random.chance(500) {
                self.line_writes(step.changes.into_iter().map(LineChange::Engine).collect());
                self.keep_armed();
            }
            if fails {
                self.note(|| "line: a write fails".to_owned());
                self.line_forgets();
                return None;
            }
        }
        self.check_line_counts();
        Some(Ok(step.answer))
    }

    pub(crate) fn line_hears(&mut self, call: CallId, request: &Request) {
        let now = self.line_clock();
        let outcome = match request {
            Request::Exchange(body) => self.line_exchange(now, body),
            Request::LineBoard => {
                let board = self.step(|line, _| Ok::<_, ReadFailed>(line.board(now))).and_then(Result::ok);
                board.map(|board| {
                    self.check_board(&board);
                    Outcome::Json(encode(Kind::Board, self.plan.line_speaks, self.plan.lanes_speak, &board))
                })
            }
            Request::Configure { settings, if_version } => {
                let step = self.step(|line, _| {
                    Ok::<_, ReadFailed>(line.configure(now, (**settings).clone(), *if_version, "simulated"))
                });
                step.and_then(Result::ok)
                    .map(|answer| Outcome::Configured(answer.map(|it| it.version).map_err(|error| error.to_string())))
            }
            Request::Pace { pace } => {
                let step = self.step(|line, _| Ok::<_, ReadFailed>(line.set_pace(now, *pace, "simulated")));
                step.and_then(Result::ok).map(|()| Outcome::Told)
            }
            Request::EndSession { which } => {
                let step = self.step(|line, rows| line.end_session(rows, now, *which, "simulated"));
                step.and_then(Result::ok).map(Outcome::EndedSession)
            }
            Request::Lease { relay } => {
                let step = self.step(|line, rows| line.lease(rows, now, relay));
                step.and_then(|answer| {
                    log(answer, |lease| encode(Kind::Lease, self.plan.line_speaks, Dialect::Now, &lease))
                })
            }
            Request::RenewLease { epoch } => {
                let step = self.step(|line, _| line.renew_lease::<ReadFailed>(now, *epoch));
                step.and_then(|answer| log(answer, |ms| ms.to_string()))
            }
            Request::ReleaseLease { epoch } => {
                let step = self.step(|line, _| line.release_lease::<ReadFailed>(now, *epoch));
                step.and_then(|answer| log(answer, |()| String::new()))
            }
            Request::Ack { epoch, ack } => {
                let step = self.step(|line, _| line.ack::<ReadFailed>(now, *epoch, *ack));
                step.and_then(|answer| log(answer, |()| String::new()))
            }
            Request::Drain(body) => self.line_drains(now, body),
            _ => None,
        };
        let outcome = outcome.unwrap_or(Outcome::Unavailable);
        self.line_sends(Out::Answer(call, outcome));
        self.keep_armed();
        self.tell();
    }

    fn line_exchange(&mut self, now: UnixMillis, body: &str) -> Option<Outcome> {
        let exchange: Exchange = match decode(body) {
            Ok(exchange) => exchange,
            Err(error) => {
                self.checks.misunderstood(error);
                return None;
            }
        };
        let reply = self.step(|line, rows| line.exchange(rows, now, &exchange))?.ok()?;
        self.check_board(&reply.board);
        self.note(|| {
            let numbering = serde_json::to_string(&reply.numbering).unwrap_or_default();
            let ops: Vec<_> =
                exchange.ops.iter().zip(&reply.ops).map(|(op, answer)| format!("{op:?} -> {answer:?}")).collect();
            format!(
                "line: lane {} inc {} k {} count {} stored {}: {numbering} {} | frontier {}",
                exchange.lane,
                exchange.inc,
                exchange.k,
                exchange.count,
                exchange.stored_k,
                ops.join("; "),
                reply.board.frontier
            )
        });
        self.checks.exchange_answered(&exchange, &reply, &self.line.disk.rows);
        Some(Outcome::Json(encode(Kind::ExchangeReply, self.plan.line_speaks, self.plan.lanes_speak, &reply)))
    }

    fn line_drains(&mut self, now: UnixMillis, body: &str) -> Option<Outcome> {
        let drain: Drain = match decode(body) {
            Ok(drain) => drain,
            Err(error) => {
                self.checks.misunderstood(error);
                return None;
            }
        };
        let answer = self.step(|line, rows| line.drain(rows, now, &drain))?;
        log(answer, |drained| {
            let raw = drained.entries.into_iter().map(serde_json::value::RawValue::from_string);
            let entries = raw.filter_map(Result::ok).collect();
            serde_json::to_string(&DrainedJson { entries, head: drained.head.get() }).unwrap_or_default()
        })
    }

    /// What the registry should have heard and has not.
    fn untold(&self) -> Option<Told> {
        let told = self.line.disk.rows.told;
        let rows = &self.line.disk.rows;
        let busy = rows.relay.acked < rows.head.seq;
        // The version is a stamp that grows with every change, and says which of two tells is the newer.
        (self.line.unsure || told.busy != busy).then_some(Told { busy, stamp: rows.head.version })
    }

    /// Sees that the alarm is set for what is due next.
    fn keep_armed(&mut self) {
        let clock = self.line_clock();
        let due = self.line.line.as_ref().and_then(Line::next_due).map(|due| self.now + due.since(clock));
        let again = self.untold().map(|_| self.now + TELL_AGAIN_MS);
        let Some(wanted) = due.into_iter().chain(again).min() else { return };
        // One that should have rung by now is late, or will never ring.
        let armed = self.line.armed.filter(|armed| *armed > self.now);
        if armed.is_none_or(|armed| wanted < armed) {
            self.arm(wanted);
        }
    }

    fn arm(&mut self, due: Ms) {
        self.line.armed = Some(due);
        self.line_writes(vec![LineChange::Alarm(Some(due))]);
        let weather = self.weather();
        let mut at = due + self.random.below(50);
        if self.random.chance(weather.alarm) {
            match self.random.below(4) {
                0 => at += self.random.between(1, 30) * SECOND,
                1 => at += 60 * MINUTE,
                2 => self.schedule(at + 10, Event::Alarm { due, again: true }),
                // It never comes.
                _ => return,
            }
        }
        self.schedule(at, Event::Alarm { due, again: false });
    }

    pub(crate) fn alarm(&mut self, due: Ms, again: bool) {
        if !again {
            if self.line.disk.rows.alarm != Some(due) {
                return;
            }
            self.line_writes(vec![LineChange::Alarm(None)]);
        }
        let now = self.line_clock();
        self.line.armed = None;
        self.keep_armed();
        let _done = self.step(|line, _| Ok::<_, ReadFailed>(line.tick(now)));
        self.keep_armed();
        self.tell();
    }

    fn tell(&mut self) {
        if self.now < self.line.telling_until {
            return;
        }
        let Some(Told { busy, stamp }) = self.untold() else { return };
        self.line.telling_until = self.now + 2 * TELL_BOUND_MS;
        let client = Client::LineTells { instance: self.line.instance, stamp, busy };
        let call = self.begin_call(client, TELL_BOUND_MS);
        self.line_sends(Out::Call(call, To::Registry, Request::Busy { busy, stamp }));
    }

    pub(crate) fn line_told(&mut self, instance: u64, stamp: u64, busy: bool, outcome: &Outcome) {
        if instance != self.line.instance {
            return;
        }
        self.line.telling_until = 0;
        self.line.unsure = !matches!(outcome, Outcome::Told);
        if !self.line.unsure {
            self.line_writes(vec![LineChange::Told(Told { busy, stamp })]);
            self.tell();
        }
    }

    fn line_forgets(&mut self) {
        self.line.line = None;
    }

    /// The instance is gone, with its memory and what was not on disk.
    pub(crate) fn crash_line(&mut self) {
        let unflushed = self.line.disk.unflushed();
        let kept = self.random.index(unflushed + 1);
        let lost = self.line.disk.crash(kept);
        self.note(|| format!("the line crashes{}", if lost { " and loses writes" } else { "" }));
        self.line_forgets();
        self.line.instance += 1;
        self.line.life += 1;
        self.line.armed = None;
        self.line.unsure = true;
        self.line.telling_until = 0;
        self.checks.line_crashed(&self.line.disk.rows, lost);
    }
}

/// What the relay's route makes of the engine's answer. `None`: storage failed.
fn log<T>(answer: Result<T, LogError<ReadFailed>>, json: impl FnOnce(T) -> String) -> Option<Outcome> {
    let refused = match answer {
        Ok(answer) => return Some(Outcome::Log(Ok(json(answer)))),
        Err(LogError::Held { for_ms }) => LogRefused::Held { for_ms },
        Err(LogError::StaleEpoch { .. }) => LogRefused::Stale,
        Err(LogError::Conflict(detail)) => LogRefused::Conflict(detail),
        Err(_) => return None,
    };
    Some(Outcome::Log(Err(refused)))
}
