//! The registry: one object that lists a deployment's events, living and ended.
//!
//! An id goes `reserved → live → burying → gone` and never back: it is never used twice, so `seq` and tickets cannot start
//! over. The settings here are a copy for Workers; the line has the last word, and only a higher version replaces a lower one.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_queue::wire::Configured;
use ropeline_queue::{EventId, Settings, UnixMillis, json};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::{Request, Response};
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::command::{Burial, EventEntry, Listing, RegistryCommand, Reservation, Told};
use super::cost;
use super::meter::{MOST_OBJECTS, Meter, Metered};
use super::reply::{self, Refused};
use super::sql::{Bind, Database, SqlError, Writes};
use crate::clock::now;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
INSERT INTO meta VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS events (
  event TEXT PRIMARY KEY, state TEXT NOT NULL, salt TEXT, version INTEGER NOT NULL, settings TEXT, lanes INTEGER NOT NULL,
  busy INTEGER NOT NULL, busy_stamp INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS burials (
  event TEXT PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL, forced INTEGER NOT NULL) WITHOUT ROWID;
";

/// The Durable Object class `Registry`.
#[wasm_bindgen]
pub struct Registry {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    sql: Database,
    meter: Meter,
}

#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
impl Registry {
    /// Called by the runtime when the object starts.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Result<Self, JsValue> {
        cost::begin(&env);
        let sql = Database::of(&state)?;
        Ok(Self { inner: Rc::new(Inner { sql, state: State::from(state), meter: Meter::new(env) }) })
    }

    /// Called by the runtime with a `RegistryCommand`.
    pub async fn fetch(&self, request: Request) -> Result<Response, JsValue> {
        let outcome = match reply::command(&request).await {
            Ok(command) => Inner::handle(&self.inner, command).await,
            Err(refused) => Err(refused),
        };
        reply::response("registry", outcome)
    }
}

impl Inner {
    /// One reading at a time, which belongs to the object: a scraper that hangs up takes nobody's answer with it.
    async fn metrics(this: &Rc<Self>) -> Result<String, Refused> {
        if let Some(text) = this.meter.fresh() {
            return Ok(text);
        }
        let (next, must_read) = this.meter.next();
        if must_read {
            let metered = this.metered().inspect_err(|_| this.meter.give_up())?;
            let reader = Rc::clone(this);
            this.state.wait_until(async move { reader.meter.read(metered).await });
        }
        // It is there now, or whatever read was lost.
        let _read = next.await;
        this.meter.fresh().ok_or(Refused::Overloaded)
    }

    /// The events to read, those first that have something for Kafka.
    fn metered(&self) -> Result<Metered, SqlError> {
        let mut metered = Metered::default();
        if is_empty(&self.sql)? {
            return Ok(metered);
        }
        let mut objects = 0;
        let statement = "SELECT event, version, lanes FROM events WHERE state = 'live' ORDER BY busy DESC, event";
        for mut row in self.sql.run(statement, &[])? {
            metered.live += 1;
            let (event, version, lanes) = (event_id(&row.text()?)?, row.integer()?, row.integer()?);
            if !self.meter.wants(&event, version) {
                continue;
            }
            objects += 1 + lanes;
            if objects > MOST_OBJECTS {
                metered.left_out += 1;
                continue;
            }
            let settings = "SELECT settings FROM events WHERE event = ?";
            let row = self.sql.first(settings, &[event.as_str().into()])?;
            let text = row.ok_or_else(|| SqlError("an event without settings".to_owned()))?.text()?;
            metered.events.push((event, Configured { version, settings: json::read(&text)? }));
        }
        Ok(metered)
    }

    async fn handle(this: &Rc<Self>, command: RegistryCommand) -> Result<String, Refused> {
        let sql = &this.sql;
        match command {
            RegistryCommand::List { known } => Ok(json::write(&list(sql, known)?)),
            RegistryCommand::ListBusy => Ok(json::write(&list_busy(sql)?)),
            RegistryCommand::Find { event } => Ok(json::write(&find(sql, &event)?)),
            RegistryCommand::Reserve { event, salt, lanes } => {
                let found = find(sql, &event)?;
                if !matches!(found, Reservation::Unknown | Reservation::Reserved) {
                    return Ok(json::write(&found));
                }
                this.write(|writes| {
                    // A creation that broke off may have made more lanes than the next one wants: a purge gives back all.
                    let statement = "INSERT INTO events (event, state, salt, version, lanes, busy, busy_stamp)
                        VALUES (?, 'reserved', ?, 0, ?, 0, 0)
                        ON CONFLICT (event) DO UPDATE SET lanes = MAX(lanes, excluded.lanes)";
                    writes.add(statement, &[event.as_str().into(), Bind::Text(&salt), u64::from(lanes).into()])
                })?;
                Ok(json::write(&Reservation::Reserved))
            }
            RegistryCommand::Tell { event, configured } => {
                let alive = this.alive(&event)?;
                if alive {
                    this.write(|writes| tell(writes, &event, &configured))?;
                }
                Ok(json::write(&Told { alive }))
            }
            RegistryCommand::Busy { event, busy, stamp } => {
                let alive = this.alive(&event)?;
                if alive {
                    this.transact(|writes| {
                        let statement =
                            "UPDATE events SET busy = ?, busy_stamp = ? WHERE event = ? AND busy_stamp <= ?";
                        writes.add(
                            statement,
                            &[u64::from(busy).into(), stamp.into(), event.as_str().into(), stamp.into()],
                        )
                    })?;
                }
                Ok(json::write(&Told { alive }))
            }
            RegistryCommand::Burial { event } => Ok(json::write(&burial(sql, &event)?)),
            RegistryCommand::Bury { event, by, forced } => {
                let found = find(sql, &event)?;
                if matches!(found, Reservation::Reserved | Reservation::Live) {
                    let name = event.clone();
                    this.write(|writes| {
                        let statement = "UPDATE events SET state = 'burying', busy = 0, salt = NULL WHERE event = ?";
                        writes.add(statement, &[name.as_str().into()]);
                        let statement = "INSERT INTO burials VALUES (?, ?, ?, ?) ON CONFLICT (event) DO NOTHING";
                        let at = now().get();
                        let binds =
                            [name.as_str().into(), at.into(), Bind::Text(&by), Bind::Integer(u64::from(forced))];
                        writes.add(statement, &binds)
                    })?;
                }
                Ok(json::write(&find(sql, &event)?))
            }
            RegistryCommand::Buried { event } => {
                this.write(|writes| {
                    let statement =
                        "UPDATE events SET state = 'gone', settings = NULL WHERE event = ? AND state = 'burying'";
                    writes.add(statement, &[event.as_str().into()])
                })?;
                Ok(json::write(&Told { alive: false }))
            }
            RegistryCommand::Metrics => Self::metrics(this).await,
        }
    }

    fn alive(&self, event: &EventId) -> Result<bool, SqlError> {
        Ok(matches!(find(&self.sql, event)?, Reservation::Reserved | Reservation::Live))
    }

    fn transact(&self, add: impl FnOnce(&mut Writes)) -> Result<(), SqlError> {
        let mut writes = Writes::new();
        writes.add(SCHEMA, &[]);
        add(&mut writes);
        self.sql.write(writes)
    }

    /// The same for what Workers must hear of: the listing gets a new version.
    fn write(&self, add: impl FnOnce(&mut Writes)) -> Result<(), SqlError> {
        self.transact(|writes| {
            add(writes);
            writes.add("UPDATE meta SET version = version + 1", &[]);
        })
    }
}

fn is_empty(sql: &Database) -> Result<bool, SqlError> {
    Ok(!sql.has_table("events")?)
}

/// None as well for an event that was buried before burials were noted.
fn burial(sql: &Database, event: &EventId) -> Result<Option<Burial>, SqlError> {
    if !sql.has_table("burials")? {
        return Ok(None);
    }
    let rows = sql.run("SELECT at, by, forced FROM burials WHERE event = ?", &[event.as_str().into()])?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    Ok(Some(Burial { at: UnixMillis(row.integer()?), by: row.text()?, forced: row.integer()? != 0 }))
}

fn tell(writes: &mut Writes, event: &EventId, configured: &Configured) {
    let Configured { version, settings } = configured;
    let text = json::write(settings);
    // The most lanes it ever had: what a purge must give back.
    let statement = "UPDATE events SET state = 'live', version = ?, settings = ?, lanes = MAX(lanes, ?)
        WHERE event = ? AND version < ?";
    let binds = [
        Bind::Integer(*version),
        Bind::Text(&text),
        u64::from(settings.lanes).into(),
        event.as_str().into(),
        Bind::Integer(*version),
    ];
    writes.add(statement, &binds)
}

fn find(sql: &Database, event: &EventId) -> Result<Reservation, SqlError> {
    if is_empty(sql)? {
        return Ok(Reservation::Unknown);
    }
    let rows = sql.run("SELECT state, lanes FROM events WHERE event = ?", &[event.as_str().into()])?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(Reservation::Unknown) };
    let (state, lanes) = (row.text()?, row.integer()?);
    match state.as_str() {
        "reserved" => Ok(Reservation::Reserved),
        "live" => Ok(Reservation::Live),
        "burying" => {
            let lanes = u16::try_from(lanes).map_err(|error| SqlError(error.to_string()))?;
            Ok(Reservation::Burying { lanes })
        }
        "gone" => Ok(Reservation::Gone),
        other => Err(SqlError(format!("an event in state '{other}'"))),
    }
}

fn list(sql: &Database, known: Option<u64>) -> Result<Listing, SqlError> {
    if is_empty(sql)? {
        return Ok(Listing { version: 0, events: (known != Some(0)).then(Vec::new) });
    }
    let version = match sql.first("SELECT version FROM meta", &[])? {
        Some(mut row) => row.integer()?,
        None => return Err(SqlError("the registry's own row is missing".to_owned())),
    };
    if known == Some(version) {
        return Ok(Listing { version, events: None });
    }
    let mut events = Vec::new();
    for mut row in
        sql.run("SELECT event, salt, version, settings FROM events WHERE state = 'live' ORDER BY event", &[])?
    {
        let event = event_id(&row.text()?)?;
        let salt = row.text()?;
        let version = row.integer()?;
        let settings: Settings = json::read(&row.text()?)?;
        events.push(EventEntry { event, salt, configured: Configured { version, settings } });
    }
    Ok(Listing { version, events: Some(events) })
}

fn list_busy(sql: &Database) -> Result<Vec<EventId>, SqlError> {
    if is_empty(sql)? {
        return Ok(Vec::new());
    }
    let rows = sql.run("SELECT event FROM events WHERE state = 'live' AND busy = 1 ORDER BY event", &[])?;
    rows.into_iter().map(|mut row| event_id(&row.text()?)).collect()
}

fn event_id(text: &str) -> Result<EventId, SqlError> {
    EventId::parse(text).map_err(|error| SqlError(error.to_string()))
}

/// The text form of an event's salt.
pub fn salt_text(salt: &ropeline_queue::subject::Salt) -> String {
    URL_SAFE_NO_PAD.encode(salt)
}

/// The salt from its text form.
pub fn read_salt(text: &str) -> Option<ropeline_queue::subject::Salt> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
