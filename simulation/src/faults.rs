//! What goes wrong beside messages: crashes, clocks, zombies; and what operator and shop do.

use ropeline_queue::line::history::Which;
use ropeline_queue::settings::QueueingMethod;
use ropeline_queue::{Number, Seq, Settings};

use crate::message::{Client, Outcome, Request, To};
use crate::plan::{MINUTE, Ms, SECOND};
use crate::world::{Event, World};

const CALL_BOUND_MS: Ms = 10_000;

impl World {
    pub(crate) fn schedule_fault(&mut self) {
        let mean = self.plan.weather.between_faults;
        if mean > 0 {
            let after = self.random.between(1, 2 * mean);
            self.schedule_in(after, Event::Fault);
        }
    }

    pub(crate) fn fault(&mut self) {
        if self.is_calm() {
            return;
        }
        self.schedule_fault();
        let lanes = usize::from(self.line.disk.rows.configured.settings.lanes);
        let lane = self.random.index(lanes);
        let relay = self.random.index(self.relays.len());
        match self.random.below(20) {
            0..=3 => self.crash_lane(lane),
            4..=6 => self.crash_line(),
            7 => {
                let isolate = self.random.index(self.isolates.len());
                self.crash_isolate(isolate);
            }
            8 | 9 => self.crash_everything(),
            10 | 11 => self.crash_relay(relay),
            12 | 13 => {
                let until = self.now + self.random.between(SECOND, 30 * SECOND);
                self.relays[relay].paused_until = until;
                self.note(|| format!("relay {relay} stands still until {until}"));
            }
            14 => self.stop_relay(relay),
            15 => self.kafka_changes(),
            16 | 17 => self.line_clock_steps(),
            _ => {
                let step = self.random.between(0, 20 * SECOND).cast_signed() - 10_000;
                self.lanes[lane].offset += step;
                self.note(|| format!("lane {lane}: the clock steps by {step} ms"));
            }
        }
    }

    /// `kill -9` of the runtime.
    fn crash_everything(&mut self) {
        self.note(|| "the runtime is killed".to_owned());
        for lane in 0..self.lanes.len() {
            self.crash_lane(lane);
        }
        self.crash_line();
        for isolate in 0..self.isolates.len() {
            self.crash_isolate(isolate);
        }
    }

    fn line_clock_steps(&mut self) {
        let hour = (60 * MINUTE).cast_signed();
        // Where it jumps back, sessions last an hour longer: only where few wait for them.
        let step = match self.random.below(12) {
            0 => hour,
            1 if self.visitors.len() <= 8 => -hour,
            _ => self.random.between(0, 20 * SECOND).cast_signed() - 10_000,
        };
        let skew = 2 * (10 * SECOND).cast_signed();
        self.line.offset = (self.line.offset + step).clamp(-skew, hour + skew);
        self.note(|| format!("line: the clock steps by {step} ms"));
    }

    fn kafka_changes(&mut self) {
        match self.random.below(3) {
            0 => {
                let end = self.partition.end();
                self.partition.hidden_from = match self.partition.hidden_from {
                    None => Some(end),
                    Some(_) => None,
                };
            }
            1 => {
                let left = self.partition.end() - self.partition.earliest;
                let gone = self.random.below(left.unsigned_abs() + 1).cast_signed();
                let from = usize::try_from(self.partition.earliest).unwrap_or(0);
                let to = usize::try_from(self.partition.earliest + gone).unwrap_or(0);
                for record in &self.partition.records[from..to] {
                    if let Some(seq) = record.seq {
                        self.checks.log.may_repeat(seq, seq);
                    }
                }
                self.partition.earliest += gone;
            }
            _ => {
                let records = self.random.index(30);
                self.partition.foreign(records);
            }
        }
    }

    /// The weather clears, the operator gives everybody room, and nobody needs help any more.
    pub(crate) fn faults_end(&mut self) {
        self.note(|| "faults stop".to_owned());
        self.partition.hidden_from = None;
        for relay in &mut self.relays {
            relay.paused_until = 0;
        }
        self.checks.rest.begins(self.now);
        self.schedule_in(SECOND, Event::PasserBy);
        if !self.is_full_shape() {
            self.schedule_in(0, Event::Operator);
        }
    }

    fn operator_gives_room(&mut self) {
        let now = self.line.disk.rows.configured.settings.clone();
        let settings = Settings {
            total_active_users: now.total_active_users.max(self.visitors.len() as u64 / 10 + 1),
            new_users_per_minute: now.new_users_per_minute.max(20),
            session_duration_seconds: now.session_duration_seconds.min(20),
            max_line_length: 10_000,
            max_unacked: 1_000_000,
            queue_all: false,
            suspended: false,
            sold_out: false,
            queueing_method: QueueingMethod::Fifo,
            ..now.clone()
        };
        if self.line.disk.rows.course.pace.is_some() {
            self.call(Client::Operator, To::Line, Request::Pace { pace: None }, CALL_BOUND_MS);
        }
        if settings != now {
            self.configures(settings, None);
        }
    }

    fn configures(&mut self, settings: Settings, if_version: Option<u64>) {
        let request = Request::Configure { settings: Box::new(settings), if_version };
        self.call(Client::Operator, To::Line, request, CALL_BOUND_MS);
    }

    pub(crate) fn operator_answered(&mut self, outcome: &Outcome) {
        self.note(|| format!("operator: {outcome:?}"));
    }

    pub(crate) fn operator_acts(&mut self) {
        if self.is_calm() {
            // What was said before may arrive later.
            self.schedule_in(20 * SECOND, Event::Operator);
            return self.operator_gives_room();
        }
        let after = self.random.between(1, 2 * self.plan.operator_every);
        self.schedule_in(after, Event::Operator);
        let configured = self.line.disk.rows.configured.clone();
        let mut settings = configured.settings;
        // The first version knows none of the last ones.
        match self.random.below(if self.plan.speaks_golden() { 9 } else { 18 }) {
            9 => settings.queue_all = !settings.queue_all,
            10 => settings.sold_out = !settings.sold_out,
            11 => settings.suspended = !settings.suspended,
            12 => {
                settings.queueing_method = match settings.queueing_method {
                    QueueingMethod::Fifo => QueueingMethod::Reject,
                    _ => QueueingMethod::Fifo,
                };
            }
            13 => {
                let pace = self.random.pick(&[None, Some(0), Some(1), Some(10)]);
                self.call(Client::Operator, To::Line, Request::Pace { pace }, CALL_BOUND_MS);
            }
            14 | 15 => {
                let seq = self.random.below(self.line.disk.rows.head.seq.get() + 2);
                let number = self.random.below(self.line.disk.rows.head.last_number.get() + 2);
                let which = self.random.pick(&[Which::Seq(Seq(seq)), Which::Number(Number(number))]);
                self.call(Client::Operator, To::Line, Request::EndSession { which }, CALL_BOUND_MS);
            }
            16 => settings.event_start_time = None,
            17 => settings.sold_out = false,
            0 | 1 => settings.total_active_users = self.random.pick(&[1, 2, 3, 10, 100]),
            2 | 3 => settings.new_users_per_minute = self.random.pick(&[1, 5, 30, 300]),
            4 => settings.session_duration_seconds = self.random.pick(&[10, 30, 120]),
            5 => settings.disable_session_renewal = !settings.disable_session_renewal,
            6 => settings.max_line_length = self.random.between(1, 40),
            7 => settings.max_unacked = self.random.between(1, 8),
            _ => settings.lanes = self.random.pick(&[1, 2, 4]),
        }
        let if_version = match self.random.below(3) {
            0 => Some(configured.version),
            1 => Some(configured.version.saturating_sub(1)),
            _ => None,
        };
        self.configures(settings, if_version);
        // And somebody completes what may not even be there.
        let seq = self.random.below(self.line.disk.rows.head.seq.get() + 4);
        if self.random.chance(300) {
            self.origin_completes(seq);
        }
    }

    /// The shop says that it is done with an admission.
    pub(crate) fn origin_completes(&mut self, seq: u64) {
        let seq = Seq(seq);
        self.checks.limits.completes(seq);
        let lanes = u64::from(self.line.disk.rows.configured.settings.lanes);
        let lane = usize::try_from(seq.get() % lanes).unwrap_or(0);
        self.call(Client::Origin { seq }, To::Lane(lane), Request::Complete { seq }, CALL_BOUND_MS);
    }

    /// The shop asks whether it is the first to see a pass; several times, as a shop with several machines may.
    pub(crate) fn origin_redeems(&mut self, seq: u64) {
        let seq = Seq(seq);
        let lanes = u64::from(self.line.disk.rows.configured.settings.lanes);
        for copy in 0..self.random.between(1, 3) {
            let lane = usize::try_from((seq.get() + copy) % lanes).unwrap_or(0);
            self.call(Client::Nobody, To::Lane(lane), Request::Redeem { seq }, CALL_BOUND_MS);
        }
    }

    pub(crate) fn origin_answered(&mut self, seq: Seq, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Asked { .. }) && !self.is_calm() {
            let after = self.random.between(SECOND, 5 * SECOND);
            self.schedule_in(after, Event::Completes { seq: seq.get() });
        }
    }
}
