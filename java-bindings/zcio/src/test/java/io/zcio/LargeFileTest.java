package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A sparse file of more than 4 GiB with islands of bytes where a length or an offset that was cut to 31 or 32 bits would put them
 * wrong. The receiver compares every byte.
 */
class LargeFileTest {
    private static final long SIZE = (4L << 30) + (64 << 20);
    private static final byte[] ISLAND = Ends.pattern(10_007);
    private static final long[] ISLANDS = {
        0, (1L << 31) - 5000, (1L << 31) + 9000, (1L << 32) - 3, (4L << 30) + (32 << 20) - 77, SIZE - ISLAND.length
    };

    @TempDir
    Path directory;
    private Path source;

    @BeforeEach
    void makeFile() throws Exception {
        source = directory.resolve("source");
        try (FileChannel channel =
                FileChannel.open(source, StandardOpenOption.CREATE_NEW, StandardOpenOption.SPARSE, StandardOpenOption.WRITE)) {
            for (long island : ISLANDS) {
                channel.write(ByteBuffer.wrap(ISLAND), island);
            }
        }
        assertEquals(SIZE, Files.size(source));
    }

    @Test
    void toTcp() throws Exception {
        try (Ends.Pair pair = Ends.tcp();
                FileChannel channel = FileChannel.open(source)) {
            var checked = Ends.background(() -> {
                try {
                    check(pair.far());
                } finally {
                    // Lets the sender fail instead of waiting, should a byte be wrong.
                    pair.far().close();
                }
                return null;
            });
            Report report = Transfer.from(channel).to(pair.near()).run();
            pair.near().close();
            Ends.result(checked);
            assertEquals(SIZE, report.bytes());
            assertEquals(SIZE, channel.position());
        }
    }

    @Test
    void toFile() throws Exception {
        Path sink = directory.resolve("sink");
        assertEquals(SIZE, Transfer.from(source).to(sink).run().bytes());
        try (FileChannel channel = FileChannel.open(sink)) {
            check(channel);
        } finally {
            Files.delete(sink);
        }
    }

    private static void check(ReadableByteChannel channel) throws IOException {
        byte[] zeros = new byte[256 << 10];
        ByteBuffer chunk = ByteBuffer.allocateDirect(zeros.length);
        long offset = 0;
        while (channel.read(chunk.clear()) >= 0) {
            ByteBuffer expected = ByteBuffer.wrap(expected(offset, chunk.flip().remaining(), zeros), 0, chunk.remaining());
            int mismatch = expected.mismatch(chunk);
            if (mismatch >= 0) {
                throw new AssertionError("wrong byte at " + (offset + mismatch));
            }
            offset += chunk.remaining();
        }
        assertEquals(SIZE, offset);
    }

    /** What the file has at an offset: {@code zeros} itself where no island is near. */
    private static byte[] expected(long offset, int length, byte[] zeros) {
        byte[] expected = zeros;
        for (long island : ISLANDS) {
            long from = Math.max(offset, island);
            long to = Math.min(offset + length, island + ISLAND.length);
            if (from < to) {
                expected = expected == zeros ? new byte[length] : expected;
                System.arraycopy(ISLAND, (int) (from - island), expected, (int) (from - offset), (int) (to - from));
            }
        }
        return expected;
    }
}
