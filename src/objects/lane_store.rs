//! A lane's tables: its own row, and the visitors of its slice with their places.

use ropeline_queue::lane::{LaneChange, LaneMeta};
use ropeline_queue::{EventId, LaneId, Number, Subject, UnixMillis, json};

use super::command::StoredVisitor;
use super::sql::{Bind, Database, SqlError, Writes};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (
  id INTEGER PRIMARY KEY CHECK (id = 1), event TEXT NOT NULL, lane INTEGER NOT NULL, inc INTEGER NOT NULL, k INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS visitors (
  sub TEXT PRIMARY KEY, number INTEGER NOT NULL, entered_at INTEGER NOT NULL, left INTEGER NOT NULL) WITHOUT ROWID;
";

/// Makes the tables of a new lane; does nothing when it is there.
pub fn create(sql: &Database, event: &EventId, lane: LaneId) -> Result<(), SqlError> {
    let mut writes = Writes::new();
    writes.add(SCHEMA, &[]);
    let binds = [event.as_str().into(), u64::from(lane.0).into()];
    writes.add("INSERT INTO meta (id, event, lane, inc, k) VALUES (1, ?, ?, 0, 0) ON CONFLICT (id) DO NOTHING", &binds);
    sql.write(writes)
}

/// Whose lane this is and how it was left; none if it was never created, or was purged.
pub fn load(sql: &Database) -> Result<Option<(EventId, LaneId, LaneMeta)>, SqlError> {
    if !sql.has_table("meta")? {
        return Ok(None);
    }
    let Some(mut row) = sql.first("SELECT event, lane, inc, k FROM meta", &[])? else {
        return Ok(None);
    };
    let event = EventId::parse(&row.text()?).map_err(|error| SqlError(error.to_string()))?;
    let lane = u16::try_from(row.integer()?).map_err(|error| SqlError(error.to_string()))?;
    Ok(Some((event, LaneId(lane), LaneMeta { inc: row.integer()?, k: row.integer()? })))
}

/// The visitor's place. Read from storage at every call: a place is never answered from memory alone.
pub fn visitor(sql: &Database, sub: Subject) -> Result<Option<StoredVisitor>, SqlError> {
    let sub = sub.to_string();
    let row = sql.run("SELECT number, entered_at, left FROM visitors WHERE sub = ?", &[Bind::Text(&sub)])?;
    let Some(mut row) = row.into_iter().next() else { return Ok(None) };
    Ok(Some(StoredVisitor {
        number: Number(row.integer()?),
        entered_at: UnixMillis(row.integer()?),
        left: row.integer()? != 0,
    }))
}

/// The visitor with this number. Looks at all there are: for support only.
pub fn find(sql: &Database, number: Number) -> Result<Option<StoredVisitor>, SqlError> {
    let statement = "SELECT entered_at, left FROM visitors WHERE number = ?";
    let Some(mut row) = sql.first(statement, &[number.get().into()])? else { return Ok(None) };
    Ok(Some(StoredVisitor { number, entered_at: UnixMillis(row.integer()?), left: row.integer()? != 0 }))
}

/// Notes that the visitor gives this place up.
pub fn leave(sql: &Database, sub: Subject, number: Number) -> Result<(), SqlError> {
    let mut writes = Writes::new();
    let sub = sub.to_string();
    writes.add("UPDATE visitors SET left = 1 WHERE sub = ? AND number = ?", &[Bind::Text(&sub), number.get().into()]);
    sql.write(writes)
}

/// Writes the changes of one step, all or none.
pub fn apply(sql: &Database, changes: &[LaneChange]) -> Result<(), SqlError> {
    let mut writes = Writes::new();
    changes.iter().for_each(|change| write(&mut writes, change));
    sql.write(writes)
}

fn write(writes: &mut Writes, change: &LaneChange) {
    match change {
        LaneChange::Meta(LaneMeta { inc, k }) => {
            writes.add("UPDATE meta SET inc = ?, k = ?", &[Bind::Integer(*inc), Bind::Integer(*k)])
        }
        LaneChange::Visitors { subjects, first, at } => {
            let subjects = json::write(subjects);
            // One statement for the whole batch: `key` is the index within it. Without WHERE the upsert would not parse.
            let statement = "INSERT INTO visitors (sub, number, entered_at, left) SELECT value, key + ?, ?, 0 FROM json_each(?) WHERE true
                ON CONFLICT (sub) DO UPDATE SET number = excluded.number, entered_at = excluded.entered_at, left = 0";
            writes.add(statement, &[first.get().into(), at.get().into(), Bind::Text(&subjects)]);
        }
    }
}
