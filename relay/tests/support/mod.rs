//! A line and a log that behave as the protocol says, without network: what the tests put behind the relay's seams.
#![allow(dead_code, reason = "each test uses its own part")]

pub mod http;
pub mod script;

use ropeline_relay::entry::Entry;
use ropeline_relay::machine::{
    Bounds, BrokerFailure, DrainRequest, Drained, Fetched, Lease, Mark, Pin, Read, WorkerFailure,
};
use ropeline_relay::types::{Epoch, EventId, Offset, Seq};
use serde_json::value::RawValue;

pub const LEASE_MS: u64 = 10_000;

pub fn event(name: &str) -> EventId {
    EventId::new(name).unwrap()
}

/// The JSON of one admission, the same whenever it is asked for.
pub fn entry_json(event: &EventId, seq: u64) -> String {
    let minute = seq / 60 % 60;
    let second = seq % 60;
    format!(
        r#"{{"event":"{event}","seq":{seq},"number":{seq},"position":{seq},"visitor":"dmlzaXRvci{seq:06}","entered_at":"2026-11-22T19:{minute:02}:{second:02}.000Z","called_at":"2026-11-22T19:{minute:02}:{second:02}.100Z","admitted_at":"2026-11-22T19:{minute:02}:{second:02}.250Z","session_expires_at":"2026-11-22T20:{minute:02}:{second:02}.250Z","jti":"{event}/{seq}"}}"#
    )
}

pub fn entry(event: &EventId, seq: u64) -> Entry {
    let raw: Box<RawValue> = serde_json::from_str(&entry_json(event, seq)).unwrap();
    Entry::parse(event, &raw).unwrap()
}

/// One event's row and admission log, as the line keeps them (protocol, section 5).
#[derive(Clone, Debug)]
pub struct Line {
    pub event: EventId,
    pub epoch: u64,
    pub owner: Option<String>,
    pub lease_until: u64,
    pub head: u64,
    pub drained: u64,
    pub acked: u64,
    pub pin: Option<Pin>,
    pub takes: u64,
    pub test: bool,
    pub replay_from: Option<u64>,
    pub replay_epoch: u64,
}

impl Line {
    pub fn new(name: &str, head: u64) -> Self {
        Self {
            event: event(name),
            epoch: 0,
            owner: None,
            lease_until: 0,
            head,
            drained: 0,
            acked: 0,
            pin: None,
            takes: 0,
            test: false,
            replay_from: None,
            replay_epoch: 0,
        }
    }

    pub fn busy(&self) -> bool {
        self.acked < self.head
    }

    pub fn take(&mut self, now: u64, relay: &str) -> Result<Lease, WorkerFailure> {
        let other = self.owner.as_deref().is_some_and(|owner| owner != relay);
        if other && self.lease_until > now {
            return Err(WorkerFailure::Held { retry_after_ms: self.lease_until - now });
        }
        self.takes += 1;
        self.epoch += 1;
        self.owner = Some(relay.to_owned());
        self.lease_until = now + LEASE_MS;
        Ok(Lease {
            epoch: Epoch(self.epoch),
            lease_ms: LEASE_MS,
            head: Seq(self.head),
            drained_seq: Seq(self.drained),
            acked_seq: Seq(self.acked),
            oldest_unix_ms: None,
            pin: self.pin.clone(),
            configured_topic: None,
            test: self.test,
            replay_from: self.replay_from.map(Seq),
        })
    }

    /// What an operator does once nobody has the lease: the event begins anew at `from`, where `log` ends.
    pub fn replay(&mut self, now: u64, from: u64, log: &Partition) -> bool {
        if self.owner.is_some() && self.lease_until > now {
            return false;
        }
        assert!((1..=self.acked + 1).contains(&from));
        self.epoch += 1;
        self.owner = None;
        self.acked = from - 1;
        self.replay_from = Some(from);
        self.replay_epoch = self.epoch;
        let pin = self.pin.as_mut().expect("a replay before the first drain");
        pin.next_offset = Offset(log.end());
        true
    }

    fn current(&self, epoch: Epoch) -> Result<(), WorkerFailure> {
        if epoch.0 == self.epoch && self.owner.is_some() { Ok(()) } else { Err(WorkerFailure::Stale) }
    }

    pub fn renew(&mut self, now: u64, epoch: Epoch) -> Result<u64, WorkerFailure> {
        self.current(epoch)?;
        self.lease_until = now + LEASE_MS;
        Ok(LEASE_MS)
    }

    pub fn release(&mut self, epoch: Epoch) -> Result<(), WorkerFailure> {
        self.current(epoch)?;
        self.owner = None;
        Ok(())
    }

    pub fn ack(&mut self, epoch: Epoch, mark: Mark) -> Result<(), WorkerFailure> {
        self.current(epoch)?;
        assert!(mark.seq.0 <= self.drained, "an ack of what was never drained");
        if mark.seq.0 > self.acked {
            self.acked = mark.seq.0;
            let pin = self.pin.as_mut().expect("acked before the first drain");
            assert!(mark.next_offset >= pin.next_offset, "next_offset fell");
            pin.next_offset = mark.next_offset;
        }
        Ok(())
    }

    pub fn drain(&mut self, now: u64, request: &DrainRequest) -> Result<Drained, WorkerFailure> {
        self.current(request.epoch)?;
        if self.pin.is_none() {
            self.pin.clone_from(&request.pin);
        }
        assert!(self.pin.is_some(), "the first drain must say where records go");
        if let Some(mark) = request.ack {
            self.ack(request.epoch, mark)?;
        }
        self.lease_until = now + LEASE_MS;
        let last = self.head.min(request.after.0 + u64::try_from(request.limit).unwrap());
        let entries: Vec<Entry> = (request.after.0 + 1..=last).map(|seq| entry(&self.event, seq)).collect();
        self.drained = self.drained.max(last);
        Ok(Drained { entries, head: Seq(self.head) })
    }
}

/// One partition. `None` is a record of somebody else.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    pub records: Vec<Option<(EventId, u64)>>,
    /// Retention has removed everything before this.
    pub earliest: i64,
    /// An open transaction hides everything from here on.
    pub hidden_from: Option<i64>,
}

impl Partition {
    pub fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap()
    }

    fn visible(&self) -> i64 {
        self.hidden_from.map_or(self.end(), |from| from.min(self.end()))
    }

    pub fn append(&mut self, event: &EventId, batch: &[Entry]) -> Vec<Offset> {
        batch
            .iter()
            .map(|entry| {
                assert_eq!(*entry, self::entry(event, entry.seq.0), "another value");
                self.records.push(Some((event.clone(), entry.seq.0)));
                Offset(self.end() - 1)
            })
            .collect()
    }

    pub fn foreign(&mut self, records: usize) {
        self.records.extend((0..records).map(|_| None));
    }

    pub fn bounds(&self) -> Bounds {
        Bounds { earliest: Offset(self.earliest), latest: Offset(self.visible()) }
    }

    /// `most` stands for the limit in bytes.
    pub fn fetch(&self, event: &EventId, offset: Offset, most: usize) -> Result<Fetched, BrokerFailure> {
        if offset.0 < self.earliest || offset.0 > self.end() {
            return Err(BrokerFailure::OutOfRange);
        }
        let records = (offset.0..self.visible())
            .take(most)
            .map(|at| {
                let record = &self.records[usize::try_from(at).unwrap()];
                let seq = record.as_ref().filter(|(of, _)| of == event).map(|(_, seq)| Seq(*seq));
                Read { offset: Offset(at), seq, bytes: 300 }
            })
            .collect();
        Ok(Fetched { records, high_watermark: Offset(self.end()) })
    }

    /// All seqs of `event` in log order, repeats too.
    pub fn seqs(&self, event: &EventId) -> Vec<u64> {
        self.records.iter().flatten().filter(|(of, _)| of == event).map(|(_, seq)| *seq).collect()
    }
}

/// The first copies, in log order: what a consumer that drops `seq <= last seen` keeps must be 1, 2, 3 …
pub fn first_copies(seqs: &[u64]) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    seqs.iter().copied().filter(|seq| seen.insert(*seq)).collect()
}
