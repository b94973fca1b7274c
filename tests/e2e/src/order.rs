//! Numbers against the times at which requests were sent and answered.

use std::collections::BTreeMap;
use std::time::Instant;

/// One visitor's way to a number.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Before the very first request for this visitor was sent.
    pub first_sent: Instant,
    /// When the first answer with the number was there.
    pub answered: Instant,
    /// The number.
    pub number: u64,
}

/// What breaks the line: numbers given twice, and who has a smaller number than somebody who was answered before the first request
/// for it was sent. For each place the worst such pair is enough, so this takes `n log n` steps.
#[must_use]
pub fn breaks(entries: &[Entry]) -> Vec<String> {
    let mut breaks = Vec::new();
    let mut seen = BTreeMap::new();
    for entry in entries {
        if let Some(other) = seen.insert(entry.number, *entry) {
            breaks.push(format!("number {} was given twice: {other:?} and {entry:?}", entry.number));
        }
    }
    let mut by_sent: Vec<&Entry> = entries.iter().collect();
    by_sent.sort_by_key(|entry| entry.first_sent);
    let mut by_answered: Vec<&Entry> = entries.iter().collect();
    by_answered.sort_by_key(|entry| entry.answered);
    let mut answered = by_answered.into_iter().peekable();
    let mut highest: Option<&Entry> = None;
    for entry in by_sent {
        while let Some(earlier) = answered.next_if(|earlier| earlier.answered < entry.first_sent) {
            if highest.is_none_or(|highest| highest.number < earlier.number) {
                highest = Some(earlier);
            }
        }
        if let Some(highest) = highest.filter(|highest| highest.number > entry.number) {
            breaks.push(format!("{highest:?} was answered before the first request of {entry:?} was sent"));
        }
    }
    breaks
}

/// Fails unless numbers are unique and whoever was answered before somebody's first request was sent has the smaller number.
///
/// # Panics
/// With the pairs that break it.
#[track_caller]
pub fn assert_true_line(entries: &[Entry]) {
    let breaks = breaks(entries);
    assert!(breaks.is_empty(), "{}", breaks.join("\n"));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(start: Instant, sent: u64, answered: u64, number: u64) -> Entry {
        let at = |ms| start + Duration::from_millis(ms);
        Entry { first_sent: at(sent), answered: at(answered), number }
    }

    #[test]
    fn calls_that_overlap_may_be_numbered_either_way() {
        let now = Instant::now();
        assert_true_line(&[entry(now, 0, 10, 2), entry(now, 5, 20, 1), entry(now, 21, 30, 3)]);
    }

    #[test]
    #[should_panic(expected = "was answered before")]
    fn an_earlier_answer_with_a_larger_number_is_found() {
        let now = Instant::now();
        assert_true_line(&[entry(now, 0, 10, 2), entry(now, 1, 12, 3), entry(now, 11, 20, 1)]);
    }

    #[test]
    #[should_panic(expected = "given twice")]
    fn a_number_given_twice_is_found() {
        let now = Instant::now();
        assert_true_line(&[entry(now, 0, 10, 2), entry(now, 11, 20, 2)]);
    }
}
