package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.DefaultFileRegion;
import io.zcio.ZeroCopyFileChannel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A channel of zcio's in Netty's own region, whose native transports read a field of the JDK's channel class out of it: they
 * find the right descriptor, and none once the channel is closed.
 */
@Timeout(60)
class DefaultFileRegionTest {
    @TempDir
    Path directory;

    private static final class Sender extends ChannelInboundHandlerAdapter {
        private final FileChannel file;
        private final int count;
        private final boolean closed;
        final CompletableFuture<Throwable> outcome = new CompletableFuture<>();

        Sender(FileChannel file, int count, boolean closed) {
            this.file = file;
            this.count = count;
            this.closed = closed;
        }

        @Override
        public void channelActive(ChannelHandlerContext context) throws IOException {
            if (closed) {
                file.close();
            }
            context.writeAndFlush(new DefaultFileRegion(file, 0, count)).addListener(future -> {
                outcome.complete(future.cause());
                context.close();
            });
        }
    }

    private static byte[] receive(Transport transport, Sender sender) throws Exception {
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {sender});
                SocketChannel socket = server.connect()) {
            ByteArrayOutputStream received = new ByteArrayOutputStream();
            Channels.newInputStream(socket).transferTo(received);
            return received.toByteArray();
        }
    }

    private byte[] content(Path path) throws IOException {
        byte[] content = new byte[3 << 20];
        new Random(14).nextBytes(content);
        Files.write(path, content);
        return content;
    }

    @ParameterizedTest
    @EnumSource
    void theBytesOfTheFileArrive(Transport transport) throws Exception {
        Path path = directory.resolve("file");
        byte[] content = content(path);
        for (boolean wrapped : new boolean[] {false, true}) {
            FileChannel file = wrapped ? ZeroCopyFileChannel.of(FileChannel.open(path)) : ZeroCopyFileChannel.open(path);
            Sender sender = new Sender(file, content.length, false);
            assertArrayEquals(content, receive(transport, sender));
            assertNull(sender.outcome.get(10, TimeUnit.SECONDS));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aClosedChannelSendsNothing(Transport transport) throws Exception {
        Path path = directory.resolve("file");
        byte[] content = content(path);
        Sender sender = new Sender(ZeroCopyFileChannel.open(path), content.length, true);
        assertEquals(0, receive(transport, sender).length);
        assertInstanceOf(IOException.class, sender.outcome.get(10, TimeUnit.SECONDS));
    }
}
