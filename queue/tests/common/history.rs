//! Random histories of a line: what may happen to it, and how often.

use proptest::collection::vec;
use proptest::prelude::*;
use ropeline_queue::Settings;

use crate::common::{Write, demo};

/// What happens next. Numbers in it pick among what there is.
#[derive(Clone, Debug)]
pub enum Event {
    Enter(u64, Write),
    /// A batch whose lane crashes before it has the reply: its numbers are voided.
    Void(u64),
    Ask(Vec<Wish>, Write),
    Tick(u64),
    ClockSteppedBack(u64),
    Restart,
    Board(Write),
    Configure(Limits, Write),
    /// The relay hands everything to Kafka.
    Relay,
}

#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Claim(u64),
    /// Everybody called claims, from this number on so many.
    ClaimMany(u64, u64),
    Look(u64),
    Renew(u64),
    Leave(u64),
    Complete(u64),
    Redeem(u64),
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub total_active_users: u64,
    pub new_users_per_minute: u64,
    pub session_duration_seconds: u64,
    pub disable_session_renewal: bool,
    pub max_unacked: u64,
    pub max_line_length: u64,
}

impl Limits {
    pub fn settings(self) -> Settings {
        let Self { total_active_users, new_users_per_minute, session_duration_seconds, .. } = self;
        let Self { disable_session_renewal, max_unacked, max_line_length, .. } = self;
        Settings {
            total_active_users,
            new_users_per_minute,
            session_duration_seconds,
            disable_session_renewal,
            max_unacked,
            max_line_length,
            ..Settings::defaults(&demo())
        }
    }
}

pub fn writes() -> impl Strategy<Value = Write> {
    prop_oneof![20 => Just(Write::Works), 1 => Just(Write::FailsBefore), 1 => Just(Write::FailsAfter)]
}

pub fn wishes() -> impl Strategy<Value = Wish> {
    prop_oneof![
        6 => any::<u64>().prop_map(Wish::Claim),
        4 => (any::<u64>(), 1_u64..40).prop_map(|(from, count)| Wish::ClaimMany(from, count)),
        1 => any::<u64>().prop_map(Wish::Look),
        2 => any::<u64>().prop_map(Wish::Renew),
        1 => any::<u64>().prop_map(Wish::Leave),
        2 => any::<u64>().prop_map(Wish::Complete),
        2 => any::<u64>().prop_map(Wish::Redeem),
    ]
}

pub fn limits() -> impl Strategy<Value = Limits> {
    (
        prop_oneof![1_u64..4, 5_u64..40, Just(10_000)],
        prop_oneof![1_u64..4, 10_u64..60, 60_u64..2_000],
        prop_oneof![Just(10_u64), 10_u64..120],
        any::<bool>(),
        prop_oneof![5 => Just(1_000_000_u64), 1 => 1_u64..10],
        prop_oneof![5 => Just(10_000_000_u64), 1 => 1_u64..60],
    )
        .prop_map(
            |(total_active_users, new_users_per_minute, session_duration_seconds, renewal, unacked, length)| Limits {
                total_active_users,
                new_users_per_minute,
                session_duration_seconds,
                disable_session_renewal: renewal,
                max_unacked: unacked,
                max_line_length: length,
            },
        )
}

pub fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_u64..30, writes()).prop_map(|(count, write)| Event::Enter(count, write)),
        1 => (1_u64..5).prop_map(Event::Void),
        12 => (vec(wishes(), 1..6), writes()).prop_map(|(wishes, write)| Event::Ask(wishes, write)),
        8 => prop_oneof![0_u64..1_500, 0_u64..1_500, Just(1_000), Just(4_999), Just(5_001), 0_u64..20_000, Just(59_999)]
            .prop_map(Event::Tick),
        1 => (0_u64..90_000).prop_map(Event::ClockSteppedBack),
        1 => Just(Event::Restart),
        2 => writes().prop_map(Event::Board),
        1 => (limits(), writes()).prop_map(|(limits, write)| Event::Configure(limits, write)),
        1 => Just(Event::Relay),
    ]
}
