//! A line's tables: how its changes are written and its memory is read back.
//!
//! `admission.record` and `admission.number` never change; sessions live beside them in columns of their own. Migrations only add.

use std::collections::BTreeMap;

use ropeline_queue::line::{
    Admission, Audit, Change, Course, Head, LaneRow, LineStore, MOST_AUDITS, Opened, Outcome, Over, OverBy, Progress,
    RelayRow, Seed, Session, Snapshot, Target, Why,
};
use ropeline_queue::wire::Configured;
use ropeline_queue::{Epoch, EventId, LaneId, Number, Position, Seq, UnixMillis, hex, json};

use super::command::AuditRow;
use super::line_schema;
use super::sql::{Bind, Database, Row, SqlError, Writes};

/// What the registry is known to have heard from this line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldRow {
    /// Version of the settings.
    pub config_version: u64,
    /// Whether the line is busy.
    pub busy: bool,
    /// The line's version when it was told.
    pub stamp: u64,
}

/// Reads of one line's storage.
pub struct SqlLine<'a>(pub &'a Database);

fn flag(value: bool) -> Bind<'static> {
    Bind::Integer(u64::from(value))
}

/// Makes the tables of a new line and writes its first rows.
pub fn create(sql: &Database, event: &EventId, configured: Configured, audit: Audit) -> Result<(), SqlError> {
    let mut writes = Writes::new();
    line_schema::make(&mut writes)?;
    let head = [event.as_str().into(), audit.at.get().into()];
    writes.add(
        "INSERT INTO line (id, event, clk, last_number, frontier, seq, voided, version, released)
                VALUES (1, ?, ?, 0, 0, 0, 0, 0, 0)",
        &head,
    );
    writes
        .add("INSERT INTO relay (id, epoch, lease_until, drained, acked, next_offset) VALUES (1, 0, 0, 0, 0, 0)", &[]);
    writes.add("INSERT INTO told (id, config_version, busy, stamp) VALUES (1, 0, 0, 0)", &[]);
    write(&mut writes, &Change::Configured(Box::new(configured)));
    write(&mut writes, &Change::Audit(audit));
    sql.write(writes)
}

/// Writes the changes of one step, all or none.
pub fn apply(sql: &Database, changes: &[Change]) -> Result<(), SqlError> {
    let mut writes = Writes::new();
    changes.iter().for_each(|change| write(&mut writes, change));
    for (at, count) in releases(sql, changes)? {
        if count != 0 {
            let statement =
                "INSERT INTO release VALUES (?, ?) ON CONFLICT (at) DO UPDATE SET count = count + excluded.count";
            writes.add(statement, &[at.get().into(), Bind::Signed(count)]);
        }
    }
    sql.write(writes)
}

/// How many slots more or fewer these changes free at which times.
fn releases(sql: &Database, changes: &[Change]) -> Result<BTreeMap<UnixMillis, i64>, SqlError> {
    let mut released = BTreeMap::new();
    // A step may change one session more than once.
    let mut changed = BTreeMap::new();
    for change in changes {
        let (session, before) = match change {
            Change::Admit(Admission { session, .. }) => (session, None),
            Change::Session(session) => {
                let before = match changed.get(&session.seq) {
                    Some(before) => Some(*before),
                    None => SqlLine(sql).session(session.seq)?.map(|stored| stored.release_at),
                };
                (session, before)
            }
            _ => continue,
        };
        if let Some(before) = before {
            *released.entry(before).or_default() -= 1;
        }
        *released.entry(session.release_at).or_default() += 1;
        changed.insert(session.seq, session.release_at);
    }
    Ok(released)
}

/// Counts anew what is free when, if code of the first version has written since it was counted.
fn recount(sql: &Database) -> Result<(), SqlError> {
    if sql.first("SELECT 1 FROM line WHERE released <> version", &[])?.is_none() {
        return Ok(());
    }
    let mut writes = Writes::new();
    writes.add("DELETE FROM release", &[]);
    let statement = "INSERT INTO release SELECT release_at, COUNT(*) FROM admission
            WHERE release_at > (SELECT clk FROM line) GROUP BY release_at";
    writes.add(statement, &[]);
    writes.add("UPDATE line SET released = version", &[]);
    sql.write(writes)
}

/// Notes what the registry has heard.
pub fn keep_told(sql: &Database, told: ToldRow) -> Result<(), SqlError> {
    let mut writes = Writes::new();
    let binds = [told.config_version.into(), flag(told.busy), told.stamp.into()];
    writes.add("UPDATE told SET config_version = ?, busy = ?, stamp = ?", &binds);
    sql.write(writes)
}

/// What the registry has heard.
pub fn told(sql: &Database) -> Result<ToldRow, SqlError> {
    let mut row = one(sql.first("SELECT config_version, busy, stamp FROM told", &[])?)?;
    Ok(ToldRow { config_version: row.integer()?, busy: row.integer()? != 0, stamp: row.integer()? })
}

/// The event this line was created for; none if it was not, or was purged. Brings its tables up to date.
pub fn open(sql: &Database) -> Result<Option<EventId>, SqlError> {
    if !line_schema::bring_up_to_date(sql)? {
        return Ok(None);
    }
    recount(sql)?;
    match sql.first("SELECT event FROM line", &[])? {
        Some(mut row) => EventId::parse(&row.text()?).map(Some).map_err(|error| SqlError(error.to_string())),
        None => Ok(None),
    }
}

fn one(row: Option<Row>) -> Result<Row, SqlError> {
    row.ok_or_else(|| SqlError("a row is missing".to_owned()))
}

fn write(writes: &mut Writes, change: &Change) {
    match change {
        Change::Head(Head { clk, last_number, frontier, passed, seq, voided, version }) => writes.add("UPDATE line SET clk = ?, last_number = ?, frontier = ?, passed = ?, seq = ?, voided = ?, version = ?, released = ?", &[clk.get(), last_number.get(), frontier.get(), *passed, seq.get(), *voided, *version, *version]
                .map(Bind::Integer)),
        Change::Course(course) => write_course(writes, course),
        Change::Audit(Audit { at, by, action, detail }) => {
            let binds = [at.get().into(), Bind::Text(by), Bind::Text(action), Bind::Text(detail)];
            writes.add("INSERT INTO audit (at, by, action, detail) VALUES (?, ?, ?, ?)", &binds);
            let statement = "DELETE FROM audit WHERE id <= (SELECT MAX(id) FROM audit) - ?";
            writes.add(statement, &[MOST_AUDITS.into()])
        }
        Change::Configured(configured) => {
            let Configured { version, settings } = &**configured;
            let settings = json::write(settings);
            let statement = "INSERT INTO configured (id, version, settings) VALUES (1, ?, ?)
                ON CONFLICT (id) DO UPDATE SET version = excluded.version, settings = excluded.settings";
            writes.add(statement, &[Bind::Integer(*version), Bind::Text(&settings)])
        }
        Change::Page(page) => {
            writes.add(line_schema::PAGE, &[]);
            match page {
                Some(html) => writes.add(
                    "INSERT INTO page (id, html) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET html = excluded.html",
                    &[Bind::Text(html)],
                ),
                None => writes.add("DELETE FROM page", &[]),
            }
        }
        Change::Lane(lane, row) => write_lane(writes, *lane, row),
        Change::Gone { first, last, why, at } => {
            let binds = [first.get().into(), last.get().into(), why.as_str().into(), at.get().into()];
            writes.add("INSERT INTO gone (first, last, why, at) VALUES (?, ?, ?, ?)", &binds)
        }
        Change::Called { last, count, at } => {
            writes.add("INSERT INTO called (last, count, at) VALUES (?, ?, ?)", &[last.get(), *count, at.get()].map(Bind::Integer))
        }
        Change::Admit(Admission { session, number, admitted_at, record }) => writes.add("INSERT INTO admission (seq, number, admitted_at, record, session_expires_at, release_at, over)
                VALUES (?, ?, ?, ?, ?, ?, 0)", &[
                session.seq.get().into(),
                number.get().into(),
                admitted_at.get().into(),
                record.as_str().into(),
                session.session_expires_at.get().into(),
                session.release_at.get().into(),
            ]),
        // `over` beside `over_at` and `over_by`: code of the first version reads it.
        Change::Session(Session { seq, session_expires_at, release_at, over, redeemed }) => writes.add("UPDATE admission SET session_expires_at = ?, release_at = ?, over = ?, over_at = ?, over_by = ?, redeemed = ?
                WHERE seq = ?", &[
                session_expires_at.get().into(),
                release_at.get().into(),
                flag(over.is_some()),
                over.map_or(Bind::Null, |over| over.at.get().into()),
                over.map_or(Bind::Null, |over| over.by.as_str().into()),
                flag(*redeemed),
                seq.get().into(),
            ]),
        Change::Relay(row) => write_relay(writes, row),
    }
}

fn write_lane(writes: &mut Writes, lane: LaneId, row: &LaneRow) {
    let reason;
    let (count, first, at, refusal) = match row.outcome {
        None => (Bind::Null, Bind::Null, Bind::Null, Bind::Null),
        Some(Outcome::Range { first, count, at }) => (count.into(), first.get().into(), at.get().into(), Bind::Null),
        Some(Outcome::Refused { count, reason: why }) => {
            reason = json::write(&why);
            (count.into(), Bind::Null, Bind::Null, Bind::Text(&reason))
        }
    };
    let statement = "INSERT INTO lane (lane, inc, k, count, first, at, refusal)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (lane) DO UPDATE SET inc = excluded.inc,
        k = excluded.k, count = excluded.count, first = excluded.first, at = excluded.at, refusal = excluded.refusal";
    writes.add(statement, &[u64::from(lane.0).into(), row.inc.into(), row.k.into(), count, first, at, refusal])
}

fn write_course(writes: &mut Writes, course: &Course) {
    let Course { seed: _, opened, ended_at, pace } = course;
    let maybe = |value: Option<u64>| value.map_or(Bind::Null, Bind::Integer);
    let binds = [
        maybe(opened.map(|opened| opened.at.get())),
        maybe(opened.map(|opened| opened.count)),
        maybe(ended_at.map(UnixMillis::get)),
        maybe(*pace),
    ];
    writes.add("UPDATE course SET opened_at = ?, opened_count = ?, ended_at = ?, pace = ?", &binds)
}

fn write_relay(writes: &mut Writes, row: &RelayRow) {
    let (topic, partition) = match &row.target {
        Some(Target { topic, partition }) => (Bind::Text(topic), Bind::Signed(i64::from(*partition))),
        None => (Bind::Null, Bind::Null),
    };
    let statement = "UPDATE relay SET epoch = ?, owner = ?, lease_until = ?, drained = ?, acked = ?, topic = ?,
        partition = ?, next_offset = ?, replay_from = ?";
    let binds = [
        row.epoch.get().into(),
        row.owner.as_deref().map_or(Bind::Null, Bind::Text),
        row.lease_until.get().into(),
        row.drained.get().into(),
        row.acked.get().into(),
        topic,
        partition,
        Bind::Signed(row.next_offset),
        row.replay_from.map_or(Bind::Null, |from| from.get().into()),
    ];
    writes.add(statement, &binds)
}

fn session(row: Option<Row>) -> Result<Option<Session>, SqlError> {
    let Some(mut row) = row else { return Ok(None) };
    Ok(Some(Session {
        seq: Seq(row.integer()?),
        session_expires_at: UnixMillis(row.integer()?),
        release_at: UnixMillis(row.integer()?),
        over: over(row.integer()? != 0, row.maybe_integer()?, row.maybe_text()?),
        redeemed: row.integer()? != 0,
    }))
}

/// The first version noted neither when nor by whom: then its holder left, as far as anybody can tell.
fn over(is_over: bool, at: Option<u64>, by: Option<String>) -> Option<Over> {
    let by = by.as_deref().and_then(OverBy::parse).unwrap_or(OverBy::Left);
    is_over.then_some(Over { at: UnixMillis(at.unwrap_or_default()), by })
}

impl LineStore for SqlLine<'_> {
    type Error = SqlError;

    fn session_of(&self, number: Number) -> Result<Option<Session>, SqlError> {
        let statement = "SELECT seq, session_expires_at, release_at, over, over_at, over_by, redeemed
            FROM admission WHERE number = ?";
        session(self.0.first(statement, &[number.get().into()])?)
    }

    fn session(&self, seq: Seq) -> Result<Option<Session>, SqlError> {
        let statement = "SELECT seq, session_expires_at, release_at, over, over_at, over_by, redeemed
            FROM admission WHERE seq = ?";
        session(self.0.first(statement, &[seq.get().into()])?)
    }

    fn called_at(&self, position: Position) -> Result<Option<UnixMillis>, SqlError> {
        let statement = "SELECT at FROM called WHERE last >= ? ORDER BY last LIMIT 1";
        let row = self.0.first(statement, &[position.get().into()])?;
        row.map(|mut row| row.integer().map(UnixMillis)).transpose()
    }

    fn gone(&self, number: Number) -> Result<Option<(Why, Option<UnixMillis>)>, SqlError> {
        let statement = "SELECT last, why, at FROM gone WHERE first <= ? ORDER BY first DESC LIMIT 1";
        let Some(mut row) = self.0.first(statement, &[number.get().into()])? else { return Ok(None) };
        let (last, why, at) = (row.integer()?, row.text()?, row.maybe_integer()?);
        let why = if why == Why::Void.as_str() { Why::Void } else { Why::Left };
        Ok((number.get() <= last).then_some((why, at.map(UnixMillis))))
    }

    fn records(&self, after: Seq, limit: usize, max_bytes: usize) -> Result<Vec<String>, SqlError> {
        let statement = "SELECT record FROM admission WHERE seq > ? ORDER BY seq LIMIT ?";
        let mut records = Vec::new();
        let mut bytes = 0;
        for mut row in self.0.run(statement, &[after.get().into(), (limit as u64).into()])? {
            let record = row.text()?;
            bytes += record.len();
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }
}

impl SqlLine<'_> {
    /// Everything the line holds in memory.
    pub fn snapshot(&self) -> Result<Snapshot, SqlError> {
        let sql = self.0;
        let mut row =
            one(sql.first("SELECT clk, last_number, frontier, passed, seq, voided, version FROM line", &[])?)?;
        let head = Head {
            clk: UnixMillis(row.integer()?),
            last_number: Number(row.integer()?),
            frontier: Position(row.integer()?),
            passed: row.integer()?,
            seq: Seq(row.integer()?),
            voided: row.integer()?,
            version: row.integer()?,
        };
        let mut row = one(sql.first("SELECT version, settings FROM configured", &[])?)?;
        let version = row.integer()?;
        let settings = json::read(&row.text()?)?;
        Ok(Snapshot {
            course: self.course()?,
            configured: Configured { version, settings },
            lanes: self.lanes()?,
            gone: pairs(sql.run("SELECT first, last FROM gone", &[])?, |first, last| (Number(first), Number(last)))?,
            releases: pairs(
                sql.run("SELECT at, count FROM release WHERE at > ? AND count > 0", &[head.clk.get().into()])?,
                |at, count| (UnixMillis(at), count),
            )?,
            admitted: self
                .last_minute("SELECT admitted_at, 1 FROM admission ORDER BY seq DESC LIMIT ? OFFSET ?", head.clk)?,
            called: self.last_minute("SELECT at, count FROM called ORDER BY last DESC LIMIT ? OFFSET ?", head.clk)?,
            marks: Progress::times(head.clk).map(|at| self.progress(&head, at)).collect::<Result<_, _>>()?,
            relay: self.relay()?,
            head,
        })
    }

    fn course(&self) -> Result<Course, SqlError> {
        let statement = "SELECT seed, opened_at, opened_count, ended_at, pace FROM course";
        let mut row = one(self.0.first(statement, &[])?)?;
        let seed = hex::decode(&row.text()?).ok_or_else(|| SqlError("the draw's seed cannot be read".to_owned()))?;
        let (at, count) = (row.maybe_integer()?, row.maybe_integer()?);
        Ok(Course {
            seed: Seed(seed),
            opened: at.zip(count).map(|(at, count)| Opened { at: UnixMillis(at), count }),
            ended_at: row.maybe_integer()?.map(UnixMillis),
            pace: row.maybe_integer()?,
        })
    }

    /// The operator's own page.
    pub fn page(&self) -> Result<Option<String>, SqlError> {
        if !self.0.has_table("page")? {
            return Ok(None);
        }
        self.0.first("SELECT html FROM page", &[])?.map(|mut row| row.text()).transpose()
    }

    /// Who did what with a key, newest first.
    pub fn audits(&self) -> Result<Vec<AuditRow>, SqlError> {
        let rows = self.0.run("SELECT at, by, action, detail FROM audit ORDER BY id DESC", &[])?;
        let read = |mut row: Row| {
            let (at, by, action, detail) = (UnixMillis(row.integer()?), row.text()?, row.text()?, row.text()?);
            let detail = json::read(&detail)?;
            Ok(AuditRow { at, by, action, detail })
        };
        rows.into_iter().map(read).collect()
    }

    /// How far the line had come by then. Neither frontier nor `seq` ever falls: halving finds them with a few rows each.
    fn progress(&self, head: &Head, at: UnixMillis) -> Result<Progress, SqlError> {
        let called = |position| Ok(self.called_at(Position(position))?.is_some_and(|called| called <= at));
        let admitted = |seq: u64| {
            let statement = "SELECT admitted_at FROM admission WHERE seq = ?";
            let row = self.0.first(statement, &[seq.into()])?;
            Ok(row.map(|mut row| row.integer()).transpose()?.is_some_and(|admitted| admitted <= at.get()))
        };
        Ok(Progress {
            at,
            frontier: Position(last_so(head.frontier.get(), called)?),
            seq: Seq(last_so(head.seq.get(), admitted)?),
        })
    }

    fn lanes(&self) -> Result<Vec<(LaneId, LaneRow)>, SqlError> {
        let mut lanes = Vec::new();
        for mut row in self.0.run("SELECT lane, inc, k, count, first, at, refusal FROM lane", &[])? {
            let lane = u16::try_from(row.integer()?).map_err(|error| SqlError(error.to_string()))?;
            let (inc, k) = (row.integer()?, row.integer()?);
            let (count, first, at) = (row.maybe_integer()?, row.maybe_integer()?, row.maybe_integer()?);
            let outcome = match (count, first, at, row.maybe_text()?) {
                (Some(count), Some(first), Some(at), None) => {
                    Some(Outcome::Range { first: Number(first), count, at: UnixMillis(at) })
                }
                (Some(count), None, None, Some(reason)) => {
                    let reason = json::read(&reason)?;
                    Some(Outcome::Refused { count, reason })
                }
                _ => None,
            };
            lanes.push((LaneId(lane), LaneRow { inc, k, outcome }));
        }
        Ok(lanes)
    }

    /// (time, sum) over the 61 seconds up to `clk`, oldest first, from rows of (time, count), newest first.
    fn last_minute(&self, newest_first: &'static str, clk: UnixMillis) -> Result<Vec<(UnixMillis, u64)>, SqlError> {
        const PAGE: u64 = 10_000;
        let oldest = UnixMillis(clk.get().saturating_sub(61_000));
        let mut sums: Vec<(UnixMillis, u64)> = Vec::new();
        for page in 0.. {
            let window = [PAGE, page * PAGE].map(Bind::Integer);
            let rows = pairs(self.0.run(newest_first, &window)?, |at, count| (UnixMillis(at), count))?;
            let full = rows.len() as u64 == PAGE;
            for (at, count) in rows {
                if at < oldest {
                    sums.reverse();
                    return Ok(sums);
                }
                match sums.last_mut() {
                    Some((last, sum)) if *last == at => *sum += count,
                    _ => sums.push((at, count)),
                }
            }
            if !full {
                break;
            }
        }
        sums.reverse();
        Ok(sums)
    }

    fn relay(&self) -> Result<RelayRow, SqlError> {
        let statement = "SELECT epoch, owner, lease_until, drained, acked, next_offset, replay_from, topic, partition
            FROM relay";
        let mut row = one(self.0.first(statement, &[])?)?;
        let mut relay = RelayRow {
            epoch: Epoch(row.integer()?),
            owner: row.maybe_text()?,
            lease_until: UnixMillis(row.integer()?),
            drained: Seq(row.integer()?),
            acked: Seq(row.integer()?),
            next_offset: row.signed()?,
            replay_from: row.maybe_integer()?.map(Seq),
            target: None,
        };
        if let Some(topic) = row.maybe_text()? {
            let partition = i32::try_from(row.signed()?).map_err(|error| SqlError(error.to_string()))?;
            relay.target = Some(Target { topic, partition });
        }
        Ok(relay)
    }
}

fn pairs<T>(rows: Vec<Row>, make: impl Fn(u64, u64) -> T) -> Result<Vec<T>, SqlError> {
    rows.into_iter().map(|mut row| Ok(make(row.integer()?, row.integer()?))).collect()
}

/// The last of `1 ..= most` of which `so` holds, 0 if there is none; it holds of all before one of which it holds.
fn last_so(most: u64, so: impl Fn(u64) -> Result<bool, SqlError>) -> Result<u64, SqlError> {
    let (mut least, mut most) = (0, most);
    if most == 0 || so(most)? {
        return Ok(most);
    }
    while least + 1 < most {
        let middle = least + (most - least) / 2;
        if so(middle)? {
            least = middle;
        } else {
            most = middle;
        }
    }
    Ok(least)
}
