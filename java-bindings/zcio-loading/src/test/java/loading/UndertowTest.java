package loading;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.undertow.Undertow;
import io.undertow.io.IoCallback;
import io.zcio.Monitoring;
import io.zcio.ZeroCopyFileChannel;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Code that knows nothing of zcio, and is given its channel. */
@Timeout(120)
class UndertowTest {
    private static final int HEAD = 64 << 10;

    @TempDir
    Path directory;

    private Path path;
    private byte[] content;

    @BeforeEach
    void fill() throws Exception {
        content = new byte[5_000_001];
        new Random(5).nextBytes(content);
        path = Files.write(directory.resolve("file"), content);
    }

    @Test
    void undertowSendsByIt() throws Exception {
        long before = Monitoring.counters().getBytes();
        try (FileChannel channel = ZeroCopyFileChannel.open(path)) {
            Undertow server = Undertow.builder()
                    .addHttpListener(0, "localhost")
                    .setHandler(exchange -> {
                        exchange.setResponseContentLength(content.length);
                        exchange.getResponseSender().transferFrom(channel, IoCallback.END_EXCHANGE);
                    })
                    .build();
            server.start();
            try {
                int port = ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
                try (var body = new URI("http://localhost:" + port + "/").toURL().openStream()) {
                    assertArrayEquals(content, body.readAllBytes());
                }
                // All but some that go out in a buffer with the head, counted when the call that has sent the last of them returns.
                while (Monitoring.counters().getBytes() < before + content.length - HEAD) {
                    Thread.sleep(1);
                }
            } finally {
                server.stop();
            }
        }
        assertTrue(Monitoring.counters().getBytes() <= before + content.length);
    }

    @Test
    void streamsSendByIt() throws Exception {
        Assumptions.assumeTrue(Runtime.version().feature() >= 18, "a stream of 17 copies");
        long before = Monitoring.counters().getBytes();
        try (ServerSocketChannel listener = ServerSocketChannel.open().bind(new InetSocketAddress("localhost", 0));
                SocketChannel client = SocketChannel.open(listener.getLocalAddress());
                SocketChannel accepted = listener.accept();
                FileChannel channel = ZeroCopyFileChannel.open(path)) {
            CompletableFuture<byte[]> received = CompletableFuture.supplyAsync(() -> {
                try {
                    return client.socket().getInputStream().readAllBytes();
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            Channels.newInputStream(channel).transferTo(Channels.newOutputStream(accepted));
            accepted.shutdownOutput();
            assertArrayEquals(content, received.get());
        }
        assertEquals(before + content.length, Monitoring.counters().getBytes());
    }
}
