//! Isolation: what stands beside the Worker is laid out so that no part can hold up another one (docs/isolation.md).
//!
//! * `compose`: `ops/compose.yaml`, as `docker compose` reads it, has what it promises.
//! * `scene`: the same layout as real networks, with the real parts in machines of their own.
//! * `links`: load on one link delays no other; where all share one, it does.
//! * `backlog`: how many connections may wait to be accepted, and what becomes of the others.
//! * `health`: what kills a relay that hangs in its container.

#[cfg(target_os = "linux")]
mod backlog;
#[cfg(target_os = "linux")]
mod compose;
#[cfg(target_os = "linux")]
mod health;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod scene;

#[cfg(not(target_os = "linux"))]
#[test]
fn isolation_is_shown_on_linux() {
    panic!("networks of their own are namespaces of the Linux kernel: run these tests there, or in a virtual machine");
}
