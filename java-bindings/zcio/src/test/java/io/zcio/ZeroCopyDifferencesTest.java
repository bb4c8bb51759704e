package io.zcio;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.EOFException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.io.TempDir;

/**
 * Where {@link ZeroCopyFileChannel} deliberately does otherwise than the JDK's own channel, each with the reason: what NIO
 * does there is a bug of one JDK or another, or left open by the specification.
 */
@Timeout(300)
class ZeroCopyDifferencesTest {
    private static final byte[] CONTENT = Ends.pattern(3_000_000);
    private static final long LARGE = 256L << 20;

    @TempDir
    Path directory;

    private Path source() throws IOException {
        return Files.write(directory.resolve("source"), CONTENT);
    }

    private Path sparse(long length) throws IOException {
        Path path = directory.resolve("large");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
        }
        return path;
    }

    /** NIO: what is read may be what has just been written (mmap on 17, sendfile on 25). */
    @Test
    void rangesOfOneFileThatOverlapAreCopiedAsTheyWere() throws Exception {
        Path path = source();
        byte[] expected = CONTENT.clone();
        try (FileChannel file = ZeroCopyFileChannel.open(path, READ, WRITE)) {
            file.position(2_000_100);
            assertEquals(200, file.transferTo(2_000_000, 200, file));
            System.arraycopy(CONTENT, 2_000_000, expected, 2_000_100, 200);
            file.position(100);
            assertEquals(1000, file.transferFrom(file, 600, 1000));
            System.arraycopy(CONTENT, 100, expected, 600, 1000);
        }
        assertArrayEquals(expected, Files.readAllBytes(path));
    }

    /** NIO on 17: a file without a size has no bytes. */
    @Test
    void aFileWithoutSize() throws Exception {
        for (Path proc : new Path[] {Path.of("/proc/self/status"), Path.of("/proc/cpuinfo")}) {
            Path path = directory.resolve("sink");
            try (FileChannel file = ZeroCopyFileChannel.open(proc);
                    FileChannel sink = FileChannel.open(path, WRITE, CREATE);
                    Ends.Sink socket = new Ends.Sink(Ends.Kind.TCP, null)) {
                long moved = file.transferTo(0, 1 << 20, sink);
                assertTrue(moved > 100);
                assertEquals(moved, Files.size(path));
                assertTrue(file.transferTo(0, 1 << 20, (SocketChannel) socket.end) > 100);
                assertTrue(file.transferTo(0, 2 << 20, (SocketChannel) socket.end) > 100);
                assertTrue(socket.received().length > 300);
            }
            Files.delete(path);
        }
    }

    /** NIO: at most 2 GiB less a page in one call. */
    @Test
    void moreThanTwoGigabytesInOneCall() throws Exception {
        long length = (2L << 30) + 12_345;
        Path path = sparse(length);
        try (FileChannel ends = FileChannel.open(path, WRITE)) {
            ends.write(ByteBuffer.wrap(CONTENT), length - CONTENT.length);
        }
        try (FileChannel file = ZeroCopyFileChannel.open(path); Ends.Pair pair = Ends.unix()) {
            var last = Ends.background(() -> bytesFrom(pair.far(), length - CONTENT.length));
            assertEquals(length, file.transferTo(0, Long.MAX_VALUE, pair.near()));
            pair.near().close();
            assertArrayEquals(CONTENT, Ends.result(last));
        }
    }

    /** What comes after that many bytes. */
    private static byte[] bytesFrom(SocketChannel channel, long position) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
        for (long left = position; left > 0; left -= buffer.position()) {
            buffer.clear().limit((int) Math.min(buffer.capacity(), left));
            if (channel.read(buffer) < 0) {
                throw new EOFException(left + " bytes before it");
            }
        }
        return Ends.readAll(channel);
    }

    /** NIO: the bytes of the 8 KiB that could not be written are lost. */
    @Test
    void whatCannotBeWrittenComesBack() throws Exception {
        byte[] content = Ends.pattern(5000);
        try (FileChannel full = ZeroCopyFileChannel.open(Path.of("/dev/full"), WRITE)) {
            try (Ends.Source source = new Ends.Source(Ends.Kind.UNIX, null, content)) {
                TransferException e = assertThrowsExactly(
                        TransferException.class, () -> full.transferFrom((SocketChannel) source.end, 0, 5000));
                assertArrayEquals(content, e.undelivered());
            }
            TransferException e = assertThrowsExactly(
                    TransferException.class, () -> full.transferFrom(new ThirdParty(content, 5000, 5000), 0, 5000));
            assertArrayEquals(content, e.undelivered());
        }
    }

    /** NIO on 17: the thread stays where it is when the target is closed; on 25 it is released. */
    @Test
    void closingEitherEndReleasesAWaitingThread() throws Exception {
        for (long count : new long[] {1000, LARGE}) {
            for (boolean target : new boolean[] {true, false}) {
                Pipe pipe = Pipe.open();
                try (Ends.Pair tcp = Ends.tcp(); Ends.Pair unix = Ends.unix()) {
                    fill(tcp);
                    fill(unix.near());
                    fill(pipe.sink());
                    for (WritableByteChannel to : new WritableByteChannel[] {tcp.near(), unix.near(), pipe.sink()}) {
                        FileChannel file = ZeroCopyFileChannel.open(sparse(LARGE));
                        assertReleased(file, count, to, thread -> (target ? to : file).close(),
                                AsynchronousCloseException.class);
                        assertEquals(target, file.isOpen());
                        assertEquals(!target, to.isOpen());
                        file.close();
                    }
                }
                pipe.sink().close();
                pipe.source().close();
            }
        }
    }

    /** NIO on 25: interrupting a virtual thread that waits in transferTo hangs the interrupter. */
    @Test
    void anInterruptReleasesAWaitingThread() throws Exception {
        for (long count : new long[] {1000, LARGE}) {
            Pipe pipe = Pipe.open();
            try (Ends.Pair tcp = Ends.tcp(); Ends.Pair unix = Ends.unix()) {
                fill(tcp);
                fill(unix.near());
                fill(pipe.sink());
                for (WritableByteChannel to : new WritableByteChannel[] {tcp.near(), unix.near(), pipe.sink()}) {
                    FileChannel file = ZeroCopyFileChannel.open(sparse(LARGE));
                    assertReleased(file, count, to, Thread::interrupt, ClosedByInterruptException.class);
                    assertFalse(file.isOpen());
                    assertFalse(to.isOpen());
                }
            }
            pipe.source().close();
        }
    }

    /** Until a write would wait, and with no more room later: queues that the kernel sizes may grow. */
    private static void fill(Ends.Pair tcp) throws Exception {
        tcp.near().setOption(StandardSocketOptions.SO_SNDBUF, 1 << 16);
        tcp.far().setOption(StandardSocketOptions.SO_RCVBUF, 1 << 16);
        fill(tcp.near());
    }

    /** Until a write would wait. */
    private static void fill(WritableByteChannel channel) throws Exception {
        var selectable = (java.nio.channels.SelectableChannel) channel;
        selectable.configureBlocking(false);
        ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 16);
        boolean tcp = channel instanceof SocketChannel socket && socket.getLocalAddress() instanceof InetSocketAddress;
        // Over TCP there is room again when the peer acknowledges, after 40 ms, and its window is probed after 200 ms: full
        // is what stays so for longer.
        for (int quiet = 0; quiet < (tcp ? 60 : 1); quiet++) {
            while (channel.write(zeros.clear()) > 0 || channel.write(zeros.clear().limit(1)) > 0) {
                quiet = 0;
            }
            Thread.sleep(tcp ? 10 : 0);
        }
        selectable.configureBlocking(true);
    }

    private interface Stop {
        void stop(Thread thread) throws Exception;
    }

    private void assertReleased(FileChannel file, long count, WritableByteChannel to, Stop stop, Class<?> with)
            throws Exception {
        CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                outcome.complete(new AssertionError("moved " + file.transferTo(0, count, to)));
            } catch (Throwable e) {
                outcome.complete(e);
            }
        });
        thread.start();
        Ends.awaitAtWork(thread);
        Thread.sleep(100);
        assertFalse(outcome.isDone(), () -> "did not wait: " + outcome.join());
        long began = System.nanoTime();
        stop.stop(thread);
        Throwable e = outcome.get(30, java.util.concurrent.TimeUnit.SECONDS);
        assertEquals(with, e.getClass(), e::toString);
        long milliseconds = (System.nanoTime() - began) / 1_000_000;
        // It takes a tenth of a second; on a machine that is busy with other things, what they leave.
        assertTrue(milliseconds < 10_000, () -> "released after " + milliseconds + " ms");
    }

    /** NIO from 21 on: 0 for a socket in blocking mode, once a virtual thread has waited for it. */
    @Test
    @EnabledForJreRange(min = JRE.JAVA_21)
    void aSocketThatAVirtualThreadHasUsed() throws Exception {
        try (Ends.Sink sink = new Ends.Sink(Ends.Kind.TCP, null); FileChannel file = ZeroCopyFileChannel.open(source())) {
            SocketChannel socket = (SocketChannel) sink.end;
            List<byte[]> expected = new ArrayList<>();
            virtually(() -> socket.write(ByteBuffer.wrap(new byte[] {1})));
            expected.add(new byte[] {1});
            for (int i = 0; i < 2; i++) {
                assertEquals(900_000, file.transferTo(i, 900_000, socket));
                expected.add(java.util.Arrays.copyOfRange(CONTENT, i, i + 900_000));
            }
            assertEquals(CONTENT.length, file.transferTo(0, CONTENT.length, socket));
            expected.add(CONTENT);
            virtually(() -> {
                assertEquals(900_000, file.transferTo(5, 900_000, socket));
                return assertEqualsAll(file.transferTo(0, CONTENT.length, socket));
            });
            expected.add(java.util.Arrays.copyOfRange(CONTENT, 5, 900_005));
            expected.add(CONTENT);
            assertArrayEquals(concatenated(expected), sink.received());
        }
    }

    private static long assertEqualsAll(long moved) {
        assertEquals(CONTENT.length, moved);
        return moved;
    }

    private static byte[] concatenated(List<byte[]> parts) {
        ByteBuffer all = ByteBuffer.allocate(parts.stream().mapToInt(part -> part.length).sum());
        parts.forEach(all::put);
        return all.array();
    }

    /** Thread.startVirtualThread, which 17 does not have. */
    private static void virtually(Callable<?> work) throws Exception {
        CompletableFuture<Object> result = new CompletableFuture<>();
        Runnable body = () -> {
            try {
                result.complete(work.call());
            } catch (Throwable e) {
                result.completeExceptionally(e);
            }
        };
        Thread.class.getMethod("startVirtualThread", Runnable.class).invoke(null, body);
        result.get();
    }
}
