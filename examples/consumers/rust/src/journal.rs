//! What was taken: a file with one line for each admission, which is both the work and the last `seq`.
//!
//! Invariant: `seq` of a line is greater than that of the line before it of the same event. A commit is one write and one `fsync`; a
//! last line without an end was never committed, and is cut off when the journal is opened.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::admission::Admission;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in the journal with the next commit.
    New,
    /// It was taken before.
    Repeat,
    /// Admissions before it are missing, and we are to stop. It is not taken.
    Gap,
}

#[derive(Serialize, Deserialize)]
struct Line {
    event: String,
    seq: u64,
    /// The seq taken before it. Where that is not `seq - 1`, those in between are missing.
    after: u64,
    number: u64,
    visitor: String,
    partition: i32,
    offset: i64,
}

/// What is known of an event.
#[derive(Debug, Default, Serialize)]
struct Known {
    gaps: Vec<(u64, u64)>,
    last: u64,
    taken: u64,
}

impl Known {
    fn add(&mut self, seq: u64) {
        if seq > self.last + 1 {
            self.gaps.push((self.last + 1, seq - 1));
        }
        self.last = seq;
        self.taken += 1;
    }
}

/// The open journal.
pub struct Journal {
    file: File,
    known: BTreeMap<String, Known>,
    next_offsets: BTreeMap<i32, i64>,
    open: Vec<u8>,
}

impl Journal {
    /// Opens the journal and reads what is known, or makes an empty one.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        if file.try_lock().is_err() {
            bail!("another process uses {}", path.display());
        }
        let mut journal = Self { file, known: BTreeMap::new(), next_offsets: BTreeMap::new(), open: Vec::new() };
        let mut whole = 0;
        let mut lines = BufReader::new(&journal.file);
        let mut text = String::new();
        while lines.read_line(&mut text)? > 0 && text.ends_with('\n') {
            let line: Line = serde_json::from_str(&text).with_context(|| format!("byte {whole} of the journal"))?;
            journal.known.entry(line.event).or_default().add(line.seq);
            journal.next_offsets.insert(line.partition, line.offset + 1);
            whole += text.len() as u64;
            text.clear();
        }
        journal.file.set_len(whole)?;
        journal.file.seek(SeekFrom::End(0))?;
        Ok(journal)
    }

    /// Where to read on in a partition.
    pub fn next_offset(&self, partition: i32) -> i64 {
        self.next_offsets.get(&partition).copied().unwrap_or(0)
    }

    /// Takes an admission, unless it was taken before.
    pub fn take(&mut self, admission: Admission, go_on: bool) -> Taken {
        let Admission { event, seq, number, visitor, partition, offset } = admission;
        let known = self.known.entry(event.clone()).or_default();
        let after = known.last;
        if seq <= after {
            return Taken::Repeat;
        }
        if seq > after + 1 {
            eprintln!(
                "GAP: {event}: seq {seq} follows {after}; {} to {} are missing (partition {partition}, offset {offset})",
                after + 1,
                seq - 1
            );
            if !go_on {
                return Taken::Gap;
            }
        }
        known.add(seq);
        let line = Line { event, seq, after, number, visitor, partition, offset };
        self.open.extend(serde_json::to_vec(&line).unwrap_or_default());
        self.open.push(b'\n');
        Taken::New
    }

    /// Makes durable what was taken since the last time.
    pub fn commit(&mut self) -> Result<()> {
        if !self.open.is_empty() {
            self.file.write_all(&self.open).context("the journal")?;
            self.file.sync_data().context("the journal")?;
            self.open.clear();
        }
        Ok(())
    }

    /// What is known of every event that anything was taken of, as JSON.
    pub fn verdict(&self) -> String {
        let known: BTreeMap<_, _> = self.known.iter().filter(|(_, known)| known.taken > 0).collect();
        serde_json::to_string(&known).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(seq: u64) -> Admission {
        Admission { event: "demo".into(), seq, number: seq, visitor: "v".into(), partition: 0, offset: 10 + seq as i64 }
    }

    #[test]
    fn a_journal_that_was_cut_off_goes_on_where_its_last_whole_line_ends() {
        let path = std::env::temp_dir().join(format!("ropeline-journal-{}", std::process::id()));
        let mut journal = Journal::open(&path).unwrap();
        for seq in [1, 2, 5] {
            assert_eq!(journal.take(admission(seq), true), Taken::New);
        }
        assert_eq!(journal.take(admission(2), true), Taken::Repeat);
        journal.commit().unwrap();
        assert!(Journal::open(&path).is_err(), "two processes with one journal");
        drop(journal);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"demo\",\"se").unwrap();

        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.next_offset(0), 16);
        assert_eq!(journal.take(admission(5), true), Taken::Repeat);
        assert_eq!(journal.take(admission(7), false), Taken::Gap);
        assert_eq!(journal.take(admission(6), false), Taken::New);
        journal.commit().unwrap();
        assert_eq!(journal.verdict(), r#"{"demo":{"gaps":[[3,4]],"last":6,"taken":4}}"#);
        std::fs::remove_file(path).unwrap();
    }
}
