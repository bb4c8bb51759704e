package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What NIO promises of a channel while and after other things happen to it, kept by {@link ZeroCopyFileChannel} too. */
@Timeout(120)
class NioPromisesTest {
    private static final int SIZE = 12 << 20;
    private static final int FOREIGN = 8;

    @TempDir
    Path directory;

    /** A way for bytes, and whether a virtual thread sends them. */
    record Way(String kind, boolean virtual) {}

    static List<Way> ways() {
        List<Way> ways = new ArrayList<>();
        for (String kind : List.of("tcp", "unix", "pipe", "fifo")) {
            ways.add(new Way(kind, false));
            if (Virtual.EXIST) {
                ways.add(new Way(kind, true));
            }
        }
        return ways;
    }

    private Thread start(boolean virtual, AtomicReference<Throwable> failed, Executable work) {
        Runnable task = () -> {
            try {
                work.execute();
            } catch (Throwable e) {
                failed.set(e);
            }
        };
        if (virtual) {
            return Virtual.start(task);
        }
        Thread thread = new Thread(task);
        thread.start();
        return thread;
    }

    /** "Only one write operation upon a writable channel may be in progress at any given time." */
    @ParameterizedTest
    @MethodSource("ways")
    void aWriteOfAnotherThreadComesBeforeOrAfterATransfer(Way way) throws Exception {
        Path path = Files.write(directory.resolve("source"), new byte[SIZE]);
        Ends.Flow flow = Ends.flow(way.kind, directory);
        AtomicReference<Throwable> failed = new AtomicReference<>();
        AtomicLong moved = new AtomicLong();
        try (WritableByteChannel out = flow.sink();
                ReadableByteChannel in = flow.source();
                FileChannel file = ZeroCopyFileChannel.open(path)) {
            Thread transfer = start(way.virtual, failed, () -> moved.set(file.transferTo(0, SIZE, out)));
            ByteBuffer got = ByteBuffer.allocateDirect(256 << 10);
            // The transfer has begun, and cannot end before somebody reads.
            assertEquals(1, in.read(got.limit(1)));
            Thread write = start(way.virtual, failed, () -> {
                ByteBuffer foreign = ByteBuffer.wrap(new byte[FOREIGN]);
                Arrays.fill(foreign.array(), (byte) 1);
                while (foreign.hasRemaining()) {
                    out.write(foreign);
                }
            });
            List<Thread.State> waiting = List.of(Thread.State.WAITING, Thread.State.BLOCKED);
            // Where nothing keeps it from writing it is in write(2), for good.
            assertTimeoutPreemptively(Duration.ofSeconds(30), () -> {
                while (!waiting.contains(write.getState())) {
                    assertTrue(write.isAlive() && failed.get() == null, () -> "it was written in the midst: " + failed.get());
                    Thread.sleep(1);
                }
            });
            long at = 1;
            while (at < SIZE + FOREIGN) {
                int read = in.read(got.clear());
                String place = "behind byte " + at;
                assertTrue(read > 0);
                for (int i = 0; i < read; i++, at++) {
                    assertEquals(at < SIZE ? 0 : 1, got.get(i), place);
                }
            }
            transfer.join();
            write.join();
            assertEquals(null, failed.get());
            assertEquals(SIZE, moved.get());
        }
    }

    /** A socket tells only once that its peer has reset the connection: whoever asks again hears of a broken pipe. */
    @ParameterizedTest
    @ValueSource(ints = {100, 300_000, 4 << 20})
    void aConnectionThatWasReset(int count) throws Exception {
        Path path = Files.write(directory.resolve("source"), new byte[4 << 20]);
        for (boolean blocking : new boolean[] {true, false}) {
            for (boolean virtual : Virtual.EXIST ? new boolean[] {false, true} : new boolean[] {false}) {
                try (Ends.Pair pair = Ends.tcp();
                        FileChannel file = ZeroCopyFileChannel.open(path)) {
                    // A byte that nobody has read: the answer to closing is a reset.
                    pair.near().write(ByteBuffer.allocate(1));
                    pair.far().close();
                    // The reset is here as soon as the connection is over.
                    waitForReset(pair.near());
                    pair.near().configureBlocking(blocking);
                    AtomicReference<Throwable> failed = new AtomicReference<>();
                    start(virtual, failed, () -> file.transferTo(0, count, pair.near())).join();
                    String message = String.valueOf(failed.get());
                    assertTrue(message.contains("Connection reset"), message);
                }
            }
        }
    }

    /** A socket that was reset is in no table of the kernel's any more. */
    private static void waitForReset(SocketChannel near) throws Exception {
        int here = ((InetSocketAddress) near.getLocalAddress()).getPort();
        int there = ((InetSocketAddress) near.getRemoteAddress()).getPort();
        Pattern connection = Pattern.compile(String.format(":%04X [0-9A-F]+:%04X ", here, there));
        List<Path> tables = List.of(Path.of("/proc/self/net/tcp"), Path.of("/proc/self/net/tcp6"));
        for (Path table : tables.stream().filter(Files::exists).toList()) {
            while (connection.matcher(Files.readString(table)).find()) {
                Thread.sleep(1);
            }
        }
    }

    /** "Reads from a channel whose input is shut down give -1", whatever the peer still sends. */
    @Test
    void afterShutdownInputThereIsNothingToRead() throws Exception {
        for (String kind : List.of("tcp", "unix")) {
            Path path = directory.resolve(kind);
            try (Ends.Pair pair = kind.equals("tcp") ? Ends.tcp() : Ends.unix();
                    FileChannel file =
                            ZeroCopyFileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
                pair.far().write(ByteBuffer.wrap("sent before".getBytes()));
                pair.near().shutdownInput();
                if (kind.equals("tcp")) {
                    pair.far().write(ByteBuffer.wrap("sent afterwards".getBytes()));
                }
                assertEquals(0, file.transferFrom(pair.near(), 0, 99));
                assertEquals(0, Transfer.from(pair.near()).to(file).run().bytes());
                assertEquals(0, Transfer.from(pair.near()).to(file).count(9).run().bytes());
                assertEquals(0, FanOut.from(pair.near()).to(file).run().bytes());
                assertEquals(0, Files.size(path));
            }
        }
    }

    /** A relay passes that end on, and the other direction goes on. */
    @Test
    @Timeout(60)
    void aRelayReadsNothingOfASideWhoseInputIsShut() throws Exception {
        for (boolean stepped : List.of(false, true)) {
            try (Ends.Pair left = Ends.tcp(); Ends.Pair right = Ends.tcp()) {
                left.far().write(ByteBuffer.wrap("not to be read".getBytes()));
                left.near().shutdownInput();
                right.far().write(ByteBuffer.wrap("answer".getBytes()));
                right.far().shutdownOutput();
                RelayReport report;
                if (stepped) {
                    left.near().configureBlocking(false);
                    right.near().configureBlocking(false);
                    try (Stepper<RelayReport> stepper = Relay.between(left.near(), right.near()).start()) {
                        while (!(stepper.step() instanceof Step.Done)) {
                            Thread.onSpinWait();
                        }
                        report = stepper.report().get();
                    }
                } else {
                    report = Relay.between(left.near(), right.near()).run();
                }
                assertEquals(0, report.forward().bytes());
                assertTrue(report.forward().hasEnded());
                assertEquals(6, report.backward().bytes());
                assertEquals("answer", new String(Ends.readAll(left.far())));
                assertEquals(0, Ends.readAll(right.far()).length);
            }
        }
    }

    /** The first operation on a channel around one that was closed says so, and closes it. */
    @Test
    void aChannelAroundOneThatIsClosedElsewhere() throws Exception {
        Path path = Files.write(directory.resolve("source"), new byte[100]);
        for (int operation = 0; operation < 9; operation++) {
            FileChannel inner = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try (ZeroCopyFileChannel file = ZeroCopyFileChannel.of(inner);
                    Ends.Pair pair = Ends.tcp()) {
                inner.close();
                Executable[] operations = {
                    () -> file.transferTo(0, 10, pair.near()),
                    () -> file.transferFrom(pair.near(), 0, 10),
                    () -> file.read(ByteBuffer.allocate(1)),
                    file::size,
                    () -> file.prefetch(0, 10),
                    () -> file.evict(0, 10),
                    () -> file.residency(0, 10),
                    () -> file.cloneFrom(file, 0, 50, 10),
                    () -> file.mapRegion(FileChannel.MapMode.READ_ONLY, 0, 10),
                };
                assertThrowsExactly(ClosedChannelException.class, operations[operation], "operation " + operation);
                assertFalse(file.isOpen(), "operation " + operation);
                assertThrows(IOException.class, operations[operation], "operation " + operation);
            }
        }
    }
}
