//! Promises 3 and 5: the same visitor has the same place as long as it lives, and what was answered holds, over kills, too.
//!
//! A call is held against everything its visitor had been told before it was sent. What contradicts it breaks promise 5 if a kill lies
//! between, else promise 3. Plain `enter` and `status` answer `waiting` and `called` from a board, which may not know an admission yet.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Verdict;
use super::limits::Entry;
use crate::soak::history::{Call, History, Outcome, Person, State, What};

/// Our clock against the line's: rounding, and the time between reading the two.
const SLACK_MS: u64 = 50;

/// What a visitor was told of one place, and since when it knows.
#[derive(Debug, Clone, Copy)]
struct Known {
    since: Instant,
    called: Option<Instant>,
    /// `seq`, the latest end of the session, since when.
    admitted: Option<(u64, u64, Instant)>,
    left: Option<Instant>,
    over: Option<Instant>,
}

/// When a visitor first asked for what can end a place, or change it.
#[derive(Default)]
struct Asked {
    claim: Option<Instant>,
    again: Option<Instant>,
    /// Number → leave.
    leave: BTreeMap<u64, Instant>,
    /// Number → completion.
    complete: BTreeMap<u64, Instant>,
}

/// One visitor's calls under examination.
struct Examination<'a> {
    history: &'a History,
    asked: Asked,
    known: BTreeMap<u64, Known>,
}

/// What a call contradicts: since when that was known, and how.
type Contradiction = (Instant, String);

/// Goes through all places; `logs` has the admission log of each event.
#[must_use]
pub fn places(history: &History, logs: &[Vec<Entry>]) -> [Verdict; 2] {
    let mut same = Verdict::new("3 same visitor, same place");
    let mut durable = Verdict::new("5 answered means durable");
    let mut of: BTreeMap<Person, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        of.entry(call.person).or_default().push(call);
    }
    let (mut answers, mut after_a_kill) = (0, 0);
    for (person, by_ended) in &of {
        let mut by_sent = by_ended.clone();
        by_sent.sort_by_key(|call| call.sent);
        let mut examination = Examination { history, asked: Asked::of(&by_sent), known: BTreeMap::new() };
        let mut ended = by_ended.iter().peekable();
        let mut contradictions = Vec::new();
        for call in by_sent {
            while let Some(earlier) = ended.next_if(|earlier| earlier.ended < call.sent) {
                examination.learn(earlier);
            }
            if call.is_unknown() {
                continue;
            }
            answers += 1;
            let first_known = examination.known.values().map(|known| known.since).min();
            after_a_kill += usize::from(first_known.is_some_and(|since| history.killed_between(since, call.sent)));
            contradictions.extend(examination.contradiction(call).map(|wrong| (call, wrong)));
        }
        ended.for_each(|call| examination.learn(call));
        contradictions.extend(examination.further_numbers(by_ended));
        for (call, (since, why)) in contradictions {
            let verdict = if history.killed_between(since, call.sent) { &mut durable } else { &mut same };
            verdict.broken.push(format!("{person}: {why}\n{}", story(history, by_ended, call)));
        }
    }
    same.looked_at = vec![(of.len(), "visitors"), (answers, "answers")];
    durable.broken.extend(frontiers_fallen(history));
    let told = told_and_logged(history, logs, &mut durable.broken);
    durable.looked_at = vec![
        (history.kills.len(), "kills"),
        (after_a_kill, "answers to visitors known from before a kill"),
        (told, "admissions told and found in the log"),
    ];
    [same, durable]
}

impl History {
    fn killed_between(&self, since: Instant, until: Instant) -> bool {
        let next = self.kills.partition_point(|kill| kill.killed <= since);
        self.kills.get(next).is_some_and(|kill| kill.killed <= until)
    }
}

impl Asked {
    fn of(by_sent: &[&Call]) -> Self {
        let mut asked = Self::default();
        for call in by_sent {
            if call.claims() {
                asked.claim.get_or_insert(call.sent);
            }
            if call.asks_again() {
                asked.again.get_or_insert(call.sent);
            }
            match (call.what, call.about) {
                (What::Leave, Some(number)) => asked.leave.entry(number).or_insert(call.sent),
                (What::Complete, Some(number)) => asked.complete.entry(number).or_insert(call.sent),
                _ => continue,
            };
        }
        asked
    }
}

fn before(asked: Option<&Instant>, until: Instant) -> bool {
    asked.is_some_and(|asked| *asked < until)
}

impl Examination<'_> {
    fn learn(&mut self, call: &Call) {
        let at = call.ended;
        let (number, state) = match (&call.outcome, call.what, call.about) {
            (Outcome::Place { number, state, .. }, ..) => (*number, *state),
            (Outcome::Done, What::Leave, Some(number)) | (Outcome::PlaceLeft, _, Some(number)) => (number, State::Left),
            (Outcome::Done, What::Complete, Some(number)) | (Outcome::SessionEnded, _, Some(number)) => {
                (number, State::Ended)
            }
            _ => return,
        };
        let new = Known { since: at, called: None, admitted: None, left: None, over: None };
        let known = self.known.entry(number).or_insert(new);
        match state {
            State::Called => known.called = known.called.or(Some(at)),
            State::Left => known.left = known.left.or(Some(at)),
            State::Ended => known.over = known.over.or(Some(at)),
            State::Admitted { seq, expires } => {
                let (_, latest, since) = known.admitted.unwrap_or((seq, expires, at));
                known.admitted = Some((seq, latest.max(expires), since));
            }
            State::Waiting => {}
        }
    }

    fn contradiction(&self, call: &Call) -> Option<Contradiction> {
        let known = |number: u64| self.known.get(&number);
        match &call.outcome {
            Outcome::Place { new, number, state, .. } => {
                if let Some(about) = call.about.filter(|about| about != number) {
                    return Some((call.sent, format!("asked with the ticket of {about}, told of {number}")));
                }
                if call.entered().is_some()
                    && let Some(wrong) = self.another_number(*number, *new)
                {
                    return Some(wrong);
                }
                self.another_state(call, *number, *state)
            }
            Outcome::NotYourTurn => {
                let known = known(call.about?)?;
                let (since, was) = match (known.admitted, known.called) {
                    (Some((seq, _, since)), _) => (since, format!("admitted as {seq}")),
                    (None, Some(since)) if call.what == What::Claim => (since, "called".to_owned()),
                    _ => return None,
                };
                Some((since, format!("was {was}, now told that it is not its turn")))
            }
            Outcome::PlaceLeft => {
                let number = call.about?;
                let explained =
                    before(self.asked.leave.get(&number), call.ended) || before(self.asked.again.as_ref(), call.ended);
                (!explained).then(|| (self.since(number, call), format!("never left {number}, now told that it did")))
            }
            Outcome::SessionEnded => {
                let number = call.about?;
                let why = || (self.since(number, call), format!("nothing ended the session of {number}"));
                (!self.may_be_over(number, call.ended)).then(why)
            }
            _ => None,
        }
    }

    fn since(&self, number: u64, call: &Call) -> Instant {
        self.known.get(&number).map_or(call.sent, |known| known.since)
    }

    fn another_number(&self, number: u64, new: bool) -> Option<Contradiction> {
        if let Some(known) = self.known.get(&number).filter(|_| new) {
            return Some((known.since, format!("{number} was made again, not found")));
        }
        let (newest, known) = self.known.last_key_value()?;
        (number < *newest).then(|| (known.since, format!("had {newest}, now told {number}")))
    }

    /// Further numbers although the place before was not over; with the call that told so.
    fn further_numbers<'b>(&self, by_ended: &[&'b Call]) -> Vec<(&'b Call, Contradiction)> {
        let mut first: BTreeMap<u64, &Call> = BTreeMap::new();
        for call in by_ended {
            if let Some(number) = call.entered() {
                first.entry(number).or_insert(call);
            }
        }
        let pairs = first.iter().zip(first.iter().skip(1));
        let unexplained = pairs.filter(|((old, _), (_, told))| {
            !(before(self.asked.again.as_ref(), told.ended) && self.may_be_over(**old, told.ended))
        });
        unexplained
            .map(|((old, known), (new, told))| (*told, (known.ended, format!("had {old}, now told {new}"))))
            .collect()
    }

    fn another_state(&self, call: &Call, number: u64, state: State) -> Option<Contradiction> {
        let is_living = !matches!(state, State::Left | State::Ended);
        let is_hint = matches!(state, State::Waiting | State::Called)
            && matches!(call.what, What::Status | What::Enter { claim: false, .. });
        if let Some(known) = self.known.get(&number) {
            if let Some(since) = known.left.filter(|_| is_living && call.what != What::Status) {
                return Some((since, format!("{number} was left, now {state:?}")));
            }
            if let Some(since) = known.over.filter(|_| is_living && !is_hint) {
                return Some((since, format!("the session of {number} was over, now {state:?}")));
            }
            match (state, known.admitted, known.called) {
                (State::Waiting | State::Called | State::Left, Some((seq, _, since)), _) if !is_hint => {
                    return Some((since, format!("{number} was admitted as {seq}, now {state:?}")));
                }
                (State::Admitted { seq, expires }, Some((was, until, since)), _) if seq != was || expires < until => {
                    return Some((since, format!("{number} was admitted as {was} until {until}, now {state:?}")));
                }
                (State::Waiting, _, Some(since)) if !is_hint => {
                    return Some((since, format!("{number} was called, now waiting")));
                }
                _ => {}
            }
        }
        let explained = match state {
            State::Waiting | State::Called => true,
            State::Admitted { .. } => before(self.asked.claim.as_ref(), call.ended),
            State::Left => before(self.asked.leave.get(&number), call.ended),
            State::Ended => self.may_be_over(number, call.ended),
        };
        (!explained).then(|| (self.since(number, call), format!("nobody asked for {number} to be {state:?}")))
    }

    /// Whether the place may be over by this moment: left, completed, or the session has run out.
    fn may_be_over(&self, number: u64, at: Instant) -> bool {
        if before(self.asked.leave.get(&number), at) || before(self.asked.complete.get(&number), at) {
            return true;
        }
        let clock = &self.history.clock;
        let now = clock.unix_ms(at) + SLACK_MS;
        let known = self.known.get(&number);
        let shortest =
            self.history.events.iter().map(|event| event.session_duration_seconds).min().unwrap_or(0) * 1_000;
        match (known.and_then(|known| known.admitted), self.asked.claim) {
            (Some((_, until, _)), _) => now >= until,
            (None, Some(claim)) => now >= clock.unix_ms(claim) + shortest,
            (None, None) => false,
        }
    }
}

/// After a kill no answer may show less of the line than an answer before it.
fn frontiers_fallen(history: &History) -> Vec<String> {
    let told = |call: &Call| match call.outcome {
        Outcome::Place { frontier, state: State::Waiting | State::Called | State::Admitted { .. }, .. } => frontier,
        _ => 0,
    };
    let mut fallen = Vec::new();
    for (index, event) in history.events.iter().enumerate() {
        let of_event = || history.calls.iter().filter(|call| call.person.event == index && told(call) > 0);
        let mut by_sent: Vec<&Call> = of_event().collect();
        by_sent.sort_by_key(|call| call.sent);
        let (mut before, mut after) = (of_event().peekable(), by_sent.into_iter().peekable());
        let mut highest = 0;
        for (kill, next) in history.kills.iter().zip(history.kills.iter().skip(1).map(Some).chain([None])) {
            while let Some(call) = before.next_if(|call| call.ended < kill.killed) {
                highest = highest.max(told(call));
            }
            while after.next_if(|call| call.sent < kill.back).is_some() {}
            while let Some(call) = after.next_if(|call| next.is_none_or(|next| call.sent < next.killed)) {
                if told(call) < highest {
                    fallen.push(format!("{}: frontier {} after a kill, {highest} before it", event.name, told(call)));
                }
            }
        }
    }
    fallen
}

/// Every admission that anybody was told is in the log, as it was told; gives how many were found.
fn told_and_logged(history: &History, logs: &[Vec<Entry>], broken: &mut Vec<String>) -> usize {
    let mut told = BTreeMap::new();
    for call in &history.calls {
        if let Outcome::Place { number, state: State::Admitted { seq, expires }, .. } = call.outcome {
            let until = told.entry((call.person.event, seq)).or_insert((number, expires));
            until.1 = until.1.min(expires);
            if until.0 != number {
                broken.push(format!("seq {seq} of event {} is of {number} and of {}", call.person.event, until.0));
            }
        }
    }
    for ((event, seq), (number, expires)) in &told {
        let index = usize::try_from(*seq).unwrap_or(usize::MAX).wrapping_sub(1);
        match logs.get(*event).and_then(|log| log.get(index)) {
            Some(entry) if entry.number == *number && entry.expires <= *expires => {}
            found => broken.push(format!("told seq {seq} for {number} until {expires}, the log has {found:?}")),
        }
    }
    told.len()
}

/// What happened to a visitor around a call, for whoever has to find out why.
fn story(history: &History, by_ended: &[&Call], about: &Call) -> String {
    let until = by_ended.iter().position(|call| call.ended == about.ended).unwrap_or(0);
    let shown = by_ended.get(until.saturating_sub(9)..=until).unwrap_or_default();
    let line = |call: &&Call| {
        let (sent, ended) = (history.clock.unix_ms(call.sent), history.clock.unix_ms(call.ended));
        format!("    {sent} … {ended}: {:?} {:?} → {:?}", call.what, call.about, call.outcome)
    };
    let kills = history.kills.iter().filter(|kill| shown.first().is_some_and(|call| kill.killed > call.sent));
    let kills: Vec<u64> = kills.map(|kill| history.clock.unix_ms(kill.killed)).take(5).collect();
    format!("{}\n    kills from there on: {kills:?}", shown.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
