//! Developer commands of Ropeline, and the parts they are made of.
//!
//! The binary (`cargo xtask`) is a thin shell around this library; the
//! end-to-end tests use the same library to start the real parts.
//!
//! * [`ui`] tells what is going on; [`paths`] knows where everything lies;
//!   [`process`] starts programs that never outlive us.
//! * [`tools`] installs what a build needs under `target/tools`; [`bundle`]
//!   builds the Workers and the native programs.
//! * [`scripts`] compiles what is written in TypeScript; [`platform`] knows prices and limits.
//! * [`kafka`], [`workerd`] and [`services`] start a broker, a Worker, the relay
//!   and the shop; [`keys`] makes the secrets they share; [`stack`] puts all of
//!   them together.
//! * [`http`] is a small HTTP/1.1 client, used by [`api`] (the calls we make
//!   to Ropeline), by [`crowd`] (simulated visitors) and by [`mod@bench`].
//! * [`up`], [`mod@test`], [`mod@bench`], [`calibrate`], [`simulate`], [`mod@fuzz`], [`soak`], [`overload`], [`capacity`], [`drill`] and [`mod@k6`] are the commands that are more than a
//!   call.

pub mod api;
pub mod bench;
pub mod bundle;
pub mod calibrate;
pub mod capacity;
pub mod crowd;
pub mod drill;
pub mod front;
pub mod fuzz;
pub mod http;
pub mod incident;
pub mod k6;
pub mod kafka;
pub mod keys;
pub mod mutants;
pub mod overload;
pub mod paths;
pub mod platform;
pub mod process;
pub mod scripts;
pub mod services;
pub mod simulate;
pub mod soak;
pub mod stack;
pub mod test;
pub mod tools;
pub mod ui;
pub mod up;
pub mod workerd;

pub use process::{free_port, port_is_free};
