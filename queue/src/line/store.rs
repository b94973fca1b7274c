//! What a line keeps in storage: rows it reads back by key, and the changes of one step.

use core::fmt;

use serde::Serialize;

use crate::from_json;
use crate::types::{Epoch, LaneId, Number, Position, Seq, UnixMillis};
use crate::wire::{Configured, Refusal};

/// The line's own row; written with every change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The line's clock at its last change; it never runs back.
    pub clk: UnixMillis,
    /// The last number given.
    pub last_number: Number,
    /// Every position up to it has been called.
    pub frontier: Position,
    /// How many positions up to the frontier are gone. Only a drawn order needs it stored; else it follows from what is gone.
    pub passed: u64,
    /// The last entry of the admission log.
    pub seq: Seq,
    /// Numbers lost to crashes of lanes.
    pub voided: u64,
    /// Counts the changes; the board's version.
    pub version: u64,
}

/// The secret of a draw: 32 random bytes, made with the event and published after the cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub [u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(secret)")
    }
}

/// When an event opened, and who was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    /// The line's clock at its first step at or after the opening.
    pub at: UnixMillis,
    /// The last number given before.
    pub count: u64,
}

/// How far an event has come, as far as that cannot be taken back; and the origin's pace. Changes a few times in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Course {
    /// The draw's secret.
    pub seed: Seed,
    /// Once it has opened.
    pub opened: Option<Opened>,
    /// Once it is over.
    pub ended_at: Option<UnixMillis>,
    /// Admissions per minute that the origin asks not to pass.
    pub pace: Option<u64>,
}

impl Course {
    /// An event that has just been created.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self { seed, opened: None, ended_at: None, pace: None }
    }
}

/// The last batch of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LaneRow {
    /// Newest incarnation seen.
    pub inc: u64,
    /// Its last batch.
    pub k: u64,
    /// What became of that batch.
    pub outcome: Option<Outcome>,
}

/// What became of a lane's last batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Numbers were given.
    Range {
        /// The first of them.
        first: Number,
        /// How many.
        count: u64,
        /// When.
        at: UnixMillis,
    },
    /// None were.
    Refused {
        /// How many were asked for.
        count: u64,
        /// Why not.
        reason: Refusal,
    },
}

/// Why a number is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its number was given to a lane that crashed before it stored it; nobody was told.
    Void,
    /// Its holder gave it up.
    Left,
}

from_json! {
    enum Why {
        "void" => Void,
        "left" => Left,
    }
}

impl Why {
    /// How it is written in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Left => "left",
        }
    }
}

/// How a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OverBy {
    /// Its holder left.
    Left,
    /// The origin is done with it.
    Completed,
    /// An operator ended it.
    Operator,
}

from_json! {
    enum OverBy {
        "left" => Left,
        "completed" => Completed,
        "operator" => Operator,
    }
}

impl OverBy {
    /// How it is written in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Completed => "completed",
            Self::Operator => "operator",
        }
    }

    /// Reads what [`OverBy::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Left, Self::Completed, Self::Operator].into_iter().find(|by| by.as_str() == text)
    }
}

/// The end of a session before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Over {
    /// The line's clock.
    pub at: UnixMillis,
    /// Who ended it.
    pub by: OverBy,
}

/// The changing part of an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    /// Place in the admission log.
    pub seq: Seq,
    /// Until when the pass is good.
    pub session_expires_at: UnixMillis,
    /// When the slot is free again: the pass' end and 30 s of verifiers' leeway, or the completion.
    pub release_at: UnixMillis,
    /// Ended before its time.
    pub over: Option<Over>,
    /// The origin has used its pass, where it asks for that.
    pub redeemed: bool,
}

/// A new entry of the admission log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// Its session as it begins.
    pub session: Session,
    /// Who was let in.
    pub number: Number,
    /// The line's clock.
    pub admitted_at: UnixMillis,
    /// The JSON value of its Kafka record; never changes.
    pub record: String,
}

/// The relay's side of the admission log. `acked <= drained <= Head::seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelayRow {
    /// Counts the leases.
    pub epoch: Epoch,
    /// Who holds the lease; none after a release.
    pub owner: Option<String>,
    /// Until when at most, by the line's clock: never earlier than what the relay was told.
    pub lease_until: UnixMillis,
    /// The last `seq` that was handed to a relay.
    pub drained: Seq,
    /// The last `seq` known to be in Kafka.
    pub acked: Seq,
    /// Where the event's records go, pinned at the first drain; only a replay changes it.
    pub target: Option<Target>,
    /// One past the Kafka offset of the acked `seq`; falls by a replay only.
    pub next_offset: i64,
    /// Where the last replay began; none without one.
    pub replay_from: Option<Seq>,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
}

/// One row to write. The changes of one step go into one transaction, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Replaces the line's own row.
    Head(Head),
    /// Replaces a lane's row.
    Lane(LaneId, LaneRow),
    /// Replaces how far the event has come.
    Course(Course),
    /// Adds numbers that will never be admitted.
    Gone {
        /// The first.
        first: Number,
        /// The last.
        last: Number,
        /// Why.
        why: Why,
        /// When.
        at: UnixMillis,
    },
    /// The frontier moved.
    Called {
        /// To here.
        last: Position,
        /// How many living positions that called.
        count: u64,
        /// When.
        at: UnixMillis,
    },
    /// Adds an entry to the admission log.
    Admit(Admission),
    /// Replaces the changing part of an admission.
    Session(Session),
    /// Replaces the relay's row.
    Relay(RelayRow),
    /// Replaces the event's settings.
    Configured(Box<Configured>),
    /// Replaces the waiting page of the operator's own, or takes it away.
    Page(Option<String>),
    /// Adds what somebody with a key did. Old ones beyond [`MOST_AUDITS`] may go.
    Audit(Audit),
}

/// How many audit rows of an event are kept at least.
pub const MOST_AUDITS: u64 = 1_000;

/// What somebody with a key did to an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audit {
    /// The line's clock.
    pub at: UnixMillis,
    /// Whose key: its role and the beginning of its hash.
    pub by: String,
    /// What was done, in a word.
    pub action: &'static str,
    /// What it changed, as JSON.
    pub detail: String,
}

/// Rows that a line looks up while it works.
pub trait LineStore {
    /// Why a read failed. After one the caller must drop the line and restore it.
    type Error;

    /// The admission of this number.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn session_of(&self, number: Number) -> Result<Option<Session>, Self::Error>;

    /// The admission with this `seq`.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn session(&self, seq: Seq) -> Result<Option<Session>, Self::Error>;

    /// When this position was called: the time of the first [`Change::Called`] that reached it.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn called_at(&self, position: Position) -> Result<Option<UnixMillis>, Self::Error>;

    /// Why this number is gone, if it is, and when that was; earlier versions did not note when.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn gone(&self, number: Number) -> Result<Option<(Why, Option<UnixMillis>)>, Self::Error>;

    /// Records of the admission log with `seq > after`, in order, without gaps: at most `limit`, and of `max_bytes` in all but
    /// for the first, which always fits.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn records(&self, after: Seq, limit: usize, max_bytes: usize) -> Result<Vec<String>, Self::Error>;
}

/// Everything a line holds in memory, as read from storage when an object starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The line's own row.
    pub head: Head,
    /// How far the event has come.
    pub course: Course,
    /// The event's settings.
    pub configured: Configured,
    /// The lanes' rows.
    pub lanes: Vec<(LaneId, LaneRow)>,
    /// What is gone: (first, last).
    pub gone: Vec<(Number, Number)>,
    /// (`release_at`, how many) of sessions with `release_at > head.clk`.
    pub releases: Vec<(UnixMillis, u64)>,
    /// (when, how many) admitted in the 61 seconds up to `head.clk` at least, oldest first.
    pub admitted: Vec<(UnixMillis, u64)>,
    /// (when, how many) called in the same time, oldest first.
    pub called: Vec<(UnixMillis, u64)>,
    /// How far the line had come at the [`Progress::times`]; its pace is measured from there.
    pub marks: Vec<Progress>,
    /// The relay's row.
    pub relay: RelayRow,
}

/// How far a line had come at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// When.
    pub at: UnixMillis,
    /// Every position up to it had been called.
    pub frontier: Position,
    /// The last entry of the admission log.
    pub seq: Seq,
}

impl Progress {
    /// The times at which a starting line wants to know it, oldest first.
    pub fn times(clk: UnixMillis) -> impl Iterator<Item = UnixMillis> {
        [600, 300, 120, 60, 0].into_iter().map(move |seconds| UnixMillis(clk.get().saturating_sub(seconds * 1_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_seed_is_not_shown() {
        assert_eq!(format!("{:?}", Seed([7; 32])), "Seed(secret)");
    }

    #[test]
    fn words_in_storage_are_those_of_the_answers() {
        for by in [OverBy::Left, OverBy::Completed, OverBy::Operator] {
            assert_eq!(json::write(&by), format!("\"{}\"", by.as_str()));
            assert_eq!(OverBy::parse(by.as_str()), Some(by));
        }
        assert_eq!(OverBy::parse("else"), None);
        for why in [Why::Void, Why::Left] {
            assert_eq!(json::write(&why), format!("\"{}\"", why.as_str()));
        }
    }

    #[test]
    fn a_starting_line_looks_ten_minutes_back() {
        let times = |clk| Progress::times(UnixMillis(clk)).map(UnixMillis::get).collect::<Vec<_>>();
        assert_eq!(times(1_000_000), [400_000, 700_000, 880_000, 940_000, 1_000_000]);
        assert_eq!(times(90_000), [0, 0, 0, 30_000, 90_000]);
    }
}
