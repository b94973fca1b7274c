//! Promise 7, by what stands in Kafka: the records of one event's partition against its admission log.
//!
//! In log order, the first copy of `seq` s follows the first copies of 1 … s−1, and none is missing; every copy has the value of the log
//! byte for byte, and equal headers but for `ropeline_epoch`. A repeat is allowed only where a relay could not know the outcome of its
//! produce: which those are, the relays' own log lines tell ([`excuses`]).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;
use xtask::kafka::Record;

/// Rows of one batch, at most: what a relay that was killed may have had under way.
const BATCH: u64 = 500;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// `seq` → how many copies there are.
    pub count: BTreeMap<u64, usize>,
    /// What is lost, reordered or differs.
    pub broken: Vec<String>,
}

impl Copies {
    /// How many records there are beyond the first copies.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.count.values().map(|count| count - 1).sum()
    }

    /// What was repeated and lies in none of `excuses`.
    #[must_use]
    pub fn repeated_for_nothing(&self, excuses: &[RangeInclusive<u64>]) -> Vec<u64> {
        let repeated = self.count.iter().filter(|(_, count)| **count > 1).map(|(seq, _)| *seq);
        repeated.filter(|seq| !excuses.iter().any(|range| range.contains(seq))).collect()
    }

    /// Fails when anything is lost, reordered or differs.
    ///
    /// # Panics
    /// With what is.
    #[track_caller]
    pub fn assert_whole(&self) {
        assert!(self.broken.is_empty(), "{}", self.broken.join("\n"));
    }
}

/// Goes through all records of `event`, in the order of their partition. `log` is its admission log: the values from `seq` 1 on.
#[must_use]
pub fn check<V: AsRef<str>>(event: &str, records: &[Record], log: &[V]) -> Copies {
    let mut copies = Copies::default();
    let mut first: BTreeMap<u64, &Record> = BTreeMap::new();
    let mut in_order = 0;
    for record in records {
        let at = format!("{event}, offset {} of partition {}", record.offset, record.partition);
        let Some(seq) = record.json()["seq"].as_u64().filter(|seq| *seq > 0) else {
            copies.broken.push(format!("{at}: no admission: {}", record.value));
            continue;
        };
        if record.key != event || record.header("ce_id") != Some(format!("{event}/{seq}").as_str()) {
            copies.broken.push(format!("{at}: key {:?} and id {:?}", record.key, record.header("ce_id")));
        }
        *copies.count.entry(seq).or_default() += 1;
        match first.get(&seq) {
            Some(copy) if copy.value == record.value && lasting(copy).eq(lasting(record)) => {}
            Some(copy) => copies.broken.push(format!("{at}: a repeat of seq {seq} differs: {copy:?} and {record:?}")),
            None => {
                let logged = usize::try_from(seq - 1).ok().and_then(|index| log.get(index)).map(AsRef::as_ref);
                if logged != Some(record.value.as_str()) {
                    copies.broken.push(format!("{at}: {}, and the admission log has {logged:?}", record.value));
                }
                if seq != in_order + 1 {
                    copies.broken.push(format!("{at}: reordered: seq {seq} follows {in_order}"));
                }
                in_order = in_order.max(seq);
                first.insert(seq, record);
            }
        }
    }
    let lost: Vec<u64> = (1..=log.len() as u64).filter(|seq| !first.contains_key(seq)).collect();
    if let (Some(from), Some(to)) = (lost.first(), lost.last()) {
        copies.broken.push(format!("{event}: lost: {} admissions between seq {from} and {to}", lost.len()));
    }
    copies
}

/// The headers that every copy has alike.
fn lasting(record: &Record) -> impl Iterator<Item = &(String, String)> {
    record.headers.iter().filter(|(name, _)| name != "ropeline_epoch")
}

/// What a relay may have sent twice, by the lines of its log: batches whose outcome it did not know, read-backs that met their bound, and, when
/// it was `killed`, the batch it may have had under way.
#[must_use]
pub fn excuses(lines: &str, event: &str, killed: bool) -> Vec<RangeInclusive<u64>> {
    let mut excuses = Vec::new();
    let mut known = 0;
    for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["event"] != event {
            continue;
        }
        let number = |name: &str| line[name].as_u64();
        match (line["message"].as_str().unwrap_or_default(), number("first"), number("last")) {
            ("batch in Kafka", Some(_), Some(last)) => known = last,
            ("batch not clean: looking into the log", Some(first), Some(last)) => excuses.push(first..=last),
            // Said at level "debug" only: the broker may have throttled.
            ("batch further on than expected: confirming it", Some(first), Some(last)) => excuses.push(first..=last),
            (bound, Some(first), Some(last)) if bound.starts_with("the read-back met its bound") => {
                excuses.push(first..=last);
            }
            ("lease taken", ..) => known = number("acked").unwrap_or(known),
            ("log read back", ..) => known = number("known").unwrap_or(known),
            _ => {}
        }
    }
    if killed {
        excuses.push(known + 1..=known + BATCH);
    }
    excuses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(seq: u64) -> String {
        format!(r#"{{"event":"e","seq":{seq},"jti":"e/{seq}"}}"#)
    }

    fn records(seqs: &[u64]) -> Vec<Record> {
        let record = |(offset, seq): (u64, &u64)| Record {
            partition: 0,
            offset,
            headers: vec![
                ("ce_id".to_owned(), format!("e/{seq}")),
                ("ce_time".to_owned(), "now".to_owned()),
                ("ropeline_epoch".to_owned(), offset.to_string()),
            ],
            key: "e".to_owned(),
            value: value(*seq),
        };
        (0..).zip(seqs).map(record).collect()
    }

    fn log(head: u64) -> Vec<String> {
        (1..=head).map(value).collect()
    }

    #[test]
    fn repeats_of_what_is_there_are_counted_and_break_nothing() {
        let copies = check("e", &records(&[1, 2, 1, 2, 3, 2, 3, 4]), &log(4));
        copies.assert_whole();
        assert_eq!(copies.repeats(), 4);
        assert_eq!(copies.repeated_for_nothing(&[]), [1, 2, 3]);
        assert_eq!(copies.repeated_for_nothing(&[2..=3]), [1]);
    }

    #[test]
    fn what_is_lost_is_found_at_the_end_and_in_the_middle() {
        assert!(
            check("e", &records(&[1, 2]), &log(3)).broken.join(" ").contains("lost: 1 admissions between seq 3 and 3")
        );
        let middle = check("e", &records(&[1, 3]), &log(3)).broken.join(" ");
        assert!(middle.contains("lost: 1 admissions between seq 2 and 2"), "{middle}");
    }

    #[test]
    fn what_is_reordered_is_found() {
        let broken = check("e", &records(&[1, 3, 2]), &log(3)).broken;
        assert!(broken[0].contains("reordered: seq 3 follows 1"), "{broken:?}");
        assert!(!broken.join(" ").contains("lost"));
    }

    #[test]
    fn what_differs_is_found() {
        let of = |change: fn(&mut Record)| {
            let mut records = records(&[1, 2, 2]);
            records.last_mut().into_iter().for_each(change);
            check("e", &records, &log(2)).broken.join(" ")
        };
        assert_eq!(of(|_| {}), "");
        assert!(of(|record| record.value.push(' ')).contains("a repeat of seq 2 differs"));
        assert!(of(|record| record.headers[1].1.push('!')).contains("a repeat of seq 2 differs"));
        assert!(of(|record| record.headers[0].1 = "e/1".to_owned()).contains("id"));
        assert!(of(|record| record.key = "f".to_owned()).contains("key"));
        assert!(of(|record| record.value = "garbage".to_owned()).contains("no admission"));
        let mut other = log(2);
        other[1].push(' ');
        assert!(check("e", &records(&[1, 2]), &other).broken.join(" ").contains("the admission log has"));
    }

    #[test]
    fn a_relay_excuses_what_it_says_it_did_not_know() {
        let lines = r#"{"event":"e","message":"lease taken","acked":7,"drained":9}
            {"event":"e","message":"batch in Kafka","first":8,"last":12}
            {"event":"f","message":"batch in Kafka","first":8,"last":90}
            {"event":"e","message":"batch not clean: looking into the log","first":13,"last":20}
            {"event":"e","message":"log read back","known":15,"drained":20}
            {"event":"e","mess"#;
        assert_eq!(excuses(lines, "e", false), [13..=20]);
        assert_eq!(excuses(lines, "e", true), [13..=20, 16..=515]);
        assert_eq!(excuses("", "e", true), [1..=500]);
    }
}
