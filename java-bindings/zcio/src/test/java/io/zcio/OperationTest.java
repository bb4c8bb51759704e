package io.zcio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.RandomAccessFile;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What all operations have: a future, a deadline, a description; and ends that have their channel somewhere below. */
@Timeout(120)
class OperationTest {
    private static final byte[] CONTENT = Ends.pattern(300_000);

    @TempDir
    Path directory;

    private Path file(String name) throws Exception {
        return Files.write(directory.resolve(name), CONTENT);
    }

    @Test
    void aside() throws Exception {
        Path source = file("source");
        Path sink = directory.resolve("sink");
        assertEquals(CONTENT.length, Transfer.from(source).to(sink).runAsync().get().bytes());
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        assertEquals(CONTENT.length, FanOut.from(source).to(sink).runAsync().get().bytes());
        Files.delete(sink);
        assertTrue(Copy.of(source, sink).runAsync().get().bytes() > 0);
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        CompletableFuture<Report> none = Transfer.from(directory.resolve("none")).to(sink).runAsync();
        assertInstanceOf(NoSuchFileException.class, assertThrows(ExecutionException.class, none::get).getCause());
    }

    /** The operation stops, and the socket can be used again. */
    @Test
    void aFutureThatIsCancelled() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            CompletableFuture<Report> waiting = Transfer.from(pair.near()).to(directory.resolve("sink")).runAsync();
            assertTrue(waiting.cancel(true));
            assertThrows(CancellationException.class, waiting::get);
            CancelToken token = new CancelToken();
            CompletableFuture<Report> other = Transfer.from(pair.near())
                    .to(directory.resolve("other"))
                    .cancelledBy(token)
                    .runAsync();
            token.cancel();
            ExecutionException e = assertThrows(ExecutionException.class, () -> other.get(60, TimeUnit.SECONDS));
            assertInstanceOf(TransferCancelledException.class, e.getCause());
            assertTrue(pair.near().isOpen());
        }
    }

    @Test
    void aDeadline() throws Exception {
        try (Ends.Pair pair = Ends.tcp(); Ends.Pair other = Ends.tcp()) {
            for (Duration time : List.of(Duration.ofMillis(50), Duration.ZERO, Duration.ofSeconds(-1))) {
                Transfer transfer = Transfer.from(pair.near()).to(directory.resolve("sink"));
                assertThrowsExactly(
                        TransferCancelledException.class, transfer.cancelledBy(CancelToken.after(time))::run);
                Relay relay = Relay.between(pair.near(), other.near());
                assertThrows(TransferCancelledException.class, relay.cancelledBy(CancelToken.after(time))::run);
            }
        }
        CancelToken far = CancelToken.after(Duration.ofSeconds(Long.MAX_VALUE));
        Transfer.from(file("source")).to(directory.resolve("sink")).cancelledBy(far).run();
        far.cancel();
        assertTrue(far.isCancelled());
    }

    @Test
    void descriptions() throws Exception {
        Path source = Path.of("/a");
        Path sink = Path.of("/b");
        assertEquals("Transfer from /a to /b", Transfer.from(source).to(sink).toString());
        assertEquals(
                "Transfer from /a, from byte 1, at most 2 bytes to /b, from byte 3",
                Transfer.from(source).to(sink).offset(1).count(2).sinkOffset(3).toString());
        assertEquals("FanOut from /a to /b, /c", FanOut.from(source).to(sink).to(Path.of("/c")).toString());
        assertEquals("Copy of /a to /b", Copy.of(source, sink).toString());
        assertEquals("from /a, from byte 0, at most 5 bytes to /b", Batch.from(source).to(sink).count(5).toString());
        try (Ends.Pair pair = Ends.tcp()) {
            String peer = pair.near().getRemoteAddress().toString();
            assertTrue(Relay.between(pair.near(), pair.far()).toString().contains(peer));
        }
    }

    @Test
    void streamsAndSocketsWithAChannel() throws Exception {
        Path source = file("source");
        Path sink = directory.resolve("sink");
        try (FileInputStream in = new FileInputStream(source.toFile());
                FileOutputStream out = new FileOutputStream(sink.toFile())) {
            assertEquals(CONTENT.length, Transfer.from(in).to(out).run().bytes());
            assertEquals(-1, in.read());
            assertThrows(NonWritableChannelException.class, () -> Transfer.from(source).to(in).run());
        }
        assertArrayEquals(CONTENT, Files.readAllBytes(sink));
        try (RandomAccessFile file = new RandomAccessFile(sink.toFile(), "rw")) {
            file.setLength(0);
            Transfer.from(source).to(file).run();
            assertEquals(CONTENT.length, file.getFilePointer());
        }
        try (Ends.Pair pair = Ends.tcp()) {
            var received = Ends.background(() -> Ends.readAll(pair.far()));
            Transfer.from(source).to(pair.near().socket()).run();
            pair.near().close();
            assertArrayEquals(CONTENT, Ends.result(received));
        }
    }

    /** A stream that is closed ends the transfer as its channel would. */
    @Test
    void aStreamThatIsClosedMeanwhile() throws Exception {
        try (Ends.Pair pair = Ends.tcp(); FileOutputStream out = new FileOutputStream(directory.resolve("sink").toFile())) {
            CompletableFuture<Report> waiting = Transfer.from(pair.near()).to(out).runAsync();
            pair.far().write(java.nio.ByteBuffer.wrap(new byte[10]));
            while (Files.size(directory.resolve("sink")) < 10) {
                Thread.sleep(1);
            }
            out.close();
            ExecutionException e = assertThrows(ExecutionException.class, () -> waiting.get(60, TimeUnit.SECONDS));
            assertInstanceOf(java.nio.channels.AsynchronousCloseException.class, e.getCause());
            assertTrue(pair.near().isOpen());
        }
    }

    @Test
    void whatHasNone() throws Exception {
        Path source = file("source");
        FileInputStream subclass = new FileInputStream(source.toFile()) {};
        try (subclass; Socket socket = new Socket()) {
            for (Closeable none : new Closeable[] {new ByteArrayInputStream(CONTENT), subclass, socket}) {
                IllegalArgumentException e = assertThrowsExactly(IllegalArgumentException.class, () -> Transfer.from(none));
                assertTrue(e.getMessage().contains(none.getClass().getName()), e.getMessage());
                assertThrowsExactly(IllegalArgumentException.class, () -> Transfer.from(source).to(none));
            }
            assertTrue(assertThrows(IllegalArgumentException.class, () -> Transfer.from(socket))
                    .getMessage()
                    .contains("SocketChannel"));
        }
    }

    /** Its channel is the one below, past whose encryption nothing may go. */
    @Test
    void aSocketThatIsLayeredOverAnother() throws Exception {
        try (Ends.Pair pair = Ends.tcp()) {
            Socket below = pair.near().socket();
            Socket tls = ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(below, "localhost", 443, false);
            assertSame(pair.near(), tls.getChannel());
            Socket subclass = new Socket() {
                @Override
                public SocketChannel getChannel() {
                    return pair.near();
                }
            };
            for (Socket layered : new Socket[] {tls, subclass}) {
                assertThrowsExactly(IllegalArgumentException.class, () -> Transfer.from(file("source")).to(layered).run());
                assertThrowsExactly(IllegalArgumentException.class, () -> Transfer.from(layered));
            }
            pair.near().close();
            assertEquals(0, Ends.readAll(pair.far()).length);
        }
    }
}
