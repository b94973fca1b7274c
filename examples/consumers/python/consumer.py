"""Takes each of Ropeline's admissions from Kafka exactly once, in order (docs/kafka.md).

The rule: a record is dropped when its `seq` is not greater than the last one taken of its event. `seq` and the work that is done for it
are written in one transaction of one database, which all instances of the consumer group share. The offset is committed to Kafka
afterwards; a crash in between, or a partition that moves to another instance, only makes records come again, and they are dropped.
"""

import argparse
import json
import logging
import signal
import sqlite3
import sys
import time

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata

TYPE = b"ropeline.admission.v1"
GAP_EXIT = 3

log = logging.getLogger("consumer")

SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (event TEXT PRIMARY KEY, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS gaps (event TEXT, first INTEGER, last INTEGER, PRIMARY KEY (event, first));
CREATE TABLE IF NOT EXISTS admitted (event TEXT, seq INTEGER, number INTEGER, visitor TEXT, PRIMARY KEY (event, seq));
"""


class Gap(Exception):
    """Admissions are missing."""


def read(record):
    """The admission in a record; None for anybody else's record. Fields that we do not know are ignored."""
    headers = dict(record.headers)
    if headers.get("ce_type") != TYPE:
        return None
    try:
        admission = json.loads(record.value)
        event, seq, number, visitor = (admission[name] for name in ("event", "seq", "number", "visitor"))
        if isinstance(seq, int) and seq >= 1 and isinstance(number, int) and event.encode() == record.key:
            return event, seq, number, visitor
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.error("partition %d, offset %d: not readable: %r", record.partition, record.offset, error)
    return None


class Store:
    """What is known, and what was done."""

    def __init__(self, path, go_on):
        self.db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + SCHEMA)
        self.go_on = go_on
        self.repeats = self.foreign = 0

    def take(self, records):
        """Takes a batch: seq and work in one transaction. Answers the offset after the last record, and the gap that stops us."""
        repeats = foreign = 0
        gap = None
        # IMMEDIATE: nobody writes between our look at last_seq and our commit, also not an instance that lost its partition.
        self.db.execute("BEGIN IMMEDIATE")
        try:
            for record in records:
                admission = read(record)
                if admission is None:
                    foreign += 1
                elif not self.take_one(record, *admission):
                    repeats += 1
                next_offset = record.offset + 1
        except Gap as stop:
            gap = stop
            next_offset = record.offset
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        self.repeats += repeats
        self.foreign += foreign
        return next_offset, gap

    def take_one(self, record, event, seq, number, visitor):
        row = self.db.execute("SELECT last_seq FROM progress WHERE event = ?", (event,)).fetchone()
        last = row[0] if row else 0
        if seq <= last:
            return False
        if seq > last + 1:
            text = f"GAP: {event}: seq {seq} follows {last}; {last + 1} to {seq - 1} are missing " \
                   f"(partition {record.partition}, offset {record.offset})"
            log.error(text)
            if not self.go_on:
                raise Gap(text)
            self.db.execute("INSERT INTO gaps VALUES (?, ?, ?)", (event, last + 1, seq - 1))
        # The work. Yours goes here, in the same transaction.
        self.db.execute("INSERT INTO admitted VALUES (?, ?, ?, ?)", (event, seq, number, visitor))
        self.db.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (event, seq))
        return True

    def verdict(self):
        """What is known of every event."""
        events = {}
        for event, last in self.db.execute("SELECT event, last_seq FROM progress").fetchall():
            taken, = self.db.execute("SELECT COUNT(*) FROM admitted WHERE event = ?", (event,)).fetchone()
            gaps = self.db.execute("SELECT first, last FROM gaps WHERE event = ? ORDER BY first", (event,)).fetchall()
            events[event] = {"gaps": [list(gap) for gap in gaps], "last": last, "taken": taken}
        return events


def consume(options, store):
    consumer = KafkaConsumer(
        bootstrap_servers=options.bootstrap.split(","),
        group_id=options.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        max_poll_records=500,
        session_timeout_ms=options.session_seconds * 1000,
        heartbeat_interval_ms=min(3000, options.session_seconds * 250),
    )
    stopped = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.append(True))
    # Not before the topic is known: a member that shares out partitions while it learns of the topic shares out none, and never again.
    while not stopped and not consumer.partitions_for_topic(options.topic):
        time.sleep(1)
    consumer.subscribe([options.topic])
    idle_since = time.monotonic()
    try:
        while not stopped:
            for partition, records in consumer.poll(timeout_ms=200).items():
                idle_since = time.monotonic()
                next_offset, gap = store.take(records)
                try:
                    consumer.commit({partition: OffsetAndMetadata(next_offset, "", -1)})
                except Exception as error:  # The group has moved on without us: what we took comes again, and is dropped.
                    log.warning("not committed: %s", error)
                if gap:
                    return GAP_EXIT
            if not consumer.assignment():
                idle_since = time.monotonic()
            elif options.idle_seconds and time.monotonic() - idle_since > options.idle_seconds:
                break
    finally:
        consumer.close(autocommit=False)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, help="host:port,…")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True, help="the consumer group: partitions are shared among its instances")
    parser.add_argument("--state", required=True, help="a SQLite file, the same one for all instances")
    parser.add_argument("--on-gap", choices=["stop", "continue"], default="stop")
    parser.add_argument("--session-seconds", type=int, default=45, help="a dead instance's partitions move after so long")
    parser.add_argument("--idle-seconds", type=int, default=0, help="end when nothing came for so long; 0: never")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    store = Store(options.state, options.on_gap == "continue")
    code = consume(options, store)
    compact = {"separators": (",", ":"), "sort_keys": True}
    print("run:", json.dumps({"foreign": store.foreign, "repeats": store.repeats}, **compact))
    print("verdict:", json.dumps(store.verdict(), **compact))
    return code


if __name__ == "__main__":
    sys.exit(main())
