package io.zcio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.FileChannel;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A {@code transferTo} that waits inside the kernel for the reader of a full pipe, and is stopped or goes on. */
@Timeout(60)
class StoppedPipeTest {
    private static final byte[] CONTENT = Ends.pattern(300_000);

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource({
        "pipe, interrupt", "pipe, source", "pipe, sink", "pipe, read",
        "fifo, interrupt", "fifo, source", "fifo, sink", "fifo, read",
        "ours, interrupt", "ours, source", "ours, sink", "ours, read",
    })
    void aTransferThatWaits(String kind, String stop) throws Exception {
        Ends.Flow pipe = Ends.flow(kind, directory);
        AtomicReference<Object> outcome = new AtomicReference<>();
        try (FileChannel file = ZeroCopyFileChannel.open(Files.write(directory.resolve("content"), CONTENT));
                Channel sink = pipe.sink();
                ReadableByteChannel source = pipe.source()) {
            Thread thread = new Thread(() -> {
                try {
                    outcome.set(file.transferTo(0, CONTENT.length, pipe.sink()));
                } catch (Throwable e) {
                    outcome.set(e);
                }
            });
            thread.start();
            // The first bytes are there, and there is no room for the last ones.
            ByteBuffer received = ByteBuffer.allocate(CONTENT.length);
            received.limit(1);
            assertEquals(1, source.read(received));
            thread.join(50);
            assertTrue(thread.isAlive());
            switch (stop) {
                case "interrupt" -> thread.interrupt();
                case "source" -> file.close();
                case "sink" -> sink.close();
                default -> {
                    received.limit(CONTENT.length);
                    while (received.hasRemaining()) {
                        source.read(received);
                    }
                }
            }
            thread.join(20_000);
            assertFalse(thread.isAlive(), "not released within 20 s");
            if (stop.equals("read")) {
                assertEquals((long) CONTENT.length, outcome.get());
                assertTrue(Arrays.equals(CONTENT, received.array()));
                return;
            }
            Class<?> expected =
                    stop.equals("interrupt") ? ClosedByInterruptException.class : AsynchronousCloseException.class;
            assertEquals(expected, outcome.get().getClass(), () -> "" + outcome.get());
            assertEquals(stop.equals("sink"), file.isOpen());
            assertEquals(stop.equals("source"), sink.isOpen());
            sink.close();
            received.limit(CONTENT.length);
            while (source.read(received) >= 0) {}
            assertEquals(received.position(), counted((Throwable) outcome.get()), () -> "" + outcome.get());
            byte[] arrived = Arrays.copyOf(received.array(), received.position());
            assertTrue(Arrays.equals(Arrays.copyOf(CONTENT, arrived.length), arrived));
        }
    }

    /** NIO's exceptions have no room for it. */
    private static long counted(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof TransferException transfer) {
                return transfer.moved();
            }
        }
        return -1;
    }
}
