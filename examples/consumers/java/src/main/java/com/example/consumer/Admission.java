package com.example.consumer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One visitor was let in. Fields of the value that we do not need, those of later versions too, are ignored. */
record Admission(String event, long seq, long number, String visitor) {
    private static final String TYPE = "ropeline.admission.v1";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Logger LOG = LoggerFactory.getLogger(Admission.class);

    /** The admission in a record; empty for anybody else's record. */
    static Optional<Admission> read(ConsumerRecord<byte[], byte[]> record) {
        Header type = record.headers().lastHeader("ce_type");
        if (type == null || !TYPE.equals(text(type.value()))) {
            return Optional.empty();
        }
        try {
            JsonNode value = JSON.readTree(record.value() == null ? new byte[0] : record.value());
            JsonNode event = value.path("event");
            JsonNode seq = value.path("seq");
            JsonNode number = value.path("number");
            JsonNode visitor = value.path("visitor");
            if (event.isTextual() && event.textValue().equals(text(record.key())) && visitor.isTextual()
                    && seq.canConvertToLong() && seq.isIntegralNumber() && seq.longValue() >= 1 && number.isIntegralNumber()) {
                return Optional.of(new Admission(event.textValue(), seq.longValue(), number.longValue(), visitor.textValue()));
            }
            LOG.error("partition {}, offset {}: not readable", record.partition(), record.offset());
        } catch (IOException error) {
            LOG.error("partition {}, offset {}: not readable", record.partition(), record.offset(), error);
        }
        return Optional.empty();
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }
}
