//! One partition of Kafka, shared with others, as far as a relay can tell.

use ropeline_relay::entry::Entry;
use ropeline_relay::machine::{Bounds, BrokerFailure, Fetched, Read};
use ropeline_relay::types::{Offset, Seq};

/// A record: this event's, or somebody else's.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) seq: Option<u64>,
}

/// The partition's log.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) records: Vec<Record>,
    /// Retention has removed everything before this.
    pub(crate) earliest: i64,
    /// An open transaction of others hides everything from here on.
    pub(crate) hidden_from: Option<i64>,
}

impl Partition {
    pub(crate) fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap_or(i64::MAX)
    }

    fn visible(&self) -> i64 {
        // What is stable never ends before the log begins, also where retention removes an open transaction.
        self.hidden_from.map_or(self.end(), |from| from.min(self.end()).max(self.earliest))
    }

    pub(crate) fn append(&mut self, batch: &[Entry]) -> Vec<Offset> {
        let first = self.end();
        self.records.extend(batch.iter().map(|entry| Record { seq: Some(entry.seq.0) }));
        (first..self.end()).map(Offset).collect()
    }

    pub(crate) fn foreign(&mut self, records: usize) {
        self.records.extend((0..records).map(|_| Record { seq: None }));
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { earliest: Offset(self.earliest), latest: Offset(self.visible()) }
    }

    pub(crate) fn fetch(&self, offset: Offset, most: usize) -> Result<Fetched, BrokerFailure> {
        if offset.0 < self.earliest || offset.0 > self.end() {
            return Err(BrokerFailure::OutOfRange);
        }
        let from = usize::try_from(offset.0).unwrap_or(0);
        let to = usize::try_from(self.visible()).unwrap_or(0).max(from);
        let read = |(at, record): (i64, &Record)| Read { offset: Offset(at), seq: record.seq.map(Seq), bytes: 300 };
        let records = (offset.0..).zip(&self.records[from..to]).take(most).map(read).collect();
        Ok(Fetched { records, high_watermark: Offset(self.end()) })
    }
}
