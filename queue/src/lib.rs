//! The engine of Ropeline: everything that decides who is where in the line and who is let in.
//!
//! Pure code: no runtime, no clock, no randomness, no storage of its own. Time comes in as an argument,
//! stored rows come in through the [`LineStore`] trait, and what must be stored goes out as a list of changes that the
//! caller applies in **one** transaction. If that transaction fails, the caller drops the engine's memory and
//! restores it from storage: truth lives there.
//!
//! ```text
//! visitor ─▶ Lane: joins the open batch ──Exchange──▶ Line: numbers, admits, calls ──changes──▶ storage
//!              ◀─ wakes its waiters ◀──ExchangeReply──┘
//! ```
//!
//! * [`types`], [`time`], [`subject`], [`visitor`]: the words as types.
//! * [`settings`]: what an operator may set for an event, checked and defaulted; [`gate`], [`brand`] and
//!   [`visitor_keys`] are settings with parts.
//! * [`wire`]: what a lane and its line say to each other; [`json`]: how messages and stored settings are read.
//! * [`lane`]: batches the visitors of one slice; one exchange in flight; a batch never changes once frozen.
//! * [`line`](mod@line): the order itself. `frontier < next_number`, `acked <= drained <= head` at all times.
//! * [`eta`]: how long a wait will be, from the line's forecast.
//! * [`place`]: what a poll is told, computed from the board alone.
//! * [`shuffle`]: the drawn order of those who came before opening, with commitment and proof; [`hex`]: how both are written.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod brand;
pub mod eta;
pub mod gate;
pub mod hex;
pub mod json;
pub mod lane;
pub mod line;
pub mod place;
pub mod settings;
pub mod shuffle;
pub mod subject;
pub mod tally;
pub mod time;
pub mod types;
pub mod visitor;
pub mod visitor_keys;
pub mod wire;

pub use lane::Lane;
pub use line::{Line, LineStore};
pub use settings::Settings;
pub use subject::Subject;
pub use types::{Epoch, EventId, LaneId, Number, Position, Seq, UnixMillis};
pub use visitor::{Account, Visitor};
