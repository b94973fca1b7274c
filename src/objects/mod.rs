//! The Durable Objects, each a thin shell around the engine, and how they are called.

pub mod call;
pub mod command;
pub mod lane_do;
mod lane_store;
pub mod line_do;
mod line_store;
pub mod registry_do;
mod reply;
mod sql;
