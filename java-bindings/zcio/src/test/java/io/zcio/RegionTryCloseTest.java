package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A close that is refused while something of the region is out, and goes through once that has been collected. */
@Timeout(300)
class RegionTryCloseTest {
    private static final byte[] CONTENT = Ends.pattern(10_000);

    @TempDir
    Path directory;

    /** What can be given out, and is looked at through an object that is derived from it. */
    private interface Giving {
        Object from(MappedRegion region) throws Exception;
    }

    private static Map<String, Giving> giving() throws Exception {
        Map<String, Giving> ways = new LinkedHashMap<>();
        ways.put("a buffer", region -> region.asByteBuffer(0, 10_000));
        ways.put("an empty buffer", region -> region.asByteBuffer(10_000, 0));
        ways.put("a slice of a buffer", region -> region.asByteBuffer(0, 10_000).slice(5000, 100));
        ways.put("a read-only duplicate", region -> region.asByteBuffer(5, 100).asReadOnlyBuffer().duplicate());
        ways.put("longs", region -> region.asByteBuffer(0, 800).asLongBuffer());
        ways.put("a transfer from it", region -> Transfer.from(region, 0, 100));
        ways.put("a transfer from a buffer", region -> Transfer.from(region.asByteBuffer(0, 100)));
        ways.put("several", region -> new Object[] {Transfer.from(region, 0, 10), region.asByteBuffer(0, 1)});
        if (RegionCloseProgram.TOLD) {
            var asSegment = RegionCloseProgram.asSegment();
            Class<?> segments = Class.forName("java.lang.foreign.MemorySegment");
            ways.put("a segment", region -> asSegment.invoke(null, region, 0L, 10_000L));
            ways.put("a buffer of a slice of a segment", region -> segments.getMethod("asByteBuffer")
                    .invoke(segments.getMethod("asSlice", long.class).invoke(asSegment.invoke(null, region, 0L, 100L), 50L)));
        }
        return ways;
    }

    private MappedRegion open() throws Exception {
        return MappedRegion.open(Files.write(directory.resolve("file"), CONTENT), MapMode.READ_WRITE);
    }

    private interface State {
        boolean holds();
    }

    /** The time limit is the test's. */
    private static void collectUntil(State state) throws Exception {
        while (!state.holds()) {
            System.gc();
            Thread.sleep(10);
        }
    }

    private static void read(Object out) {
        if (out instanceof ByteBuffer buffer && buffer.hasRemaining()) {
            buffer.get(0);
        }
    }

    @Test
    void refusedWhileAnythingIsOut() throws Exception {
        for (Map.Entry<String, Giving> way : giving().entrySet()) {
            MappedRegion region = open();
            Object out = way.getValue().from(region);
            for (int i = 0; i < 3; i++) {
                System.gc();
                assertFalse(region.tryClose(), way.getKey());
            }
            assertTrue(region.isOpen(), way.getKey());
            assertEquals(CONTENT[9], region.get(9));
            read(out);
            Object second = way.getValue().from(region);
            Reference.reachabilityFence(out);
            out = null;
            System.gc();
            assertFalse(region.tryClose(), way.getKey());
            read(second);
            Reference.reachabilityFence(second);
            second = null;
            collectUntil(region::tryClose);
            assertFalse(region.isOpen());
            assertTrue(region.tryClose());
            assertThrowsExactly(IllegalStateException.class, () -> region.asByteBuffer(0, 0));
        }
    }

    /** One that was looked for when nothing of the first one was left. */
    @Test
    void aBufferAfterTheOthersWereCollected() throws Exception {
        MappedRegion region = open();
        ByteBuffer early = region.asByteBuffer(0, 10);
        CompletableFuture<Void> collected = new CompletableFuture<>();
        Cleaners.register(early, () -> collected.complete(null));
        early = null;
        collectUntil(collected::isDone);
        ByteBuffer late = region.asByteBuffer(3, 10);
        System.gc();
        assertFalse(region.tryClose());
        assertEquals(CONTENT[3], late.get(0));
        region.close();
        RegionCloseProgram.assertEnded(late);
    }

    @Test
    void closedAtOnceWhereNothingIsOut() throws Exception {
        MappedRegion fresh = open();
        assertTrue(fresh.tryClose());
        assertFalse(fresh.isOpen());
        MappedRegion used = open();
        byte[] bytes = new byte[100];
        used.get(0, bytes, 0, 100);
        used.put(1, (byte) 7);
        used.copyTo(0, used, 50, 10);
        used.force(0, 100);
        // Another thread's loads are no buffer.
        assertEquals((byte) 7, Ends.<Byte>result(Ends.background(() -> used.get(1))));
        assertTrue(used.tryClose());
        assertThrowsExactly(IllegalStateException.class, () -> used.get(0));
        MappedRegion closed = open();
        ByteBuffer kept = closed.asByteBuffer(0, 10);
        closed.close();
        assertTrue(closed.tryClose());
        RegionCloseProgram.assertEnded(kept);
    }

    @Test
    void whatAResizeHasEndedIsNotOut() throws Exception {
        MappedRegion region = open();
        ByteBuffer kept = region.asByteBuffer(0, 10);
        assertFalse(region.tryClose());
        region.resize(5000);
        RegionCloseProgram.assertEnded(kept);
        assertTrue(region.tryClose());
    }

    @Test
    void sharedRegions() throws Exception {
        SharedRegion shared = SharedRegion.create(4096);
        ByteBuffer out = shared.region().asByteBuffer(0, 10);
        assertFalse(shared.tryClose());
        out.put(0, (byte) 5);
        assertEquals(5, shared.region().get(0));
        out = null;
        collectUntil(shared::tryClose);
        assertThrowsExactly(IllegalStateException.class, shared::seals);
    }
}
