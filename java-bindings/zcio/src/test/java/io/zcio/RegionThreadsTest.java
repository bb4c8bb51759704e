package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Regions that other threads than their maker's use: the addresses of these must outlive the close, and of others need not. */
class RegionThreadsTest {
    private static final boolean LARGE = System.getenv("ZCIO_LARGE") != null;

    @Test
    void aLoopInAnotherThreadWhileTheRegionIsClosed() throws Exception {
        String rounds = LARGE ? "500" : "12";
        assertTrue(Child.of(Program.class, rounds).run().contains("alive"));
    }

    @Test
    void everyAccessCanBeTheFirstOfAThread() throws Exception {
        byte[] bytes = new byte[8];
        for (int access = 0; access < 13; access++) {
            int chosen = access;
            try (MappedRegion region = MappedRegion.anonymous(100);
                    MappedRegion other = MappedRegion.anonymous(100)) {
                region.putLong(16, 0x0102030405060708L);
                Ends.background(() -> {
                    switch (chosen) {
                        case 0 -> assertEquals(1, region.get(16));
                        case 1 -> assertEquals(0x0102, region.getShort(16));
                        case 2 -> assertEquals(0x01020304, region.getInt(16));
                        case 3 -> assertEquals(0x0102030405060708L, region.getLong(16));
                        case 4 -> region.put(0, (byte) 1);
                        case 5 -> region.putShort(0, (short) 0x0102);
                        case 6 -> region.putInt(0, 0x01020304);
                        case 7 -> region.putLong(0, 0x0102030405060708L);
                        case 8 -> region.get(16, bytes, 0, 8);
                        case 9 -> region.put(0, new byte[] {1, 2}, 0, 2);
                        case 10 -> region.get(16, java.nio.ByteBuffer.wrap(bytes));
                        case 11 -> region.put(0, java.nio.ByteBuffer.wrap(new byte[] {1, 2}));
                        default -> region.copyTo(16, other, 0, 8);
                    }
                    return null;
                }).get(60, TimeUnit.SECONDS);
                switch (chosen) {
                    case 4, 5, 6, 7, 9, 11 -> assertEquals(1, region.get(0));
                    case 8, 10 -> assertEquals(8, bytes[7]);
                    case 12 -> assertEquals(0x0102030405060708L, other.getLong(0));
                    default -> assertEquals(0, region.get(0));
                }
            }
        }
    }

    @Test
    void theFirstAccessOfAThreadAfterTheClose() throws Exception {
        MappedRegion region = MappedRegion.anonymous(100);
        MappedRegion open = MappedRegion.anonymous(100);
        region.close();
        Ends.background(() -> {
            assertThrowsExactly(IllegalStateException.class, () -> region.getInt(0));
            assertThrowsExactly(IllegalStateException.class, () -> region.put(0, (byte) 1));
            assertThrowsExactly(IllegalStateException.class, () -> region.copyTo(0, open, 0, 1));
            assertThrowsExactly(IllegalStateException.class, () -> open.copyTo(0, region, 0, 1));
            return null;
        }).get(60, TimeUnit.SECONDS);
        open.close();
    }

    /** Another thread of its own each round is in a long loop when the region is closed, and collected after that. */
    static final class Program {
        private static final long SIZE = 64 << 20;

        private Program() {}

        private static long sum(MappedRegion region) {
            long sum = 0;
            for (int pass = 0; pass < 8; pass++) {
                for (long at = 0; at < SIZE; at += Long.BYTES) {
                    sum += region.getLong(at);
                }
            }
            return sum;
        }

        private static long sumUntilClosed(MappedRegion region) {
            long sum = 0;
            try {
                while (true) {
                    sum += sum(region);
                }
            } catch (IllegalStateException e) {
                return sum;
            }
        }

        private static CompletableFuture<Long> closedInALoop(boolean byItsMaker) throws Exception {
            MappedRegion region = MappedRegion.anonymous(SIZE);
            CompletableFuture<Long> loop = Ends.background(() -> sumUntilClosed(region));
            CompletableFuture<Long> another = Ends.background(() -> sumUntilClosed(region));
            TimeUnit.MILLISECONDS.sleep(100);
            if (byItsMaker) {
                region.close();
            } else {
                Ends.background(() -> {
                    region.close();
                    return null;
                }).get(60, TimeUnit.SECONDS);
            }
            return loop.thenCombine(another, Long::sum);
        }

        public static void main(String[] arguments) throws Exception {
            for (int round = 0; round < Integer.parseInt(arguments[0]); round++) {
                CompletableFuture<Long> loops = closedInALoop(round % 2 == 0);
                for (int i = 0; i < 3; i++) {
                    System.gc();
                    TimeUnit.MILLISECONDS.sleep(20);
                }
                if (loops.get(180, TimeUnit.SECONDS) != 0) {
                    throw new AssertionError("something else than zeroes");
                }
            }
            System.out.println("alive");
        }
    }
}
