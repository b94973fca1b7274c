//! Storage as a long sale leaves it, written straight into the objects' SQLite files while nothing runs: a line with a million
//! places, a registry with thousands of events. Through the API the same would take the better part of an hour.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::tools::Tools;

/// Run by Node, which has SQLite; the first argument is the data directory.
const OPEN: &str = r"
const { DatabaseSync } = require('node:sqlite');
const { readdirSync } = require('node:fs');
const { join } = require('node:path');
const [data, ...given] = process.argv.slice(1);
const open = (kind) => {
  const dir = join(data, `ropeline-${kind}`);
  const files = readdirSync(dir).filter((file) => file.endsWith('.sqlite') && !file.startsWith('metadata'));
  return files.map((file) => new DatabaseSync(join(dir, file)));
};
const one = (kind, table, event) => {
  const found = open(kind).find((db) => db.prepare(`SELECT event FROM ${table}`).get()?.event === event);
  if (!found) throw new Error(`no ${kind} of ${event} in ${data}`);
  return found;
};
";

/// event, places, events
const FILL: &str = r"
const [event, places, events] = given;
const line = one('Line', 'line', event);
const last = line.prepare('SELECT last_number FROM line').get().last_number;
one('Lane', 'meta', event).exec(`
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
pub fn fill(tools: &Tools, data: &Path, event: &str, places: u64, events: u64) -> Result<()> {
    run(tools, FILL, data, &[event, &places.to_string(), &events.to_string()])
}

/// entries, events: admissions as `queue/src/line/admission.rs` writes them, a thousand a second, the last of them an hour ago.
const LOGS: &str = r#"
const [entries, ...events] = given;
const [registry] = open('Registry');
for (const event of events) {
  const line = one('Line', 'line', event);
  line.function('rfc', (at) => new Date(at).toISOString());
  const last = Date.now() - 3600000;
  line.exec(`
    BEGIN;
    WITH RECURSIVE entry (seq, at) AS (
      SELECT 1, ${last} - ${entries} UNION ALL SELECT seq + 1, at + 1 FROM entry WHERE seq < ${entries})
    INSERT INTO admission (seq, number, admitted_at, record, session_expires_at, release_at, over)
      SELECT seq, seq, at, printf(
        '{"event":"%s","seq":%d,"number":%d,"position":%d,"visitor":"%sA","entered_at":"%s","called_at":"%s",' ||
        '"admitted_at":"%s","session_expires_at":"%s","jti":"%s/%d"}',
        '${event}', seq, seq, seq, substr(hex(randomblob(11)), 1, 21), rfc(at - 2000), rfc(at - 1000), rfc(at),
        rfc(at + 300000), '${event}', seq), at + 300000, at + 330000, 0 FROM entry;
    INSERT INTO called (last, count, at) VALUES (${entries}, ${entries}, ${last} - ${entries});
    UPDATE line SET last_number = ${entries}, frontier = ${entries}, seq = ${entries}, version = version + 1;
    COMMIT`);
  registry.exec(`UPDATE events SET busy = 1 WHERE event = '${event}'`);
}
"#;

/// Gives each of these events (of which nobody has entered, in a data directory that no runtime uses) an admission log of so many
/// entries, none of them in Kafka.
///
/// # Errors
/// When the storage does not look as expected.
pub(super) fn fill_logs(tools: &Tools, data: &Path, events: &[String], entries: u64) -> Result<()> {
    let entries = entries.to_string();
    let given: Vec<&str> = std::iter::once(entries.as_str()).chain(events.iter().map(String::as_str)).collect();
    run(tools, LOGS, data, &given)
}

fn run(tools: &Tools, script: &str, data: &Path, given: &[&str]) -> Result<()> {
    let mut node = Command::new(&tools.node);
    node.args(["--no-warnings", "-e", &format!("{OPEN}{script}")]).arg(data).args(given);
    process::run("the fixture", &mut node)
}
