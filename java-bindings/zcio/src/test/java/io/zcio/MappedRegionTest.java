package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.FileLock;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a region does while it is open, against NIO's own mapping of the same bytes. */
class MappedRegionTest {
    private static final int SIZE = 100_003;
    private static final byte[] CONTENT = Ends.pattern(SIZE);

    @TempDir
    Path directory;
    private Path file;

    @BeforeEach
    void prepare() throws Exception {
        file = Files.write(directory.resolve("file"), CONTENT);
    }

    private static void assertSame(MappedRegion region, MappedByteBuffer buffer, int at) {
        assertEquals(buffer.get(at), region.get(at));
        assertEquals(buffer.getChar(at), region.getChar(at));
        assertEquals(buffer.getShort(at), region.getShort(at));
        assertEquals(buffer.getInt(at), region.getInt(at));
        assertEquals(buffer.getLong(at), region.getLong(at));
        assertEquals(Float.floatToRawIntBits(buffer.getFloat(at)), Float.floatToRawIntBits(region.getFloat(at)));
        assertEquals(Double.doubleToRawLongBits(buffer.getDouble(at)), Double.doubleToRawLongBits(region.getDouble(at)));
    }

    @Test
    void valuesOfAllTypesAtAllOffsetsAreThoseOfMappedByteBuffer() throws Exception {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
                MappedRegion region = MappedRegion.open(file, MapMode.READ_WRITE)) {
            MappedByteBuffer buffer = channel.map(MapMode.READ_WRITE, 0, SIZE);
            assertEquals(SIZE, region.size());
            assertEquals(ByteOrder.BIG_ENDIAN, region.order());
            for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
                buffer.order(order);
                assertEquals(order, region.order(order).order());
                for (int at = 0; at <= SIZE - 8; at += 7) {
                    assertSame(region, buffer, at);
                }
                int at = 4091;
                region.put(at += 8, (byte) -7);
                assertEquals(-7, buffer.get(at));
                region.putChar(at += 8, '\uabcd');
                assertEquals('\uabcd', buffer.getChar(at));
                region.putShort(at += 8, (short) -12345);
                assertEquals(-12345, buffer.getShort(at));
                region.putInt(at += 8, 0x80fefdfc);
                assertEquals(0x80fefdfc, buffer.getInt(at));
                region.putLong(at += 8, 0x8070605040302010L);
                assertEquals(0x8070605040302010L, buffer.getLong(at));
                region.putFloat(at += 8, -1.5e-30f);
                assertEquals(-1.5e-30f, buffer.getFloat(at));
                region.putDouble(at += 8, Math.PI);
                assertEquals(Math.PI, buffer.getDouble(at));
                assertSame(region, buffer, at + 1);
            }
        }
    }

    @Test
    void bounds() throws Exception {
        try (MappedRegion region = MappedRegion.open(file, MapMode.PRIVATE)) {
            region.get(SIZE - 1);
            region.getShort(SIZE - 2);
            region.getInt(SIZE - 4);
            region.putLong(SIZE - 8, 1);
            for (long at : new long[] {-1, SIZE, Integer.MAX_VALUE, 1L << 30, 1L << 31, 1L << 32, (1L << 32) + 5, 1L << 62,
                Long.MAX_VALUE, Long.MIN_VALUE, -(1L << 32), -8}) {
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.get(at));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.put(at, (byte) 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.getLong(at));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.putDouble(at, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.get(at, new byte[1], 0, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.put(at, ByteBuffer.allocate(1)));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.asByteBuffer(at, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.force(at, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.force(1, at));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.copyTo(at, region, 0, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.copyTo(0, region, at, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.read(at, new byte[1], 0, 1));
            }
            String message = assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.getInt(SIZE - 3)).getMessage();
            assertEquals("4 bytes at offset 100000 of a region of 100003 bytes", message);
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.putLong(SIZE - 7, 1));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.getChar(SIZE - 1));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.get(0, new byte[5], 3, 3));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.read(0, new byte[5], -1, 3));
        }
        try (MappedRegion empty = MappedRegion.anonymous(0)) {
            assertEquals(0, empty.size());
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> empty.get(0));
            assertEquals(0, empty.asByteBuffer(0, 0).capacity());
            empty.force(0, 0);
            empty.get(0, new byte[0], 0, 0);
        }
    }

    @Test
    void bulkCopies() throws Exception {
        try (MappedRegion region = MappedRegion.open(file, MapMode.PRIVATE);
                MappedRegion memory = MappedRegion.anonymous(SIZE)) {
            byte[] bytes = new byte[5000];
            region.get(4097, bytes, 10, 4000);
            assertArrayEquals(Arrays.copyOfRange(CONTENT, 4097, 8097), Arrays.copyOfRange(bytes, 10, 4010));
            assertEquals(0, bytes[9] | bytes[4010]);
            for (ByteBuffer into : List.of(ByteBuffer.allocate(700), ByteBuffer.allocateDirect(700))) {
                into.position(13).limit(600);
                region.get(99, into);
                assertEquals(600, into.position());
                into.position(13);
                assertEquals(ByteBuffer.wrap(CONTENT, 99, 587), into);
                memory.put(5, into);
                assertEquals(600, into.position());
                memory.get(5, bytes, 0, 587);
                assertArrayEquals(Arrays.copyOfRange(CONTENT, 99, 686), Arrays.copyOf(bytes, 587));
                ByteBuffer readOnly = into.asReadOnlyBuffer().clear();
                assertThrowsExactly(ReadOnlyBufferException.class, () -> region.get(0, readOnly));
                memory.put(0, readOnly.position(1));
            }
            region.copyTo(3, memory, 1, SIZE - 3);
            byte[] all = new byte[SIZE];
            memory.read(0, all, 0, SIZE);
            assertArrayEquals(Arrays.copyOfRange(CONTENT, 3, SIZE), Arrays.copyOfRange(all, 1, SIZE - 2));
            // Over itself, both ways.
            region.copyTo(0, region, 1000, SIZE - 1000);
            region.get(0, all, 0, SIZE);
            assertArrayEquals(Arrays.copyOf(CONTENT, SIZE - 1000), Arrays.copyOfRange(all, 1000, SIZE));
            region.copyTo(1000, region, 0, SIZE - 1000);
            region.get(0, all, 0, SIZE);
            assertArrayEquals(Arrays.copyOf(CONTENT, SIZE - 1000), Arrays.copyOf(all, SIZE - 1000));
            memory.write(7, CONTENT, 3, SIZE - 7);
            memory.get(0, all, 0, SIZE);
            assertArrayEquals(Arrays.copyOfRange(CONTENT, 3, SIZE - 4), Arrays.copyOfRange(all, 7, SIZE));
        }
        assertArrayEquals(CONTENT, Files.readAllBytes(file));
    }

    @Test
    void whatIsWrittenGoesWhereTheModeSays() throws Exception {
        try (MappedRegion region = MappedRegion.map(file, MapMode.PRIVATE, 5, 50_000)) {
            region.put(0, (byte) 99);
            assertEquals(99, region.get(0));
            assertFalse(region.isReadOnly());
            assertFalse(region.asByteBuffer(0, 10).isReadOnly());
        }
        assertArrayEquals(CONTENT, Files.readAllBytes(file));
        try (MappedRegion region = MappedRegion.map(file, MapMode.READ_WRITE, 5, 50_000)) {
            region.put(0, (byte) 99);
            MappedByteBuffer view = region.asByteBuffer(10, 1);
            view.put(0, (byte) 98);
            view.force();
            region.force(0, region.size());
            region.forceAsync(0, region.size());
        }
        byte[] changed = CONTENT.clone();
        changed[5] = 99;
        changed[15] = 98;
        assertArrayEquals(changed, Files.readAllBytes(file));
        try (MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY)) {
            assertTrue(region.isReadOnly());
            assertThrowsExactly(ReadOnlyBufferException.class, () -> region.put(0, (byte) 1));
            assertThrowsExactly(ReadOnlyBufferException.class, () -> region.putLong(0, 1));
            assertThrowsExactly(ReadOnlyBufferException.class, () -> region.put(0, new byte[1], 0, 1));
            assertThrowsExactly(ReadOnlyBufferException.class, () -> region.put(0, ByteBuffer.allocate(1)));
            assertThrowsExactly(ReadOnlyBufferException.class, () -> region.write(0, new byte[1], 0, 1));
            assertThrowsExactly(ReadOnlyBufferException.class, () -> region.copyTo(0, region, 9, 1));
            MappedByteBuffer view = region.asByteBuffer(0, 10);
            assertTrue(view.isReadOnly() && view.duplicate().isReadOnly());
            assertThrowsExactly(ReadOnlyBufferException.class, () -> view.put((byte) 1));
            assertEquals(99, view.get(5));
        }
    }

    @Test
    void aChannelsFileAndItsLocks() throws Exception {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            FileLock lock = channel.lock();
            MappedRegion region = MappedRegion.map(channel, MapMode.READ_WRITE, 4097, 1000);
            for (int i = 0; i < 1000; i++) {
                assertEquals(CONTENT[4097 + i], region.get(i));
            }
            region.close();
            String said = Child.of(Locker.class, file.toString()).run();
            assertTrue(said.contains("locked: false"), said);
            lock.release();
            MappedRegion other = MappedRegion.map(channel, MapMode.READ_ONLY, 1, 10);
            channel.close();
            assertEquals(CONTENT[1], other.get(0));
            other.close();
            assertThrowsExactly(ClosedChannelException.class, () -> MappedRegion.map(channel, MapMode.READ_ONLY, 0, 1));
        }
        try (FileChannel reading = FileChannel.open(file)) {
            assertThrowsExactly(
                    NonWritableChannelException.class, () -> MappedRegion.map(reading, MapMode.READ_WRITE, 0, 1));
            assertThrowsExactly(
                    IllegalArgumentException.class, () -> MappedRegion.map(reading, MapMode.READ_ONLY, 0, SIZE + 1));
            assertThrowsExactly(
                    IllegalArgumentException.class, () -> MappedRegion.map(reading, MapMode.READ_ONLY, -1, 1));
            assertThrowsExactly(
                    IllegalArgumentException.class, () -> MappedRegion.map(reading, MapMode.READ_ONLY, 1, -1));
            assertThrowsExactly(NullPointerException.class, () -> MappedRegion.map(reading, null, 1, 1));
        }
        try (FileChannel writing = FileChannel.open(file, StandardOpenOption.WRITE)) {
            assertThrowsExactly(
                    NonReadableChannelException.class, () -> MappedRegion.map(writing, MapMode.READ_ONLY, 0, 1));
        }
    }

    /** Says whether it can lock a file. */
    static final class Locker {
        private Locker() {}

        public static void main(String[] arguments) throws Exception {
            try (FileChannel channel = FileChannel.open(Path.of(arguments[0]), StandardOpenOption.WRITE)) {
                System.out.println("locked: " + (channel.tryLock() != null));
            }
        }
    }

    @Test
    void whatCannotBeMapped() throws Exception {
        Path none = directory.resolve("none");
        assertEquals(
                none.toString(),
                assertThrowsExactly(NoSuchFileException.class, () -> MappedRegion.open(none, MapMode.READ_ONLY)).getFile());
        assertThrowsExactly(FileSystemException.class, () -> MappedRegion.open(directory, MapMode.READ_WRITE));
        assertThrowsExactly(IllegalArgumentException.class, () -> MappedRegion.open(Path.of("/dev/zero"), MapMode.READ_ONLY));
        assertThrowsExactly(IllegalArgumentException.class, () -> MappedRegion.map(file, MapMode.READ_ONLY, SIZE, 1));
        assertThrowsExactly(IllegalArgumentException.class, () -> MappedRegion.anonymous(-1));
        assertThrowsExactly(IllegalArgumentException.class, () -> MappedRegion.anonymous(Long.MAX_VALUE));
        assertEquals(
                12,
                assertThrowsExactly(RegionException.class, () -> MappedRegion.anonymous(1L << 50)).errno().getAsInt());
    }

    @Test
    void pagesInMemory() throws Exception {
        try (MappedRegion region = MappedRegion.anonymous(100 * 4096)) {
            assertEquals(0, region.residency(0, region.size()).present());
            region.put(5 * 4096, (byte) 1);
            RegionResidency residency = region.residency(4096, 98 * 4096 + 1);
            assertEquals(99, residency.pages());
            assertEquals(1, residency.present());
            assertTrue(residency.bitmap().get(4));
            region.populate(0, 10 * 4096, true);
            assertTrue(region.isLoaded(0, 10 * 4096));
            assertFalse(region.isLoaded(0, region.size()));
            region.advise(0, 5 * 4096, Advice.DONT_NEED);
            assertEquals(5, region.residency(0, region.size()).present());
            region.lockOnFault(0, region.size());
            region.lock(0, 4096);
            assertTrue(region.isLoaded(0, 4096));
            region.unlock(0, region.size());
            region.load(0, region.size());
            assertTrue(region.isLoaded(0, region.size()));
            int errno = assertThrowsExactly(RegionException.class, () -> region.advise(0, 4096, Advice.REMOVE)).errno().getAsInt();
            assertEquals(22, errno);
            region.check();
        }
    }

    /** While it moves, it has the length from before or the one from after, and is not closed. */
    @Test
    void theSizeIsOneOfTheTwoDuringAResize() throws Exception {
        try (MappedRegion region = MappedRegion.anonymous(1 << 20)) {
            CompletableFuture<Void> resizing = Ends.background(() -> {
                for (int i = 0; i < 2000; i++) {
                    region.resize(i % 2 == 0 ? 1 << 19 : 1 << 20);
                }
                return null;
            });
            while (!resizing.isDone()) {
                long size = region.size();
                assertTrue(size == 1 << 19 || size == 1 << 20, size + " bytes");
            }
            resizing.get();
        }
    }

    @Test
    void resize() throws Exception {
        try (MappedRegion region = MappedRegion.open(file, MapMode.READ_WRITE)) {
            MappedByteBuffer old = region.order(ByteOrder.LITTLE_ENDIAN).asByteBuffer(0, SIZE);
            region.resize(10);
            assertEquals(10, region.size());
            assertEquals(ByteOrder.LITTLE_ENDIAN, region.order());
            assertEquals(CONTENT[9], region.get(9));
            assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.get(10));
            RegionCloseProgram.assertEnded(old);
            assertThrowsExactly(IllegalArgumentException.class, () -> region.resize(SIZE + 1));
            assertEquals(CONTENT[9], region.get(9));
            region.resizeWithFile(SIZE + 100_000);
            assertEquals(SIZE + 100_000, Files.size(file));
            assertEquals(CONTENT[SIZE - 1], region.get(SIZE - 1));
            region.putLong(SIZE + 100_000 - 8, 5);
            old = region.asByteBuffer(0, 100);
            region.resizeWithFile(4096);
            assertEquals(4096, Files.size(file));
            RegionCloseProgram.assertEnded(old);
        }
        assertArrayEquals(Arrays.copyOf(CONTENT, 4096), Files.readAllBytes(file));
        try (MappedRegion region = MappedRegion.anonymous(4096)) {
            MappedByteBuffer old = region.asByteBuffer(0, 1);
            region.putLong(100, 77);
            region.resize(1 << 24);
            assertEquals(77, region.getLong(100));
            assertThrowsExactly(IllegalArgumentException.class, () -> region.resizeWithFile(1));
            assertThrowsExactly(IllegalArgumentException.class, () -> region.resize(-1));
            RegionCloseProgram.assertEnded(old);
        }
    }
}
