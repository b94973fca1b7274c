//! The Worker's relay routes over HTTP, in front of [`Line`]s.
#![allow(dead_code, reason = "each user needs its own part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ropeline_relay::machine::{DrainRequest, Mark, Pin, WorkerFailure};
use ropeline_relay::types::{Epoch, Offset, Partition, Seq};
use serde_json::{Value, json};

use super::Line;

pub const KEY: &str = "relay-key-of-the-tests";

#[derive(Clone)]
pub struct FakeWorker {
    pub lines: Arc<Mutex<BTreeMap<String, Line>>>,
    started: Instant,
}

impl FakeWorker {
    pub fn new(lines: Vec<Line>) -> Self {
        let lines = lines.into_iter().map(|line| (line.event.to_string(), line)).collect();
        Self { lines: Arc::new(Mutex::new(lines)), started: Instant::now() }
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Line>) -> T) -> T {
        look(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/queue/relay/events", get(events))
            .route("/queue/relay/{*call}", post(call))
            .with_state(self.clone())
    }
}

fn problem(status: u16, slug: &str, retry_after: Option<u64>) -> Response {
    let body = json!({
        "type": format!("urn:ropeline:problem:{slug}"), "title": slug, "status": status, "detail": "as the fake says"
    });
    let status = StatusCode::from_u16(status).unwrap();
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn refused(headers: &HeaderMap) -> Option<Response> {
    let wanted = format!("Bearer {KEY}");
    let sent = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    (sent != Some(&wanted)).then(|| problem(401, "unauthorized", None))
}

async fn events(State(worker): State<FakeWorker>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&headers) {
        return refused;
    }
    let events: Vec<Value> = worker.with(|lines| {
        let busy = lines.values().filter(|line| line.busy());
        busy.map(|line| json!({"event": line.event.as_str()})).collect()
    });
    axum::Json(json!({ "events": events })).into_response()
}

async fn call(State(worker): State<FakeWorker>, Path(call): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refused) = refused(&headers) {
        return refused;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return problem(415, "unsupported-media-type", None);
    };
    let now = u64::try_from(worker.started.elapsed().as_millis()).unwrap();
    let answer = worker.with(|lines| {
        let line = lines.get_mut(body["event"].as_str().unwrap_or_default());
        let line = line.ok_or(WorkerFailure::UnknownEvent)?;
        act(line, now, &call, &body)
    });
    match answer {
        Ok(Some(text)) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(WorkerFailure::Stale) => problem(409, "stale-epoch", None),
        Err(WorkerFailure::Held { retry_after_ms }) => problem(409, "lease-held", Some(retry_after_ms.div_ceil(1_000))),
        Err(WorkerFailure::UnknownEvent) => problem(404, "unknown-event", None),
        Err(_) => problem(500, "internal", None),
    }
}

fn mark(value: &Value) -> Option<Mark> {
    Some(Mark { seq: Seq(value["seq"].as_u64()?), next_offset: Offset(value["next_offset"].as_i64()?) })
}

fn act(line: &mut Line, now: u64, call: &str, body: &Value) -> Result<Option<String>, WorkerFailure> {
    let epoch = Epoch(body["epoch"].as_u64().unwrap_or_default());
    match call {
        "lease" => {
            let lease = line.take(now, body["relay"].as_str().unwrap_or_default())?;
            let pin = lease.pin.as_ref();
            let answer = json!({
                "epoch": lease.epoch, "lease_ms": lease.lease_ms, "head": lease.head, "drained_seq": lease.drained_seq,
                "acked_seq": lease.acked_seq, "topic": pin.map(|p| &p.topic), "partition": pin.map(|p| p.partition),
                "next_offset": pin.map(|p| p.next_offset), "configured_topic": lease.configured_topic,
                "test": lease.test
            });
            Ok(Some(answer.to_string()))
        }
        "lease/renew" => line.renew(now, epoch).map(|lease_ms| Some(json!({ "lease_ms": lease_ms }).to_string())),
        "lease/release" => line.release(epoch).map(|()| None),
        "ack" => line.ack(epoch, mark(body).ok_or(WorkerFailure::Stale)?).map(|()| None),
        "drain" => {
            let place = |topic: &str| {
                Some(Pin {
                    topic: topic.to_owned(),
                    partition: Partition(i32::try_from(body["partition"].as_i64()?).ok()?),
                    next_offset: Offset(body["next_offset"].as_i64()?),
                })
            };
            let drained = line.drain(
                now,
                &DrainRequest {
                    epoch,
                    after: Seq(body["after"].as_u64().unwrap_or_default()),
                    limit: usize::try_from(body["limit"].as_u64().unwrap_or_default()).unwrap(),
                    pin: body["topic"].as_str().and_then(place),
                    ack: mark(&body["ack"]),
                },
            )?;
            // By hand: the entries' text is passed on byte for byte.
            let entries: Vec<&str> = drained.entries.iter().map(|entry| entry.value.as_str()).collect();
            Ok(Some(format!(r#"{{"entries":[{}],"head":{}}}"#, entries.join(","), drained.head)))
        }
        _ => Err(WorkerFailure::UnknownEvent),
    }
}
