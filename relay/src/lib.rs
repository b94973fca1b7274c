//! The relay of Ropeline: it carries admission logs into Kafka, in order, without a gap.
//!
//! A map. [`machine`] is the heart: what one event's relay does next, as a pure state machine. [`task`] carries out what it
//! says, for one event; [`fleet`] asks the Worker once a second which events are busy and keeps one task for each.
//! The two seams are [`worker::WorkerApi`] (the Worker's relay routes, over HTTP) and [`broker::Broker`] (Kafka, with
//! rskafka); tests put fakes there. [`connect`] finds the cluster. [`entry`] and [`record`] are the formats on both sides,
//! [`murmur2`] the partitioner, [`config`] the settings, [`telemetry`] the log, [`health`] what probes, Prometheus and
//! ([`systemd`]) the service manager are told, [`operator`] what operators do,
//! [`check`] what `ropeline-relay check` looks at, [`canary`] a visitor who comes every few seconds to see whether visitors can, [`brake`] what slows a sale down by itself.
//!
//! The one rule from which order follows: *a batch is sent only when everything before it is known to be in the log*.

pub mod brake;
pub mod broker;
pub mod canary;
pub mod check;
pub mod config;
pub mod connect;
pub mod entry;
pub mod fleet;
pub mod health;
pub mod machine;
pub mod murmur2;
pub mod operator;
pub mod record;
pub mod systemd;
pub mod task;
pub mod telemetry;
pub mod types;
pub mod worker;
