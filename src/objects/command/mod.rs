//! What the objects are told, and what they answer: one typed command enum per object, shared by caller and object.
//!
//! Unknown fields are ignored and an unknown command is answered 501, since old and new code meet during a deploy.

mod lane;
mod line;
mod registry;

use ropeline_queue::json::ToJson;

pub use lane::{Asked, Entered, LaneCommand, StoredVisitor};
pub use line::{AuditRow, Configuring, LineCommand, Pace, PageRow, Undone, read_log, write_log};
pub use registry::{Burial, EventEntry, Listing, RegistryCommand, Reservation, Told};

/// A command, and how it travels.
pub trait Command: ToJson {
    /// In the address of the call, which costs less than a body; but logs show addresses, and they are short. So only what is
    /// small and holds no secret.
    fn is_in_address(&self) -> bool {
        false
    }
}
