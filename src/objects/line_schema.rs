//! The tables of a line, and how those of an earlier version become those of this one. Migrations only add, and every INSERT names
//! its columns, so that code of this version can write to the tables of a later one.

use ropeline_queue::hex;

use super::sql::{Bind, Database, SqlError, Writes};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS line (
  id INTEGER PRIMARY KEY CHECK (id = 1), event TEXT NOT NULL, clk INTEGER NOT NULL, last_number INTEGER NOT NULL,
  frontier INTEGER NOT NULL, seq INTEGER NOT NULL, voided INTEGER NOT NULL, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS configured (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lane (
  lane INTEGER PRIMARY KEY, inc INTEGER NOT NULL, k INTEGER NOT NULL, count INTEGER, first INTEGER, at INTEGER, refusal TEXT);
CREATE TABLE IF NOT EXISTS gone (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, why TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS called (last INTEGER PRIMARY KEY, count INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS admission (
  seq INTEGER PRIMARY KEY, number INTEGER NOT NULL, admitted_at INTEGER NOT NULL, record TEXT NOT NULL,
  session_expires_at INTEGER NOT NULL, release_at INTEGER NOT NULL, over INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS admission_number ON admission (number);
CREATE TABLE IF NOT EXISTS relay (
  id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, owner TEXT, lease_until INTEGER NOT NULL,
  drained INTEGER NOT NULL, acked INTEGER NOT NULL, topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS told (
  id INTEGER PRIMARY KEY CHECK (id = 1), config_version INTEGER NOT NULL, busy INTEGER NOT NULL, stamp INTEGER NOT NULL);
";

/// What the second version added. `release` counts the slots that are free again at a time: a few rows an exchange, where the index it
/// stands for was one for each admission. `released` is the version of the line up to which it counts.
const ADDED: &str = "
ALTER TABLE line ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE line ADD COLUMN released INTEGER NOT NULL DEFAULT -1;
DROP INDEX IF EXISTS admission_release;
CREATE TABLE release (at INTEGER PRIMARY KEY, count INTEGER NOT NULL);
ALTER TABLE gone ADD COLUMN at INTEGER;
ALTER TABLE admission ADD COLUMN over_at INTEGER;
ALTER TABLE admission ADD COLUMN over_by TEXT;
ALTER TABLE admission ADD COLUMN redeemed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE course (
  id INTEGER PRIMARY KEY CHECK (id = 1), seed TEXT NOT NULL, opened_at INTEGER, opened_count INTEGER, ended_at INTEGER,
  pace INTEGER);
CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL);
";

/// The operator's own page. Made when there is one: most lines never have any.
pub const PAGE: &str = "CREATE TABLE IF NOT EXISTS page (id INTEGER PRIMARY KEY CHECK (id = 1), html TEXT NOT NULL);";

/// What the third version added.
const ADDED_THIRD: &str = "ALTER TABLE relay ADD COLUMN replay_from INTEGER;";

/// Makes the tables of a new line.
pub fn make(writes: &mut Writes) -> Result<(), SqlError> {
    writes.add(SCHEMA, &[]);
    add_second(writes)?;
    writes.add(ADDED_THIRD, &[]);
    Ok(())
}

/// Whether there are tables; those of an earlier version are brought up to date.
pub fn bring_up_to_date(sql: &Database) -> Result<bool, SqlError> {
    let Some(mut relay) = sql.first("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'relay'", &[])?
    else {
        return Ok(false);
    };
    if !relay.text()?.contains("replay_from") {
        let mut writes = Writes::new();
        if !sql.has_table("course")? {
            add_second(&mut writes)?;
        }
        writes.add(ADDED_THIRD, &[]);
        sql.write(writes)?;
    }
    Ok(true)
}

/// Brings tables of the first version to the second. The draw's secret is made here, and never again.
fn add_second(writes: &mut Writes) -> Result<(), SqlError> {
    writes.add(ADDED, &[]);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| SqlError(error.to_string()))?;
    let seed = hex::encode(&seed);
    writes.add("INSERT INTO course (id, seed) VALUES (1, ?)", &[Bind::Text(&seed)]);
    Ok(())
}
