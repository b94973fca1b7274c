//! Relay processes: the real machine, one event, as `relay/src/task.rs` and `fleet.rs` drive it.
//!
//! A process may be killed, stopped cleanly, or stand still for a while (a zombie, when it wakes).

use ropeline_queue::line::log as engine;
use ropeline_relay::entry::Entry;
use ropeline_relay::machine::{
    Around, BrokerFailure, DrainRequest, Drained, Effect, Input, Lease, Machine, Note, Outcome as Ended, Pin, Rules,
    WorkerFailure,
};
use ropeline_relay::types::{Epoch, EventId, Mono, Offset, Partition, Seq};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::checks::Promise;
use crate::message::{Client, LogRefused, Outcome, Request, To};
use crate::plan::{Dialect, Ms, SECOND};
use crate::random::Random;
use crate::wire::{Kind, decode, encode};
use crate::world::{Event, World};

const HTTP_BOUND_MS: Ms = 10_000;
const KAFKA_BOUND_MS: Ms = 10_000;
const POLL_MS: Ms = 1_000;

/// What the machine waits for.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// An answer of the line, to a call of this kind.
    Line(Asked),
    Ready(Input),
    /// A produce that will be answered with its offsets.
    Produce(usize),
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Take,
    Renew,
    Release,
    Drain,
    Ack,
}

/// One relay process.
pub(crate) struct Relay {
    index: usize,
    process: u64,
    random: Random,
    started: Ms,
    machine: Option<Machine>,
    /// Counts effects; the outcome of an older one is ignored.
    effect: u64,
    pending: Pending,
    listed: bool,
    stopping: bool,
    later: Ms,
    pub(crate) paused_until: Ms,
}

/// A batch on its way to Kafka.
#[derive(Debug)]
pub(crate) struct Produce {
    pub(crate) batch: Vec<Entry>,
    pub(crate) offsets: Vec<Offset>,
    pub(crate) twice: bool,
}

fn relay_event() -> EventId {
    match EventId::new("demo") {
        Some(event) => event,
        None => unreachable!("demo is an event id"),
    }
}

impl Relay {
    pub(crate) fn new(index: usize, seed: u64) -> Self {
        Self {
            index,
            process: 0,
            random: Random::new(seed),
            started: 0,
            machine: None,
            effect: 0,
            pending: Pending::Nothing,
            listed: false,
            stopping: false,
            later: 0,
            paused_until: 0,
        }
    }

    fn name(&self) -> String {
        format!("relay-{}-{}", self.index, self.process)
    }

    fn rules(&mut self) -> Rules {
        let small = self.random.chance(500);
        Rules {
            batch_rows: if small { self.random.index(7) + 1 } else { 500 },
            scan_records: if self.random.chance(100) { 20 } else { 200_000 },
            max_failures: 6,
            ..Rules::default()
        }
    }

    fn around(&self, now: Ms) -> Around {
        Around { now: Mono(now - self.started), listed: self.listed, stopping: self.stopping }
    }

    /// Another process takes the place of this one.
    fn reborn(&mut self, now: Ms) {
        self.process += 1;
        self.machine = None;
        self.effect += 1;
        self.pending = Pending::Nothing;
        self.stopping = false;
        self.started = now;
        self.paused_until = 0;
    }
}

impl World {
    pub(crate) fn relay_polls(&mut self, relay: usize) {
        let lost = self.weather().lost;
        let now = self.now;
        let heard = !self.random.chance(lost);
        self.schedule_in(POLL_MS, Event::RelayPolls { relay });
        let busy = self.registry.busy;
        let it = &mut self.relays[relay];
        if now < it.paused_until || !heard {
            return;
        }
        it.listed = busy;
        if busy && it.machine.is_none() && now >= it.later {
            let (rules, seed) = (it.rules(), it.random.next());
            it.machine = Some(Machine::new(relay_event(), rules, seed));
            self.drive(relay, Input::Start);
        }
    }

    fn drive(&mut self, relay: usize, input: Input) {
        let now = self.now;
        let it = &mut self.relays[relay];
        let around = it.around(now);
        let Some(machine) = &mut it.machine else { return };
        let step = machine.step(around, input);
        for note in &step.notes {
            self.relay_notes(relay, note);
        }
        self.relays[relay].effect += 1;
        self.carry_out(relay, step.effect);
    }

    fn relay_notes(&mut self, relay: usize, note: &Note) {
        if let Note::ScanBound { known, drained } = note {
            self.checks.log.may_repeat(known.0 + 1, drained.0);
        }
        let name = self.relays[relay].name();
        self.note(|| format!("{name}: {note:?}"));
    }

    fn carry_out(&mut self, relay: usize, effect: Effect) {
        match effect {
            Effect::TakeLease => {
                let name = self.relays[relay].name();
                self.asks_line(relay, Asked::Take, Request::Lease { relay: name });
            }
            Effect::RenewLease { epoch } => {
                self.asks_line(relay, Asked::Renew, Request::RenewLease { epoch: line_epoch(epoch) });
            }
            Effect::ReleaseLease { epoch } => {
                self.asks_line(relay, Asked::Release, Request::ReleaseLease { epoch: line_epoch(epoch) });
            }
            Effect::Ack { epoch, mark } => {
                let ack = engine::Ack { seq: ropeline_queue::Seq(mark.seq.0), next_offset: mark.next_offset.0 };
                self.asks_line(relay, Asked::Ack, Request::Ack { epoch: line_epoch(epoch), ack });
            }
            Effect::Drain(request) => {
                let body = encode(Kind::Drain, Dialect::Now, self.plan.line_speaks, &drain(&request));
                self.asks_line(relay, Asked::Drain, Request::Drain(body));
            }
            Effect::Connect { .. } => {
                self.kafka_answers(relay, |failure| Input::Connected(failure.map_or(Ok(Some(1)), Err)))
            }
            Effect::Open { .. } => self.kafka_answers(relay, |failure| Input::Opened(failure.map_or(Ok(()), Err))),
            Effect::Bounds => {
                let bounds = self.partition.bounds();
                self.kafka_answers(relay, |failure| Input::Bounds(failure.map_or(Ok(bounds), Err)));
            }
            Effect::Fetch { offset, .. } => {
                let most = self.random.index(60) + 1;
                let fetched = self.partition.fetch(offset, most);
                self.kafka_answers(relay, |failure| Input::Fetched(failure.map_or(fetched, Err)));
            }
            Effect::Produce { batch, not_after, .. } => self.produces(relay, batch, not_after),
            Effect::Wait { until } => {
                let at = self.relays[relay].started + until.0;
                self.ready(relay, Input::Woke, at.saturating_sub(self.now));
            }
            Effect::Done(ended) => self.relay_done(relay, &ended),
        }
    }

    fn relay_done(&mut self, relay: usize, ended: &Ended) {
        let now = self.now;
        let name = self.relays[relay].name();
        self.note(|| format!("{name}: {ended:?}"));
        let pause = match ended {
            Ended::Idle | Ended::Shutdown => 0,
            Ended::Held { retry_after_ms } => (*retry_after_ms).clamp(POLL_MS, 30 * SECOND),
            Ended::Stale | Ended::GaveUp { .. } => 5 * SECOND,
            _ => {
                self.checks.fail(Promise::Log, format!("a relay stopped for nothing: {ended:?}"));
                0
            }
        };
        let it = &mut self.relays[relay];
        it.machine = None;
        it.pending = Pending::Nothing;
        it.later = now + pause;
        if it.stopping {
            it.reborn(now);
        }
    }

    fn asks_line(&mut self, relay: usize, asked: Asked, request: Request) {
        let effect = self.relays[relay].effect;
        self.relays[relay].pending = Pending::Line(asked);
        self.call(Client::Relay { relay, effect }, To::Line, request, HTTP_BOUND_MS);
    }

    pub(crate) fn relay_answered(&mut self, relay: usize, effect: u64, outcome: &Outcome) {
        let it = &mut self.relays[relay];
        let Pending::Line(asked) = it.pending else { return };
        if it.effect != effect {
            return;
        }
        match input(asked, outcome) {
            Ok(input) => self.ready(relay, input, 0),
            Err(error) => self.checks.misunderstood(error),
        }
    }

    fn ready(&mut self, relay: usize, input: Input, after: Ms) {
        self.relays[relay].pending = Pending::Ready(input);
        let effect = self.relays[relay].effect;
        self.schedule_in(after, Event::RelayInput { relay, effect });
    }

    pub(crate) fn relay_input(&mut self, relay: usize, effect: u64) {
        let now = self.now;
        let it = &mut self.relays[relay];
        if it.effect != effect {
            return;
        }
        if now < it.paused_until {
            let at = it.paused_until;
            return self.schedule(at, Event::RelayInput { relay, effect });
        }
        let input = match std::mem::replace(&mut it.pending, Pending::Nothing) {
            Pending::Ready(input) => input,
            Pending::Produce(produce) => {
                let info = &self.checks.log.produces[produce];
                let (offsets, twice) = (info.offsets.clone(), info.twice);
                self.checks.log.ended(produce, !twice);
                Input::Produced(Ok(offsets))
            }
            waiting => {
                it.pending = waiting;
                return;
            }
        };
        self.drive(relay, input);
    }

    fn kafka_answers(&mut self, relay: usize, input: impl FnOnce(Option<BrokerFailure>) -> Input) {
        let trouble = self.weather().kafka;
        let fails = self.random.chance(trouble);
        let after = self.random.between(1, if fails { KAFKA_BOUND_MS } else { 20 });
        self.ready(relay, input(fails.then(lost)), after);
    }

    fn produces(&mut self, relay: usize, batch: Vec<Entry>, not_after: Mono) {
        let around = self.relays[relay].around(self.now);
        if around.now >= not_after {
            return self.ready(relay, Input::Produced(Err(lost())), 0);
        }
        let trouble = self.weather().kafka;
        let trouble = self.random.chance(trouble).then(|| self.random.below(5));
        let (mut append, mut answer) = (Some(self.random.between(1, 20)), Some(self.random.between(1, 20)));
        match trouble {
            Some(0) => (append, answer) = (None, None),
            Some(1) => answer = None,
            Some(2) => (append, answer) = (Some(self.random.between(SECOND, 40 * SECOND)), None),
            Some(3) => append = Some(self.random.between(SECOND, KAFKA_BOUND_MS - 30)),
            _ => {}
        }
        let produce = Produce { batch, offsets: Vec::new(), twice: trouble == Some(4) };
        let id = self.checks.log.begins(produce, self.steps);
        let effect = self.relays[relay].effect;
        if let Some(after) = append {
            self.schedule_in(after, Event::KafkaAppends { produce: id });
        }
        match (append, answer) {
            (Some(append), Some(answer)) => {
                self.relays[relay].pending = Pending::Produce(id);
                self.schedule_in(append + answer, Event::RelayInput { relay, effect });
            }
            _ => {
                let after = self.random.between(1, KAFKA_BOUND_MS);
                self.ready(relay, Input::Produced(Err(lost())), after);
            }
        }
    }

    pub(crate) fn kafka_appends(&mut self, produce: usize) {
        if self.random.chance(if self.is_calm() { 0 } else { 20 }) {
            self.partition.foreign(1);
        }
        let copies = if self.checks.log.produces[produce].twice { 2 } else { 1 };
        for _ in 0..copies {
            let offsets = self.partition.append(&self.checks.log.produces[produce].batch);
            self.checks.log.produces[produce].offsets = offsets;
            self.check_appended(produce);
        }
    }

    /// The process is gone; what it has sent may still arrive.
    pub(crate) fn crash_relay(&mut self, relay: usize) {
        let now = self.now;
        let after = self.random.between(100, 5 * SECOND);
        let it = &mut self.relays[relay];
        it.reborn(now);
        it.later = now + after;
        self.note(|| format!("relay {relay} is killed"));
    }

    /// The process is told to stop, and started anew.
    pub(crate) fn stop_relay(&mut self, relay: usize) {
        let now = self.now;
        let it = &mut self.relays[relay];
        match &it.machine {
            None => it.reborn(now),
            Some(machine) => {
                let may_interrupt = machine.may_interrupt();
                it.stopping = true;
                if may_interrupt {
                    self.drive(relay, Input::Interrupted);
                }
            }
        }
    }
}

fn lost() -> BrokerFailure {
    BrokerFailure::Unknown { cause: "lost".to_owned() }
}

fn line_epoch(epoch: Epoch) -> ropeline_queue::Epoch {
    ropeline_queue::Epoch(epoch.0)
}

fn drain(request: &DrainRequest) -> engine::Drain {
    let pin = request.pin.as_ref();
    engine::Drain {
        epoch: line_epoch(request.epoch),
        after: ropeline_queue::Seq(request.after.0),
        limit: request.limit,
        topic: pin.map(|pin| pin.topic.clone()),
        partition: pin.map(|pin| pin.partition.0),
        next_offset: pin.map(|pin| pin.next_offset.0),
        ack: request
            .ack
            .map(|mark| engine::Ack { seq: ropeline_queue::Seq(mark.seq.0), next_offset: mark.next_offset.0 }),
    }
}

#[derive(Deserialize)]
struct DrainedJson<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
    head: u64,
}

/// What the machine learns of the line's answer, as `worker/http.rs` and `worker/wire.rs` of the relay make it.
fn input(asked: Asked, outcome: &Outcome) -> Result<Input, String> {
    let answer = match outcome {
        Outcome::Log(Ok(body)) => Ok(body),
        Outcome::Log(Err(LogRefused::Held { for_ms })) => {
            Err(WorkerFailure::Held { retry_after_ms: for_ms.div_ceil(1_000).max(1) * 1_000 })
        }
        Outcome::Log(Err(LogRefused::Stale)) => Err(WorkerFailure::Stale),
        Outcome::Log(Err(LogRefused::Conflict(detail))) => {
            Err(WorkerFailure::Refused { status: 409, slug: "conflict".to_owned(), detail: (*detail).to_owned() })
        }
        _ => Err(WorkerFailure::Later { cause: "no answer".to_owned(), retry_after_ms: None }),
    };
    Ok(match asked {
        Asked::Take => Input::Lease(match answer {
            Ok(body) => Ok(lease(decode(body)?)),
            Err(failure) => Err(failure),
        }),
        Asked::Renew => Input::Renewed(match answer {
            Ok(body) => Ok(decode(body)?),
            Err(failure) => Err(failure),
        }),
        Asked::Release => Input::Released,
        Asked::Ack => Input::Acked(answer.map(|_| ())),
        Asked::Drain => Input::Drained(match answer {
            Ok(body) => Ok(drained(body)?),
            Err(failure) => Err(failure),
        }),
    })
}

fn lease(lease: engine::Lease) -> Lease {
    let pin = match (lease.topic, lease.partition, lease.next_offset) {
        (Some(topic), Some(partition), Some(next_offset)) => {
            Some(Pin { topic, partition: Partition(partition), next_offset: Offset(next_offset) })
        }
        _ => None,
    };
    Lease {
        epoch: Epoch(lease.epoch.get()),
        lease_ms: lease.lease_ms,
        head: Seq(lease.head.get()),
        drained_seq: Seq(lease.drained_seq.get()),
        acked_seq: Seq(lease.acked_seq.get()),
        oldest_unix_ms: None,
        pin,
        configured_topic: lease.configured_topic,
        test: lease.test,
        replay_from: lease.replay_from.map(|from| Seq(from.get())),
    }
}

fn drained(body: &str) -> Result<Drained, String> {
    let json: DrainedJson<'_> = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let event = relay_event();
    let entries = json.entries.iter().map(|raw| Entry::parse(&event, raw).map_err(|error| error.to_string()));
    Ok(Drained { entries: entries.collect::<Result<_, _>>()?, head: Seq(json.head) })
}
