//! The JSON of the relay routes (`/queue/relay/…`). Unknown fields of answers are ignored: a newer Worker may send more.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::entry::{Entry, unix_ms};
use crate::machine::{DrainRequest, Drained, Lease, Mark, Pin, WorkerFailure};
use crate::types::{Epoch, EventId, Offset, Partition, Seq};

/// More events than this in one answer are no sale, but a mistake.
const MOST_EVENTS: usize = 10_000;
/// Numbers of the contract are below 2^53.
const MOST: u64 = 1 << 53;
/// A shorter lease leaves no time to produce, a longer one would outlive its relay for too long.
const LEASE_MS: std::ops::RangeInclusive<u64> = 3_000..=300_000;

fn bad(detail: impl Into<String>) -> WorkerFailure {
    WorkerFailure::BadAnswer { detail: detail.into() }
}

fn parse<'a, T: Deserialize<'a>>(what: &str, body: &'a [u8]) -> Result<T, WorkerFailure> {
    serde_json::from_slice(body).map_err(|error| bad(format!("{what}: {error}")))
}

#[derive(Serialize)]
pub(super) struct TakeBody<'a> {
    pub(super) event: &'a str,
    pub(super) relay: &'a str,
}

#[derive(Serialize)]
pub(super) struct ReplayBody<'a> {
    pub(super) event: &'a str,
    pub(super) relay: &'a str,
    pub(super) replay_from: Seq,
    pub(super) topic: &'a str,
    pub(super) partition: Partition,
    pub(super) next_offset: Offset,
}

#[derive(Serialize)]
pub(super) struct LeaseBody<'a> {
    pub(super) event: &'a str,
    pub(super) epoch: Epoch,
}

#[derive(Serialize)]
pub(super) struct AckBody<'a> {
    event: &'a str,
    epoch: Epoch,
    seq: Seq,
    next_offset: Offset,
}

impl<'a> AckBody<'a> {
    pub(super) fn new(event: &'a EventId, epoch: Epoch, mark: Mark) -> Self {
        Self { event: event.as_str(), epoch, seq: mark.seq, next_offset: mark.next_offset }
    }
}

#[derive(Serialize)]
pub(super) struct BrakeBody<'a> {
    pub(super) event: &'a str,
    pub(super) cause: &'a str,
}

#[derive(Deserialize)]
struct BrakeAnswer {
    percent: u64,
}

pub(super) fn braked(body: &[u8]) -> Result<u64, WorkerFailure> {
    parse("brake", body).map(|BrakeAnswer { percent }| percent)
}

#[derive(Serialize)]
struct AckField {
    seq: Seq,
    next_offset: Offset,
}

#[derive(Serialize)]
pub(super) struct DrainBody<'a> {
    event: &'a str,
    epoch: Epoch,
    after: Seq,
    limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<Partition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<Offset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<AckField>,
}

impl<'a> DrainBody<'a> {
    pub(super) fn new(event: &'a EventId, request: &'a DrainRequest) -> Self {
        let pin = request.pin.as_ref();
        Self {
            event: event.as_str(),
            epoch: request.epoch,
            after: request.after,
            limit: request.limit,
            topic: pin.map(|pin| pin.topic.as_str()),
            partition: pin.map(|pin| pin.partition),
            next_offset: pin.map(|pin| pin.next_offset),
            ack: request.ack.map(|mark| AckField { seq: mark.seq, next_offset: mark.next_offset }),
        }
    }
}

#[derive(Deserialize)]
struct EventsAnswer {
    events: Vec<EventAnswer>,
}

#[derive(Deserialize)]
struct EventAnswer {
    event: String,
}

pub(super) fn events(body: &[u8]) -> Result<Vec<EventId>, WorkerFailure> {
    let answer: EventsAnswer = parse("list of events", body)?;
    if answer.events.len() > MOST_EVENTS {
        return Err(bad(format!("{} busy events", answer.events.len())));
    }
    answer
        .events
        .into_iter()
        .map(|row| {
            let shown = format!("{:.80}", row.event);
            EventId::new(row.event).ok_or_else(|| bad(format!("not an event id: {shown:?}")))
        })
        .collect()
}

#[derive(Deserialize)]
struct LeaseAnswer {
    epoch: Epoch,
    lease_ms: u64,
    head: Seq,
    drained_seq: Seq,
    acked_seq: Seq,
    topic: Option<String>,
    partition: Option<Partition>,
    next_offset: Option<Offset>,
    configured_topic: Option<String>,
    #[serde(default)]
    test: bool,
    oldest_unacked_at: Option<String>,
    replay_from: Option<Seq>,
    relay: Option<String>,
}

pub(super) fn lease(body: &[u8]) -> Result<Lease, WorkerFailure> {
    let (lease, _) = leased(parse("lease", body)?)?;
    if LEASE_MS.contains(&lease.lease_ms) { Ok(lease) } else { Err(bad(format!("lease: lease_ms {}", lease.lease_ms))) }
}

/// How far an event's relay is, and who that is. What is left of the lease may be nothing.
pub(super) fn log_state(body: &[u8]) -> Result<(Lease, Option<String>), WorkerFailure> {
    leased(parse("state of the log", body)?)
}

fn leased(answer: LeaseAnswer) -> Result<(Lease, Option<String>), WorkerFailure> {
    let numbers = [answer.epoch.0, answer.head.0, answer.drained_seq.0, answer.acked_seq.0];
    if numbers.iter().any(|n| *n >= MOST) {
        return Err(bad("lease: a number of 2^53 or more"));
    }
    let pin = match (answer.topic, answer.partition, answer.next_offset) {
        (Some(topic), Some(partition), Some(next_offset))
            if partition.0 >= 0 && next_offset.0 >= 0 && !topic.is_empty() =>
        {
            Some(Pin { topic, partition, next_offset })
        }
        (None, None, None) => None,
        _ => {
            return Err(bad("lease: topic, partition and next_offset do not fit together"));
        }
    };
    let lease = Lease {
        epoch: answer.epoch,
        lease_ms: answer.lease_ms,
        head: answer.head,
        drained_seq: answer.drained_seq,
        acked_seq: answer.acked_seq,
        // For a gauge alone: what cannot be read is not there.
        oldest_unix_ms: answer.oldest_unacked_at.and_then(|at| unix_ms(&at)),
        pin,
        configured_topic: answer.configured_topic.filter(|topic| !topic.is_empty()),
        test: answer.test,
        replay_from: answer.replay_from,
    };
    Ok((lease, answer.relay))
}

#[derive(Deserialize)]
struct RenewAnswer {
    lease_ms: u64,
}

pub(super) fn renewed(body: &[u8]) -> Result<u64, WorkerFailure> {
    let answer: RenewAnswer = parse("renewed lease", body)?;
    if LEASE_MS.contains(&answer.lease_ms) {
        Ok(answer.lease_ms)
    } else {
        Err(bad(format!("renewed lease: lease_ms {}", answer.lease_ms)))
    }
}

#[derive(Deserialize)]
struct DrainAnswer<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
    head: Seq,
}

pub(super) fn drained(event: &EventId, body: &[u8]) -> Result<Drained, WorkerFailure> {
    let answer: DrainAnswer<'_> = parse("drain", body)?;
    let entries = answer
        .entries
        .iter()
        .map(|raw| Entry::parse(event, raw).map_err(|error| bad(error.to_string())))
        .collect::<Result<_, _>>()?;
    Ok(Drained { entries, head: answer.head })
}

/// An RFC 9457 problem, as far as it says what to do.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The last part of `urn:ropeline:problem:{slug}`; empty when it is none of ours.
    pub(super) fn slug(&self) -> &str {
        self.kind.strip_prefix("urn:ropeline:problem:").unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_names_the_place_only_the_first_time() {
        let event = EventId::new("demo").unwrap();
        let mut request = DrainRequest {
            epoch: Epoch(2),
            after: Seq(0),
            limit: 500,
            pin: Some(Pin { topic: "t".into(), partition: Partition(3), next_offset: Offset(9) }),
            ack: None,
        };
        assert_eq!(
            serde_json::to_string(&DrainBody::new(&event, &request)).unwrap(),
            r#"{"event":"demo","epoch":2,"after":0,"limit":500,"topic":"t","partition":3,"next_offset":9}"#
        );
        request.pin = None;
        request.after = Seq(5);
        request.ack = Some(Mark { seq: Seq(5), next_offset: Offset(14) });
        assert_eq!(
            serde_json::to_string(&DrainBody::new(&event, &request)).unwrap(),
            r#"{"event":"demo","epoch":2,"after":5,"limit":500,"ack":{"seq":5,"next_offset":14}}"#
        );
    }

    #[test]
    fn answers_that_break_the_contract_are_failures() {
        for body in [
            "",
            "[]",
            r#"{"epoch":1}"#,
            r#"{"epoch":1,"lease_ms":0,"head":0,"drained_seq":0,"acked_seq":0}"#,
            r#"{"epoch":1,"lease_ms":10000,"head":0,"drained_seq":0,"acked_seq":0,"topic":"t"}"#,
            r#"{"epoch":-1,"lease_ms":10000,"head":0,"drained_seq":0,"acked_seq":0}"#,
            r#"{"epoch":9007199254740992,"lease_ms":10000,"head":0,"drained_seq":0,"acked_seq":0}"#,
        ] {
            assert!(matches!(lease(body.as_bytes()), Err(WorkerFailure::BadAnswer { .. })), "{body}");
        }
        let event = EventId::new("demo").unwrap();
        for body in [
            r#"{"entries":[{}],"head":1}"#,
            r#"{"entries":[{"event":"other","seq":1,"visitor":"v","admitted_at":"2026-11-22T19:34:01.250Z"}],"head":1}"#,
            r#"{"entries":[{"event":"demo","seq":1,"visitor":"v","admitted_at":"yesterday"}],"head":1}"#,
        ] {
            assert!(matches!(drained(&event, body.as_bytes()), Err(WorkerFailure::BadAnswer { .. })), "{body}");
        }
        assert!(events(br#"{"events":[{"event":"Not An Id"}]}"#).is_err());
    }

    #[test]
    fn an_event_is_real_unless_the_lease_says_that_it_is_a_test() {
        let answer = |more: &str| {
            let body = format!(r#"{{"epoch":1,"lease_ms":10000,"head":0,"drained_seq":0,"acked_seq":0{more}}}"#);
            lease(body.as_bytes()).unwrap().test
        };
        assert_eq!([answer(""), answer(r#","test":false"#), answer(r#","test":true"#)], [false, false, true]);
    }

    #[test]
    fn a_problem_is_known_by_its_slug() {
        let problem = Problem::read(br#"{"type":"urn:ropeline:problem:stale-epoch","status":409}"#);
        assert_eq!(problem.slug(), "stale-epoch");
        assert_eq!(Problem::read(b"<html>").slug(), "");
    }
}
