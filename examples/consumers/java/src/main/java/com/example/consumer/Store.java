package com.example.consumer;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Optional;
import java.util.StringJoiner;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is known and what was done: one database, which all instances of the consumer group share. */
final class Store implements AutoCloseable {
    /** Until where a batch was taken, and whether missing admissions stop us there. */
    record Taken(long nextOffset, boolean gap) {}

    private enum Outcome { NEW, REPEAT, GAP }

    private static final Logger LOG = LoggerFactory.getLogger(Store.class);

    private final Connection db;
    private final boolean goOn;
    private long repeats;
    private long foreign;

    Store(String path, boolean goOn) throws SQLException {
        // immediate: nobody writes between our look at last_seq and our commit, also not an instance that lost its partition.
        db = DriverManager.getConnection("jdbc:sqlite:" + path
                + "?journal_mode=WAL&synchronous=FULL&busy_timeout=30000&transaction_mode=IMMEDIATE");
        try (Statement statement = db.createStatement()) {
            statement.execute("CREATE TABLE IF NOT EXISTS progress (event TEXT PRIMARY KEY, last_seq INTEGER NOT NULL)");
            statement.execute("CREATE TABLE IF NOT EXISTS gaps (event TEXT, first INTEGER, last INTEGER, PRIMARY KEY (event, first))");
            statement.execute("CREATE TABLE IF NOT EXISTS admitted "
                    + "(event TEXT, seq INTEGER, number INTEGER, visitor TEXT, PRIMARY KEY (event, seq))");
        }
        db.setAutoCommit(false);
        this.goOn = goOn;
    }

    /** Takes a batch of one partition: seq and work in one transaction. */
    Taken take(List<ConsumerRecord<byte[], byte[]>> records) throws SQLException {
        long dropped = 0;
        long passedOver = 0;
        Taken taken = null;
        try {
            for (ConsumerRecord<byte[], byte[]> record : records) {
                Optional<Admission> admission = Admission.read(record);
                if (admission.isEmpty()) {
                    passedOver++;
                } else {
                    Outcome outcome = takeOne(record, admission.get());
                    if (outcome == Outcome.GAP) {
                        taken = new Taken(record.offset(), true);
                        break;
                    }
                    dropped += outcome == Outcome.REPEAT ? 1 : 0;
                }
                taken = new Taken(record.offset() + 1, false);
            }
            db.commit();
        } catch (SQLException | RuntimeException error) {
            db.rollback();
            throw error;
        }
        repeats += dropped;
        foreign += passedOver;
        return taken;
    }

    private Outcome takeOne(ConsumerRecord<?, ?> record, Admission admission) throws SQLException {
        long last = lastSeq(admission.event());
        if (admission.seq() <= last) {
            return Outcome.REPEAT;
        }
        if (admission.seq() > last + 1) {
            LOG.error("GAP: {}: seq {} follows {}; {} to {} are missing (partition {}, offset {})", admission.event(),
                    admission.seq(), last, last + 1, admission.seq() - 1, record.partition(), record.offset());
            if (!goOn) {
                return Outcome.GAP;
            }
            update("INSERT INTO gaps VALUES (?, ?, ?)", admission.event(), last + 1, admission.seq() - 1);
        }
        // The work. Yours goes here, in the same transaction.
        update("INSERT INTO admitted VALUES (?, ?, ?, ?)", admission.event(), admission.seq(), admission.number(),
                admission.visitor());
        update("INSERT OR REPLACE INTO progress VALUES (?, ?)", admission.event(), admission.seq());
        return Outcome.NEW;
    }

    private long lastSeq(String event) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement("SELECT last_seq FROM progress WHERE event = ?")) {
            statement.setString(1, event);
            try (ResultSet row = statement.executeQuery()) {
                return row.next() ? row.getLong(1) : 0;
            }
        }
    }

    private void update(String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int index = 0; index < values.length; index++) {
                statement.setObject(index + 1, values[index]);
            }
            statement.executeUpdate();
        }
    }

    /** What this process dropped and passed over. */
    String run() {
        return "{\"foreign\":" + foreign + ",\"repeats\":" + repeats + "}";
    }

    /** What is known of every event, as JSON. */
    String verdict() throws SQLException {
        StringJoiner events = new StringJoiner(",", "{", "}");
        String sql = "SELECT event, last_seq, (SELECT COUNT(*) FROM admitted WHERE event = progress.event),"
                + " (SELECT '[' || group_concat('[' || first || ',' || last || ']', ',' ORDER BY first) || ']'"
                + " FROM gaps WHERE event = progress.event) FROM progress ORDER BY event";
        try (Statement statement = db.createStatement(); ResultSet row = statement.executeQuery(sql)) {
            while (row.next()) {
                String gaps = row.getString(4) == null ? "[]" : row.getString(4);
                events.add("\"" + row.getString(1) + "\":{\"gaps\":" + gaps + ",\"last\":" + row.getLong(2)
                        + ",\"taken\":" + row.getLong(3) + "}");
            }
        }
        db.rollback();
        return events.toString();
    }

    @Override
    public void close() throws SQLException {
        db.close();
    }
}
