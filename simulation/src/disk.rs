//! Storage with an output gate, as a Durable Object has it.
//!
//! A write is seen by the object at once, and is on disk a little later. What the object sends meanwhile is held back until all
//! it has written before is on disk: `released => written`. A crash loses what was held back and, from some write on, everything
//! that was not on disk.

use std::collections::VecDeque;

/// Rows that take changes.
pub(crate) trait Rows: Clone {
    /// What is written in one transaction is a list of these.
    type Change: Clone;

    fn apply(&mut self, change: &Self::Change);
}

/// One object's storage, and what waits for it.
pub(crate) struct Disk<R: Rows, O> {
    /// What the object reads.
    pub(crate) rows: R,
    /// What a crash would leave; none where writes are on disk at once.
    on_disk: Option<R>,
    unflushed: VecDeque<Vec<R::Change>>,
    gate: VecDeque<(usize, O)>,
}

impl<R: Rows, O> Disk<R, O> {
    /// `slow`: writes may be on disk later than made.
    pub(crate) fn new(rows: R, slow: bool) -> Self {
        let on_disk = slow.then(|| rows.clone());
        Self { rows, on_disk, unflushed: VecDeque::new(), gate: VecDeque::new() }
    }

    /// What a crash would leave at least.
    pub(crate) fn safe(&self) -> &R {
        self.on_disk.as_ref().unwrap_or(&self.rows)
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.unflushed.is_empty()
    }

    /// Writes in one transaction. True: it is on disk only when [`Disk::flush`] is called for it, as `late` asks for.
    #[must_use]
    pub(crate) fn write(&mut self, changes: Vec<R::Change>, late: bool) -> bool {
        for change in &changes {
            self.rows.apply(change);
        }
        let Some(disk) = &mut self.on_disk else { return false };
        if late || !self.unflushed.is_empty() {
            self.unflushed.push_back(changes);
            return true;
        }
        changes.iter().for_each(|change| disk.apply(change));
        false
    }

    /// Sends this as soon as all that was written is on disk: at once, or later out of [`Disk::flush`].
    #[must_use]
    pub(crate) fn send(&mut self, out: O) -> Option<O> {
        if self.unflushed.is_empty() {
            return Some(out);
        }
        self.gate.push_back((self.unflushed.len(), out));
        None
    }

    /// The oldest write reaches the disk: what may leave now, in order.
    #[must_use]
    pub(crate) fn flush(&mut self) -> Vec<O> {
        let Some(changes) = self.unflushed.pop_front() else { return Vec::new() };
        if let Some(disk) = &mut self.on_disk {
            changes.iter().for_each(|change| disk.apply(change));
        }
        for (after, _) in &mut self.gate {
            *after -= 1;
        }
        let mut out = Vec::new();
        while self.gate.front().is_some_and(|(after, _)| *after == 0) {
            out.extend(self.gate.pop_front().map(|(_, held)| held));
        }
        out
    }

    /// How many writes are not on disk.
    pub(crate) fn unflushed(&self) -> usize {
        self.unflushed.len()
    }

    /// What was held back is lost, and all writes but the first `kept` of those that were not on disk. True when any was lost.
    pub(crate) fn crash(&mut self, kept: usize) -> bool {
        self.gate.clear();
        let lost = kept < self.unflushed.len();
        if let Some(disk) = &mut self.on_disk {
            for changes in self.unflushed.iter().take(kept) {
                changes.iter().for_each(|change| disk.apply(change));
            }
            if lost {
                self.rows = disk.clone();
            }
        }
        self.unflushed.clear();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rows for Vec<u8> {
        type Change = u8;

        fn apply(&mut self, change: &u8) {
            self.push(*change);
        }
    }

    #[test]
    fn what_was_sent_is_on_disk_and_a_crash_loses_the_rest() {
        let mut disk: Disk<Vec<u8>, &str> = Disk::new(Vec::new(), true);
        assert!(!disk.write(vec![1], false));
        assert_eq!(disk.send("at once"), Some("at once"));
        assert!(disk.write(vec![2], true));
        assert_eq!(disk.send("after 2"), None);
        assert!(disk.write(vec![3, 4], true));
        assert_eq!(disk.send("after 4"), None);
        assert_eq!((disk.rows.as_slice(), disk.safe().as_slice()), (&[1, 2, 3, 4][..], &[1][..]));
        assert_eq!(disk.flush(), ["after 2"]);
        assert_eq!(disk.safe().as_slice(), &[1, 2]);
        assert!(disk.write(vec![5], true));
        assert!(disk.crash(1), "5 is lost, 3 and 4 happened to reach the disk");
        assert_eq!(disk.rows, [1, 2, 3, 4]);
        assert!(disk.is_flushed() && disk.flush().is_empty());
    }
}
