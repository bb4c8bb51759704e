package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Memory as the sink of a transfer: what bounds it, what is refused, and how many bytes the position says have arrived. (What
 * happens to it meanwhile is in {@link EndLifeTest}.)
 */
@Timeout(60)
class MemorySinkTest {
    private static final int LENGTH = 100_000;
    private static final byte[] CONTENT = Ends.pattern(LENGTH);
    private static final byte UNTOUCHED = 0x55;

    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void write() throws Exception {
        file = Files.write(directory.resolve("file"), CONTENT);
    }

    private static byte[] bytes(ByteBuffer buffer, int from, int to) {
        byte[] bytes = new byte[to - from];
        buffer.duplicate().clear().get(from, bytes);
        return bytes;
    }

    private static ByteBuffer room(int size) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(size);
        while (buffer.hasRemaining()) {
            buffer.put(UNTOUCHED);
        }
        return buffer.clear();
    }

    private static Report run(Transfer transfer, boolean stepped) throws Exception {
        if (!stepped) {
            return transfer.run();
        }
        try (Stepper<Report> stepper = transfer.start()) {
            return EndCalls.stepped(stepper);
        }
    }

    /** From position to limit, and not a byte beside that; the rest stays in the source. */
    @Test
    void theRoomBoundsTheCount() throws Exception {
        for (Ends.Kind kind : Ends.Kind.values()) {
            for (boolean stepped : new boolean[] {false, true}) {
                for (int size : new int[] {0, 1, LENGTH - 1, LENGTH, LENGTH + 1}) {
                    try (Ends.Source source = new Ends.Source(kind, directory.resolve("source"), CONTENT)) {
                        if (stepped && source.end instanceof java.nio.channels.SelectableChannel channel) {
                            channel.configureBlocking(false);
                        }
                        ByteBuffer buffer = room(size + 20).position(7).limit(7 + size);
                        Report report = run(source.transfer().to(buffer), stepped);
                        int expected = Math.min(size, LENGTH);
                        String what = kind + ", " + size + ": " + report;
                        assertEquals(expected, report.bytes(), what);
                        assertEquals(OptionalLong.of(size), report.requested(), what);
                        assertEquals(size > LENGTH, report.isShort(), what);
                        assertEquals(0, report.mapped(), what);
                        assertEquals(7 + expected, buffer.position(), what);
                        assertEquals(7 + size, buffer.limit(), what);
                        assertArrayEquals(Arrays.copyOf(CONTENT, expected), bytes(buffer, 7, 7 + expected), what);
                        byte[] around = new byte[7];
                        Arrays.fill(around, UNTOUCHED);
                        assertArrayEquals(around, bytes(buffer, 0, 7), what);
                        assertArrayEquals(around, bytes(buffer, 7 + expected, 14 + expected), what);
                        if (kind != Ends.Kind.PATH) {
                            byte[] rest = rest((ReadableByteChannel) source.end);
                            assertArrayEquals(Arrays.copyOfRange(CONTENT, expected, LENGTH), rest, what);
                        }
                    }
                }
            }
        }
    }

    @Test
    void everyMechanismWorksOrSaysNo() throws Exception {
        for (Ends.Kind kind : Ends.Kind.values()) {
            for (Mechanism mechanism : Mechanism.values()) {
                try (Ends.Source source = new Ends.Source(kind, directory.resolve("source"), CONTENT)) {
                    ByteBuffer buffer = room(5000);
                    try {
                        Report report = source.transfer().to(buffer).mechanism(mechanism).run();
                        assertEquals(mechanism, report.mechanism());
                        assertEquals(5000, report.bytes());
                        assertEquals(5000, buffer.position());
                        assertArrayEquals(Arrays.copyOf(CONTENT, 5000), bytes(buffer, 0, 5000));
                    } catch (UnsupportedOperationException | TransferException e) {
                        assertTrue(e.getMessage().contains(mechanism.mechanismName()), e.getMessage());
                        assertEquals(0, buffer.position());
                        assertEquals(UNTOUCHED, buffer.get(0));
                    }
                    // The sender behind a stream waits for somebody to read.
                    if (source.end instanceof ReadableByteChannel channel) {
                        rest(channel);
                    }
                }
            }
        }
    }

    private static byte[] rest(ReadableByteChannel source) throws Exception {
        if (source instanceof java.nio.channels.SelectableChannel channel) {
            channel.configureBlocking(true);
        }
        return Ends.readAll(source);
    }

    @Test
    void offsetsAndCountsLeaveThePosition() throws Exception {
        ByteBuffer buffer = room(100).position(10);
        assertEquals(20, Transfer.from(file).to(buffer).offset(5).sinkOffset(30).count(20).run().bytes());
        assertEquals(10, buffer.position());
        assertArrayEquals(Arrays.copyOfRange(CONTENT, 5, 25), bytes(buffer, 40, 60));
        assertEquals(UNTOUCHED, buffer.get(39));
        assertEquals(UNTOUCHED, buffer.get(60));
        assertEquals(7, Transfer.from(file).to(buffer).count(7).run().bytes());
        assertEquals(17, buffer.position());
        assertThrows(IllegalArgumentException.class, () -> Transfer.from(file).to(buffer).sinkOffset(84).run());
        // The same of a source.
        ByteBuffer source = room(100).position(10);
        Transfer.from(source).to(directory.resolve("sink")).offset(3).count(20).run();
        assertEquals(10, source.position());
    }

    @Test
    void everyKindOfMemory() throws Exception {
        try (MappedRegion region = MappedRegion.anonymous(LENGTH);
                SharedRegion shared = SharedRegion.create(LENGTH);
                FileChannel mapped = FileChannel.open(
                        directory.resolve("mapped"),
                        java.nio.file.StandardOpenOption.CREATE,
                        java.nio.file.StandardOpenOption.READ,
                        java.nio.file.StandardOpenOption.WRITE)) {
            ByteBuffer[] buffers = {
                ByteBuffer.allocateDirect(LENGTH),
                ByteBuffer.allocateDirect(LENGTH + 5).position(5).slice(),
                region.asByteBuffer(0, LENGTH),
                shared.region().asByteBuffer(0, LENGTH),
                mapped.map(MapMode.READ_WRITE, 0, LENGTH),
            };
            for (ByteBuffer buffer : buffers) {
                assertEquals(LENGTH, Transfer.from(file).to(buffer).run().bytes());
                assertFalse(buffer.hasRemaining());
                assertArrayEquals(CONTENT, bytes(buffer, 0, LENGTH));
            }
            for (MappedRegion each : new MappedRegion[] {region, shared.region()}) {
                assertEquals(100, Transfer.from(file).to(each, 50, 100).offset(9).run().bytes());
                byte[] found = new byte[100];
                each.get(50, found, 0, 100);
                assertArrayEquals(Arrays.copyOfRange(CONTENT, 9, 109), found);
                assertEquals(CONTENT[150], each.get(150));
                assertThrows(IndexOutOfBoundsException.class, () -> Transfer.from(file).to(each, 1, LENGTH));
            }
        }
    }

    @Test
    void anArenaIsHeldAsThatOfASource() throws Exception {
        Assumptions.assumeTrue(Arenas.EXIST, "no arenas before JDK 22");
        for (Arenas arena : new Arenas[] {Arenas.shared(), Arenas.confined()}) {
            ByteBuffer buffer = arena.allocate(LENGTH);
            assertEquals(LENGTH, Transfer.from(file).to(buffer).run().bytes());
            assertArrayEquals(CONTENT, bytes(buffer, 0, LENGTH));
            Transfer described = Transfer.from(file).to(buffer.clear());
            try (Stepper<Report> stepper = Transfer.from(file).to(buffer).start()) {
                assertThrowsExactly(IllegalStateException.class, arena::close);
                stepper.step();
                assertThrowsExactly(IllegalStateException.class, arena::close);
            }
            arena.close();
            assertThrowsExactly(IllegalStateException.class, described::run);
            assertThrowsExactly(IllegalStateException.class, () -> Transfer.from(file).to(buffer).start());
        }
    }

    @Test
    void whatCannotBeWrittenIsRefusedBeforeTheFirstByte() throws Exception {
        try (FileChannel source = FileChannel.open(file);
                MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY);
                SharedRegion sealed = SharedRegion.create(10)) {
            Transfer.Source from = Transfer.from(source);
            ByteBuffer direct = ByteBuffer.allocateDirect(10);
            assertThrows(ReadOnlyBufferException.class, () -> from.to(direct.asReadOnlyBuffer()));
            assertThrows(ReadOnlyBufferException.class, () -> from.to(region.asByteBuffer(0, 10)));
            assertThrows(ReadOnlyBufferException.class, () -> from.to(region, 0, 10));
            sealed.seal(Seal.WRITE);
            assertThrows(ReadOnlyBufferException.class, () -> from.to(sealed.region(), 0, 10));
            Exception heap = assertThrows(IllegalArgumentException.class, () -> from.to(ByteBuffer.allocate(10)));
            assertTrue(heap.getMessage().contains("allocateDirect"), heap.getMessage());
            region.close();
            assertThrows(IllegalStateException.class, () -> from.to(region, 0, 10));
            assertEquals(0, source.position());
            // Memory that overlaps.
            ByteBuffer part = direct.duplicate().position(1);
            assertThrows(IllegalArgumentException.class, () -> Transfer.from(direct).to(part).run());
            assertEquals(0, direct.position());
            assertEquals(1, part.position());
        }
    }

    /** As after a read of NIO's own. */
    @Test
    void thePositionIsTrueAfterAnException() throws Exception {
        for (boolean listening : new boolean[] {false, true}) {
            try (Ends.Pair pair = Ends.tcp()) {
                ByteBuffer buffer = room(100);
                pair.far().write(ByteBuffer.wrap(CONTENT, 0, 60));
                Transfer transfer = Transfer.from(pair.near()).to(buffer);
                if (listening) {
                    transfer.progress(moved -> {});
                }
                CompletableFuture<Exception> failure =
                        Ends.background(() -> assertThrows(Exception.class, transfer::run));
                while (buffer.get(59) != CONTENT[59]) {
                    Thread.onSpinWait();
                }
                pair.near().close();
                Exception told = failure.get(20, TimeUnit.SECONDS);
                assertTrue(told instanceof AsynchronousCloseException, told.toString());
                assertEquals(60, ((TransferException) told.getCause()).moved());
                assertEquals(60, buffer.position());
                assertArrayEquals(Arrays.copyOf(CONTENT, 60), bytes(buffer, 0, 60));
                assertEquals(UNTOUCHED, buffer.get(60));
            }
        }
    }

    @Test
    void aLimitThatIsLoweredMeanwhile() throws Exception {
        ByteBuffer buffer = room(LENGTH);
        Transfer transfer = Transfer.from(file).to(buffer);
        buffer.limit(10);
        assertEquals(LENGTH, transfer.run().bytes());
        assertEquals(10, buffer.position());
    }

    /** Nobody has the buffer but the transfer. */
    @Test
    void aBufferThatIsNotReachableOtherwise() throws Exception {
        for (int i = 0; i < 20; i++) {
            try (Ends.Pair pair = Ends.unix()) {
                pair.near().configureBlocking(false);
                try (Stepper<Report> stepper = Transfer.from(pair.near()).to(ByteBuffer.allocateDirect(LENGTH)).start()) {
                    assertTrue(stepper.step() instanceof Step.Blocked);
                    System.gc();
                    pair.far().write(ByteBuffer.wrap(CONTENT, 0, 100));
                    assertEquals(100, stepper.moveWhatFits());
                }
            }
        }
    }

    private static CompletableFuture<Void> fed(Ends.Pair pair) {
        return Ends.background(() -> {
            Ends.writeAll(pair.far(), CONTENT);
            pair.far().shutdownOutput();
            return null;
        });
    }

    @Test
    void pagesAreReceivedIntoARegionMadeForIt() throws Exception {
        for (boolean stepped : new boolean[] {false, true}) {
            for (int size : new int[] {4096, LENGTH, 1 << 20}) {
                try (Ends.Pair pair = Ends.tcp(); MappedRegion region = MappedRegion.receiving(size)) {
                    CompletableFuture<Void> feeding = fed(pair);
                    pair.near().configureBlocking(!stepped);
                    Transfer transfer =
                            Transfer.from(pair.near()).to(region, 0, size).mechanism(Mechanism.ZEROCOPY_RECEIVE);
                    Report report = run(transfer, stepped);
                    int expected = Math.min(size, LENGTH);
                    assertEquals(expected, report.bytes(), report::toString);
                    assertEquals(Mechanism.ZEROCOPY_RECEIVE, report.mechanism());
                    assertEquals(size > LENGTH, report.isShort());
                    assertTrue(0 <= report.mapped() && report.mapped() <= report.bytes(), report::toString);
                    byte[] found = new byte[expected];
                    region.get(0, found, 0, expected);
                    assertArrayEquals(Arrays.copyOf(CONTENT, expected), found);
                    assertArrayEquals(found, bytes(region.asByteBuffer(0, expected), 0, expected));
                    assertTrue(region.isReadOnly());
                    assertArrayEquals(Arrays.copyOfRange(CONTENT, expected, LENGTH), rest(pair.near()));
                    assertNull(feeding.get(20, TimeUnit.SECONDS));
                }
            }
        }
    }

    @Test
    void whatReceivingAsksForIsSaid() throws Exception {
        try (Ends.Pair pair = Ends.tcp();
                MappedRegion region = MappedRegion.receiving(10);
                MappedRegion other = MappedRegion.anonymous(10)) {
            pair.far().write(ByteBuffer.wrap(CONTENT, 0, 4));
            Mechanism receive = Mechanism.ZEROCOPY_RECEIVE;
            assertThrows(NonWritableChannelException.class, () -> Transfer.from(pair.near()).to(region, 0, 10).run());
            for (Transfer wrong : new Transfer[] {
                Transfer.from(file).to(region, 0, 10), Transfer.from(pair.near()).to(other, 0, 10),
                Transfer.from(pair.near()).to(ByteBuffer.allocateDirect(10))
            }) {
                assertThrows(UnsupportedOperationException.class, () -> wrong.mechanism(receive).run());
            }
            assertThrows(ReadOnlyBufferException.class, () -> region.put(0, (byte) 1));
            assertThrows(ReadOnlyBufferException.class, () -> Transfer.from(pair.near()).to(region.asByteBuffer(0, 10)));
            assertEquals(4, Transfer.from(pair.near()).to(region, 3, 7).count(4).mechanism(receive).run().bytes());
            assertEquals(CONTENT[1], region.get(4));
            assertEquals(0, region.get(2));
            assertThrows(IllegalArgumentException.class, () -> MappedRegion.receiving(-1));
            assertThrows(IllegalArgumentException.class, () -> MappedRegion.receiving(Long.MAX_VALUE));
        }
    }
}
