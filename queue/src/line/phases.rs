//! How an event goes its way: `scheduled → prequeue → open → ended`, moved on by time; and, while the operator or the origin says so,
//! suspended, sold out, slowed down.
//!
//! What cannot be taken back, the opening with its draw and the end, is stored as a [`Course`] by the first step that finds it
//! due: the line's clock decides, and no timer has to fire for it.

use serde::Serialize;

use super::order::Order;
use super::store::{Audit, Change, Course, Opened};
use super::{Changes, Line, Step};
use crate::hex;
use crate::settings::QueueingMethod;
use crate::shuffle::{self, Draw};
use crate::types::{EventId, UnixMillis};
use crate::wire::{Paused, Phase, Refusal, Shuffle};
use crate::{from_json, json};

/// How fast a line may go, as the origin sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Paced {
    /// Admissions per minute that the origin asks not to pass.
    pub pace: Option<u64>,
    /// Admissions per minute in force.
    pub in_force: u64,
    /// Whether it is sold out.
    pub sold_out: bool,
}

from_json! { struct Paced { pace, in_force, sold_out } }

impl Line {
    /// Nothing but what time brings: for an alarm.
    pub fn tick(&mut self, now: UnixMillis) -> Step<()> {
        self.catch_up(now);
        let mut changes = Vec::new();
        self.turn(&mut changes);
        self.call(&mut changes);
        self.seal(&mut changes);
        Step { answer: (), changes }
    }

    /// When time will change something next, so that an alarm may be set for it. Nothing depends on that alarm.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixMillis> {
        let settings = &self.configured.settings;
        let opening = settings.event_start_time.filter(|_| self.course.opened.is_none());
        let end = settings.event_end_time.filter(|_| self.course.ended_at.is_none());
        opening.into_iter().chain(end).min()
    }

    /// How fast the line may go.
    #[must_use]
    pub fn paced(&self) -> Paced {
        Paced { pace: self.course.pace, in_force: self.per_minute(), sold_out: self.configured.settings.sold_out }
    }

    /// Admissions per minute that the origin asks not to pass; none: as configured.
    pub fn set_pace(&mut self, now: UnixMillis, pace: Option<u64>, by: &str) -> Step<()> {
        self.catch_up(now);
        let mut changes = Vec::new();
        self.turn(&mut changes);
        if self.course.pace != pace {
            let from = core::mem::replace(&mut self.course.pace, pace);
            let change = json::object(&[("from", &from), ("to", &pace)]);
            changes.push(Change::Course(self.course));
            changes.push(Change::Audit(Audit {
                at: self.head.clk,
                by: by.to_owned(),
                action: "pace",
                detail: json::object(&[("new_users_per_minute", &json::Raw(&change))]),
            }));
        }
        self.seal(&mut changes);
        Step { answer: (), changes }
    }

    /// Where the event stands, by what has been stored of it and by the clock.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let settings = &self.configured.settings;
        if self.course.ended_at.is_some() {
            Phase::Ended
        } else if settings.sold_out {
            Phase::SoldOut
        } else if settings.suspended {
            Phase::Suspended
        } else if self.course.opened.is_some() {
            Phase::Open
        } else if settings.prequeue_start_time.is_some_and(|start| start <= self.head.clk) {
            Phase::Prequeue
        } else {
            Phase::Scheduled
        }
    }

    /// Opens and ends the event when that is due. The cut of a draw is this very step: N is the last number given before it.
    pub(super) fn turn(&mut self, changes: &mut Changes) {
        let clk = self.head.clk;
        let settings = &self.configured.settings;
        let before = self.course;
        if before.opened.is_none() && settings.event_start_time.is_none_or(|start| start <= clk) {
            self.course.opened = Some(Opened { at: clk, count: self.head.last_number.get() });
        }
        if before.ended_at.is_none() && settings.event_end_time.is_some_and(|end| end <= clk) {
            self.course.ended_at = Some(clk);
        }
        if self.course != before {
            self.order = order(&self.event, &self.course, settings.shuffle_at_event_start);
            changes.push(Change::Course(self.course));
        }
    }

    /// Why nobody is called although the event is open.
    pub(super) fn paused(&self) -> Option<Paused> {
        let settings = &self.configured.settings;
        if settings.queue_all || self.course.pace == Some(0) {
            return Some(Paused::QueueAll);
        }
        let unacked = self.head.seq.since(self.relay.acked);
        let closed = self.brake.is_closed(self.head.clk);
        (closed || unacked >= settings.max_unacked).then_some(Paused::Relay)
    }

    /// Whether anybody may be called and admitted.
    pub(super) fn moves(&self) -> bool {
        self.phase() == Phase::Open
            && self.paused().is_none()
            && self.configured.settings.queueing_method != QueueingMethod::Passthrough
    }

    /// Admissions per minute: the operator's limit, or the origin's where that is lower; and of that what a brake leaves.
    pub(super) fn per_minute(&self) -> u64 {
        let configured = self.configured.settings.new_users_per_minute;
        let limit = self.course.pace.map_or(configured, |pace| pace.min(configured));
        self.brake.slow(self.head.clk, limit)
    }

    /// Why no new places are given now.
    pub(super) fn closed(&self) -> Option<Refusal> {
        let settings = &self.configured.settings;
        match self.phase() {
            Phase::Ended => Some(Refusal::Ended),
            Phase::SoldOut => Some(Refusal::SoldOut),
            Phase::Scheduled => {
                let opens_at = settings.prequeue_start_time.or(settings.event_start_time).unwrap_or(self.head.clk);
                Some(Refusal::NotOpen { opens_at })
            }
            _ => (settings.queueing_method == QueueingMethod::Reject).then_some(Refusal::Closed),
        }
    }

    /// What is public of the draw.
    pub(super) fn shuffle(&self) -> Option<Shuffle> {
        if !self.configured.settings.shuffle_at_event_start {
            return None;
        }
        let seed = &self.course.seed.0;
        let opened = self.course.opened;
        Some(Shuffle {
            commitment: hex::encode(&shuffle::commitment(&self.event, seed)),
            seed: opened.map(|_| hex::encode(seed)),
            count: opened.map(|opened| opened.count),
            cut_at: opened.map(|opened| opened.at),
        })
    }
}

/// The order of admission of an event that has come so far.
pub(super) fn order(event: &EventId, course: &Course, shuffled: bool) -> Order {
    match course.opened {
        _ if !shuffled => Order::Fifo,
        None => Order::Hidden,
        // Numbering sees to it that there are never too many; were there, nobody would be called.
        Some(opened) => Draw::new(event, &course.seed.0, opened.count).map_or(Order::Hidden, Order::drawn),
    }
}
