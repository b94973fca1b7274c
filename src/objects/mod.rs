//! The Durable Objects, each a thin shell around the engine, and how they are called.
//!
//! They are plain `wasm_bindgen` classes. The crate's `durable_object` macro wraps requests and responses into types of its own,
//! which reads every property of each and makes every response twice: a good part of what a call costs.

pub mod call;
pub mod command;
mod cost;
pub mod lane_do;
mod lane_store;
pub mod line_do;
mod line_schema;
mod line_store;
mod meter;
pub mod registry_do;
mod reply;
mod sql;
mod tally;
mod trace;
