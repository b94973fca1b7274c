//! A lane's tables: its own row, and the visitors of its slice with their places.

use ropeline_queue::lane::{LaneChange, LaneMeta};
use ropeline_queue::{EventId, LaneId, Number, Subject, UnixMillis, json};
use worker::{SqlStorage, State};

use super::command::StoredVisitor;
use super::sql::{self, Bind, SqlError, run, transaction};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (
  id INTEGER PRIMARY KEY CHECK (id = 1), event TEXT NOT NULL, lane INTEGER NOT NULL, inc INTEGER NOT NULL, k INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS visitors (
  sub TEXT PRIMARY KEY, number INTEGER NOT NULL, entered_at INTEGER NOT NULL, left INTEGER NOT NULL) WITHOUT ROWID;
";

/// Makes the tables of a new lane; does nothing when it is there.
pub fn create(state: &State, event: &EventId, lane: LaneId) -> Result<(), SqlError> {
    let event = event.clone();
    transaction(state, move |sql| {
        sql.exec(SCHEMA, None)?;
        let binds = [event.as_str().into(), u64::from(lane.0).into()];
        sql::write(
            sql,
            "INSERT INTO meta (id, event, lane, inc, k) VALUES (1, ?, ?, 0, 0) ON CONFLICT (id) DO NOTHING",
            binds,
        )
    })
}

/// Whose lane this is and how it was left; none if it was never created, or was purged.
pub fn load(sql: &SqlStorage) -> Result<Option<(EventId, LaneId, LaneMeta)>, SqlError> {
    if run(sql, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'", [])?.is_empty() {
        return Ok(None);
    }
    let Some(mut row) = run(sql, "SELECT event, lane, inc, k FROM meta", [])?.into_iter().next() else {
        return Ok(None);
    };
    let event = EventId::parse(&row.text()?).map_err(|error| SqlError(error.to_string()))?;
    let lane = u16::try_from(row.integer()?).map_err(|error| SqlError(error.to_string()))?;
    Ok(Some((event, LaneId(lane), LaneMeta { inc: row.integer()?, k: row.integer()? })))
}

/// The visitor's place. Read from storage at every call: a place is never answered from memory alone.
pub fn visitor(sql: &SqlStorage, sub: Subject) -> Result<Option<StoredVisitor>, SqlError> {
    let sub = sub.to_string();
    let row = run(sql, "SELECT number, entered_at, left FROM visitors WHERE sub = ?", [Bind::Text(&sub)])?;
    let Some(mut row) = row.into_iter().next() else { return Ok(None) };
    Ok(Some(StoredVisitor {
        number: Number(row.integer()?),
        entered_at: UnixMillis(row.integer()?),
        left: row.integer()? != 0,
    }))
}

/// The visitor with this number. Looks at all there are: for support only.
pub fn find(sql: &SqlStorage, number: Number) -> Result<Option<StoredVisitor>, SqlError> {
    let statement = "SELECT entered_at, left FROM visitors WHERE number = ?";
    let Some(mut row) = run(sql, statement, [number.get().into()])?.into_iter().next() else { return Ok(None) };
    Ok(Some(StoredVisitor { number, entered_at: UnixMillis(row.integer()?), left: row.integer()? != 0 }))
}

/// Notes that the visitor gives this place up.
pub fn leave(state: &State, sub: Subject, number: Number) -> Result<(), SqlError> {
    transaction(state, move |sql| {
        let sub = sub.to_string();
        let binds = [Bind::Text(&sub), number.get().into()];
        sql::write(sql, "UPDATE visitors SET left = 1 WHERE sub = ? AND number = ?", binds)
    })
}

/// Writes the changes of one step, all or none.
pub fn apply(state: &State, changes: Vec<LaneChange>) -> Result<(), SqlError> {
    transaction(state, move |sql| changes.iter().try_for_each(|change| write(sql, change)))
}

fn write(sql: &SqlStorage, change: &LaneChange) -> Result<(), SqlError> {
    match change {
        LaneChange::Meta(LaneMeta { inc, k }) => {
            sql::write(sql, "UPDATE meta SET inc = ?, k = ?", [Bind::Integer(*inc), Bind::Integer(*k)])
        }
        LaneChange::Visitors { subjects, first, at } => {
            let subjects = json::write(subjects);
            // One statement for the whole batch: `key` is the index within it. Without WHERE the upsert would not parse.
            let statement = "INSERT INTO visitors (sub, number, entered_at, left) SELECT value, key + ?, ?, 0 FROM json_each(?) WHERE true
                ON CONFLICT (sub) DO UPDATE SET number = excluded.number, entered_at = excluded.entered_at, left = 0";
            sql::write(sql, statement, [first.get().into(), at.get().into(), Bind::Text(&subjects)])
        }
    }
}
