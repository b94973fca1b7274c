//! One machine, led step by step, and the words to say what it shall do.
#![allow(dead_code, reason = "each test uses its own part")]

use ropeline_relay::machine::{
    Around, BrokerFailure, DrainRequest, Drained, Effect, Fetched, Input, Lease, Machine, Mark, Note, Outcome, Pin,
    Read, Rules, Step, StopCause,
};
use ropeline_relay::types::{Epoch, Mono, Offset, Partition, Seq};

use super::{entry, event};

pub const TOPIC: &str = "ropeline.admissions";

pub struct Script {
    pub machine: Machine,
    pub now: u64,
    pub listed: bool,
    pub stopping: bool,
    pub notes: Vec<Note>,
}

impl Script {
    pub fn new() -> Self {
        Self::with(Rules::default())
    }

    pub fn with(rules: Rules) -> Self {
        Self {
            machine: Machine::new(event("demo"), rules, 1),
            now: 1_000,
            listed: true,
            stopping: false,
            notes: Vec::new(),
        }
    }

    pub fn step(&mut self, input: Input) -> Effect {
        let around = Around { now: Mono(self.now), listed: self.listed, stopping: self.stopping };
        let Step { effect, notes } = self.machine.step(around, input);
        self.notes = notes;
        effect
    }

    /// Lets a wait pass, whatever it waits for.
    pub fn wake(&mut self, effect: Effect) -> Effect {
        let Effect::Wait { until } = effect else { panic!("not a wait: {effect:?}") };
        assert!(until.0 >= self.now);
        self.now = until.0;
        self.step(Input::Woke)
    }

    /// Takes a lease on a log of which everything to `acked` is in Kafka, one past offset `next`, and goes to the anchor.
    pub fn taken(&mut self, head: u64, drained: u64, acked: u64, next: i64) -> Effect {
        assert_eq!(self.step(Input::Start), Effect::TakeLease);
        assert_eq!(
            self.step(Input::Lease(Ok(lease(head, drained, acked, Some(next))))),
            Effect::Connect { topic: TOPIC.into() }
        );
        self.connected()
    }

    pub fn connected(&mut self) -> Effect {
        assert_eq!(
            self.step(Input::Connected(Ok(Some(3)))),
            Effect::Open { topic: TOPIC.into(), partition: Partition(2) }
        );
        self.step(Input::Opened(Ok(())))
    }

    /// As [`Self::taken`], with everything acked, up to the first drain.
    pub fn ready(&mut self, acked: u64, next: i64) -> Effect {
        let effect = self.taken(acked, acked, acked, next);
        assert_eq!(effect, fetch(next - 1, 4 * 1024));
        self.step(read(&[(next - 1, Some(acked))], next))
    }

    pub fn drained(&mut self, seqs: std::ops::RangeInclusive<u64>, head: u64) -> Effect {
        let entries = seqs.map(|seq| entry(&event("demo"), seq)).collect();
        self.step(Input::Drained(Ok(Drained { entries, head: Seq(head) })))
    }

    pub fn nothing_new(&mut self, head: u64) -> Effect {
        let drained = Drained { entries: Vec::new(), head: Seq(head) };
        self.step(Input::Drained(Ok(drained)))
    }

    pub fn produced(&mut self, first: i64, count: i64) -> Effect {
        let offsets = (first..first + count).map(Offset).collect();
        self.step(Input::Produced(Ok(offsets)))
    }
}

pub fn lease(head: u64, drained: u64, acked: u64, next: Option<i64>) -> Lease {
    Lease {
        epoch: Epoch(7),
        lease_ms: 10_000,
        head: Seq(head),
        drained_seq: Seq(drained),
        acked_seq: Seq(acked),
        oldest_unix_ms: None,
        pin: next.map(|next| Pin { topic: TOPIC.into(), partition: Partition(2), next_offset: Offset(next) }),
        configured_topic: None,
        test: false,
        replay_from: None,
    }
}

pub fn fetch(offset: i64, max_bytes: u32) -> Effect {
    Effect::Fetch { offset: Offset(offset), max_bytes }
}

pub fn read(records: &[(i64, Option<u64>)], high_watermark: i64) -> Input {
    Input::Fetched(Ok(Fetched {
        records: records
            .iter()
            .map(|(offset, seq)| Read { offset: Offset(*offset), seq: seq.map(Seq), bytes: 300 })
            .collect(),
        high_watermark: Offset(high_watermark),
    }))
}

pub fn drain(after: u64, ack: Option<(u64, i64)>) -> Effect {
    Effect::Drain(DrainRequest {
        epoch: Epoch(7),
        after: Seq(after),
        limit: 500,
        pin: None,
        ack: ack.map(|(seq, next)| Mark { seq: Seq(seq), next_offset: Offset(next) }),
    })
}

pub fn seqs_of(effect: &Effect) -> Vec<u64> {
    let Effect::Produce { batch, epoch, .. } = effect else { panic!("not a produce: {effect:?}") };
    assert_eq!(*epoch, Epoch(7));
    batch.iter().map(|entry| entry.seq.0).collect()
}

pub fn stopped(effect: &Effect, script: &mut Script) -> StopCause {
    assert_eq!(*effect, Effect::ReleaseLease { epoch: Epoch(7) });
    match script.step(Input::Released) {
        Effect::Done(Outcome::Stopped(cause)) => cause,
        other => panic!("not stopped: {other:?}"),
    }
}

pub fn unknown() -> Input {
    Input::Produced(Err(BrokerFailure::Unknown { cause: "no answer within 10s".into() }))
}
