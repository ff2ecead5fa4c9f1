// Prints each application once: what Kafka hands again after a crash is told by its header ce_id, which is kept in a
// file beside the effect (here: the line printed). With a database, put both into one transaction.
//
//   java -cp 'kafka-clients.jar:slf4j-api.jar:lz4-java.jar' ApplicationsConsumer.java

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

public class ApplicationsConsumer {
    private static final String EVENT_TYPE = "headgate.application.submitted.v1";

    public static void main(String[] arguments) throws IOException {
        Path file = Path.of(setting("SEEN", "seen.txt"));
        Set<String> seen = new HashSet<>(Files.exists(file) ? Files.readAllLines(file) : List.of());

        Properties properties = new Properties();
        properties.put("bootstrap.servers", setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"));
        properties.put("group.id", setting("GROUP", "example-java"));
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());

        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
        }));
        try (consumer) {
            consumer.subscribe(List.of(setting("TOPIC", "applications")));
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    take(record, seen, file);
                }
                consumer.commitSync(); // after the effects: a crash in between repeats events, and loses none
            }
        } catch (WakeupException stop) {
            // SIGTERM or Ctrl-C
        }
    }

    private static void take(ConsumerRecord<String, String> record, Set<String> seen, Path file) throws IOException {
        String type = header(record, "ce_type");
        if (type != null && !type.equals(EVENT_TYPE)) {
            System.err.println("set aside: partition " + record.partition() + " offset " + record.offset() + " is " + type);
            return;
        }
        String id = header(record, "ce_id");
        if (header(record, "headgate-replayed") != null || (id != null && !seen.add(id))) {
            return;
        }
        System.out.println(record.value());
        if (id != null) {
            Files.writeString(file, id + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    private static String header(ConsumerRecord<String, String> record, String name) {
        var header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    private static String setting(String name, String fallback) {
        return System.getenv().getOrDefault(name, fallback);
    }
}
