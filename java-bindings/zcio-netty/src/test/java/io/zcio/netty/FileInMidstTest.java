package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kind of file on every way out: cut while it goes, and many of them, which leave nothing behind. */
@Timeout(180)
class FileInMidstTest {
    @TempDir
    Path directory;

    /** What {@link ZeroCopyFiles} is given. */
    private enum Given { PATH, CHANNEL, DIRECT }

    /** In the way, and changes nothing. */
    private static final class Seer extends ChannelOutboundHandlerAdapter {
        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            assertTrue(message instanceof ByteBuf || message instanceof FilePart, message.getClass().getName());
            context.write(message, promise);
        }
    }

    private static Stream<Arguments> table() {
        return Arrays.stream(Transport.values())
                .flatMap(transport -> Arrays.stream(Given.values())
                        .flatMap(given -> Stream.of(false, true).map(seen -> Arguments.of(transport, given, seen))));
    }

    private interface Exchange {
        void with(ChannelHandlerContext context, SocketChannel client) throws Exception;
    }

    private static void exchange(Transport transport, boolean seen, Exchange exchange) throws Exception {
        CompletableFuture<ChannelHandlerContext> context = new CompletableFuture<>();
        ChannelHandler starter = new ChannelInboundHandlerAdapter() {
            @Override
            public void channelActive(ChannelHandlerContext active) {
                context.complete(active);
            }

            @Override
            public void exceptionCaught(ChannelHandlerContext failed, Throwable cause) {}
        };
        ChannelHandler[] handlers = seen ? new ChannelHandler[] {new Seer(), starter} : new ChannelHandler[] {starter};
        try (Transport.Server server = transport.serve(() -> handlers);
                SocketChannel client = server.connect()) {
            exchange.with(context.get(60, TimeUnit.SECONDS), client);
        }
    }

    private static FileChannel open(Given given, Path path) throws Exception {
        if (given != Given.DIRECT) {
            return FileChannel.open(path);
        }
        try {
            // Without a warning of the compiler about an option that is the JDK's own.
            OpenOption direct = (OpenOption) Class.forName("com.sun.nio.file.ExtendedOpenOption").getField("DIRECT").get(null);
            return FileChannel.open(path, StandardOpenOption.READ, direct);
        } catch (UnsupportedOperationException e) {
            Assumptions.abort("no O_DIRECT here");
            throw e;
        }
    }

    private static ChannelFuture write(
            Given given, ChannelHandlerContext context, Path path, FileChannel channel, long position, long count) {
        ChannelFuture future = given == Given.PATH
                ? ZeroCopyFiles.write(context, path, position, count)
                : ZeroCopyFiles.write(context, channel, position, count);
        context.flush();
        return future;
    }

    /** Whole, at odd positions. */
    @ParameterizedTest
    @MethodSource("table")
    void whole(Transport transport, Given given, boolean seen) throws Exception {
        long size = 1_000_001;
        Path path = Pattern.file(directory.resolve("file"), 1 << 20, 1);
        try (FileChannel odd = FileChannel.open(path, StandardOpenOption.WRITE)) {
            odd.truncate(size);
        }
        try (FileChannel channel = open(given, path)) {
            for (long[] range : new long[][] {{0, size}, {1, size - 3}, {4096, 8192}, {4096, 5}, {131_071, 131_074}, {size - 1, 1}}) {
                exchange(transport, seen, (context, client) -> {
                    ChannelFuture future = write(given, context, path, channel, range[0], range[1]);
                    future.addListener(done -> context.close());
                    assertEquals(range[1], Pattern.check(client, range[0], range[1], 1), Arrays.toString(range));
                    assertTrue(future.await(60, TimeUnit.SECONDS));
                    assertNull(future.cause(), Arrays.toString(range));
                    assertEquals(-1, client.socket().getInputStream().read());
                });
            }
        }
    }

    /** What arrives is the file's own, and less than was asked for is no success. */
    @ParameterizedTest
    @MethodSource("table")
    void cut(Transport transport, Given given, boolean seen) throws Exception {
        long size = 32 << 20;
        Path path = Pattern.file(directory.resolve("file"), size, 1);
        for (long left : new long[] {0, 5_000_001}) {
            Pattern.file(path, size, 1);
            try (FileChannel channel = open(given, path)) {
                exchange(transport, seen, (context, client) -> {
                    ChannelFuture future = write(given, context, path, channel, 1, size - 1);
                    assertEquals(1000, Pattern.check(client, 1, 1000, 1));
                    try (FileChannel cut = FileChannel.open(path, StandardOpenOption.WRITE)) {
                        cut.truncate(left);
                    }
                    long arrived = 1000;
                    try {
                        arrived += Pattern.check(client, 1001, size - 1001, 1);
                    } catch (IOException e) {
                        // A connection that is closed with bytes unread is reset.
                    }
                    assertTrue(future.await(60, TimeUnit.SECONDS));
                    assertFalse(future.isSuccess(), arrived + " of " + size);
                    assertTrue(future.cause() instanceof IOException, String.valueOf(future.cause()));
                    assertTrue(context.channel().closeFuture().await(60, TimeUnit.SECONDS));
                });
            }
        }
    }

    private static long mappings(Path path) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.endsWith(path.toString())).count();
        }
    }

    /** What garbage collection alone would undo is left over. Behind 2 GiB, too, where Netty's io_uring cannot count. */
    @ParameterizedTest
    @EnumSource
    void manyAnswersLeaveNoMapping(Transport transport) throws Exception {
        int answers = 500;
        Path path = Pattern.file(directory.resolve("file"), 1 << 16, 1);
        long far = 3L << 30;
        Path large = directory.resolve("large");
        try (FileChannel hole = FileChannel.open(large, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileChannel content = FileChannel.open(path)) {
            hole.position(far);
            content.transferTo(0, 1 << 16, hole);
        }
        try (FileChannel channel = FileChannel.open(path)) {
            exchange(transport, false, (context, client) -> {
                for (int i = 0; i < answers; i++) {
                    write(Given.CHANNEL, context, path, channel, 0, 4096);
                    write(Given.PATH, context, large, channel, far, 4096);
                }
                InputStream stream = client.socket().getInputStream();
                byte[] one = Arrays.copyOf(Files.readAllBytes(path), 4096);
                for (int i = 0; i < 2 * answers; i++) {
                    assertTrue(Arrays.equals(one, stream.readNBytes(4096)), i + "th");
                }
                long mapped = mappings(path.toRealPath()) + mappings(large.toRealPath());
                assertTrue(mapped < 20, mapped + " mappings after " + answers + " answers");
            });
        }
    }
}
