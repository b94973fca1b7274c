//! The edge Worker of Ropeline.
//!
//! A request comes in at `fetch` and goes to its route. Routes are stateless: they read the request (`http`),
//! check who asks (`credentials`, `assertions`, `keyring`), look the event up in the isolate's copy of the registry's list
//! (`directory`), ask a Durable Object if they must (`objects`), or the isolate's copy of the board if they can
//! (`boards`), and sign what they give out (`tokens`).
//!
//! ```text
//! enter, claim, renew, leave ─▶ Lane object ──exchange──▶ Line object      status, board ─▶ isolate's copy of the board
//! ```
//!
//! The Durable Objects are thin shells around the engine in `ropeline_queue`: one writes what the engine says and answers
//! what it answers. Nothing in this crate decides who is where in the line.
//!
//! What runs here must not panic: a panic in an object hangs its callers. Clippy denies the ways to it.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]
// Only the runtime calls this crate. Elsewhere what needs no runtime is built for its tests.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
#![allow(missing_docs, reason = "the durable_object macro makes public methods of its own")]

mod assets;
mod console;
mod keyring;
mod metrics;
mod page;

#[cfg(target_arch = "wasm32")]
mod alerts;
#[cfg(target_arch = "wasm32")]
mod assertions;
#[cfg(target_arch = "wasm32")]
mod boards;
#[cfg(target_arch = "wasm32")]
mod clock;
#[cfg(target_arch = "wasm32")]
mod credentials;
#[cfg(target_arch = "wasm32")]
mod deployment;
#[cfg(target_arch = "wasm32")]
mod directory;
#[cfg(target_arch = "wasm32")]
mod flight;
#[cfg(target_arch = "wasm32")]
mod http;
#[cfg(target_arch = "wasm32")]
mod microtasks;
#[cfg(target_arch = "wasm32")]
mod objects;
#[cfg(target_arch = "wasm32")]
mod routes;
#[cfg(target_arch = "wasm32")]
mod templates;
#[cfg(target_arch = "wasm32")]
mod tokens;

#[cfg(target_arch = "wasm32")]
mod entry {
    use worker::{Context, Env, event, web_sys};

    pub use crate::objects::lane_do::Lane;
    pub use crate::objects::line_do::Line;
    pub use crate::objects::registry_do::Registry;

    /// Answers a request of a visitor, an operator, an origin or a relay.
    ///
    /// # Errors
    /// Only when not even an error could be put into a response.
    #[event(fetch)]
    async fn fetch(request: web_sys::Request, env: Env, _context: Context) -> worker::Result<web_sys::Response> {
        crate::routes::answer(request, env).await
    }
}

#[cfg(target_arch = "wasm32")]
pub use entry::{Lane, Line, Registry};
