package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What is seen from outside is what happened: the bytes of the events, of the counters, and of those who received them. */
@Timeout(300)
class MonitoringTest {
    @TempDir
    Path directory;

    /** A small service: every way there is of moving bytes, each counted by who gets them. */
    static final class Service {
        private static final int SIZE = 3 << 20;

        private final Path file;
        private final Path sink;
        private long received;

        private Service(Path directory) throws Exception {
            file = Files.write(directory.resolve("content"), Ends.pattern(SIZE));
            sink = directory.resolve("sink");
        }

        private interface Work {
            void to(java.nio.channels.SocketChannel socket) throws Exception;
        }

        private void serve(Work work) throws Exception {
            try (Ends.Pair pair = Ends.tcp()) {
                CompletableFuture<Long> drained = Ends.background(() -> Ends.drain(pair.far()));
                work.to(pair.near());
                pair.near().close();
                received += Ends.result(drained);
            }
        }

        private void sink() throws Exception {
            received += Files.size(sink);
            Files.delete(sink);
        }

        private long serveAll() throws Exception {
            try (FileChannel channel = ZeroCopyFileChannel.open(file)) {
                serve(socket -> {
                    for (int i = 0; i < 100; i++) {
                        channel.transferTo(i, 65536, socket);
                    }
                    channel.transferTo(0, SIZE, socket);
                });
                try (FileChannel to = FileChannel.open(sink, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                    channel.transferTo(0, 5000, to);
                }
                sink();
                java.io.ByteArrayOutputStream foreign = new java.io.ByteArrayOutputStream();
                channel.transferTo(0, 700_000, Channels.newChannel(foreign));
                received += foreign.size();
            }
            serve(socket -> Transfer.from(file).to(socket).run());
            serve(socket -> {
                socket.configureBlocking(false);
                try (Stepper<Report> stepper = Transfer.from(file).to(socket).start()) {
                    while (!(stepper.step() instanceof Step.Done)) {
                        Thread.onSpinWait();
                    }
                }
            });
            Transfer.from(file).to(sink).run();
            sink();
            Copy.of(file, sink).run();
            sink();
            serve(socket -> {
                try (Batch batch = new Batch()) {
                    batch.run(List.of(Batch.from(file).to(socket), Batch.from(file).to(socket).count(10)));
                }
            });
            serve(one -> serve(two -> FanOut.from(file).to(one).to(two).run()));
            if (Virtual.EXIST) {
                Thread thread = Virtual.start(() -> {
                    try {
                        serve(socket -> Transfer.from(file).to(socket).run());
                    } catch (Exception e) {
                        e.printStackTrace(System.out);
                    }
                });
                thread.join();
            }
            // The peer goes away in the midst: what was delivered counts.
            Pipe pipe = Pipe.open();
            CompletableFuture<Integer> some = Ends.background(() -> {
                int read = pipe.source().read(ByteBuffer.allocate(1000));
                pipe.source().close();
                return read;
            });
            try {
                Transfer.from(file).to(pipe.sink()).run();
            } catch (TransferException e) {
                received += e.moved();
            }
            Ends.result(some);
            return received;
        }

        public static void main(String[] arguments) throws Exception {
            Path directory = Path.of(arguments[0]);
            Path dump = directory.resolve("recording.jfr");
            ZcioMXBean counters = Monitoring.counters();
            try (Recording recording = new Recording()) {
                recording.enable("io.zcio.Transfer").withoutThreshold();
                recording.start();
                Service service = new Service(directory);
                long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(Long.parseLong(arguments[1]));
                int rounds = 0;
                do {
                    service.serveAll();
                    rounds++;
                } while (System.nanoTime() < until);
                long received = service.received;
                recording.stop();
                recording.dump(dump);
                long recorded = 0;
                int small = 0;
                // One after the other: those of a minute are more than this heap holds.
                try (RecordingFile events = new RecordingFile(dump)) {
                    while (events.hasMoreEvents()) {
                        RecordedEvent event = events.readEvent();
                        recorded += event.getLong("bytes");
                        small += event.getLong("bytes") == 65536 && event.getString("failure") == null ? 1 : 0;
                        String ends = event.getString("source") + " -> " + event.getString("sink");
                        if (!ends.contains("content") || event.getString("sink").isEmpty()) {
                            System.out.println("no ends: " + event);
                        }
                    }
                }
                System.out.println("received " + received + ", recorded " + recorded + ", counted " + counters.getBytes());
                System.out.println("small: " + small / rounds);
                System.out.println("failures: " + (double) counters.getFailures() / rounds);
                long sum = counters.getBytesByMechanism().values().stream().mapToLong(Long::longValue).sum();
                System.out.println("by mechanism: " + (sum == received));
                System.out.println("equal: " + (received == recorded && received == counters.getBytes()));
            }
        }
    }

    @Test
    void theBytesAddUp() throws Exception {
        // A minute, where there is time for it.
        String seconds = System.getenv("ZCIO_LARGE") == null ? "0" : "60";
        String said = Child.of(Service.class, directory.toString(), seconds).run();
        assertTrue(said.contains("equal: true") && said.contains("by mechanism: true"), said);
        assertTrue(said.contains("small: 100"), said);
        assertTrue(said.contains("failures: 1.0\n"), said);
        assertFalse(said.contains("no ends") || said.contains("Exception"), said);
    }

    /** Says what it gets from JMX; or that there is none. */
    static final class Shown {
        public static void main(String[] arguments) throws Exception {
            try {
                Monitoring.Registration registration = Monitoring.register();
                try {
                    Monitoring.register();
                } catch (IllegalStateException e) {
                    System.out.println("a second time: " + e.getMessage());
                }
                System.out.println(Jmx.ask("io.zcio:type=Transfers", "Bytes"));
                try (MappedRegion region = MappedRegion.anonymous(123_456)) {
                    System.out.println(Jmx.ask("java.nio:type=BufferPool,name=zcio", "Count"));
                    System.out.println(Jmx.ask("java.nio:type=BufferPool,name=zcio", "MemoryUsed"));
                }
                registration.close();
                Monitoring.register().close();
            } catch (UnsupportedOperationException e) {
                System.out.println(e.getMessage() + ", and " + Monitoring.counters().getOperations() + " operations");
            }
        }
    }

    /** Apart, because its classes may not be there. */
    private static final class Jmx {
        static Object ask(String bean, String attribute) throws Exception {
            return java.lang.management.ManagementFactory.getPlatformMBeanServer()
                    .getAttribute(new javax.management.ObjectName(bean), attribute);
        }
    }

    @Test
    void shownToJmx() throws Exception {
        String said = Child.of(Shown.class).run();
        assertTrue(said.contains("registered already"), said);
        assertTrue(said.endsWith("\n0\n1\n123456\n"), said);
        said = Child.of(Shown.class).option("--limit-modules=java.base").run();
        assertEquals("this runtime has no module java.management, and 0 operations\n", said);
    }

    @Test
    void regionsAndWhoWaits() throws Exception {
        ZcioMXBean counters = Monitoring.counters();
        long regions = counters.getOpenRegions();
        long bytes = counters.getRegionBytes();
        try (MappedRegion region = MappedRegion.anonymous(10_000)) {
            assertEquals(regions + 1, counters.getOpenRegions());
            assertEquals(bytes + 10_000, counters.getRegionBytes());
            region.resize(20_000);
            assertEquals(bytes + 20_000, counters.getRegionBytes());
        }
        assertEquals(regions, counters.getOpenRegions());
        assertEquals(bytes, counters.getRegionBytes());
        long waiting = counters.getWaitingTransfers();
        Path file = Files.write(directory.resolve("file"), Ends.pattern(1000));
        try (Ends.Pair pair = Ends.tcp()) {
            pair.near().configureBlocking(false);
            try (Stepper<Report> stepper = Transfer.from(pair.near()).to(directory.resolve("sink")).start()) {
                assertTrue(stepper.step() instanceof Step.Blocked);
                assertEquals(waiting + 1, counters.getWaitingTransfers());
            }
            assertEquals(waiting, counters.getWaitingTransfers());
        }
        Map<String, Long> before = counters.getBytesByMechanism();
        Report report = Transfer.from(file).to(directory.resolve("sink")).run();
        String name = report.mechanism().mechanismName();
        assertEquals(before.get(name) + 1000, counters.getBytesByMechanism().get(name));
    }
}
