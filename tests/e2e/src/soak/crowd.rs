//! What clients do all the time, by dice that the seed has loaded: some only enter, others look after their places.
//!
//! Every client has a connection and a few visitors whose keys it keeps. Nothing is waited for but the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::caller::{Caller, Target, Ticket};
use super::history::{Outcome, Person, Recorder, State, What};
use crate::seed::Random;

/// So many visitors of each event a client keeps.
const KEPT: usize = 4;
/// After no answer, or "later": a client that asks again at once would only measure how fast it can.
const PAUSE: Duration = Duration::from_millis(20);

/// A visitor whose key a client keeps.
#[derive(Debug)]
struct Kept {
    person: Person,
    ticket: Option<Ticket>,
    /// What it was told last; none: what it last asked for is not known to have happened.
    state: Option<State>,
    again: bool,
}

/// The ids of one client's visitors are its index times this, and on.
pub const IDS: u64 = 10_000_000;

/// One client.
pub struct Member {
    index: u64,
    next: u64,
    random: Random,
    caller: Caller,
    second: Caller,
    kept: Vec<Vec<Kept>>,
}

impl Member {
    /// Client `index` of a run.
    #[must_use]
    pub fn new(index: u64, target: &Arc<Target>, recorder: &Arc<Recorder>) -> Self {
        Self {
            index,
            next: 0,
            random: Random::stream(target.seed, index),
            caller: Caller::new(target, recorder),
            second: Caller::new(target, recorder),
            kept: target.events.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Goes on until told to stop.
    pub async fn go(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::SeqCst) {
            let outcome = self.act().await;
            if matches!(outcome, Outcome::Later | Outcome::Broken(_)) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn percent(&mut self) -> u64 {
        self.random.below(100)
    }

    /// Hangs up on some, too soon for most answers.
    fn patience(&mut self) -> Option<Duration> {
        (self.percent() < 2).then(|| Duration::from_micros(200 + self.random.below(8_000)))
    }

    async fn act(&mut self) -> Outcome {
        let event = usize::try_from(self.random.below(self.kept.len() as u64)).unwrap_or(0);
        let room = self.kept.get(event).is_some_and(|kept| kept.len() < KEPT);
        if self.percent() < 45 || room {
            return self.somebody_new(event, room).await;
        }
        let kept = self.kept.get_mut(event).map_or(0, |kept| kept.len() as u64);
        let at = usize::try_from(self.random.below(kept.max(1))).unwrap_or(0);
        let Some(mut visitor) = self.kept.get_mut(event).map(|kept| kept.swap_remove(at)) else {
            return Outcome::HungUp;
        };
        let (outcome, stays) = self.step(&mut visitor).await;
        if stays && let Some(kept) = self.kept.get_mut(event) {
            kept.push(visitor);
        }
        outcome
    }

    async fn somebody_new(&mut self, event: usize, keep: bool) -> Outcome {
        let id = self.index * IDS + self.next;
        self.next += 1;
        // Those who do not come back only enter, where there is room for everybody.
        let person = Person { event: if keep { event } else { event % 2 }, id };
        let what = What::Enter { claim: self.percent() < 25, again: false };
        let mut visitor = Kept { person, ticket: None, state: None, again: false };
        let outcome = if self.percent() < 10 {
            self.twice(&mut visitor, what).await
        } else {
            let patience = self.patience();
            self.ask(&mut visitor, what, patience).await
        };
        if let (true, Some(kept)) = (keep, self.kept.get_mut(event)) {
            kept.push(visitor);
        } else if visitor.state.is_none() && self.percent() < 85 {
            return self.ask(&mut visitor, what, None).await;
        }
        outcome
    }

    /// The same key on two connections at once.
    async fn twice(&mut self, visitor: &mut Kept, what: What) -> Outcome {
        let Self { caller, second, .. } = self;
        let person = visitor.person;
        let (first, other) = tokio::join!(caller.call(person, what, None, None), second.call(person, what, None, None));
        let outcome = if matches!(first, Outcome::Place { .. }) { first } else { other };
        let given = caller.given.take().or(second.given.take());
        visitor.told(&outcome, given);
        outcome
    }

    async fn ask(&mut self, visitor: &mut Kept, what: What, patience: Option<Duration>) -> Outcome {
        let ticket = if matches!(what, What::Enter { .. }) { None } else { visitor.ticket.as_ref() };
        let outcome = self.caller.call(visitor.person, what, ticket, patience).await;
        let given = self.caller.given.take();
        visitor.told(&outcome, given);
        outcome
    }

    /// The next thing a visitor does, and whether it stays.
    async fn step(&mut self, visitor: &mut Kept) -> (Outcome, bool) {
        let roll = self.percent();
        let enter = |claim, again| What::Enter { claim, again };
        let what = match (visitor.state, roll) {
            // Nobody knows what happened: mostly they ask again, some give up.
            (None, 0..=9) => return (Outcome::HungUp, false),
            (None, _) => enter(roll < 40, visitor.again),
            (Some(State::Waiting), 0..=54) => What::Status,
            (Some(State::Waiting), 55..=79) => What::Claim,
            (Some(State::Waiting), 80..=83) => What::Leave,
            (Some(State::Called), 0..=69) => What::Claim,
            (Some(State::Called), 70..=72) => What::Leave,
            (Some(State::Called), 73..=79) => What::Status,
            (Some(State::Waiting | State::Called), _) => enter(roll < 92, false),
            (Some(State::Admitted { .. }), 0..=29) => What::Claim,
            (Some(State::Admitted { .. }), 30..=54) => What::Renew,
            (Some(State::Admitted { seq, .. }), 55..=69) => return (self.complete(visitor, seq).await, true),
            (Some(State::Admitted { .. }), 70..=77) => What::Leave,
            // Vanishes with a living session.
            (Some(State::Admitted { .. }), 78..=82) => return (Outcome::HungUp, false),
            (Some(State::Admitted { .. }), _) => enter(true, false),
            (Some(State::Left | State::Ended), 0..=39) if !visitor.again => {
                visitor.again = true;
                enter(roll < 20, true)
            }
            (Some(State::Left | State::Ended), 40..=79) => enter(roll < 60, false),
            (Some(State::Left | State::Ended), _) => return (Outcome::HungUp, false),
        };
        let what = if visitor.ticket.is_none() { enter(false, visitor.again) } else { what };
        let patience = self.patience();
        (self.ask(visitor, what, patience).await, true)
    }

    async fn complete(&mut self, visitor: &mut Kept, seq: u64) -> Outcome {
        let number = visitor.ticket.as_ref().map_or(0, |ticket| ticket.number);
        let outcome = self.caller.complete(visitor.person, number, seq).await;
        if outcome == Outcome::Done {
            visitor.state = Some(State::Ended);
        }
        outcome
    }
}

impl Kept {
    fn told(&mut self, outcome: &Outcome, given: Option<Ticket>) {
        self.ticket = given.or(self.ticket.take());
        match outcome {
            Outcome::Place { state, .. } => self.state = Some(*state),
            // A leave: what it was, left or over, the next call tells.
            Outcome::Done | Outcome::PlaceLeft => self.state = Some(State::Left),
            Outcome::SessionEnded => self.state = Some(State::Ended),
            Outcome::NotYourTurn => self.state = Some(State::Waiting),
            Outcome::Later | Outcome::HungUp | Outcome::Broken(_) | Outcome::Wrong(_) => self.state = None,
        }
    }
}
