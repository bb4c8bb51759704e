package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Transfers that are stopped half-way: by the peer, by a full destination, by an interrupt, by a close. */
@Timeout(300)
class StoppedTest {
    /** More than any socket or pipe takes without a reader. */
    private static final long LARGE = 256L << 20;

    @TempDir
    Path directory;

    /** A sparse file of {@link #LARGE} bytes. */
    private Path large() throws Exception {
        Path path = directory.resolve("large");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(LARGE);
        }
        return path;
    }

    @Test
    void aPeerThatClosesHalfWay() throws Exception {
        for (Ends.Pair pair : new Ends.Pair[] {Ends.tcp(), Ends.unix()}) {
            try (pair) {
                long wanted = 10 << 20;
                var closed = Ends.background(() -> {
                    ByteBuffer buffer = ByteBuffer.allocate(65536);
                    for (long read = 0; read < wanted; ) {
                        read += pair.far().read(buffer.clear());
                    }
                    pair.far().close();
                    return null;
                });
                TransferException e =
                        assertThrowsExactly(TransferException.class, () -> Transfer.from(large()).to(pair.near()).run());
                Ends.result(closed);
                assertTrue(e.moved() >= wanted && e.moved() < LARGE, () -> "moved " + e.moved());
                // EPIPE or ECONNRESET
                assertTrue(e.errno().getAsInt() == 32 || e.errno().getAsInt() == 104, e.toString());
                assertEquals(0, e.undelivered().length);
                assertTrue(pair.near().isOpen());
            }
        }
    }

    @Test
    void aPipeWithoutReader() throws Exception {
        Pipe pipe = Pipe.open();
        pipe.source().close();
        TransferException e =
                assertThrowsExactly(TransferException.class, () -> Transfer.from(large()).to(pipe.sink()).run());
        assertEquals(32, e.errno().getAsInt());
        assertEquals(0, e.moved());
        pipe.sink().close();
    }

    @Test
    void aFullDevice() throws Exception {
        byte[] content = Ends.pattern(1000);
        try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE);
                Ends.Source source = new Ends.Source(Ends.Kind.TCP, null, content)) {
            TransferException e =
                    assertThrowsExactly(TransferException.class, () -> source.transfer().to(full).run());
            assertEquals(28, e.errno().getAsInt());
            assertEquals(0, e.moved());
            // What had been taken out of the socket is handed back.
            assertArrayEquals(content, e.undelivered());
        }
    }

    @Test
    void aFullFileSystem() throws Exception {
        int size = 1 << 20;
        try (var mount = Require.mount(directory.resolve("mount"), "size=1m")) {
            for (Ends.Kind kind : new Ends.Kind[] {Ends.Kind.PATH, Ends.Kind.UNIX}) {
                byte[] content = Ends.pattern(2 * size);
                Path sink = directory.resolve("mount/" + kind);
                Ends.Source source = new Ends.Source(kind, directory.resolve("source"), content);
                try {
                    TransferException e =
                            assertThrowsExactly(TransferException.class, () -> source.transfer().to(sink).run());
                    assertEquals(28, e.errno().getAsInt());
                    assertTrue(e.moved() > 0 && e.moved() <= size, () -> "moved " + e.moved());
                    assertEquals(e.moved(), Files.size(sink));
                    assertArrayEquals(Arrays.copyOf(content, (int) e.moved()), Files.readAllBytes(sink));
                    byte[] undelivered = e.undelivered();
                    assertArrayEquals(
                            Arrays.copyOfRange(content, (int) e.moved(), (int) e.moved() + undelivered.length),
                            undelivered);
                    assertEquals(kind == Ends.Kind.PATH, undelivered.length == 0);
                } finally {
                    source.abandon();
                }
                Files.delete(sink);
            }
        }
    }

    /** Runs a transfer in a thread of its own, stops it after a while, and gives back how it ended. */
    private static Throwable stopped(Transfer transfer, Ends.Work<?> stop) throws Exception {
        return stopped(transfer, thread -> stop.run());
    }

    private interface Stop {
        void stop(Thread thread) throws Exception;
    }

    private static Throwable stopped(Transfer transfer, Stop stop) throws Exception {
        AtomicReference<Throwable> outcome = new AtomicReference<>();
        Thread thread = new Thread(() -> {
            try {
                transfer.run();
            } catch (Throwable e) {
                outcome.set(e);
                assertEquals(e instanceof ClosedByInterruptException, Thread.currentThread().isInterrupted());
            }
        });
        thread.start();
        Ends.awaitAtWork(thread);
        thread.join(300);
        assertTrue(thread.isAlive(), "the transfer ended before it was stopped: " + outcome.get());
        long began = System.nanoTime();
        stop.stop(thread);
        thread.join(TimeUnit.SECONDS.toMillis(30));
        assertFalse(thread.isAlive(), "not released within 30 s");
        long milliseconds = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        // It takes a tenth of a second; on a machine that is busy with other things, what they leave.
        assertTrue(milliseconds < 10_000, () -> "released after " + milliseconds + " ms");
        return outcome.get();
    }

    private static TransferException causeOf(Class<?> type, Throwable exception) {
        assertEquals(type, exception.getClass(), exception::toString);
        return assertInstanceOf(TransferException.class, exception.getCause());
    }

    @Test
    void anInterruptWhileItWaitsForASource() throws Exception {
        for (Ends.Pair pair : new Ends.Pair[] {Ends.tcp(), Ends.unix()}) {
            try (pair; FileChannel sink = FileChannel.open(directory.resolve("sink"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                Ends.writeAll(pair.far(), new byte[1000]);
                Throwable outcome = stopped(Transfer.from(pair.near()).to(sink), Thread::interrupt);
                assertEquals(1000, causeOf(ClosedByInterruptException.class, outcome).moved());
                assertFalse(pair.near().isOpen());
                assertFalse(sink.isOpen());
            }
        }
    }

    @Test
    void anInterruptWhileNobodyReads() throws Exception {
        Pipe pipe = Pipe.open();
        try (Ends.Pair tcp = Ends.tcp(); Ends.Pair unix = Ends.unix()) {
            for (Transfer transfer : new Transfer[] {
                Transfer.from(large()).to(tcp.near()),
                Transfer.from(large()).to(unix.near()),
                Transfer.from(large()).to(pipe.sink())
            }) {
                TransferException e =
                        causeOf(ClosedByInterruptException.class, stopped(transfer, Thread::interrupt));
                assertTrue(e.moved() > 0 && e.moved() < LARGE, () -> "moved " + e.moved());
            }
            assertFalse(tcp.near().isOpen() || unix.near().isOpen() || pipe.sink().isOpen());
            // The other ends are nobody's business.
            assertTrue(tcp.far().isOpen() && unix.far().isOpen() && pipe.source().isOpen());
        }
        pipe.source().close();
    }

    /** Of a file. */
    private static final EnumSet<Mechanism> NOT_TO_A_SOCKET = EnumSet.of(
            Mechanism.COPY_FILE_RANGE, Mechanism.REFLINK, Mechanism.VMSPLICE, Mechanism.ZEROCOPY_RECEIVE);

    @Test
    void anInterruptWhileNobodyReadsWhateverTheMechanism() throws Exception {
        for (Mechanism mechanism : Mechanism.values()) {
            if (NOT_TO_A_SOCKET.contains(mechanism)) {
                continue;
            }
            if (!Require.allowed(mechanism)) {
                continue;
            }
            try (Ends.Pair pair = Ends.tcp()) {
                Transfer transfer = Transfer.from(large()).to(pair.near()).mechanism(mechanism);
                TransferException e = causeOf(ClosedByInterruptException.class, stopped(transfer, Thread::interrupt));
                // What arrives at the peer is what the exception says.
                assertEquals(e.moved(), Ends.drain(pair.far()), mechanism.mechanismName());
            }
        }
    }

    @Test
    void anInterruptBeforeItBegins() throws Exception {
        Path sink = directory.resolve("sink");
        try (FileChannel source = FileChannel.open(large())) {
            Thread.currentThread().interrupt();
            assertThrowsExactly(ClosedByInterruptException.class, () -> Transfer.from(source).to(sink).run());
            assertTrue(Thread.interrupted());
            assertFalse(source.isOpen());
            assertFalse(Files.exists(sink));
        }
    }

    @Test
    void aCloseByAnotherThread() throws Exception {
        Pipe pipe = Pipe.open();
        try (Ends.Pair tcp = Ends.tcp();
                Ends.Pair unix = Ends.unix();
                FileChannel source = FileChannel.open(large())) {
            Path sink = directory.resolve("sink");
            for (SocketChannel socket : new SocketChannel[] {tcp.far(), unix.far()}) {
                Throwable outcome = stopped(Transfer.from(socket).to(sink), () -> close(socket));
                assertEquals(0, causeOf(AsynchronousCloseException.class, outcome).moved());
            }
            Throwable outcome = stopped(Transfer.from(pipe.source()).to(sink), () -> close(pipe.source()));
            assertEquals(0, causeOf(AsynchronousCloseException.class, outcome).moved());
        }
        try (Ends.Pair tcp = Ends.tcp(); FileChannel source = FileChannel.open(large())) {
            // The source file is closed while the sink is waited for, and the sink stays open.
            Throwable outcome = stopped(Transfer.from(source).to(tcp.near()), () -> close(source));
            TransferException e = causeOf(AsynchronousCloseException.class, outcome);
            assertTrue(e.moved() > 0 && e.moved() < LARGE);
            assertTrue(tcp.near().isOpen());
            assertThrowsExactly(ClosedChannelException.class, () -> Transfer.from(source).to(tcp.near()).run());
        }
        try (Ends.Pair tcp = Ends.tcp()) {
            Throwable outcome = stopped(Transfer.from(large()).to(tcp.near()), () -> close(tcp.near()));
            TransferException e = causeOf(AsynchronousCloseException.class, outcome);
            assertEquals(e.moved(), Ends.drain(tcp.far()));
        }
    }

    private static Object close(Channel channel) throws Exception {
        channel.close();
        return null;
    }

    @Test
    void aChannelInNonBlockingModeIsWaitedFor() throws Exception {
        byte[] content = Ends.pattern(3 << 20);
        try (Ends.Source source = new Ends.Source(Ends.Kind.UNIX, null, content);
                Ends.Sink sink = new Ends.Sink(Ends.Kind.TCP, null)) {
            SocketChannel from = (SocketChannel) source.end;
            SocketChannel to = (SocketChannel) sink.end;
            from.configureBlocking(false);
            to.configureBlocking(false);
            assertEquals(content.length, Transfer.from(from).to(to).run().bytes());
            assertFalse(from.isBlocking() || to.isBlocking());
            assertArrayEquals(content, sink.received());
        }
    }

    @Test
    void aSocketBlocksAsBeforeAfterATransfer() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            Path small = Files.write(directory.resolve("small"), new byte[10]);
            Transfer.from(small).to(pair.near()).run();
            var received = Ends.background(() -> {
                Thread.sleep(500);
                return Ends.drain(pair.far());
            });
            ByteBuffer buffer = ByteBuffer.allocate(65536);
            for (int i = 0; i < 400; i++) {
                assertEquals(buffer.capacity(), pair.near().write(buffer.clear()));
            }
            pair.near().close();
            assertEquals(10 + 400 * buffer.capacity(), Ends.result(received));
        }
    }
}
