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

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code transferFrom}, clause by clause, to NIO's file channel and to ours. */
@Timeout(300)
class FileChannelTransferFromTest {
    private static final byte[] CONTENT = Ends.pattern(3_000_000);

    @TempDir
    Path directory;

    private Path sinkOf(int zeros) throws IOException {
        return Files.write(directory.resolve("sink"), new byte[zeros]);
    }

    private static byte[] expected(int length, int at, int from, int count) {
        byte[] bytes = new byte[length];
        System.arraycopy(CONTENT, from, bytes, at, count);
        return bytes;
    }

    @ParameterizedTest
    @EnumSource
    void bytesArriveFromEveryKindOfChannel(Opener opener) throws Exception {
        for (Ends.Kind kind : new Ends.Kind[] {Ends.Kind.FILE, Ends.Kind.TCP, Ends.Kind.UNIX, Ends.Kind.PIPE}) {
            Path path = sinkOf(10);
            try (FileChannel file = opener.open(path, READ, WRITE);
                    Ends.Source source = new Ends.Source(kind, directory.resolve("source"), CONTENT)) {
                ReadableByteChannel from = (ReadableByteChannel) source.end;
                file.position(3);
                // A blocking stream is waited for until the count is there.
                assertEquals(1_000_000, file.transferFrom(from, 5, 1_000_000));
                assertEquals(3, file.position(), "the position stays");
                if (from instanceof FileChannel channel) {
                    assertEquals(1_000_000, channel.position(), "the source's advances");
                }
                long rest = 0;
                for (long step = 1; step > 0; rest += step) {
                    step = file.transferFrom(from, 1_000_005 + rest, 10_000_000);
                }
                assertEquals(2_000_000, rest);
                assertEquals(0, file.transferFrom(from, 0, 10), "the source has ended");
                assertEquals(3_000_005, file.size());
            }
            assertArrayEquals(expected(3_000_005, 5, 0, 3_000_000), Files.readAllBytes(path), kind.name());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aSourceFileIsReadFromItsPosition(Opener opener) throws Exception {
        Path source = Files.write(directory.resolve("source"), CONTENT);
        for (Opener another : Opener.values()) {
            Path path = sinkOf(100);
            try (FileChannel file = opener.open(path, WRITE); FileChannel from = another.open(source)) {
                from.position(2_999_990);
                assertEquals(10, file.transferFrom(from, 50, 20));
                assertEquals(3_000_000, from.position());
                from.position(4_000_000);
                assertEquals(0, file.transferFrom(from, 50, 20));
                assertEquals(4_000_000, from.position());
            }
            assertArrayEquals(expected(100, 50, 2_999_990, 10), Files.readAllBytes(path));
        }
    }

    @ParameterizedTest
    @EnumSource
    void behindTheEndOfTheFile(Opener opener) throws Exception {
        // The specification changed with the JDK: 17 moves nothing, newer ones let the file grow. Ours does what NIO does.
        long grown = 0;
        for (Opener either : new Opener[] {Opener.NIO, opener}) {
            Path path = sinkOf(10);
            try (FileChannel file = either.open(path, WRITE);
                    Ends.Source source = new Ends.Source(Ends.Kind.FILE, directory.resolve("source"), CONTENT)) {
                long moved = file.transferFrom((FileChannel) source.end, 5000, 20_000);
                if (either == Opener.NIO) {
                    grown = file.size();
                }
                assertEquals(grown, file.size());
                assertEquals(moved == 0 ? 10 : 25_000, grown);
                byte[] expected = moved == 0 ? new byte[10] : expected(25_000, 5000, 0, 20_000);
                assertArrayEquals(expected, Files.readAllBytes(path));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFileThatAppends(Opener opener) throws Exception {
        for (Ends.Kind kind : new Ends.Kind[] {Ends.Kind.FILE, Ends.Kind.TCP}) {
            Path path = sinkOf(10);
            try (FileChannel file = opener.open(path, APPEND);
                    Ends.Source source = new Ends.Source(kind, directory.resolve("source"), part(50_000))) {
                long moved = 0;
                for (long step = 1; step > 0; moved += step) {
                    step = file.transferFrom((ReadableByteChannel) source.end, 0, 50_000);
                }
                assertEquals(50_000, moved);
            }
            assertArrayEquals(expected(50_010, 10, 0, 50_000), Files.readAllBytes(path));
        }
    }

    private static byte[] part(int length) {
        return Arrays.copyOf(CONTENT, length);
    }

    @ParameterizedTest
    @EnumSource
    void withinOneFile(Opener opener) throws Exception {
        Path path = Files.write(directory.resolve("sink"), CONTENT);
        try (FileChannel file = opener.open(path, READ, WRITE)) {
            file.position(100);
            assertEquals(1000, file.transferFrom(file, 500_000, 1000));
            assertEquals(1100, file.position());
        }
        byte[] expected = CONTENT.clone();
        System.arraycopy(CONTENT, 100, expected, 500_000, 1000);
        assertArrayEquals(expected, Files.readAllBytes(path));
    }

    private static void awaitReadable(SelectableChannel channel) throws IOException {
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_READ);
            assertEquals(1, selector.select(60_000));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aNonBlockingSourceGivesWhatIsThere(Opener opener) throws Exception {
        Pipe pipe = Pipe.open();
        try (Ends.Pair tcp = Ends.tcp();
                Ends.Pair unix = Ends.unix();
                FileChannel file = opener.open(sinkOf(0), WRITE)) {
            for (var ends : java.util.List.of(
                    java.util.Map.entry(pipe.source(), pipe.sink()),
                    java.util.Map.entry(tcp.near(), tcp.far()),
                    java.util.Map.entry(unix.near(), unix.far()))) {
                ReadableByteChannel source = (ReadableByteChannel) ends.getKey();
                ((SelectableChannel) source).configureBlocking(false);
                assertEquals(0, file.transferFrom(source, 0, 100), "nothing there");
                Ends.writeAll(ends.getValue(), part(1000));
                awaitReadable((SelectableChannel) source);
                assertEquals(600, file.transferFrom(source, 0, 600));
                assertEquals(400, file.transferFrom(source, 600, 600));
                assertEquals(0, file.transferFrom(source, 1000, 600));
                ends.getValue().close();
                awaitReadable((SelectableChannel) source);
                assertEquals(0, file.transferFrom(source, 1000, 600), "ended");
                assertArrayEquals(part(1000), Files.readAllBytes(directory.resolve("sink")));
                file.truncate(0);
            }
        }
        pipe.source().close();
    }

    @ParameterizedTest
    @EnumSource
    void anotherKindOfChannel(Opener opener) throws Exception {
        Path path = sinkOf(0);
        try (FileChannel file = opener.open(path, WRITE)) {
            ThirdParty source = new ThirdParty(CONTENT, 100_000, Integer.MAX_VALUE);
            assertEquals(2_000_000, file.transferFrom(source, 0, 2_000_000));
            assertEquals(1_000_000, file.transferFrom(source, 2_000_000, 2_000_000));
            assertEquals(0, file.transferFrom(source, 0, 1));
            assertArrayEquals(CONTENT, Files.readAllBytes(path));
            ThirdParty failing = new ThirdParty(CONTENT, 1000, 8192);
            assertEquals(8192, file.transferFrom(failing, 0, 10_000));
            assertThrowsExactly(IOException.class, () -> file.transferFrom(failing, 0, 1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void preconditions(Opener opener) throws Exception {
        Path path = sinkOf(10);
        Path another = Files.write(directory.resolve("source"), new byte[10]);
        try (FileChannel file = opener.open(path, WRITE); FileChannel source = opener.open(another)) {
            assertThrowsExactly(IllegalArgumentException.class, () -> file.transferFrom(source, -1, 1));
            assertThrowsExactly(IllegalArgumentException.class, () -> file.transferFrom(source, 0, -1));
            assertThrowsExactly(NonWritableChannelException.class, () -> source.transferFrom(source, 0, 1));
            assertThrows(NullPointerException.class, () -> file.transferFrom(null, 0, 1));
            assertEquals(0, file.transferFrom(source, 0, 0));
            for (Opener writer : Opener.values()) {
                try (FileChannel writeOnly = writer.open(directory.resolve("other"), WRITE, CREATE)) {
                    writeOnly.truncate(0).write(java.nio.ByteBuffer.allocate(10));
                    assertThrowsExactly(
                            NonReadableChannelException.class, () -> file.transferFrom(writeOnly, 0, 1));
                }
            }
            source.close();
            assertThrowsExactly(ClosedChannelException.class, () -> file.transferFrom(source, 0, 1));
            assertTrue(file.isOpen());
        }
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptedThread(Opener opener) throws Exception {
        try (Ends.Source source = new Ends.Source(Ends.Kind.FILE, directory.resolve("source"), CONTENT);
                FileChannel file = opener.open(sinkOf(0), WRITE)) {
            Thread.currentThread().interrupt();
            assertThrowsExactly(
                    ClosedByInterruptException.class, () -> file.transferFrom((FileChannel) source.end, 0, 100_000));
            assertTrue(Thread.interrupted());
            assertFalse(file.isOpen() && ((FileChannel) source.end).isOpen());
        }
    }
}
