//! The HTTP contract on a running Worker: `docs/openapi.yaml` and the real answers, held to each other.
//!
//! * `tour`: everything documented is answered, and everything answered is documented.
//! * `routes`: the file and the Worker know the same routes, methods and settings.
//! * `bad_input`: what is wrong on any route is told, and the next good request works.
//! * `browser`: cookies, CSRF, CORS, the waiting page; `plain`: that page without a script.
//! * `brand`, `page`: how the page looks, and what stands around it, as an operator says it.
//! * `console`: the operator's console, which tells nothing to whoever has no key.
//! * `phases`: what an event's phases and the switches of operator and origin answer.
//! * `operator`: versions, partial changes, what is fixed.
//! * `metrics`: what scrapers get, and that it costs the objects nothing.
//! * `secrets`: what must never be logged.
//! * `documents`: what README and docs show is real; `origin` is the code they give to origins.

mod bad_input;
mod brand;
mod browser;
mod call;
mod console;
mod documents;
mod metrics;
mod operator;
mod origin;
mod page;
mod phases;
mod plain;
mod routes;
mod secrets;
mod spec;
mod tour;

use ropeline_e2e::tokens::{Forge, pass_claims, ticket_claims};
use ropeline_e2e::{Role, Value, json, new_key, now_ms};
use ropeline_queue::UnixMillis;

use crate::call::Judged;

/// A place as its holder has it.
pub struct Holder {
    /// Visitor key.
    pub key: String,
    /// Ticket.
    pub ticket: String,
    /// The last answer.
    pub place: Value,
}

impl Holder {
    /// The pass it was given.
    pub fn pass(&self) -> &str {
        self.place["pass"].as_str().unwrap_or_else(|| panic!("no pass in {}", self.place))
    }

    /// The `jti` of that pass.
    pub fn jti(&self) -> String {
        pass_claims(self.pass()).jti
    }

    /// `Cookie` of a browser that holds all this.
    pub fn cookies(&self, event: &str) -> String {
        let pass =
            self.place["pass"].as_str().map(|pass| format!("; ropeline-pass-{event}={pass}")).unwrap_or_default();
        format!("ropeline-visitor-{event}={}; ropeline-ticket-{event}={}{pass}", self.key, self.ticket)
    }
}

/// A new visitor enters, with `"claim": true` if it should be let in at once.
pub async fn enter(judged: &Judged, event: &str, claim: bool) -> Holder {
    let key = new_key();
    let body = json!({"event": event, "visitor": key, "claim": claim});
    let place = judged.post("/queue/enter").json(body).expect(201).await.json();
    let state = place["state"].as_str().unwrap_or_default();
    assert!(!claim || state == "admitted", "{event} is not empty: {place}");
    Holder { key, ticket: place["ticket"].as_str().expect("a ticket").to_owned(), place }
}

/// A time so many milliseconds from now, as settings and answers say it.
pub fn from_now(ms: i64) -> String {
    UnixMillis(now_ms().saturating_add_signed(ms)).rfc3339()
}

/// The same ticket, but its time is over.
pub fn expired_ticket(judged: &Judged, ticket: &str) -> String {
    let mut claims = ticket_claims(ticket);
    (claims.iat, claims.exp) = (claims.iat - 1_000, claims.iat - 500);
    Forge::of(&judged.world.keys).ticket(&claims)
}

/// The same pass, but its time is over.
pub fn expired_pass(judged: &Judged, pass: &str) -> String {
    let mut claims = pass_claims(pass);
    (claims.iat, claims.exp) = (claims.iat - 1_000, claims.iat - 500);
    Forge::of(&judged.world.keys).pass(&claims)
}

/// Every role but one.
pub fn others(role: Role) -> impl Iterator<Item = Role> {
    [Role::Admin, Role::Origin, Role::Relay, Role::Metrics].into_iter().filter(move |other| *other != role)
}
