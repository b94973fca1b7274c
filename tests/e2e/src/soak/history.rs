//! What clients sent and were told, with the times of a monotonic clock: all that the checks go by.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

use crate::now_ms;

/// One visitor of one event: which event, and a number of our own that its key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person {
    /// Index of the event.
    pub event: usize,
    /// Unique within the run.
    pub id: u64,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `POST /queue/enter`.
    Enter {
        /// Let me in, too, if there is room.
        claim: bool,
        /// Give me another place if mine is over.
        again: bool,
    },
    /// `GET /queue/status`.
    Status,
    /// `POST /queue/claim`.
    Claim,
    /// `POST /queue/renew`.
    Renew,
    /// `POST /queue/leave`.
    Leave,
    /// `POST /queue/complete`, by the shop.
    Complete,
}

/// What a place was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not called.
    Waiting,
    /// Its turn.
    Called,
    /// Let in, with a pass whose claims fit.
    Admitted {
        /// Place in the admission log.
        seq: u64,
        /// End of the session, milliseconds since 1970.
        expires: u64,
    },
    /// Given up.
    Left,
    /// The session is over.
    Ended,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A place.
    Place {
        /// 201: it is new.
        new: bool,
        /// Its number.
        number: u64,
        /// The frontier told.
        frontier: u64,
        /// What it is.
        state: State,
    },
    /// 204.
    Done,
    /// 409 `not-your-turn`.
    NotYourTurn,
    /// 410 `place-left`.
    PlaceLeft,
    /// 410 `session-ended`.
    SessionEnded,
    /// 503 with `Retry-After`: nothing is known of what happened.
    Later,
    /// We did not wait for the answer.
    HungUp,
    /// The connection broke, or there was none.
    Broken(String),
    /// What should never be answered.
    Wrong(String),
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Whose.
    pub person: Person,
    /// What for.
    pub what: What,
    /// The number of the ticket it was made with (of the admission, for `Complete`).
    pub about: Option<u64>,
    /// Just before it was sent.
    pub sent: Instant,
    /// When the whole answer was there, or it was clear that there is none.
    pub ended: Instant,
    /// What came of it.
    pub outcome: Outcome,
}

impl Call {
    /// Whether it asked to be let in.
    #[must_use]
    pub const fn claims(&self) -> bool {
        matches!(self.what, What::Claim | What::Enter { claim: true, .. })
    }

    /// Whether it asked for another place.
    #[must_use]
    pub const fn asks_again(&self) -> bool {
        matches!(self.what, What::Enter { again: true, .. })
    }

    /// Whether it may have had an effect that nobody was told.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Later | Outcome::HungUp | Outcome::Broken(_) | Outcome::Wrong(_))
    }

    /// The number that `enter` gave.
    #[must_use]
    pub const fn entered(&self) -> Option<u64> {
        match (self.what, &self.outcome) {
            (What::Enter { .. }, Outcome::Place { number, .. }) => Some(*number),
            _ => None,
        }
    }
}

/// One `kill -9` of the runtime.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// Just before the signal.
    pub killed: Instant,
    /// When the next one answered.
    pub back: Instant,
}

/// Two clocks at one moment: when by the monotonic one, and by the machine's, which the runtime reads too.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    at: Instant,
    unix_ms: u64,
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self { at: Instant::now(), unix_ms: now_ms() }
    }

    /// Milliseconds since 1970 at this moment of the run.
    #[must_use]
    pub fn unix_ms(&self, at: Instant) -> u64 {
        self.unix_ms + u64::try_from(at.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment so many milliseconds after it was made; for tests.
    #[must_use]
    pub fn after(&self, ms: u64) -> Instant {
        self.at + std::time::Duration::from_millis(ms)
    }
}

/// An event of the run: its settings, as the checks need them.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its id.
    pub name: &'static str,
    /// `lanes`.
    pub lanes: u64,
    /// `total_active_users`.
    pub total_active_users: u64,
    /// `new_users_per_minute`.
    pub new_users_per_minute: u64,
    /// `session_duration_seconds`.
    pub session_duration_seconds: u64,
}

/// All that was done and told, as the checks read it.
#[derive(Debug, Clone)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
    /// In the order of `ended`.
    pub calls: Vec<Call>,
    /// In their order.
    pub kills: Vec<Kill>,
    /// What makes line times of ours.
    pub clock: Clock,
}

/// The history under way, shared by all clients.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    calls: Vec<Call>,
    /// Who was ever told a place.
    placed: BTreeSet<Person>,
    /// Who was ever let in.
    admitted: BTreeSet<Person>,
}

impl Recorder {
    fn with<T>(&self, work: impl FnOnce(&mut Recorded) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Takes down a call that has ended.
    pub fn record(&self, call: Call) {
        self.with(|recorded| {
            if let Outcome::Place { state, .. } = call.outcome {
                recorded.placed.insert(call.person);
                if matches!(state, State::Admitted { .. }) {
                    recorded.admitted.insert(call.person);
                }
            }
            recorded.calls.push(call);
        });
    }

    /// How many were ever told a place.
    pub fn placed(&self) -> usize {
        self.with(|recorded| recorded.placed.len())
    }

    /// Everybody who was answered since then, and the first one known from each of `from` on.
    pub fn to_look_at(&self, since: Instant, from: &[Person]) -> BTreeSet<Person> {
        self.with(|recorded| {
            let recent = recorded.calls.iter().rev().take_while(|call| call.ended >= since);
            let mut all: BTreeSet<Person> = recent.filter(|call| !call.is_unknown()).map(|call| call.person).collect();
            all.extend(from.iter().filter_map(|from| recorded.placed.range(*from..).next()));
            all
        })
    }

    /// Whether this person was ever told to be in.
    pub fn was_admitted(&self, person: Person) -> bool {
        self.with(|recorded| recorded.admitted.contains(&person))
    }

    /// Who asked for a place and was not told what came of it.
    pub fn not_told(&self) -> BTreeSet<Person> {
        self.with(|recorded| {
            let unknown = |call: &&Call| call.asks_again() && call.is_unknown();
            let not_told = |call: &&Call| unknown(call) || !recorded.placed.contains(&call.person);
            recorded.calls.iter().filter(not_told).map(|call| call.person).collect()
        })
    }

    /// Gives away all calls, in the order in which they ended.
    pub fn take(&self) -> Vec<Call> {
        let mut calls = self.with(|recorded| std::mem::take(&mut recorded.calls));
        calls.sort_by_key(|call| call.ended);
        calls
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "visitor {} of event {}", self.id, self.event)
    }
}
