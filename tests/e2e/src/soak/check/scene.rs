//! Short histories for the tests of the checks.

use crate::soak::history::{Call, Clock, Event, History, Kill, Outcome, Person, State, What};

/// A history in the making; times are milliseconds.
pub struct Scene(History);

/// An answer that gives a place.
pub fn place(number: u64, state: State) -> Outcome {
    Outcome::Place { new: false, number, frontier: 0, state }
}

/// An answer that admits, with a session until `expires` ms after the start.
pub fn admitted(scene: &Scene, number: u64, seq: u64, expires: u64) -> Outcome {
    place(number, State::Admitted { seq, expires: scene.unix(expires) })
}

impl Scene {
    pub fn new() -> Self {
        let event = Event {
            name: "scene",
            lanes: 1,
            total_active_users: 2,
            new_users_per_minute: 3,
            session_duration_seconds: 10,
        };
        Self(History { events: vec![event], calls: Vec::new(), kills: Vec::new(), clock: Clock::now() })
    }

    /// Milliseconds since 1970 at this moment.
    pub fn unix(&self, ms: u64) -> u64 {
        self.0.clock.unix_ms(self.0.clock.after(ms))
    }

    pub fn call(&mut self, id: u64, what: What, about: Option<u64>, times: (u64, u64), outcome: Outcome) -> &mut Self {
        let (sent, ended) = (self.0.clock.after(times.0), self.0.clock.after(times.1));
        self.0.calls.push(Call { person: Person { event: 0, id }, what, about, sent, ended, outcome });
        self
    }

    pub fn enter(&mut self, id: u64, sent: u64, ended: u64, outcome: Outcome) -> &mut Self {
        self.call(id, What::Enter { claim: false, again: false }, None, (sent, ended), outcome)
    }

    pub fn again(&mut self, id: u64, sent: u64, ended: u64, outcome: Outcome) -> &mut Self {
        self.call(id, What::Enter { claim: false, again: true }, None, (sent, ended), outcome)
    }

    pub fn claim(&mut self, id: u64, number: u64, sent: u64, ended: u64, outcome: Outcome) -> &mut Self {
        self.call(id, What::Claim, Some(number), (sent, ended), outcome)
    }

    pub fn leave(&mut self, id: u64, number: u64, sent: u64, ended: u64, outcome: Outcome) -> &mut Self {
        self.call(id, What::Leave, Some(number), (sent, ended), outcome)
    }

    pub fn kill(&mut self, killed: u64, back: u64) -> &mut Self {
        let kill = Kill { killed: self.0.clock.after(killed), back: self.0.clock.after(back) };
        self.0.kills.push(kill);
        self
    }

    /// As the checks get it.
    pub fn history(&self) -> History {
        let mut history = self.0.clone();
        history.calls.sort_by_key(|call| call.ended);
        history
    }
}
