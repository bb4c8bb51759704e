package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonReadableChannelException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many reads in one call, against the content of the file. */
class ReadsTest {
    @TempDir
    Path dir;

    private final byte[] content = new byte[1_000_003];
    private Path path;

    @BeforeEach
    void write() throws IOException {
        new Random(7).nextBytes(content);
        path = Files.write(dir.resolve("file"), content);
    }

    private static byte[] taken(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.flip().remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private byte[] part(long offset, int length) {
        int from = (int) Math.min(offset, content.length);
        return java.util.Arrays.copyOfRange(content, from, Math.min(from + length, content.length));
    }

    private void check(Reads reads, FileChannel file) throws IOException {
        Random random = new Random(11);
        List<Reads.Item> items = new ArrayList<>();
        List<byte[]> expected = new ArrayList<>();
        List<ByteBuffer> buffers = new ArrayList<>();
        // The suite has 8 MiB for all direct buffers.
        for (int i = 0; i < 60; i++) {
            boolean aligned = i % 2 == 0;
            int length = aligned ? 4096 * (1 + random.nextInt(4)) : random.nextInt(20_000);
            long offset = aligned ? 4096L * random.nextInt(260) : random.nextInt(content.length + 5000);
            ByteBuffer buffer = ByteBuffer.allocateDirect(length + 2 * 4096).alignedSlice(4096).limit(length);
            buffers.add(buffer);
            expected.add(part(offset, length));
            items.add(Reads.read(file, offset, buffer));
        }
        file.position(5);
        ReadsReport report = reads.run(items);
        assertTrue(report.isComplete(), () -> report.reads().toString());
        assertEquals(5, file.position());
        for (int i = 0; i < items.size(); i++) {
            assertEquals(expected.get(i).length, report.reads().get(i).bytes());
            assertArrayEquals(expected.get(i), taken(buffers.get(i)), "read " + i);
        }
    }

    @Test
    void everyReadHasItsOwnBytes() throws IOException {
        for (int depth : new int[] {1, 2, 32}) {
            try (Reads reads = new Reads(depth); FileChannel file = FileChannel.open(path)) {
                check(reads, file);
                check(reads, file);
            }
        }
    }

    @Test
    void pastThePageCache() throws Exception {
        FileChannel direct;
        try {
            direct = FileChannel.open(path, StandardOpenOption.READ, FileChannelOpenTest.option("DIRECT"));
        } catch (IOException | UnsupportedOperationException e) {
            org.junit.jupiter.api.Assumptions.abort("no direct I/O here: " + e);
            return;
        }
        try (Reads reads = new Reads(16); Reads single = new Reads(1); direct) {
            check(reads, direct);
            check(single, direct);
            check(single, direct);
        }
    }

    private List<Reads.Item> items(FileChannel file, int count, List<ByteBuffer> buffers) {
        List<Reads.Item> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(300).position(i);
            buffers.add(buffer);
            items.add(Reads.read(file, 4096L * i, buffer));
        }
        return items;
    }

    /** One by one, the reads of a file that was read before are attempted first, and what that leaves is made as ever. */
    @Test
    void aFileThatIsKnown() throws IOException {
        try (Reads reads = new Reads(1);
                FileChannel file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
                FileChannel other = FileChannel.open(path);
                MappedRegion region = MappedRegion.anonymous(300)) {
            for (int round = 0; round < 3; round++) {
                for (int count : new int[] {1, 2, 100}) {
                    List<ByteBuffer> buffers = new ArrayList<>();
                    ReadsReport report = reads.run(items(file, count, buffers));
                    assertEquals(count, report.systemCalls());
                    for (int i = 0; i < count; i++) {
                        assertEquals(300 - i, report.reads().get(i).bytes());
                        assertEquals(300, buffers.get(i).position());
                        assertArrayEquals(part(4096L * i, 300 - i), taken(buffers.get(i).duplicate().limit(300).position(i).slice().position(300 - i)));
                    }
                }
            }
            assertEquals(0, reads.run(List.of()).reads().size());
            // In the midst: another file, memory of a region, the end of the file, what no file has.
            List<ByteBuffer> buffers = new ArrayList<>();
            List<Reads.Item> items = new ArrayList<>(items(file, 5, buffers));
            items.add(3, Reads.read(other, 7, ByteBuffer.allocateDirect(10)));
            assertEquals(List.of(300L, 299L, 298L, 10L, 297L, 296L), counts(reads.run(items)));
            reads.run(items(file, 1, buffers));
            items = new ArrayList<>(items(file, 3, buffers));
            items.add(1, Reads.read(file, 7, region.asByteBuffer(0, 300)));
            items.add(2, Reads.read(file, content.length - 5, ByteBuffer.allocateDirect(10)));
            items.add(3, Reads.read(file, Long.MAX_VALUE - 3, ByteBuffer.allocateDirect(10)));
            ReadsReport report = reads.run(items);
            assertEquals(List.of(300L, 300L, 5L, 0L, 299L, 298L), counts(report));
            assertTrue(report.reads().get(3).failure().get() instanceof IllegalArgumentException, report::toString);
            assertEquals(part(7, 300)[299], region.get(299));
            file.truncate(4096 + 10);
            assertEquals(List.of(300L, 10L, 0L), counts(reads.run(items(file, 3, buffers))));
            file.close();
            List<Reads.Item> late = items(file, 2, buffers);
            assertThrows(ClosedChannelException.class, () -> reads.run(late));
        }
    }

    private static List<Long> counts(ReadsReport report) {
        return report.reads().stream().map(ReadsReport.Result::bytes).toList();
    }

    @Test
    void intoARegion() throws IOException {
        try (Reads reads = new Reads(4);
                FileChannel file = FileChannel.open(path);
                MappedRegion region = MappedRegion.anonymous(8192)) {
            ReadsReport report = reads.run(
                    List.of(Reads.read(file, 0, region.asByteBuffer(4096, 4096)), Reads.read(file, 9, region.asByteBuffer(0, 10))));
            assertEquals(4106, report.bytes());
            ByteBuffer there = ByteBuffer.allocate(4096);
            region.get(4096, there);
            assertArrayEquals(part(0, 4096), there.array());
        }
    }

    @Test
    void oneReadsFailureIsItsOwn() throws IOException {
        try (Reads reads = new Reads(4);
                FileChannel file = FileChannel.open(path);
                FileChannel writing = FileChannel.open(path, StandardOpenOption.WRITE)) {
            ByteBuffer good = ByteBuffer.allocateDirect(100);
            ByteBuffer bad = ByteBuffer.allocateDirect(100);
            ReadsReport report = reads.run(List.of(Reads.read(writing, 0, bad), Reads.read(file, content.length - 50, good)));
            assertEquals(0, report.reads().get(0).bytes());
            assertTrue(report.reads().get(0).failure().get() instanceof NonReadableChannelException, report.toString());
            assertEquals(50, report.reads().get(1).bytes());
            assertArrayEquals(part(content.length - 50, 50), taken(good));
            assertEquals(0, bad.position());
        }
    }

    @Test
    void whatIsRefused() throws IOException {
        assertThrows(IllegalArgumentException.class, () -> new Reads(0));
        assertThrows(IllegalArgumentException.class, () -> new Reads(4097));
        try (FileChannel file = FileChannel.open(path)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(10);
            assertThrows(IllegalArgumentException.class, () -> Reads.read(file, -1, buffer));
            assertThrows(IllegalArgumentException.class, () -> Reads.read(file, 0, ByteBuffer.allocate(10)));
            assertThrows(ReadOnlyBufferException.class, () -> Reads.read(file, 0, buffer.asReadOnlyBuffer()));
            Reads reads = new Reads(2);
            List<Reads.Item> items = List.of(Reads.read(file, 0, buffer));
            reads.close();
            assertThrows(IllegalStateException.class, () -> reads.run(items));
        }
    }

    @Test
    void aClosedChannelAndAnInterrupt() throws IOException {
        try (Reads reads = new Reads(2)) {
            FileChannel file = FileChannel.open(path);
            List<Reads.Item> items = List.of(Reads.read(file, 0, ByteBuffer.allocateDirect(10)));
            file.close();
            assertThrows(ClosedChannelException.class, () -> reads.run(items));
            FileChannel other = FileChannel.open(path);
            List<Reads.Item> more = List.of(Reads.read(other, 0, ByteBuffer.allocateDirect(10)));
            Thread.currentThread().interrupt();
            assertThrows(ClosedByInterruptException.class, () -> reads.run(more));
            assertTrue(Thread.interrupted() && !other.isOpen());
        }
    }

    /** Each read is right, or says that the channel was closed. */
    @Test
    void aChannelThatIsClosedInTheMidst() throws Exception {
        try (Reads reads = new Reads(8)) {
            for (int round = 0; round < 20; round++) {
                FileChannel file = FileChannel.open(path);
                List<Reads.Item> items = new ArrayList<>();
                for (int i = 0; i < 200; i++) {
                    items.add(Reads.read(file, 4096L * (i % 200), ByteBuffer.allocateDirect(4096)));
                }
                Thread closing = new Thread(() -> {
                    try {
                        file.close();
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                });
                closing.start();
                try {
                    ReadsReport report = reads.run(items);
                    for (int i = 0; i < items.size(); i++) {
                        if (report.reads().get(i).failure().isEmpty()) {
                            assertArrayEquals(part(4096L * (i % 200), 4096), taken(items.get(i).into));
                        }
                    }
                } catch (ClosedChannelException e) {
                    // As it should be.
                }
                closing.join();
            }
        }
    }
}
