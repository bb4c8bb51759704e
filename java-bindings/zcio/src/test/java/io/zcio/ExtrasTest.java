package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a transfer has beside moving bytes: buffers, progress, tokens, cache policy, FIFOs, events, notices. */
@Timeout(300)
class ExtrasTest {
    private static final byte[] CONTENT = Ends.pattern(1 << 20);

    @TempDir
    Path directory;

    private Path file() throws Exception {
        return Files.write(directory.resolve("content"), CONTENT);
    }

    @Test
    void aDirectBuffer() throws Exception {
        ByteBuffer buffer = ByteBuffer.allocateDirect(CONTENT.length);
        buffer.put(CONTENT).flip().position(100).limit(CONTENT.length - 100);
        byte[] expected = Arrays.copyOfRange(CONTENT, 100, CONTENT.length - 100);
        Path sink = directory.resolve("sink");
        assertEquals(expected.length, Transfer.from(buffer.duplicate()).to(sink).run().bytes());
        assertArrayEquals(expected, Files.readAllBytes(sink));
        Transfer.from(buffer.duplicate()).to(sink).offset(10).count(20).run();
        assertArrayEquals(Arrays.copyOfRange(CONTENT, 110, 130), Files.readAllBytes(sink));
        for (Ends.Kind kind : new Ends.Kind[] {Ends.Kind.TCP, Ends.Kind.UNIX, Ends.Kind.PIPE}) {
            for (Mechanism mechanism : new Mechanism[] {null, Mechanism.READ_WRITE}) {
                ByteBuffer again = buffer.duplicate();
                try (Ends.Sink end = new Ends.Sink(kind, null)) {
                    Transfer transfer = end.from(Transfer.from(again));
                    Report report = (mechanism == null ? transfer : transfer.mechanism(mechanism)).run();
                    assertEquals(expected.length, report.bytes());
                    assertEquals(again.limit(), again.position());
                    assertArrayEquals(expected, end.received());
                }
            }
        }
        assertEquals(0, Transfer.from(ByteBuffer.allocateDirect(0)).to(sink).run().bytes());
        IllegalArgumentException e =
                assertThrowsExactly(IllegalArgumentException.class, () -> Transfer.from(ByteBuffer.allocate(10)));
        assertTrue(e.getMessage().contains("allocateDirect"), e.getMessage());
        try (Ends.Pair pair = Ends.unix()) {
            ByteBuffer half = buffer.duplicate();
            Thread transfer = Thread.currentThread();
            Ends.background(() -> {
                Ends.awaitAtWork(transfer);
                Thread.sleep(200);
                transfer.interrupt();
                return null;
            });
            ClosedByInterruptException stopped = assertThrowsExactly(
                    ClosedByInterruptException.class, () -> Transfer.from(half).to(pair.near()).run());
            assertTrue(Thread.interrupted());
            long moved = ((TransferException) stopped.getCause()).moved();
            assertEquals(100 + moved, half.position());
            assertEquals(moved, Ends.drain(pair.far()));
        }
    }

    @Test
    void progressAndWhatItThrows() throws Exception {
        List<Long> told = new ArrayList<>();
        Transfer.from(file()).to(directory.resolve("sink")).progress(told::add).run();
        assertEquals(CONTENT.length, told.get(told.size() - 1));
        try (Ends.Pair in = Ends.tcp(); Ends.Pair out = Ends.unix()) {
            Ends.background(() -> {
                Ends.writeAll(in.far(), CONTENT);
                return null;
            });
            told.clear();
            IllegalStateException e = assertThrowsExactly(IllegalStateException.class,
                    () -> Transfer.from(in.near()).to(out.near()).progress(moved -> {
                        told.add(moved);
                        throw new IllegalStateException("enough");
                    }).run());
            assertEquals(1, told.size());
            // What had been taken out of the socket is not lost with it.
            TransferException stopped = assertInstanceOf(TransferException.class, e.getSuppressed()[0]);
            int moved = (int) stopped.moved();
            assertArrayEquals(
                    Arrays.copyOfRange(CONTENT, moved, moved + stopped.undelivered().length), stopped.undelivered());
            assertTrue(in.near().isOpen() && out.near().isOpen());
            ByteBuffer arrived = ByteBuffer.allocate(moved);
            while (arrived.hasRemaining()) {
                out.far().read(arrived);
            }
            assertArrayEquals(Arrays.copyOf(CONTENT, moved), arrived.array());
        }
    }

    @Test
    void aToken() throws Exception {
        CancelToken token = new CancelToken();
        try (Ends.Pair pair = Ends.tcp()) {
            Ends.background(() -> {
                Thread.sleep(100);
                token.cancel();
                return null;
            });
            Transfer transfer = Transfer.from(pair.near()).to(directory.resolve("sink")).cancelledBy(token);
            assertEquals(0, assertThrowsExactly(TransferCancelledException.class, transfer::run).moved());
            assertThrowsExactly(TransferCancelledException.class, transfer::run);
            assertThrowsExactly(TransferCancelledException.class,
                    () -> Relay.between(pair.near(), pair.far()).cancelledBy(token).run());
            assertTrue(pair.near().isOpen() && token.isCancelled());
        }
    }

    @Test
    void cachePolicyAndResidency() throws Exception {
        Path source = file();
        assertEquals(CONTENT.length / 4096, FileResidency.of(source, 0, Long.MAX_VALUE).total());
        assertTrue(Ends.inAttempts(() -> Arrays.equals(CONTENT, Files.readAllBytes(source))
                && FileResidency.of(source, 0, Long.MAX_VALUE).isComplete()));
        Path sink = directory.resolve("sink");
        Transfer.from(source).to(sink).cache(new CachePolicy(1 << 20, true)).run();
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        try (FileChannel channel = FileChannel.open(source)) {
            assertEquals(2, FileResidency.of(channel, 4095, 2).total());
            assertEquals(0, FileResidency.of(channel, CONTENT.length, 1).total());
        }
        assertThrowsExactly(IllegalArgumentException.class, () -> new CachePolicy(-1, false));
        assertThrowsExactly(IllegalArgumentException.class, () -> FileResidency.of(source, -1, 1));
        assertThrowsExactly(IllegalArgumentException.class, () -> FileResidency.of(Path.of("/dev/null"), 0, 1));
    }

    @Test
    void aFifoWithoutPeerCanBeInterrupted() throws Exception {
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        Path sink = directory.resolve("sink");
        Path content = file();
        for (Transfer transfer : new Transfer[] {Transfer.from(fifo).to(sink), Transfer.from(content).to(fifo)}) {
            Thread waiting = Thread.currentThread();
            Ends.background(() -> {
                Thread.sleep(200);
                waiting.interrupt();
                return null;
            });
            assertThrowsExactly(ClosedByInterruptException.class, transfer::run);
            assertTrue(Thread.interrupted());
        }
        // With a peer that comes late, on both sides.
        var sent = Ends.background(() -> Transfer.from(content).to(fifo).run());
        Thread.sleep(100);
        assertEquals(CONTENT.length, Transfer.from(fifo).to(sink).run().bytes());
        Ends.result(sent);
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        var again = Ends.background(() -> {
            Thread.sleep(100);
            return Transfer.from(content).to(fifo).run();
        });
        Path copy = directory.resolve("copy");
        assertEquals(CONTENT.length, FanOut.from(fifo).to(sink).to(copy).run().bytes());
        Ends.result(again);
        assertArrayEquals(CONTENT, Files.readAllBytes(copy));
    }

    @Test
    void overlappingTransfersToOneSocketLeaveItAsItWas() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            Path content = file();
            var drained = Ends.background(() -> Ends.drain(pair.far()));
            for (int round = 0; round < 20; round++) {
                var one = Ends.background(() -> Transfer.from(content).to(pair.near()).count(300_000).run());
                var two = Ends.background(() -> Transfer.from(content).to(pair.near()).count(500_000).run());
                Ends.result(one);
                Ends.result(two);
            }
            pair.near().shutdownOutput();
            assertEquals(20 * 800_000, Ends.result(drained));
        }
        // What the sockets' own timeout is now, their peer's silence shows: a write in blocking mode waits for good.
        try (Ends.Pair pair = Ends.tcp()) {
            Path content = file();
            var first = Ends.background(() -> Transfer.from(content).to(pair.near()).count(500_000).run());
            Transfer.from(content).to(pair.near()).count(500_000).run();
            Ends.result(first);
            var read = Ends.background(() -> {
                Thread.sleep(500);
                return Ends.drain(pair.far());
            });
            ByteBuffer large = ByteBuffer.allocateDirect(1 << 20);
            for (int i = 0; i < 24; i++) {
                assertEquals(large.capacity(), pair.near().write(large.clear()));
            }
            pair.near().close();
            assertEquals(1_000_000 + 24L * large.capacity(), Ends.result(read));
        }
    }

    /** Records the events of a few operations. */
    static final class Recorded {
        public static void main(String[] arguments) throws Exception {
            Path source = Path.of(arguments[0]);
            Transfer.from(source).to(Path.of(arguments[1])).run();
            System.out.println("a transfer starts the recorder: " + FlightRecorder.isInitialized());
            try (Recording recording = new Recording()) {
                recording.enable("io.zcio.Transfer");
                recording.start();
                Transfer.from(source).to(Path.of(arguments[1])).run();
                Copy.of(source, Path.of(arguments[1])).run();
                try (Ends.Pair pair = Ends.tcp()) {
                    try (SocketChannel near = pair.near()) {
                        near.configureBlocking(false);
                        try (Stepper<Report> stepper = Transfer.from(source).to(near).count(1000).start()) {
                            while (!(stepper.step() instanceof Step.Done)) {}
                        }
                    }
                }
                recording.stop();
                Path dump = Path.of(arguments[1] + ".jfr");
                recording.dump(dump);
                for (RecordedEvent event : RecordingFile.readAllEvents(dump)) {
                    System.out.println(event.getString("operation") + " " + event.getLong("bytes") + " "
                            + event.getString("mechanism") + " " + event.getInt("attempts") + " "
                            + (event.getDuration().toNanos() > 0));
                }
            }
        }
    }

    /** Runs where there is no Flight Recorder. */
    static final class Plain {
        public static void main(String[] arguments) throws Exception {
            System.out.println("moved " + Transfer.from(Path.of(arguments[0])).to(Path.of(arguments[1])).run().bytes());
            System.out.println("recorder " + ModuleLayer.boot().findModule("jdk.jfr").isPresent());
        }
    }

    @Test
    void anEventForEachTransfer() throws Exception {
        String sink = directory.resolve("sink").toString();
        String said = Child.of(Recorded.class, file().toString(), sink).run();
        assertTrue(said.contains("transfer " + CONTENT.length + " copy_file_range 0 true"), said);
        assertTrue(said.contains("copy " + CONTENT.length + " "), said);
        assertTrue(said.contains("transfer 1000 "), said);
        assertTrue(said.contains("a transfer starts the recorder: false"), said);
        said = Child.of(Plain.class, file().toString(), sink).option("--limit-modules=java.base").run();
        assertTrue(said.contains("moved " + CONTENT.length) && said.contains("recorder false"), said);
    }

    @Test
    void manySmallTransfers() throws Exception {
        Path small = Files.write(directory.resolve("small"), Ends.pattern(4096));
        try (Ends.Pair pair = Ends.tcp();
                FileChannel source = FileChannel.open(small, StandardOpenOption.READ)) {
            var received = Ends.background(() -> Ends.readAll(pair.far()));
            for (int i = 0; i < 500; i++) {
                assertEquals(4096, Transfer.from(source).to(pair.near()).offset(0).count(4096).run().bytes());
            }
            pair.near().close();
            byte[] all = Ends.result(received);
            assertEquals(500 * 4096, all.length);
            for (int i = 0; i < 500; i++) {
                assertArrayEquals(Ends.pattern(4096), Arrays.copyOfRange(all, i * 4096, (i + 1) * 4096));
            }
        }
    }
}
