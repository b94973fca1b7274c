//! The HTTP side of the Worker: what comes in, what goes out, and how errors look.

pub mod cookies;
pub mod problem;
pub mod reply;
pub mod request;
pub mod text;
