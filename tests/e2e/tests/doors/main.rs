//! What stands before new places, on the real runtime: Turnstile, the limit for each address, both; and accounts in place of keys.

mod accounts;
mod address;
mod challenge;
mod turnstile;

use ropeline_e2e::{Answer, Method, Value, World, WorldOptions, json};
use turnstile::{SECRET, Solved, Turnstile};

const EVENT: &str = "sale";
const SITE_KEY: &str = "0x-the-site-key";
/// As the Worker of these tests is called.
const HERE: Solved = Solved { hostname: "localhost", action: "enter", cdata: EVENT };

/// A Worker with the keys of the door, and an event that has it.
async fn with_door(options: WorldOptions, more: Value) -> (World, Turnstile) {
    let turnstile = Turnstile::start().await;
    let world = options
        .var("ROPELINE_TURNSTILE_SITE_KEY", SITE_KEY)
        .var("ROPELINE_TURNSTILE_SECRET", SECRET)
        .service("SITEVERIFY", turnstile.port)
        .start();
    let mut settings = json!({"door": "turnstile"});
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend(more);
    }
    world.create(EVENT, &settings).await;
    (world, turnstile)
}

/// `POST /queue/enter` of this visitor, from this address.
async fn enter(world: &World, key: &str, token: Option<&str>, address: &str) -> Answer {
    let mut body = json!({"event": EVENT, "visitor": key});
    if let Some(token) = token {
        body["door_token"] = json!(token);
    }
    let headers = [("content-type", "application/json"), ("cf-connecting-ip", address)];
    world.raw(Method::POST, "/queue/enter", &headers, body.to_string()).await
}

/// From the same address as everybody.
async fn knock(world: &World, key: &str, token: Option<&str>) -> Answer {
    enter(world, key, token, "203.0.113.9").await
}

async fn entered(world: &World) -> Value {
    world.stats(EVENT).await["entered"].clone()
}
