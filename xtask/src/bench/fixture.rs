//! Storage as a long sale leaves it, written straight into the objects' SQLite files while nothing runs: a line with a million
//! places, a registry with thousands of events. Through the API the same would take the better part of an hour.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::tools::Tools;

/// Run by Node, which has SQLite: data directory, event, places, events.
const FILL: &str = r"
const { DatabaseSync } = require('node:sqlite');
const { readdirSync } = require('node:fs');
const { join } = require('node:path');
const [data, event, places, events] = process.argv.slice(1);
const open = (kind) => {
  const dir = join(data, `ropeline-${kind}`);
  const files = readdirSync(dir).filter((file) => file.endsWith('.sqlite') && !file.startsWith('metadata'));
  return files.map((file) => new DatabaseSync(join(dir, file)));
};
const one = (kind, table) => {
  const found = open(kind).find((db) => db.prepare(`SELECT event FROM ${table}`).get()?.event === event);
  if (!found) throw new Error(`no ${kind} of ${event} in ${data}`);
  return found;
};
const line = one('Line', 'line');
const last = line.prepare('SELECT last_number FROM line').get().last_number;
one('Lane', 'meta').exec(`
  WITH RECURSIVE place (number) AS (SELECT ${last} + 1 UNION ALL SELECT number + 1 FROM place WHERE number < ${places})
  INSERT INTO visitors (sub, number, entered_at, left)
    SELECT substr(hex(randomblob(11)), 1, 21) || 'A', number, 1800000000000, 0 FROM place`);
line.exec(`UPDATE line SET last_number = ${places}`);
const [registry] = open('Registry');
registry.exec(`BEGIN; CREATE TEMP TABLE copy AS SELECT * FROM events WHERE event = '${event}'`);
for (let n = 0; n < Number(events); n++) {
  registry.exec(`UPDATE copy SET event = 'bench-${n}'; INSERT INTO events SELECT * FROM copy`);
}
registry.exec('UPDATE meta SET version = version + 1; COMMIT');
";

/// Gives `event` (of one lane, in a data directory that no runtime uses) `places` places, and the registry `events` more events.
///
/// # Errors
/// When the storage does not look as expected.
pub(super) fn fill(tools: &Tools, data: &std::path::Path, event: &str, places: u64, events: u64) -> Result<()> {
    let mut node = Command::new(&tools.node);
    node.args(["--no-warnings", "-e", FILL]).arg(data).args([event, &places.to_string(), &events.to_string()]);
    process::run("the fixture", &mut node)
}
