package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;

import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Regions over 2 GiB, of a file that is one hole but for what is tested, in a heap of 64 MiB. */
class LargeRegionTest {
    private static final long GIB = 1L << 30;
    private static final long SIZE = 3 * GIB + 5;
    /** What the JDK lets a buffer over a segment have. */
    private static final int LONGEST = Integer.MAX_VALUE - 8;

    @TempDir
    Path directory;

    @Test
    void offsetsBeyondTwoGibibytes() throws Exception {
        Path file = directory.resolve("sparse");
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), SIZE - 1);
            try (MappedRegion region = MappedRegion.open(file, MapMode.READ_WRITE)) {
                assertEquals(SIZE, region.size());
                long value = 0x0102030405060708L;
                for (long edge : new long[] {GIB, 2 * GIB, 3 * GIB, Integer.MAX_VALUE, SIZE - 16}) {
                    for (long at = edge - 9; at <= Math.min(edge + 9, SIZE - 8); at++) {
                        region.putLong(at, ++value);
                        assertEquals(value, onDisk(channel, at, 8).getLong(0));
                        assertEquals(value, region.getLong(at));
                        assertEquals((int) (value >>> 32), region.getInt(at));
                        assertEquals((int) value, region.getInt(at + 4));
                        assertEquals((short) value, region.getShort(at + 6));
                        assertEquals((byte) value, region.get(at + 7));
                    }
                }
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.getLong(SIZE - 7));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.putInt(SIZE - 3, 1));
                assertThrowsExactly(IndexOutOfBoundsException.class, () -> region.get(SIZE));

                byte[] bytes = Ends.pattern(3_000_000);
                byte[] back = new byte[bytes.length];
                for (long at : new long[] {GIB - 1_000_001, 2 * GIB - 77, SIZE - bytes.length}) {
                    region.put(at, bytes, 0, bytes.length);
                    assertArrayEquals(bytes, onDisk(channel, at, bytes.length).array());
                    region.get(at, back, 0, back.length);
                    assertArrayEquals(bytes, back);
                    region.get(at, ByteBuffer.wrap(back).clear());
                    region.read(at, back, 0, back.length);
                    assertArrayEquals(bytes, back);
                    // Upwards and downwards over itself and over the edges.
                    region.copyTo(at, region, at - 1_000_000, bytes.length);
                    region.get(at - 1_000_000, back, 0, back.length);
                    assertArrayEquals(bytes, back);
                    region.copyTo(at - 1_000_000, region, at - 3, bytes.length);
                    region.get(at - 3, back, 0, back.length);
                    assertArrayEquals(bytes, back);
                }
                region.put(GIB - 7, ByteBuffer.wrap(bytes));
                MappedByteBuffer view = region.asByteBuffer(GIB - 7, LONGEST);
                assertEquals(ByteBuffer.wrap(bytes), view.slice(0, bytes.length));
                assertThrowsExactly(IllegalArgumentException.class, () -> region.asByteBuffer(0, LONGEST + 1));
                view.put(LONGEST - 1, (byte) 77);
                assertEquals(77, region.get(GIB - 7 + LONGEST - 1));
                region.force(2 * GIB + 1, GIB);
                region.advise(0, SIZE, Advice.DONT_NEED);
                assertEquals(77, region.get(GIB - 7 + LONGEST - 1));
                RegionResidency residency = region.residency(1, SIZE - 1);
                assertEquals((SIZE + 4095) / 4096, residency.pages());
            }
            long offset = 2 * GIB + 4097;
            try (MappedRegion part = MappedRegion.map(channel, MapMode.READ_ONLY, offset, SIZE - offset)) {
                ByteBuffer end = onDisk(channel, SIZE - 1000, 1000);
                for (int i = 0; i < 1000; i++) {
                    assertEquals(end.get(i), part.get(part.size() - 1000 + i));
                }
            }
        }
    }

    private static ByteBuffer onDisk(FileChannel channel, long at, int count) throws Exception {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining()) {
            channel.read(bytes, at + bytes.position());
        }
        return bytes;
    }
}
