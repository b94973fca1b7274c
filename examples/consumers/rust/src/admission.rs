//! An admission in a record.

use rskafka::record::RecordAndOffset;
use serde::Deserialize;

const TYPE: &[u8] = b"ropeline.admission.v1";

/// One visitor was let in.
#[derive(Debug, PartialEq, Eq)]
pub struct Admission {
    /// The on-sale.
    pub event: String,
    /// The place in its admission log: 1, 2, 3 …
    pub seq: u64,
    /// The number given at enter.
    pub number: u64,
    /// Who: equal to `sub` of the pass.
    pub visitor: String,
    /// Where the record is.
    pub partition: i32,
    /// Where the record is.
    pub offset: i64,
}

/// What we need of the value; other fields, those of later versions too, are ignored.
#[derive(Deserialize)]
struct Value {
    event: String,
    seq: u64,
    number: u64,
    visitor: String,
}

impl Admission {
    /// `None` for anybody else's record.
    pub fn read(partition: i32, found: &RecordAndOffset) -> Option<Self> {
        let record = &found.record;
        if record.headers.get("ce_type").is_none_or(|kind| kind != TYPE) {
            return None;
        }
        let value = record.value.as_deref().unwrap_or_default();
        match serde_json::from_slice::<Value>(value) {
            Ok(Value { event, seq, number, visitor })
                if seq >= 1 && record.key.as_deref() == Some(event.as_bytes()) =>
            {
                Some(Self { event, seq, number, visitor, partition, offset: found.offset })
            }
            other => {
                let why = other.err().map_or_else(|| "key and value differ".to_owned(), |error| error.to_string());
                eprintln!("partition {partition}, offset {}: not readable: {why}", found.offset);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use rskafka::record::Record;

    use super::*;

    fn record(kind: &str, key: &str, value: &str) -> RecordAndOffset {
        RecordAndOffset {
            record: Record {
                key: Some(key.into()),
                value: Some(value.into()),
                headers: BTreeMap::from([("ce_type".to_owned(), kind.into())]),
                timestamp: DateTime::from_timestamp_millis(0).unwrap(),
            },
            offset: 7,
        }
    }

    #[test]
    fn only_records_of_our_type_are_admissions_and_more_fields_do_no_harm() {
        let value = r#"{"event":"demo","seq":1,"number":2,"visitor":"v","later":{"a":[1]}}"#;
        let admission = Admission::read(0, &record("ropeline.admission.v1", "demo", value)).unwrap();
        assert_eq!((admission.seq, admission.number, admission.offset), (1, 2, 7));
        for (kind, key, value) in [
            ("ropeline.admission.v2", "demo", value),
            ("ropeline.admission.v1", "other", value),
            ("ropeline.admission.v1", "demo", r#"{"event":"demo","seq":0,"number":2,"visitor":"v"}"#),
            ("ropeline.admission.v1", "demo", "no json"),
        ] {
            assert_eq!(Admission::read(0, &record(kind, key, value)), None, "{kind} {key} {value}");
        }
    }
}
