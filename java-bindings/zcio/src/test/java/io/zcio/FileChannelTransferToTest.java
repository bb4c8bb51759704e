package io.zcio;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.channels.Channel;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code transferTo}, clause by clause, from NIO's file channel and from ours. */
@Timeout(300)
class FileChannelTransferToTest {
    private static final byte[] CONTENT = Ends.pattern(3_000_000);

    @TempDir
    Path directory;

    private Path source;

    @BeforeEach
    void write() throws IOException {
        source = Files.write(directory.resolve("source"), CONTENT);
    }

    private static byte[] part(int from, int length) {
        return Arrays.copyOfRange(CONTENT, from, from + length);
    }

    /** Calls it until everything has gone, as the specification asks of a caller. */
    private static void transferAll(FileChannel file, long position, long count, WritableByteChannel target)
            throws IOException {
        for (long moved = 0; moved < count; ) {
            long step = file.transferTo(position + moved, count - moved, target);
            assertTrue(step > 0, "nothing more after " + moved);
            moved += step;
        }
        assertEquals(0, file.transferTo(position, 0, target));
    }

    @ParameterizedTest
    @EnumSource
    void bytesArriveInEveryKindOfChannel(Opener opener) throws Exception {
        for (Ends.Kind kind : new Ends.Kind[] {Ends.Kind.FILE, Ends.Kind.TCP, Ends.Kind.UNIX, Ends.Kind.PIPE}) {
            for (int[] range : new int[][] {{0, 3_000_000}, {1, 4096}, {2_999_999, 1}, {777, 1_234_567}}) {
                Path path = directory.resolve("sink");
                Files.deleteIfExists(path);
                try (FileChannel file = opener.open(source); Ends.Sink sink = new Ends.Sink(kind, path)) {
                    transferAll(file, range[0], range[1], (WritableByteChannel) sink.end);
                    assertEquals(0, file.position(), "the position stays");
                    assertArrayEquals(part(range[0], range[1]), sink.received(), kind + " " + range[0]);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFileThatEndsBeforeTheCount(Opener opener) throws Exception {
        try (FileChannel file = opener.open(source); Ends.Sink sink = new Ends.Sink(Ends.Kind.TCP, null)) {
            assertEquals(1000, file.transferTo(2_999_000, 10_000, (SocketChannel) sink.end));
            assertEquals(0, file.transferTo(3_000_000, 10, (SocketChannel) sink.end));
            assertEquals(0, file.transferTo(3_000_001, 10, (SocketChannel) sink.end));
            assertEquals(0, file.transferTo(Long.MAX_VALUE, Long.MAX_VALUE, (SocketChannel) sink.end));
            assertArrayEquals(part(2_999_000, 1000), sink.received());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aTargetFileIsWrittenAtItsPositionWhichAdvances(Opener opener) throws Exception {
        for (Opener another : Opener.values()) {
            Path path = Files.write(directory.resolve("sink"), new byte[10]);
            try (FileChannel file = opener.open(source); FileChannel sink = another.open(path, READ, WRITE)) {
                sink.position(4);
                transferAll(file, 100, 50_000, sink);
                assertEquals(50_004, sink.position());
                assertEquals(50_004, sink.size());
                assertEquals(0, file.position());
            }
            byte[] expected = new byte[50_004];
            System.arraycopy(CONTENT, 100, expected, 4, 50_000);
            assertArrayEquals(expected, Files.readAllBytes(path));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aTargetThatAppends(Opener opener) throws Exception {
        Path path = Files.write(directory.resolve("sink"), new byte[] {1, 2});
        try (FileChannel file = opener.open(source); FileChannel sink = opener.open(path, APPEND)) {
            transferAll(file, 5, 70_000, sink);
            assertEquals(70_002, sink.position());
        }
        byte[] expected = new byte[70_002];
        expected[0] = 1;
        expected[1] = 2;
        System.arraycopy(CONTENT, 5, expected, 2, 70_000);
        assertArrayEquals(expected, Files.readAllBytes(path));
    }

    @ParameterizedTest
    @EnumSource
    void withinOneFile(Opener opener) throws Exception {
        try (FileChannel file = opener.open(source, READ, WRITE)) {
            file.position(1_000_000);
            transferAll(file, 0, 500_000, file);
            assertEquals(1_500_000, file.position());
        }
        byte[] expected = CONTENT.clone();
        System.arraycopy(CONTENT, 0, expected, 1_000_000, 500_000);
        assertArrayEquals(expected, Files.readAllBytes(source));
    }

    @ParameterizedTest
    @EnumSource
    void aNonBlockingTargetTakesWhatFits(Opener opener) throws Exception {
        Pipe pipe = Pipe.open();
        try (FileChannel file = opener.open(source); Ends.Pair tcp = Ends.tcp(); Ends.Pair unix = Ends.unix()) {
            tcp.near().configureBlocking(false);
            unix.near().configureBlocking(false);
            pipe.sink().configureBlocking(false);
            for (WritableByteChannel target : new WritableByteChannel[] {unix.near(), pipe.sink()}) {
                long first = file.transferTo(0, CONTENT.length, target);
                assertTrue(first > 0 && first < CONTENT.length, first + " bytes");
                long fits = first;
                for (long more = 1; more > 0; fits += more) {
                    more = file.transferTo(fits, CONTENT.length - fits, target);
                }
                assertEquals(0, file.transferTo(fits, 10, target), "full");
                target.close();
                Channel far = target == unix.near() ? unix.far() : pipe.source();
                byte[] arrived = Ends.readAll((java.nio.channels.ReadableByteChannel) far);
                assertArrayEquals(part(0, (int) fits), arrived);
            }
        }
        pipe.source().close();
    }

    @ParameterizedTest
    @EnumSource
    void anotherKindOfChannel(Opener opener) throws Exception {
        try (FileChannel file = opener.open(source)) {
            ThirdParty all = new ThirdParty(new byte[0], Integer.MAX_VALUE, Integer.MAX_VALUE);
            transferAll(file, 1, 2_000_000, all);
            assertArrayEquals(part(1, 2_000_000), all.written.toByteArray());
            // One that takes less than offered ends the call.
            ThirdParty little = new ThirdParty(new byte[0], 100, Integer.MAX_VALUE);
            assertEquals(100, file.transferTo(0, 1000, little));
            // A failure shows when nothing has been moved before it.
            ThirdParty failing = new ThirdParty(new byte[0], 8192, 8192);
            assertEquals(8192, file.transferTo(0, 8192, failing));
            IOException e = assertThrowsExactly(IOException.class, () -> file.transferTo(0, 8192, failing));
            assertEquals("on purpose", e.getMessage());
            assertEquals(0, file.position());
        }
    }

    @ParameterizedTest
    @EnumSource
    void preconditions(Opener opener) throws Exception {
        Path path = directory.resolve("sink");
        try (FileChannel file = opener.open(source); FileChannel sink = opener.open(path, WRITE, CREATE)) {
            assertThrowsExactly(IllegalArgumentException.class, () -> file.transferTo(-1, 1, sink));
            assertThrowsExactly(IllegalArgumentException.class, () -> file.transferTo(0, -1, sink));
            assertThrowsExactly(NonReadableChannelException.class, () -> sink.transferTo(0, 1, sink));
            assertThrows(NullPointerException.class, () -> file.transferTo(0, 1, null));
            for (Opener another : Opener.values()) {
                try (FileChannel readOnly = another.open(path)) {
                    if (opener == Opener.NIO && another == Opener.ZCIO) {
                        // To NIO ours is a third party's channel: the same exception, from its write.
                        assertThrowsExactly(
                                NonWritableChannelException.class, () -> file.transferTo(0, 1, readOnly));
                        continue;
                    }
                    assertThrowsExactly(NonWritableChannelException.class, () -> file.transferTo(0, 1, readOnly));
                    assertThrowsExactly(NonWritableChannelException.class, () -> file.transferTo(0, 0, readOnly));
                    assertThrowsExactly(
                            NonWritableChannelException.class, () -> file.transferTo(5_000_000, 1, readOnly));
                }
            }
            sink.close();
            assertThrowsExactly(ClosedChannelException.class, () -> file.transferTo(0, 1, sink));
            assertTrue(file.isOpen());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aVanishedPeer(Opener opener) throws Exception {
        Pipe pipe = Pipe.open();
        pipe.source().close();
        try (FileChannel file = opener.open(source)) {
            assertThrows(IOException.class, () -> file.transferTo(0, 1000, pipe.sink()));
            try (Ends.Pair pair = Ends.unix()) {
                pair.far().close();
                IOException e = assertThrows(IOException.class, () -> file.transferTo(0, 1000, pair.near()));
                assertTrue(e.getMessage().contains("Broken pipe"), e.toString());
                assertTrue(file.isOpen() && pair.near().isOpen());
            }
        }
        pipe.sink().close();
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptedThread(Opener opener) throws Exception {
        try (Ends.Pair pair = Ends.tcp(); FileChannel file = opener.open(source)) {
            Thread.currentThread().interrupt();
            assertThrowsExactly(ClosedByInterruptException.class, () -> file.transferTo(0, 1000, pair.near()));
            assertTrue(Thread.interrupted());
            assertFalse(file.isOpen());
        }
    }

    /** A file that grows by what is written to it has an end all the same: where it was. */
    @ParameterizedTest
    @EnumSource
    @Timeout(60)
    void aFileIntoItself(Opener opener) throws Exception {
        try (FileChannel file = opener.open(source, READ, WRITE);
                FileChannel other = FileChannel.open(source, READ, WRITE);
                FileChannel end = FileChannel.open(source, APPEND);
                WritableByteChannel foreign = Channels.newChannel(new FileOutputStream(source.toFile(), true) {})) {
            assertEquals(CONTENT.length, file.transferTo(0, Long.MAX_VALUE, file.position(1)));
            assertEquals(CONTENT.length + 1, file.size());
            assertEquals(CONTENT.length, file.transferTo(1, Long.MAX_VALUE, other.position(2)));
            assertEquals(CONTENT.length + 2, file.size());
            assertEquals(CONTENT.length, file.transferTo(2, 1L << 40, end));
            assertEquals(CONTENT.length, file.transferTo(CONTENT.length + 2, 1L << 40, foreign));
            file.truncate(CONTENT.length);
            assertEquals(CONTENT.length, file.transferFrom(file.position(0), 1, 1L << 40));
            assertEquals(CONTENT.length, file.transferFrom(other.position(1), 2, 1L << 40));
            assertEquals(CONTENT.length + 2, file.size());
        }
    }
}
