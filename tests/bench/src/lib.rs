//! Two tiny Workers that do nothing, the ordinary way of the `worker` crate.
//!
//! `GET /hello` answers without any object; `POST /hop` reads its body and makes
//! one call to a Durable Object that counts in memory and never touches storage.
//! `cargo xtask bench` sets the product's own routes against these two figures.

// The macros of `worker` make public functions without documentation.
#![allow(missing_docs)]

use worker::{Context, DurableObject, Env, Method, Request, Response, Result, State, durable_object, event};

/// Routes the two ceilings; anything else is 404.
///
/// # Errors
/// When the runtime refuses the object call; the runtime answers 500 then.
#[event(fetch)]
pub async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    let path = request.path();
    match (request.method(), path.as_str()) {
        (Method::Get, "/hello") => Response::ok("hello"),
        (Method::Post, "/hop") => {
            let body = request.text().await?;
            let stub = env.durable_object("HOP")?.get_by_name("hop")?;
            // The length goes along so that the body was really read and used.
            stub.fetch_with_str(&format!("http://hop/?{}", body.len())).await
        }
        _ => Response::error("not found", 404),
    }
}

/// The object of `/hop`: a counter in memory.
#[durable_object]
pub struct Hop {
    calls: std::cell::Cell<u64>,
}

impl DurableObject for Hop {
    fn new(_state: State, _env: Env) -> Self {
        Self { calls: std::cell::Cell::new(0) }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        let calls = self.calls.get().saturating_add(1);
        self.calls.set(calls);
        Response::ok(calls.to_string())
    }
}
