//! The Kafka record of an admission: CloudEvents 1.0, Kafka protocol binding, binary content mode.
//!
//! Invariant: key, value, timestamp and every header but `ropeline_epoch` depend on the entry alone, so a repeated record
//! equals its first copy in all that a consumer reads (<https://github.com/cloudevents/spec>, `kafka-protocol-binding.md`).

use std::collections::BTreeMap;

use chrono::DateTime;
use rskafka::record::Record;

use crate::entry::Entry;
use crate::types::{Epoch, EventId, Seq};

/// `ce_type` of every record.
pub const TYPE: &str = "ropeline.admission.v1";

/// The record of `entry`, sent under `epoch`.
///
/// `ce_source` is a name, not an address: it stays the same whatever prefix the Worker is reached under.
pub fn encode(event: &EventId, epoch: Epoch, entry: &Entry) -> Record {
    let mut headers = BTreeMap::new();
    let mut set = |name: &str, value: String| headers.insert(name.to_owned(), value.into_bytes());
    set("ce_specversion", "1.0".to_owned());
    set("ce_id", format!("{event}/{}", entry.seq));
    set("ce_source", format!("/queue/events/{event}"));
    set("ce_type", TYPE.to_owned());
    set("ce_time", entry.admitted_at.clone());
    set("ce_subject", entry.visitor.clone());
    set("ce_sequence", format!("{:016}", entry.seq.0));
    set("content-type", "application/json".to_owned());
    set("ropeline_epoch", epoch.to_string());
    Record {
        key: Some(event.as_str().as_bytes().to_vec()),
        value: Some(entry.value.clone().into_bytes()),
        headers,
        timestamp: DateTime::from_timestamp_millis(entry.admitted_unix_ms).unwrap_or_default(),
    }
}

/// The seq of `record` when it is one of `event`'s admissions; `None` for anybody else's record.
pub fn seq_of(event: &EventId, record: &Record) -> Option<Seq> {
    if record.key.as_deref() != Some(event.as_str().as_bytes()) {
        return None;
    }
    let id = std::str::from_utf8(record.headers.get("ce_id")?).ok()?;
    let seq = id.strip_prefix(event.as_str())?.strip_prefix('/')?;
    let plain = !seq.starts_with('0') && seq.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| seq.parse().ok().map(Seq)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    const VALUE: &str = r#"{"event":"demo", "seq":7,"number":12,"position":12,"visitor":"Zm9vYmFyYmF6cXV4","entered_at":"2026-11-22T19:33:44.123Z","called_at":"2026-11-22T19:34:00.000Z","admitted_at":"2026-11-22T19:34:01.250Z","session_expires_at":"2026-11-22T19:39:01.250Z","jti":"demo/7","later":{"a":[1.50]}}"#;

    fn golden() -> Record {
        let event = EventId::new("demo").unwrap();
        let raw: Box<RawValue> = serde_json::from_str(VALUE).unwrap();
        let entry = Entry::parse(&event, &raw).unwrap();
        encode(&event, Epoch(3), &entry)
    }

    #[test]
    fn a_record_is_a_cloud_event_in_binary_mode() {
        let record = golden();
        let headers: Vec<(String, String)> =
            record.headers.iter().map(|(k, v)| (k.clone(), String::from_utf8(v.clone()).unwrap())).collect();
        let expected = [
            ("ce_id", "demo/7"),
            ("ce_sequence", "0000000000000007"),
            ("ce_source", "/queue/events/demo"),
            ("ce_specversion", "1.0"),
            ("ce_subject", "Zm9vYmFyYmF6cXV4"),
            ("ce_time", "2026-11-22T19:34:01.250Z"),
            ("ce_type", "ropeline.admission.v1"),
            ("content-type", "application/json"),
            ("ropeline_epoch", "3"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(headers, expected);
        assert_eq!(record.key.as_deref(), Some(&b"demo"[..]));
        assert_eq!(record.timestamp.timestamp_millis(), 1_795_376_041_250);
    }

    #[test]
    fn a_value_is_passed_on_byte_for_byte() {
        assert_eq!(golden().value.as_deref(), Some(VALUE.as_bytes()));
    }

    #[test]
    fn a_record_is_known_by_its_key_and_id() {
        let event = EventId::new("demo").unwrap();
        let mut record = golden();
        assert_eq!(seq_of(&event, &record), Some(Seq(7)));
        assert_eq!(seq_of(&EventId::new("dem").unwrap(), &record), None);
        for bad in ["demo/", "demo/07", "demo/x", "demo/+7", "demo7", "other/7", "demo/7 "] {
            record.headers.insert("ce_id".into(), bad.into());
            assert_eq!(seq_of(&event, &record), None, "{bad}");
        }
        record.headers.clear();
        assert_eq!(seq_of(&event, &record), None);
    }
}
