//! Reads what the objects have counted, for `GET /queue/metrics`, in the registry: it is one, where isolates are many and share nothing.
//!
//! Invariants: the objects are read at most once in [`FRESH_MS`], however many ask; one reading asks at most [`MOST_OBJECTS`], each within
//! [`BOUND`]; a counter that is told never falls but to 0, with a new instance of the registry, which has the sums
//! ([`ropeline_queue::tally`]).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use futures_channel::oneshot;
use ropeline_queue::tally::{LaneTally, Sum};
use ropeline_queue::wire::{Configured, Phase, Stats};
use ropeline_queue::{EventId, LaneId, UnixMillis};
use worker::Env;

use super::call::{Address, Answer, Message, call_each, lane_name};
use super::command::{LaneCommand, LineCommand};
use crate::clock::{age_ms, now_ms};
use crate::metrics::{self, Lanes, Reading};

const FRESH_MS: f64 = 5_000.0;
const BOUND: Duration = Duration::from_secs(2);
/// A reading that takes longer was lost with whatever ran it.
const LOST_MS: f64 = 4_000.0;
/// The platform allows 1,000 calls a request.
pub const MOST_OBJECTS: u64 = 500;

/// The registry's part in it.
pub struct Meter {
    env: Env,
    started_ms: u64,
    text: RefCell<Option<(f64, String)>>,
    reading: Cell<f64>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    events: RefCell<HashMap<EventId, Known>>,
}

/// What is to be read.
#[derive(Default)]
pub struct Metered {
    /// These events, at most [`MOST_OBJECTS`] objects.
    pub events: Vec<(EventId, Configured)>,
    /// How many events there are.
    pub live: u64,
    /// How many have something to be asked, and no room here.
    pub left_out: u64,
}

/// What is kept of an event between two readings.
#[derive(Default)]
struct Known {
    /// With which settings it had ended, and was wholly in Kafka: not asked again.
    over: Option<u64>,
    lanes: Sum,
}

impl Meter {
    /// Nothing is read yet.
    pub fn new(env: Env) -> Self {
        Self {
            env,
            started_ms: now_ms() as u64,
            text: RefCell::new(None),
            reading: Cell::new(f64::NEG_INFINITY),
            waiting: RefCell::default(),
            events: RefCell::default(),
        }
    }

    /// The last text, if it is young enough.
    pub fn fresh(&self) -> Option<String> {
        self.text.borrow().as_ref().filter(|(at, _)| age_ms(*at) < FRESH_MS).map(|(_, text)| text.clone())
    }

    /// To be told when there is a next text; and whether the caller must see to it that there will be one.
    pub fn next(&self) -> (oneshot::Receiver<()>, bool) {
        let (sender, receiver) = oneshot::channel();
        let must = age_ms(self.reading.get()) > LOST_MS;
        if must {
            self.reading.set(now_ms());
            // Those of a reading that was lost.
            self.waiting.borrow_mut().clear();
        }
        self.waiting.borrow_mut().push(sender);
        (receiver, must)
    }

    /// Whether there is something to ask of this event.
    pub fn wants(&self, event: &EventId, version: u64) -> bool {
        self.events.borrow().get(event).is_none_or(|known| known.over != Some(version))
    }

    /// There will be no text this time: whoever comes next reads.
    pub fn give_up(&self) {
        self.reading.set(f64::NEG_INFINITY);
        self.waiting.borrow_mut().clear();
    }

    /// Asks the objects of these events.
    pub async fn read(&self, Metered { events, live, left_out }: Metered) {
        let began = now_ms();
        self.events
            .borrow_mut()
            .retain(|event, known| known.over.is_some() || events.iter().any(|(id, _)| id == event));
        let mut answers = self.ask(&events).await.into_iter();
        let readings: Vec<_> =
            events.iter().map(|(event, configured)| self.take(event, configured, &mut answers)).collect();
        let text = metrics::text(&readings, live, left_out, UnixMillis(began as u64));
        self.text.replace(Some((began, text)));
        self.reading.set(f64::NEG_INFINITY);
        for waiting in self.waiting.take() {
            // Who has gone needs no answer.
            let _gone = waiting.send(());
        }
    }

    /// The line of each, and its lanes.
    async fn ask(&self, events: &[(EventId, Configured)]) -> Vec<Option<Answer>> {
        let (stats, tally) = (Message::of(&LineCommand::Stats), Message::of(&LaneCommand::Tally));
        let lanes =
            |event: &EventId, lanes: u16| (0..lanes).map(LaneId).map(|lane| lane_name(event.as_str(), lane)).collect();
        let names: Vec<Vec<String>> =
            events.iter().map(|(event, configured)| lanes(event, configured.settings.lanes)).collect();
        let mut calls = Vec::new();
        for ((event, _), lanes) in events.iter().zip(&names) {
            calls.push((Address::line(event.as_str()), &stats));
            calls.extend(lanes.iter().map(|lane| (Address::lane(lane), &tally)));
        }
        call_each(&self.env, &calls, BOUND).await
    }

    /// What they said of one event: the next of `answers`.
    fn take<'a>(
        &self,
        event: &'a EventId,
        configured: &'a Configured,
        answers: &mut impl Iterator<Item = Option<Answer>>,
    ) -> Reading<'a> {
        let stats: Option<Stats> = answers.next().flatten().and_then(|answer| answer.read().ok());
        let mut events = self.events.borrow_mut();
        let known = events.entry(event.clone()).or_default();
        let (mut up, mut pending) = (0, 0);
        for (lane, answer) in (0..configured.settings.lanes).map(LaneId).zip(answers) {
            let Some(tally) = answer.and_then(|answer| answer.read::<LaneTally>().ok()) else { continue };
            up += 1;
            pending = tally.pending.max(pending);
            known.lanes.take(lane, tally, self.started_ms);
        }
        let is_over =
            |stats: &Stats| stats.phase == Phase::Ended && stats.acked_seq == stats.head_seq && stats.active == 0;
        let total = known.lanes.total().clone();
        if stats.as_ref().is_some_and(is_over) {
            *known = Known { over: Some(configured.version), lanes: Sum::default() };
        }
        Reading { event, configured, stats, lanes: Lanes { up, pending, total } }
    }
}
