//! What a partition holds of an event, found by reading it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::broker::{Log, limited};
use crate::config::ScanSettings;
use crate::machine::{BrokerFailure, Read};
use crate::types::{EventId, Offset, Seq};

const FETCH_BYTES: u32 = 1024 * 1024;
/// Between two looks at records that are not visible yet.
const NOT_VISIBLE: Duration = Duration::from_millis(500);

/// The event's records in a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Records looked at, others' too.
    pub looked_at: u64,
    /// The seq of the first one.
    pub first: Option<Seq>,
    /// The highest seq.
    pub last: Option<Seq>,
    /// The first place where one is missing.
    pub gap: Option<Gap>,
    /// The look met its bound before the end.
    pub cut_short: bool,
}

/// A first copy that does not follow the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The seq that is due.
    pub due: Seq,
    /// The seq that is there.
    pub found: Seq,
    /// Where.
    pub offset: Offset,
}

impl Holding {
    /// Takes in the next record of the log.
    pub fn see(&mut self, read: &Read) {
        self.looked_at = self.looked_at.saturating_add(1);
        let Some(seq) = read.seq else { return };
        self.first.get_or_insert(seq);
        let due = self.last.map_or(seq, Seq::next);
        if seq > due {
            self.gap.get_or_insert(Gap { due, found: seq, offset: read.offset });
        }
        self.last = self.last.max(Some(seq));
    }
}

/// Reads the partition from its beginning to its end, as far as the bounds of a read-back go.
///
/// # Errors
/// When a call fails.
pub async fn look(
    log: &impl Log,
    event: &EventId,
    limit: Duration,
    bounds: &ScanSettings,
) -> Result<(Holding, Offset), BrokerFailure> {
    let ends = limited(limit, log.bounds()).await?;
    let until = Instant::now() + Duration::from_secs(bounds.max_seconds);
    let (mut holding, mut at, mut bytes) = (Holding::default(), ends.earliest, 0u64);
    while at < ends.latest {
        if holding.looked_at >= bounds.max_records || bytes >= bounds.max_bytes || Instant::now() >= until {
            holding.cut_short = true;
            break;
        }
        let fetched = limited(limit, log.fetch(event, at, FETCH_BYTES)).await?;
        for read in fetched.records.iter().filter(|read| read.offset < ends.latest) {
            bytes = bytes.saturating_add(read.bytes);
            holding.see(read);
        }
        match fetched.records.last() {
            Some(last) => at = last.offset.plus(1),
            None => sleep(NOT_VISIBLE).await,
        }
    }
    Ok((holding, ends.latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(seqs: &[Option<u64>]) -> Holding {
        let mut holding = Holding::default();
        for (offset, seq) in (0..).zip(seqs) {
            holding.see(&Read { offset: Offset(offset), seq: seq.map(Seq), bytes: 1 });
        }
        holding
    }

    #[test]
    fn repeats_and_foreign_records_make_no_gap() {
        let seen = holding(&[None, Some(3), Some(4), Some(3), Some(4), None, Some(5)]);
        assert_eq!((seen.first, seen.last, seen.gap), (Some(Seq(3)), Some(Seq(5)), None));
    }

    #[test]
    fn the_first_gap_is_told() {
        let seen = holding(&[Some(1), Some(4), Some(9)]);
        assert_eq!(seen.gap, Some(Gap { due: Seq(2), found: Seq(4), offset: Offset(1) }));
        assert_eq!(seen.last, Some(Seq(9)));
    }
}
