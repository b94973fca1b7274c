//! Calls: sent, delayed, doubled, lost, answered or timed out.

use crate::message::{CallId, Client, Out, Outcome, Request, To};
use crate::plan::Ms;
use crate::world::{Event, World};

impl World {
    /// Makes a call that ends after `bound` at the latest. What an object sends goes through its gate instead:
    /// [`World::begin_call`], then [`Out::Call`].
    pub(crate) fn call(&mut self, client: Client, to: To, request: Request, bound: Ms) -> CallId {
        let call = self.begin_call(client, bound);
        self.transmit(call, to, request);
        call
    }

    pub(crate) fn begin_call(&mut self, client: Client, bound: Ms) -> CallId {
        self.next_call += 1;
        self.calls.insert(self.next_call, client);
        self.schedule_in(bound, Event::TimedOut(self.next_call));
        self.next_call
    }

    fn delay(&mut self) -> Ms {
        let weather = self.weather();
        if self.random.chance(weather.late) {
            return self.random.between(weather.least_delay, weather.latest);
        }
        self.random.between(weather.least_delay, weather.most_delay)
    }

    fn transmit(&mut self, call: CallId, to: To, request: Request) {
        let weather = self.weather();
        if self.random.chance(weather.overloaded) {
            let after = self.delay();
            self.schedule_in(after, Event::Answered { call, outcome: Outcome::Overloaded });
            return;
        }
        if self.random.chance(weather.unavailable) {
            let after = self.delay();
            self.schedule_in(after, Event::Answered { call, outcome: Outcome::Unavailable });
            if self.random.chance(500) {
                return;
            }
        }
        if self.random.chance(weather.lost) {
            return;
        }
        if self.random.chance(weather.twice) {
            let after = self.random.between(weather.least_delay, weather.latest);
            self.schedule_in(after, Event::Deliver { call, to, request: request.clone() });
        }
        let after = self.delay();
        self.schedule_in(after, Event::Deliver { call, to, request });
    }

    /// This has left the object: its gate is open.
    pub(crate) fn release(&mut self, out: Out) {
        match out {
            Out::Answer(call, outcome) => {
                self.check_released(call, &outcome);
                let lost = self.weather().lost;
                if !self.random.chance(lost) {
                    let after = self.delay();
                    self.schedule_in(after, Event::Answered { call, outcome });
                }
            }
            Out::Call(call, to, request) => self.transmit(call, to, request),
        }
    }

    pub(crate) fn deliver(&mut self, call: CallId, to: To, request: Request) {
        match to {
            To::Lane(lane) => self.lane_hears(lane, call, request),
            To::Line => self.line_hears(call, &request),
            To::Registry => self.registry_hears(call, &request),
        }
    }

    pub(crate) fn answered(&mut self, call: CallId, outcome: Outcome) {
        let Some(client) = self.calls.remove(&call) else { return };
        match client {
            Client::Tab { visitor, tab } => self.tab_answered(visitor, tab, call, &outcome),
            Client::Origin { seq } => self.origin_answered(seq, &outcome),
            Client::Isolate { isolate, generation } => self.isolate_answered(isolate, generation, &outcome),
            Client::Exchange { lane, instance } => self.exchange_answered(lane, instance, call, &outcome),
            Client::LaneBoard { lane, instance, asked_by } => {
                self.lane_board_answered(lane, instance, asked_by, &outcome);
            }
            Client::Operator => self.operator_answered(&outcome),
            Client::Relay { relay, effect } => self.relay_answered(relay, effect, &outcome),
            Client::LineTells { instance, stamp, busy } => self.line_told(instance, stamp, busy, &outcome),
            Client::Nobody => {}
        }
    }
}
