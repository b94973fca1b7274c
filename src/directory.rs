//! The isolate's copy of the registry's list: which events live, and what a Worker needs to know of each.
//!
//! A name is looked up here before any object is named, so random names cost nothing. The copy is at most [`FRESH_MS`] old when
//! the registry can be asked, by one request at a time ([`flight`]); an unknown id asks at most once a second; when the registry cannot be had, the last copy serves up
//! to [`STALE_MS`], so that a sale does not stop with it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use ropeline_queue::subject::Salt;
use ropeline_queue::wire::Configured;
use ropeline_queue::{EventId, Settings};
use worker::Env;

use crate::clock::{age_ms, now_ms};
use crate::flight;
use crate::http::problem::Problem;
use crate::objects::call::{Address, CallError, Message, call};
use crate::objects::command::{EventEntry, Listing, RegistryCommand};
use crate::objects::registry_do::read_salt;

const FRESH_MS: f64 = 5_000.0;
/// One request refreshes a little before the copy is too old; the others go on with it.
const REFRESH_MS: f64 = 4_000.0;
const UNKNOWN_MS: f64 = 1_000.0;
const STALE_MS: f64 = 60_000.0;

/// What a Worker knows of a living event.
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Secret salt of its visitors' hashes.
    pub salt: Salt,
    /// Version of the settings.
    pub version: u64,
    /// Its settings.
    pub settings: Settings,
}

#[derive(Default)]
struct Directory {
    version: Option<u64>,
    at: f64,
    events: HashMap<EventId, Rc<Event>>,
    /// Those of them with a gate, by id.
    gates: Rc<[Rc<Event>]>,
}

thread_local! {
    static DIRECTORY: RefCell<Directory> = RefCell::default();
    static ASKED: Cell<Asked> = const { Cell::new(Asked { at: f64::NEG_INFINITY, is_over: true, is_in_doubt: false }) };
}

/// The last question to the registry.
#[derive(Clone, Copy)]
struct Asked {
    at: f64,
    is_over: bool,
    /// The one before it got no answer, or it got none itself.
    is_in_doubt: bool,
}

impl Asked {
    fn is_under_way(self) -> bool {
        !self.is_over && age_ms(self.at) < flight::DEAD_MS
    }
}

/// The living event with this id.
///
/// # Errors
/// 404 when there is none; 503 when the registry cannot be asked and the copy is too old.
pub async fn find(env: &Env, id: &str) -> Result<Rc<Event>, Problem> {
    let event = EventId::parse(id).map_err(|_| Problem::unknown_event(id))?;
    let known = || DIRECTORY.with_borrow(|directory| directory.events.get(&event).cloned());
    keep_fresh(env, || known().is_none()).await?;
    known().ok_or_else(|| Problem::unknown_event(id))
}

/// The living events that stand before a shop, by id.
///
/// # Errors
/// 503 when the registry cannot be asked and the copy is too old.
pub async fn gates(env: &Env) -> Result<Rc<[Rc<Event>]>, Problem> {
    keep_fresh(env, || false).await?;
    Ok(DIRECTORY.with_borrow(|directory| Rc::clone(&directory.gates)))
}

/// How old the copy is, milliseconds; none when there is none.
fn age() -> Option<f64> {
    DIRECTORY.with_borrow(|directory| directory.version.map(|_| age_ms(directory.at)))
}

/// Asks the registry if it is time to and nobody does; `lacks`: the copy does not have what it is needed for.
async fn keep_fresh(env: &Env, lacks: impl Fn() -> bool) -> Result<(), Problem> {
    let is_due = || match age().filter(|age| *age <= STALE_MS) {
        None => true,
        // Early, or while the registry gives no answer: one asks each second, and the others go on.
        Some(age) if age >= REFRESH_MS && (age < FRESH_MS || ASKED.get().is_in_doubt) => {
            age_ms(ASKED.get().at) > UNKNOWN_MS
        }
        Some(age) if age >= FRESH_MS => true,
        Some(age) => age >= UNKNOWN_MS && lacks(),
    };
    let landed = flight::landed(|| is_due() && ASKED.get().is_under_way()).await;
    if is_due() {
        let answered = if landed { refresh(env).await } else { Err(CallError::Unavailable("no answer".to_owned())) };
        if let Err(error) = answered {
            worker::console_warn!("directory: {error}");
            if age().is_none_or(|age| age > STALE_MS) {
                return Err(Problem::overloaded());
            }
        }
    }
    Ok(())
}

/// All living events, by id.
///
/// # Errors
/// When the registry cannot be asked.
pub async fn all(env: &Env) -> Result<Vec<Rc<Event>>, CallError> {
    refresh(env).await?;
    let mut events: Vec<_> = DIRECTORY.with_borrow(|directory| directory.events.values().cloned().collect());
    events.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(events)
}

/// Whether any living event lists this web origin, by the copy at hand or a first one.
pub async fn lists_origin(env: &Env, origin: &str) -> bool {
    // Without any copy, no event does.
    let _ = keep_fresh(env, || false).await;
    let lists = |event: &Rc<Event>| event.settings.allowed_origins.iter().any(|allowed| allowed == origin);
    DIRECTORY.with_borrow(|directory| directory.events.values().any(lists))
}

/// Asks the registry now.
///
/// # Errors
/// When it gives no answer; the copy stays as it was.
pub async fn refresh(env: &Env) -> Result<(), CallError> {
    let began = now_ms();
    let last = ASKED.get();
    let is_in_doubt = last.is_in_doubt || !last.is_over && !last.is_under_way();
    ASKED.set(Asked { at: began, is_over: false, is_in_doubt });
    let known = DIRECTORY.with_borrow(|directory| directory.version);
    let answer = call(env, Address::REGISTRY, Message::of(&RegistryCommand::List { known })).await;
    // Unless another one asks by now.
    if ASKED.get().at == began {
        ASKED.set(Asked { at: began, is_over: true, is_in_doubt: answer.is_err() });
    }
    let listing: Listing = answer?.read()?;
    DIRECTORY.with_borrow_mut(|directory| {
        if directory.version.is_some_and(|version| version > listing.version) {
            return;
        }
        if let Some(events) = listing.events {
            directory.events = events.into_iter().filter_map(entry).collect();
            let mut gates: Vec<_> =
                directory.events.values().filter(|it| it.settings.gate.is_some()).cloned().collect();
            gates.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            directory.gates = gates.into();
        }
        directory.version = Some(listing.version);
        directory.at = began;
    });
    Ok(())
}

fn entry(entry: EventEntry) -> Option<(EventId, Rc<Event>)> {
    let EventEntry { event: id, salt, configured: Configured { version, settings } } = entry;
    let Some(salt) = read_salt(&salt) else {
        worker::console_error!("directory: the salt of '{id}' cannot be read");
        return None;
    };
    Some((id.clone(), Rc::new(Event { id, salt, version, settings })))
}
