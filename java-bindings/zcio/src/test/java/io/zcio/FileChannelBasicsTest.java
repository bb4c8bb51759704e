package io.zcio;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Reading, writing, scatter, gather, position, size, truncate, force and close of a file channel, clause by clause. */
@Timeout(300)
class FileChannelBasicsTest {
    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void write() throws Exception {
        file = Files.writeString(directory.resolve("file"), "0123456789");
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes());
    }

    private static String text(ByteBuffer buffer) {
        return new String(buffer.array(), 0, buffer.position());
    }

    @ParameterizedTest
    @EnumSource
    void readBeginsAtThePositionAndAdvancesIt(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file)) {
            ByteBuffer buffer = ByteBuffer.allocate(4);
            assertEquals(4, channel.read(buffer));
            assertEquals("0123", text(buffer));
            assertEquals(4, channel.position());
            assertEquals(0, channel.read(buffer), "no room left");
            channel.position(8);
            assertEquals(2, channel.read(buffer.clear()));
            assertEquals("89", text(buffer));
            assertEquals(-1, channel.read(buffer.clear()));
            assertEquals(10, channel.position());
            channel.position(100);
            assertEquals(-1, channel.read(buffer.clear()));
            assertEquals(10, channel.size());
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.read(buffer.asReadOnlyBuffer()));
        }
    }

    @ParameterizedTest
    @EnumSource
    void readAtAPositionLeavesThePositionAlone(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(4);
            assertEquals(4, channel.read(buffer, 3));
            assertEquals('3', buffer.get(0));
            assertEquals(0, channel.position());
            assertEquals(-1, channel.read(buffer.clear(), 10));
            assertEquals(-1, channel.read(buffer.clear(), Long.MAX_VALUE / 2));
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.read(buffer, -1));
            assertThrowsExactly(NullPointerException.class, () -> channel.read((ByteBuffer) null, 0));
        }
        try (FileChannel channel = opener.open(file, WRITE)) {
            assertThrowsExactly(NonReadableChannelException.class, () -> channel.read(ByteBuffer.allocate(1), 0));
        }
    }

    @ParameterizedTest
    @EnumSource
    void scatter(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file)) {
            ByteBuffer[] buffers = {ByteBuffer.allocate(3), ByteBuffer.allocate(0), ByteBuffer.allocate(4)};
            assertEquals(7, channel.read(buffers));
            assertEquals("012", text(buffers[0]));
            assertEquals("3456", text(buffers[2]));
            assertEquals(7, channel.position());
            assertEquals(0, channel.read(buffers));
            buffers[2].clear();
            assertEquals(3, channel.read(buffers, 2, 1));
            assertEquals("789", text(buffers[2]));
            buffers[2].clear();
            assertEquals(-1, channel.read(buffers));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> channel.read(buffers, 1, 3));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> channel.read(buffers, -1, 1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void gather(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, WRITE)) {
            ByteBuffer[] buffers = {bytes("ab"), bytes(""), bytes("cde")};
            assertEquals(5, channel.write(buffers));
            assertEquals(5, channel.position());
            assertEquals(0, channel.write(buffers));
            assertEquals(1, channel.write(new ByteBuffer[] {bytes("x"), bytes("y"), bytes("z")}, 1, 1));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> channel.write(buffers, 3, 1));
        }
        assertEquals("abcdey6789", Files.readString(file));
        try (FileChannel channel = opener.open(file)) {
            assertThrowsExactly(
                    NonWritableChannelException.class, () -> channel.write(new ByteBuffer[] {bytes("a")}));
        }
    }

    @ParameterizedTest
    @EnumSource
    void writeGrowsTheFile(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            channel.position(9);
            assertEquals(3, channel.write(bytes("abc")));
            assertEquals(12, channel.position());
            assertEquals(12, channel.size());
            assertEquals(2, channel.write(bytes("xy"), 0));
            assertEquals(12, channel.position());
            assertEquals(1, channel.write(bytes("z"), 20));
            assertEquals(21, channel.size());
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.write(bytes("z"), -1));
            channel.position(30);
            assertEquals(21, channel.size());
            channel.write(bytes("!"));
            assertEquals(31, channel.size());
        }
        assertArrayEquals("xy2345678abc".getBytes(), java.util.Arrays.copyOf(Files.readAllBytes(file), 12));
    }

    @ParameterizedTest
    @EnumSource
    void positionGivesBackTheChannel(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file)) {
            assertSame(channel, channel.position(3));
            assertEquals(3, channel.position());
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.position(-1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void truncate(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            channel.position(8);
            assertSame(channel, channel.truncate(100));
            assertEquals(10, channel.size());
            assertEquals(8, channel.position());
            channel.truncate(4);
            assertEquals(4, channel.size());
            assertEquals(4, channel.position(), "a position behind the new end is moved there");
            channel.position(2).truncate(3);
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.truncate(-1));
            assertEquals(2, channel.position());
        }
        assertEquals("012", Files.readString(file));
        try (FileChannel channel = opener.open(file)) {
            assertThrowsExactly(NonWritableChannelException.class, () -> channel.truncate(0));
        }
    }

    @ParameterizedTest
    @EnumSource
    void force(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, WRITE)) {
            channel.write(bytes("a"));
            channel.force(false);
            channel.force(true);
        }
        try (FileChannel channel = opener.open(file)) {
            channel.force(true);
        }
    }

    @ParameterizedTest
    @EnumSource
    void everythingButCloseFailsOnAClosedChannel(Opener opener) throws Exception {
        FileChannel channel = opener.open(file, READ, WRITE);
        channel.close();
        channel.close();
        assertFalse(channel.isOpen());
        ByteBuffer buffer = ByteBuffer.allocate(1);
        ByteBuffer[] buffers = {buffer};
        try (FileChannel other = FileChannel.open(file)) {
            for (Executable call : List.<Executable>of(
                    () -> channel.read(buffer),
                    () -> channel.read(buffer, 0),
                    () -> channel.read(buffers),
                    () -> channel.write(buffer),
                    () -> channel.write(buffer, 0),
                    () -> channel.write(buffers),
                    channel::position,
                    () -> channel.position(0),
                    channel::size,
                    () -> channel.truncate(0),
                    () -> channel.force(true),
                    () -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 1),
                    channel::lock,
                    channel::tryLock,
                    () -> channel.transferTo(0, 1, other),
                    () -> channel.transferFrom(other, 0, 1))) {
                assertThrowsExactly(ClosedChannelException.class, call);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptedThreadClosesTheChannel(Opener opener) throws Exception {
        interface Call {
            void on(FileChannel channel) throws Exception;
        }
        for (Call call : List.<Call>of(
                channel -> channel.read(ByteBuffer.allocate(1)),
                channel -> channel.read(ByteBuffer.allocate(1), 0),
                channel -> channel.read(new ByteBuffer[] {ByteBuffer.allocate(1)}),
                channel -> channel.write(bytes("a")),
                channel -> channel.write(bytes("a"), 0),
                channel -> channel.write(new ByteBuffer[] {bytes("a")}),
                FileChannel::size,
                channel -> channel.truncate(1),
                channel -> channel.force(true),
                channel -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 1))) {
            FileChannel channel = opener.open(file, READ, WRITE);
            Thread.currentThread().interrupt();
            assertThrowsExactly(ClosedByInterruptException.class, () -> call.on(channel));
            assertTrue(Thread.interrupted(), "the interrupt status stays set");
            assertFalse(channel.isOpen());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aCloseReleasesAThreadThatWaitsInARead(Opener opener) throws Exception {
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        try (FileChannel holder = FileChannel.open(fifo, READ, WRITE)) {
            FileChannel channel = opener.open(fifo, READ);
            CompletableFuture<Thread> reader = new CompletableFuture<>();
            var read = Ends.background(() -> {
                reader.complete(Thread.currentThread());
                return channel.read(ByteBuffer.allocate(1));
            });
            Ends.awaitAtWork(reader.get());
            Thread.sleep(200);
            channel.close();
            var failure = assertThrowsExactly(AssertionError.class, () -> Ends.result(read)).getCause().getCause();
            assertEquals(AsynchronousCloseException.class, failure.getClass());
            assertTrue(holder.isOpen());
        }
    }

    @ParameterizedTest
    @EnumSource
    void buffersAreCheckedAsInNio(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            ByteBuffer readOnly = ByteBuffer.allocate(4).asReadOnlyBuffer();
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.read(new ByteBuffer[] {readOnly}));
            assertEquals(4, channel.write(readOnly));
            assertThrowsExactly(ReadOnlyBufferException.class, readOnly::array);
        }
    }
}
