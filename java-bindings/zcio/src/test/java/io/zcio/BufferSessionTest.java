package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The memory of a buffer, whatever it comes from, is there for as long as it is sent. */
@Timeout(60)
class BufferSessionTest {
    private static final byte[] CONTENT = Ends.pattern(100_000);

    @TempDir
    Path directory;

    private Path sink() {
        return directory.resolve("sink");
    }

    private void arrives(byte[] expected, ByteBuffer buffer) throws Exception {
        assertEquals(expected.length, Transfer.from(buffer).to(sink()).run().bytes());
        assertFalse(buffer.hasRemaining());
        assertArrayEquals(expected, Files.readAllBytes(sink()));
    }

    private void arrives(ByteBuffer buffer) throws Exception {
        arrives(CONTENT, buffer.duplicate());
        arrives(CONTENT, buffer.asReadOnlyBuffer());
        arrives(new byte[0], buffer.slice(7, 0));
        byte[] part = new byte[5000];
        System.arraycopy(CONTENT, 4001, part, 0, part.length);
        arrives(part, buffer.slice(4001, part.length));
        arrives(part, buffer.duplicate().limit(4001 + part.length).position(4001));
    }

    @Test
    void everyDirectBuffer() throws Exception {
        arrives(ByteBuffer.allocateDirect(CONTENT.length).put(CONTENT).flip());
        arrives(new byte[0], ByteBuffer.allocateDirect(0));
        Path file = Files.write(directory.resolve("file"), CONTENT);
        try (FileChannel channel = FileChannel.open(file); MappedRegion region = MappedRegion.open(file, MapMode.READ_ONLY)) {
            arrives(channel.map(MapMode.READ_ONLY, 0, CONTENT.length));
            arrives(region.asByteBuffer(0, CONTENT.length));
        }
    }

    @Test
    void aLimitThatIsLoweredMeanwhile() throws Exception {
        ByteBuffer buffer = ByteBuffer.allocateDirect(CONTENT.length).put(CONTENT).flip();
        Transfer transfer = Transfer.from(buffer).to(sink());
        buffer.limit(10);
        assertEquals(CONTENT.length, transfer.run().bytes());
        assertEquals(10, buffer.position());
    }

    @Nested
    class OfArenas {
        @BeforeEach
        void thereAreArenas() {
            Assumptions.assumeTrue(Arenas.EXIST, "no arenas before JDK 22");
        }

        private ByteBuffer filled(Arenas arena) {
            return arena.allocate(CONTENT.length).put(CONTENT).flip();
        }

        @Test
        void theirBuffers() throws Exception {
            for (Arenas arena : new Arenas[] {Arenas.shared(), Arenas.confined()}) {
                arrives(filled(arena));
                arena.close();
            }
        }

        /** Nothing is made, emptied or moved. */
        private void isRefused(Class<? extends Throwable> type, Transfer transfer) throws Exception {
            Files.write(sink(), new byte[3]);
            assertEquals(type, assertThrows(RuntimeException.class, transfer::run).getClass());
            assertEquals(type, assertThrows(RuntimeException.class, transfer::start).getClass());
            assertEquals(3, Files.size(sink()));
            Files.delete(sink());
            assertEquals(type, assertThrows(RuntimeException.class, transfer::run).getClass());
            assertFalse(Files.exists(sink()));
        }

        @Test
        void aClosedOne() throws Exception {
            for (Arenas arena : new Arenas[] {Arenas.shared(), Arenas.confined()}) {
                ByteBuffer buffer = filled(arena);
                Transfer described = Transfer.from(buffer).to(sink());
                arena.close();
                for (UnaryOperator<ByteBuffer> view : views()) {
                    isRefused(IllegalStateException.class, Transfer.from(view.apply(buffer)).to(sink()));
                }
                isRefused(IllegalStateException.class, described);
            }
        }

        private java.util.List<UnaryOperator<ByteBuffer>> views() {
            return java.util.List.of(buffer -> buffer, ByteBuffer::duplicate, ByteBuffer::asReadOnlyBuffer, ByteBuffer::slice);
        }

        @Test
        void oneOfAnotherThread() throws Exception {
            Arenas arena = Arenas.confined();
            ByteBuffer buffer = filled(arena);
            Class<? extends Throwable> wrongThread =
                    Class.forName("java.lang.WrongThreadException").asSubclass(Throwable.class);
            Ends.background(() -> {
                isRefused(wrongThread, Transfer.from(buffer).to(sink()));
                return null;
            }).get(20, TimeUnit.SECONDS);
            try (Stepper<Report> stepper = Transfer.from(buffer).to(sink()).start()) {
                var other = Ends.background(() -> assertThrows(RuntimeException.class, stepper::step).getClass());
                assertEquals(wrongThread, other.get(20, TimeUnit.SECONDS));
                while (!(stepper.step() instanceof Step.Done)) {}
            }
            arena.close();
            assertArrayEquals(CONTENT, Files.readAllBytes(sink()));
        }

        /** The kernel may read it between two steps. */
        @Test
        void aStepperKeepsItUntilItIsClosed() throws Exception {
            Arenas arena = Arenas.shared();
            ByteBuffer buffer = filled(arena);
            try (Stepper<Report> stepper = Transfer.from(buffer).to(sink()).start()) {
                assertThrowsExactly(IllegalStateException.class, arena::close);
                stepper.step();
                assertThrowsExactly(IllegalStateException.class, arena::close);
            }
            arena.close();
        }

        @Test
        void aStepperThatIsForgotten() throws Exception {
            Arenas arena = Arenas.shared();
            assertTrue(Transfer.from(filled(arena)).to(sink()).start().step() instanceof Step.Moved);
            while (true) {
                try {
                    arena.close();
                    return;
                } catch (IllegalStateException e) {
                    System.gc();
                    Thread.sleep(5);
                }
            }
        }
    }
}
