//! The relay against every fault that a broker, a network and a Worker can have: the program itself, over real sockets, to a real broker
//! behind a [`proxy`] and a fake Worker behind a [`gate`]. What stands in Kafka afterwards is read by a client that is not the relay's
//! ([`raw`]) and held against the admission log ([`ropeline_e2e::copies`]).

#[path = "../../../../relay/tests/support/mod.rs"]
mod support;

mod check;
mod gate;
mod log;
mod produce;
mod proxy;
mod raw;
mod reading;
mod refusals;
mod rig;
mod worker;
