package io.zcio;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.FileLock;
import java.nio.channels.FileLockInterruptionException;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code map}, {@code lock} and {@code tryLock} of a file channel, clause by clause. */
@Timeout(300)
class FileChannelMapLockTest {
    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void write() throws Exception {
        file = Files.write(directory.resolve("file"), Ends.pattern(20_000));
    }

    @ParameterizedTest
    @EnumSource
    void readOnlyMappings(Opener opener) throws Exception {
        byte[] content = Ends.pattern(20_000);
        MappedByteBuffer map;
        try (FileChannel channel = opener.open(file)) {
            map = channel.map(MapMode.READ_ONLY, 5000, 10_000);
            assertThrowsExactly(NonWritableChannelException.class, () -> channel.map(MapMode.READ_WRITE, 0, 1));
            assertThrowsExactly(NonWritableChannelException.class, () -> channel.map(MapMode.PRIVATE, 0, 1));
            assertThrowsExactly(IOException.class, () -> channel.map(MapMode.READ_ONLY, 0, 20_001));
            assertThrowsExactly(NullPointerException.class, () -> channel.map(null, 0, 1));
            assertEquals(0, channel.map(MapMode.READ_ONLY, 0, 0).capacity());
        }
        // A mapping lives on after its channel.
        assertEquals(10_000, map.capacity());
        MappedByteBuffer loaded = map.load();
        assertSame(map, loaded);
        assertTrue(Ends.inAttempts(() -> loaded.load().isLoaded()));
        for (int i = 0; i < 10_000; i++) {
            assertEquals(content[5000 + i], map.get(i));
        }
        assertThrowsExactly(ReadOnlyBufferException.class, () -> map.put(0, (byte) 0));
    }

    @ParameterizedTest
    @EnumSource
    void sharedAndPrivateMappings(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            MappedByteBuffer own = channel.map(MapMode.PRIVATE, 0, 100);
            own.put(0, (byte) 99);
            MappedByteBuffer shared = channel.map(MapMode.READ_WRITE, 0, 30_000);
            assertEquals(30_000, channel.size(), "grown to the mapping");
            shared.put(1, (byte) 77);
            shared.put(29_999, (byte) 55);
            shared.force();
            shared.force(29_999, 1);
            assertEquals(99, own.get(0));
        }
        byte[] content = Files.readAllBytes(file);
        assertEquals(0, content[0]);
        assertEquals(77, content[1]);
        assertEquals(55, content[29_999]);
    }

    @ParameterizedTest
    @EnumSource
    void whatCannotBeMapped(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.map(MapMode.READ_ONLY, -1, 1));
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.map(MapMode.READ_ONLY, 0, -1));
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.map(MapMode.READ_ONLY, 0, 1L << 31));
            assertThrowsExactly(
                    IllegalArgumentException.class, () -> channel.map(MapMode.READ_ONLY, Long.MAX_VALUE, 1));
        }
        try (FileChannel channel = opener.open(file, WRITE)) {
            assertThrowsExactly(NonReadableChannelException.class, () -> channel.map(MapMode.READ_ONLY, 0, 1));
            assertThrowsExactly(NonReadableChannelException.class, () -> channel.map(MapMode.READ_WRITE, 0, 1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aLockKnowsItsChannelAndItsRegion(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            FileLock lock = channel.lock(10, 20, true);
            assertSame(channel, lock.channel());
            assertSame(channel, lock.acquiredBy());
            assertEquals(10, lock.position());
            assertEquals(20, lock.size());
            assertTrue(lock.isShared());
            assertTrue(lock.isValid());
            assertTrue(lock.overlaps(29, 1));
            assertFalse(lock.overlaps(30, 1));
            lock.release();
            assertFalse(lock.isValid());
            lock.release();
            try (FileLock whole = channel.lock()) {
                assertEquals(0, whole.position());
                assertEquals(Long.MAX_VALUE, whole.size());
                assertFalse(whole.isShared());
            }
            FileLock last = channel.tryLock();
            channel.close();
            assertFalse(last.isValid());
            assertThrowsExactly(ClosedChannelException.class, last::release);
        }
    }

    @ParameterizedTest
    @EnumSource
    void overlappingLocks(Opener opener) throws Exception {
        for (Opener another : Opener.values()) {
            try (FileChannel channel = opener.open(file, READ, WRITE);
                    FileChannel second = another.open(file, READ, WRITE)) {
                FileLock lock = channel.lock(0, 10, false);
                assertThrowsExactly(OverlappingFileLockException.class, () -> channel.tryLock(9, 1, false));
                assertThrowsExactly(OverlappingFileLockException.class, () -> second.lock(9, 1, true));
                assertThrowsExactly(OverlappingFileLockException.class, () -> second.tryLock());
                second.lock(10, 1, false).release();
                lock.release();
                second.lock(0, 10, false).release();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatCannotBeLocked(Opener opener) throws Exception {
        try (FileChannel channel = opener.open(file)) {
            assertThrowsExactly(NonWritableChannelException.class, channel::lock);
            assertThrowsExactly(NonWritableChannelException.class, channel::tryLock);
            channel.lock(0, 1, true).release();
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.lock(-1, 1, true));
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.lock(0, -1, true));
            assertThrowsExactly(IllegalArgumentException.class, () -> channel.tryLock(Long.MAX_VALUE, 1, true));
        }
        try (FileChannel channel = opener.open(file, WRITE)) {
            assertThrowsExactly(NonReadableChannelException.class, () -> channel.lock(0, 1, true));
            assertThrowsExactly(NonReadableChannelException.class, () -> channel.tryLock(0, 1, true));
        }
    }

    /** Holds a lock on a file until its input ends. */
    static final class Holder {
        public static void main(String[] arguments) throws IOException {
            try (FileChannel channel = FileChannel.open(Path.of(arguments[0]), WRITE)) {
                channel.lock();
                System.out.println("locked");
                System.in.read();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aLockOfAnotherProcess(Opener opener) throws Exception {
        Process holder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp", Child.locationOf(Holder.class).toString(), Holder.class.getName(), file.toString())
                .start();
        try (FileChannel channel = opener.open(file, READ, WRITE)) {
            assertEquals('l', holder.getInputStream().read());
            assertNull(channel.tryLock());
            Throwable[] ended = new Throwable[1];
            Thread waiter = new Thread(() -> {
                try {
                    channel.lock();
                } catch (Throwable e) {
                    ended[0] = e;
                }
            });
            waiter.start();
            waiter.join(300);
            assertTrue(waiter.isAlive(), () -> "did not wait: " + ended[0]);
            waiter.interrupt();
            waiter.join();
            assertEquals(FileLockInterruptionException.class, ended[0].getClass());
            assertFalse(channel.isOpen(), "NIO closes it");
        } finally {
            holder.destroy();
        }
    }
}
