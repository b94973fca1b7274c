//! Isolation: what stands beside the Worker is laid out so that no part can hold up another one (docs/isolation.md).
//!
//! * `compose`: `ops/compose.yaml`, as `docker compose` reads it, has what it promises.
//! * `scene`: the same layout as real networks, with the real parts in machines of their own.
//! * `links`: load on one link delays no other; where all share one, it does.
//! * `backlog`: how many connections may wait to be accepted, and what becomes of the others.
//! * `health`: what kills a relay that hangs in its container.

mod backlog;
mod compose;
mod health;
mod links;
mod scene;
