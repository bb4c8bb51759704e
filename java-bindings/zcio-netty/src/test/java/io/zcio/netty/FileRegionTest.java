package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.zcio.ZeroCopyFileChannel;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Files out over every transport, byte by byte, and everything that must not go wrong silently. */
@Timeout(300)
class FileRegionTest {
    private static final long SIZE = 64L << 20;

    @TempDir
    Path directory;

    /** On a connection: header, part of a file, trailer. */
    private static final class Sender extends ChannelInboundHandlerAdapter {
        private final Path path;
        private final long position;
        private final long count;
        final CompletableFuture<Throwable> outcome = new CompletableFuture<>();

        Sender(Path path, long position, long count) {
            this.path = path;
            this.position = position;
            this.count = count;
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            context.write(Unpooled.copiedBuffer(new byte[] {'h', 'e', 'a', 'd'}));
            ChannelFuture body = ZeroCopyFiles.write(context, path, position, count);
            ChannelFuture last = context.writeAndFlush(Unpooled.copiedBuffer(new byte[] {'t', 'a', 'i', 'l'}));
            body.addListener(future -> outcome.complete(future.cause()));
            last.addListener(future -> context.close());
        }
    }

    private static String read(SocketChannel socket, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining() && socket.read(bytes) >= 0) {
            continue;
        }
        return new String(bytes.array(), 0, bytes.position());
    }

    private static long descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    private void transfer(Transport transport, Path path, long position, long count, int every) throws Exception {
        Sender sender = new Sender(path, position, count);
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {sender});
                SocketChannel socket = server.connect()) {
            assertEquals("head", read(socket, 4));
            assertEquals(count, Pattern.check(socket, position, count, every));
            assertEquals("tail", read(socket, 5));
            assertEquals(null, sender.outcome.get(60, TimeUnit.SECONDS));
        }
    }

    @ParameterizedTest
    @EnumSource
    void headerFileTrailer(Transport transport) throws Exception {
        Path path = Pattern.file(directory.resolve("file"), SIZE, 1);
        transfer(transport, path, 0, SIZE, 1);
        long before = descriptors();
        transfer(transport, path, SIZE - 1_000_001, 1_000_001, 1);
        transfer(transport, path, 0, 0, 1);
        assertGone(before);
    }

    @ParameterizedTest
    @EnumSource
    @EnabledIfEnvironmentVariable(named = "ZCIO_LARGE", matches = ".+")
    @Timeout(600)
    void eightGibibytes(Transport transport) throws Exception {
        Path path = Pattern.file(directory.resolve("file"), 8L << 30, 256);
        transfer(transport, path, 0, 8L << 30, 256);
    }

    @ParameterizedTest
    @EnumSource
    void beyondTwoGibibytes(Transport transport) throws Exception {
        Path path = Pattern.file(directory.resolve("file"), (2L << 30) + (8 << 20), 1024);
        long from = (2L << 30) - (8 << 20);
        transfer(transport, path, from, 16 << 20, 1024);
    }

    @ParameterizedTest
    @EnumSource
    void aFileThatIsShorterThanTheRegion(Transport transport) throws Exception {
        Path path = Pattern.file(directory.resolve("file"), 1 << 20, 1);
        Sender sender = new Sender(path, 0, 2 << 20);
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {sender});
                SocketChannel socket = server.connect()) {
            assertEquals("head", read(socket, 4));
            assertEquals(1 << 20, Pattern.check(socket, 0, 1 << 20, 1));
            assertInstanceOf(IOException.class, sender.outcome.get(60, TimeUnit.SECONDS));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPeerThatVanishes(Transport transport) throws Exception {
        Path path = Pattern.file(directory.resolve("file"), SIZE, 1);
        long before = descriptors();
        Sender sender = new Sender(path, 0, SIZE);
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {sender})) {
            try (SocketChannel socket = server.connect()) {
                assertEquals("head", read(socket, 4));
            }
            assertInstanceOf(IOException.class, sender.outcome.get(60, TimeUnit.SECONDS));
        }
        assertGone(before);
    }

    /** The transports close what they have in their own time. */
    private static void assertGone(long before) throws Exception {
        for (int i = 0; i < 1500 && descriptors() > before + 3; i++) {
            Thread.sleep(20);
        }
        assertTrue(descriptors() <= before + 3, before + " descriptors became " + descriptors());
    }

    @org.junit.jupiter.api.Test
    void onlyTheJdksOwnChannel() throws Exception {
        Path path = Pattern.file(directory.resolve("file"), 65536, 1);
        try (FileChannel ours = ZeroCopyFileChannel.open(path)) {
            assertThrowsExactly(IllegalArgumentException.class, () -> new ZeroCopyFileRegion(ours, 0, 1));
        }
        long before = descriptors();
        for (int i = 0; i < 100; i++) {
            assertThrowsExactly(IllegalArgumentException.class, () -> new ZeroCopyFileRegion(path, -1, 1));
            assertThrowsExactly(IllegalArgumentException.class, () -> new ZeroCopyFileRegion(path, 0, -1));
        }
        assertTrue(descriptors() < before + 50, "descriptors of regions that there are not");
        ZeroCopyFileRegion region = new ZeroCopyFileRegion(path, 100, 1000);
        try (FileChannel sink = FileChannel.open(directory.resolve("sink"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            assertEquals(1000, region.transferTo(sink, 0));
            assertEquals(1000, region.transferred());
            assertEquals(0, region.transferTo(sink, 1000));
            assertThrowsExactly(IllegalArgumentException.class, () -> region.transferTo(sink, 1001));
        }
        region.release();
        assertFalse(region.isOpen());
        assertEquals(1000, Files.size(directory.resolve("sink")));
    }
}
