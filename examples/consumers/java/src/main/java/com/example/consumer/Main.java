package com.example.consumer;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes each of Ropeline's admissions from Kafka exactly once, in order (docs/kafka.md).
 *
 * <p>The rule: a record is dropped when its {@code seq} is not greater than the last one taken of its event. {@code seq} and the
 * work that is done for it are written in one transaction of one database, which all instances of the consumer group share. The
 * offset is committed to Kafka afterwards; a crash in between, or a partition that moves to another instance, only makes records
 * come again, and they are dropped.
 */
public final class Main {
    private static final int GAP_EXIT = 3;
    private static final Logger LOG = LoggerFactory.getLogger(Main.class);
    /** Opens when the verdict is out. */
    private static final CountDownLatch DONE = new CountDownLatch(1);

    private Main() {}

    /** {@code --bootstrap H:P --topic T --group G --state FILE [--on-gap stop|continue] [--session-seconds N] [--idle-seconds N]} */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options =
                new HashMap<>(Map.of("--on-gap", "stop", "--session-seconds", "45", "--idle-seconds", "0"));
        for (int index = 0; index + 1 < arguments.length; index += 2) {
            options.put(arguments[index], arguments[index + 1]);
        }
        for (String required : List.of("--bootstrap", "--topic", "--group", "--state")) {
            if (!options.containsKey(required)) {
                System.err.println(required + " is missing");
                System.exit(2);
            }
        }
        int code;
        try (Store store = new Store(options.get("--state"), options.get("--on-gap").equals("continue"))) {
            code = consume(options, store);
            System.out.println("run: " + store.run());
            System.out.println("verdict: " + store.verdict());
            System.out.flush();
        } finally {
            DONE.countDown();
        }
        // Not exit(): after a signal the process is on its way out already, and exit() would wait for itself.
        Runtime.getRuntime().halt(code);
    }

    private static int consume(Map<String, String> options, Store store) throws Exception {
        Properties properties = new Properties();
        properties.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("--bootstrap"));
        properties.put(ConsumerConfig.GROUP_ID_CONFIG, options.get("--group"));
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
        // A topic that was not known when the group formed is found after so long; by default that takes five minutes.
        properties.put(ConsumerConfig.METADATA_MAX_AGE_CONFIG, 10_000);
        int sessionMs = 1_000 * Integer.parseInt(options.get("--session-seconds"));
        properties.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, sessionMs);
        Duration idle = Duration.ofSeconds(Long.parseLong(options.get("--idle-seconds")));
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                consumer.wakeup();
                waitUntilDone();
            }));
            consumer.subscribe(List.of(options.get("--topic")));
            Instant idleSince = Instant.now();
            while (true) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                for (TopicPartition partition : records.partitions()) {
                    idleSince = Instant.now();
                    Store.Taken taken = store.take(records.records(partition));
                    try {
                        consumer.commitSync(Map.of(partition, new OffsetAndMetadata(taken.nextOffset())));
                    } catch (CommitFailedException | RebalanceInProgressException error) {
                        // The group has moved on without us: what we took comes again, and is dropped.
                        LOG.warn("not committed: {}", error.getMessage());
                    }
                    if (taken.gap()) {
                        return GAP_EXIT;
                    }
                }
                if (consumer.assignment().isEmpty()) {
                    idleSince = Instant.now();
                } else if (!idle.isZero() && idleSince.plus(idle).isBefore(Instant.now())) {
                    return 0;
                }
            }
        } catch (WakeupException stop) {
            return 0;
        }
    }

    private static void waitUntilDone() {
        try {
            DONE.await();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
