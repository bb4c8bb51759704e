package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A channel that an interrupt does not close: every operation goes on, and the thread keeps its status. */
@Timeout(60)
class InterruptOptionTest {
    // More than what goes by one system call.
    private static final byte[] CONTENT = Ends.pattern(3 << 20);

    @TempDir
    Path directory;

    private ZeroCopyFileChannel open(String name, byte[] content, boolean keepOpen) throws Exception {
        Path path = Files.write(directory.resolve(name), content);
        return (ZeroCopyFileChannel) (keepOpen
                ? ZeroCopyFileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE, InterruptOption.KEEP_OPEN)
                : ZeroCopyFileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE));
    }

    @AfterEach
    void noInterruptIsLeft() {
        Thread.interrupted();
    }

    @Test
    void everyOperationGoesOn() throws Exception {
        try (ZeroCopyFileChannel source = open("source", CONTENT, true);
                ZeroCopyFileChannel sink = open("sink", new byte[0], true)) {
            List<Executable> operations = List.of(
                    () -> assertEquals(CONTENT.length, source.transferTo(0, CONTENT.length, sink)),
                    () -> assertEquals(1000, source.transferTo(0, 1000, sink)),
                    () -> assertEquals(CONTENT.length, sink.transferFrom(source, 0, CONTENT.length)),
                    () -> Transfer.from(source).to(sink).offset(0).run(),
                    () -> Transfer.from(source).to(sink).offset(0).progress(moved -> {}).run(),
                    () -> Transfer.from(ByteBuffer.allocateDirect(100)).to(sink).run(),
                    () -> FanOut.from(source).to(sink).run(),
                    () -> source.read(ByteBuffer.allocate(10), 0),
                    () -> sink.write(ByteBuffer.wrap(new byte[10]), 0),
                    () -> sink.lock().release(),
                    () -> sink.force(true),
                    () -> source.prefetch(0, 10));
            for (Executable operation : operations) {
                Thread.currentThread().interrupt();
                try {
                    operation.execute();
                } catch (Throwable e) {
                    throw new AssertionError("operation " + operations.indexOf(operation), e);
                }
                assertTrue(Thread.interrupted());
                assertTrue(source.isOpen() && sink.isOpen());
                assertTrue(source.jdkChannel().isOpen() && sink.jdkChannel().isOpen());
            }
            sink.truncate(0);
            assertEquals(CONTENT.length, sink.transferFrom(source.position(0), 0, CONTENT.length));
            assertArrayEquals(CONTENT, Files.readAllBytes(directory.resolve("sink")));
        }
    }

    @Test
    void theOtherEndIsClosed() throws Exception {
        for (long count : new long[] {1000, CONTENT.length}) {
            try (ZeroCopyFileChannel kept = open("kept", CONTENT, true);
                    ZeroCopyFileChannel other = open("other", CONTENT, false);
                    Ends.Pair pair = Ends.tcp()) {
                Thread.currentThread().interrupt();
                assertThrows(ClosedByInterruptException.class, () -> kept.transferTo(0, count, pair.near()));
                assertFalse(pair.near().isOpen());
                assertThrows(ClosedByInterruptException.class, () -> kept.transferFrom(other, 0, count));
                assertFalse(other.isOpen());
                assertTrue(Thread.interrupted());
                assertTrue(kept.isOpen());
                assertEquals(10, kept.read(ByteBuffer.allocate(10)));
            }
        }
    }

    @Test
    void aTransferThatWaitsForASocketLeavesTheFile() throws Exception {
        try (ZeroCopyFileChannel kept = open("kept", new byte[1], true); Ends.Pair pair = Ends.tcp()) {
            // More than the queues of a connection hold.
            kept.write(ByteBuffer.wrap(new byte[1]), (64 << 20) - 1);
            Thread main = Thread.currentThread();
            var interrupter = Ends.background(() -> {
                // Some has come: it is under way, and will have to wait for this reader.
                pair.far().read(ByteBuffer.allocate(1));
                main.interrupt();
                return null;
            });
            assertThrows(ClosedByInterruptException.class, () -> kept.transferTo(0, 64 << 20, pair.near()));
            assertTrue(Thread.interrupted());
            Ends.result(interrupter);
            assertTrue(kept.isOpen() && kept.jdkChannel().isOpen());
        }
    }

    @Test
    void aCloseStillEndsIt() throws Exception {
        ZeroCopyFileChannel kept = open("kept", CONTENT, true);
        kept.close();
        Thread.currentThread().interrupt();
        assertThrowsExactly(
                java.nio.channels.ClosedChannelException.class, () -> kept.read(ByteBuffer.allocate(1)));
    }

    @Test
    void withoutTheOptionAnInterruptCloses() throws Exception {
        try (FileChannel file = open("file", CONTENT, false)) {
            Thread.currentThread().interrupt();
            assertThrows(ClosedByInterruptException.class, () -> file.read(ByteBuffer.allocate(1)));
            assertFalse(file.isOpen());
        }
    }
}
