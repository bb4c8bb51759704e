package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelProgressiveFuture;
import io.netty.channel.ChannelProgressiveFutureListener;
import io.netty.channel.ChannelProgressivePromise;
import io.zcio.ZeroCopyFileChannel;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Files in their turn: many, from any thread, opened late, and the connection closed where one is not what was announced. */
@Timeout(180)
class ZeroCopyFilesTest {
    @TempDir
    Path directory;

    /** Says how its connection can be written to. */
    private static final class Starter extends ChannelInboundHandlerAdapter {
        final CompletableFuture<ChannelHandlerContext> context = new CompletableFuture<>();

        @Override
        public void channelActive(ChannelHandlerContext active) {
            context.complete(active);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext failed, Throwable cause) {}
    }

    private interface Exchange {
        void with(ChannelHandlerContext context, SocketChannel client) throws Exception;
    }

    private static void exchange(Transport transport, Exchange exchange) throws Exception {
        Starter starter = new Starter();
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {starter});
                SocketChannel client = server.connect()) {
            exchange.with(starter.context.get(60, TimeUnit.SECONDS), client);
        }
    }

    private Path file(String name, int length) throws IOException {
        byte[] bytes = new byte[length];
        new Random(name.hashCode()).nextBytes(bytes);
        return Files.write(directory.resolve(name), bytes);
    }

    private static byte[] all(SocketChannel client) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        InputStream stream = client.socket().getInputStream();
        byte[] part = new byte[1 << 16];
        try {
            for (int n = stream.read(part); n >= 0; n = stream.read(part)) {
                all.write(part, 0, n);
            }
        } catch (IOException e) {
            // A connection that is closed with bytes unread is reset.
        }
        return all.toByteArray();
    }

    private static Throwable cause(ChannelFuture future) throws Exception {
        assertTrue(future.await(60, TimeUnit.SECONDS));
        return future.cause();
    }

    private static void text(ChannelHandlerContext context, String text) {
        context.write(Unpooled.copiedBuffer(text.getBytes()));
    }

    /** Several files in one answer, as paths and channels, from a thread that is not the event loop's, between other writes. */
    @ParameterizedTest
    @EnumSource
    void filesInTheOrderOfTheirWrites(Transport transport) throws Exception {
        Path one = file("one", 1_000_000);
        Path two = file("two", 100);
        ByteArrayOutputStream expected = new ByteArrayOutputStream();
        exchange(transport, (context, client) -> {
            try (FileChannel channel = FileChannel.open(one); FileChannel ours = ZeroCopyFileChannel.open(two)) {
                byte[] content = Files.readAllBytes(one);
                List<ChannelFuture> futures = new ArrayList<>();
                for (int i = 0; i < 50; i++) {
                    text(context, "<" + i);
                    futures.add(ZeroCopyFiles.write(context, two, 0, 100));
                    futures.add(ZeroCopyFiles.write(context, channel, i, 10_000));
                    futures.add(ZeroCopyFiles.write(context, ours, 1, 99));
                    futures.add(ZeroCopyFiles.write(context, two, 7, 0));
                    text(context, ">");
                    expected.write(("<" + i).getBytes());
                    expected.write(Files.readAllBytes(two));
                    expected.write(content, i, 10_000);
                    expected.write(Files.readAllBytes(two), 1, 99);
                    expected.write('>');
                }
                futures.add(ZeroCopyFiles.write(context, one, 0, 1_000_000));
                expected.write(content);
                ChannelFuture last = context.writeAndFlush(Unpooled.EMPTY_BUFFER);
                last.addListener(future -> context.close());
                assertArrayEquals(expected.toByteArray(), all(client));
                for (ChannelFuture future : futures) {
                    assertNull(cause(future));
                }
                assertTrue(channel.isOpen() && ours.isOpen(), "channels of the caller's");
            }
        });
    }

    @ParameterizedTest
    @EnumSource
    void progress(Transport transport) throws Exception {
        long length = 8 << 20;
        Path path = Pattern.file(directory.resolve("file"), length, 1);
        exchange(transport, (context, client) -> {
            List<Long> told = new ArrayList<>();
            ChannelProgressivePromise promise = context.newProgressivePromise();
            promise.addListener(new ChannelProgressiveFutureListener() {
                @Override
                public void operationProgressed(ChannelProgressiveFuture future, long progress, long total) {
                    assertEquals(length, total);
                    told.add(progress);
                }

                @Override
                public void operationComplete(ChannelProgressiveFuture future) {
                    context.close();
                }
            });
            ZeroCopyFiles.write(context, path, 0, length, promise);
            context.flush();
            assertEquals(length, Pattern.check(client, 0, length, 1));
            assertEquals(0, all(client).length);
            assertNull(cause(promise));
            assertTrue(told.size() > 1 && told.get(told.size() - 1) == length, told.toString());
            for (int i = 1; i < told.size(); i++) {
                assertTrue(told.get(i) >= told.get(i - 1), told.toString());
            }
        });
    }

    private static int descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    @ParameterizedTest
    @EnumSource
    void thousandsOfAnswersHaveOneDescriptor(Transport transport) throws Exception {
        int count = 3000;
        int length = 20_000;
        Path path = file("file", length);
        byte[] content = Files.readAllBytes(path);
        exchange(transport, (context, client) -> {
            int before = descriptors();
            context.executor().submit(() -> {
                for (int i = 0; i < count; i++) {
                    text(context, "head");
                    ZeroCopyFiles.write(context, path, 0, length);
                    context.flush();
                }
                text(context, "last");
                context.flush();
            }).get();
            InputStream stream = client.socket().getInputStream();
            int most = 0;
            for (int i = 0; i < count; i++) {
                assertEquals("head", new String(stream.readNBytes(4)), i + "th");
                assertArrayEquals(content, stream.readNBytes(length), i + "th");
                most = Math.max(most, i % 100 == 0 ? descriptors() : 0);
            }
            assertEquals("last", new String(stream.readNBytes(4)));
            assertTrue(most < before + 50, before + " descriptors became " + most);
        });
    }

    /** The first file fills the socket; meanwhile the second one becomes another, or is cut short, or goes. */
    @ParameterizedTest
    @EnumSource
    void aFileThatIsNotTheAnnouncedOneAnyMore(Transport transport) throws Exception {
        long large = 32 << 20;
        Path first = Pattern.file(directory.resolve("first"), large, 1);
        for (int way = 0; way < 4; way++) {
            Path second = file("second", 1 << 20);
            Path other = file("other", 1 << 20);
            int how = way;
            exchange(transport, (context, client) -> {
                ChannelFuture one = ZeroCopyFiles.write(context, first, 0, large);
                ChannelFuture two = ZeroCopyFiles.write(context, second, 0, 1 << 20);
                ChannelFuture three = context.writeAndFlush(Unpooled.copiedBuffer("next answer".getBytes()));
                assertEquals(65536, Pattern.check(client, 0, 65536, 1));
                // It has been looked at: the tasks of a channel are done in turn, and this one was before the opening of the first.
                if (how == 0) {
                    Files.move(other, second, StandardCopyOption.REPLACE_EXISTING);
                } else if (how == 1) {
                    try (FileChannel cut = FileChannel.open(second, StandardOpenOption.WRITE)) {
                        cut.truncate(0);
                    }
                } else {
                    Files.delete(second);
                    if (how == 3) {
                        // On many file systems it gets the number that has just become free.
                        file("second", 1 << 20);
                    }
                }
                assertEquals(large - 65536, Pattern.check(client, 65536, large - 65536, 1), "way " + how);
                assertEquals(0, all(client).length, "way " + how);
                assertNull(cause(one));
                assertInstanceOf(IOException.class, cause(two), "way " + how);
                assertInstanceOf(IOException.class, cause(three), "way " + how);
            });
        }
    }

    /** The event loop, of which there is one, serves others meanwhile. */
    @ParameterizedTest
    @EnumSource
    void whatIsNoRegularFile(Transport transport) throws Exception {
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        for (Path path : List.of(fifo, directory, directory.resolve("missing"))) {
            exchange(transport, (context, client) -> {
                // At once: a connection that is closed before the header was flushed has none.
                ChannelFuture future = context.executor().submit(() -> {
                    text(context, "head");
                    ChannelFuture written = ZeroCopyFiles.write(context, path, 0, 5);
                    context.flush();
                    return written;
                }).get();
                assertEquals("head", new String(all(client)), path.toString());
                assertInstanceOf(IOException.class, cause(future));
            });
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFileOpenedWithDirectAtOddPositions(Transport transport) throws Exception {
        Path path = file("file", 1_000_001);
        byte[] content = Files.readAllBytes(path);
        // Without a warning of the compiler about an option that is the JDK's own.
        OpenOption direct = (OpenOption) Class.forName("com.sun.nio.file.ExtendedOpenOption").getField("DIRECT").get(null);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, direct)) {
            for (int[] range : new int[][] {{0, 1_000_001}, {1, 999_999}, {4096, 8192}, {4096, 5}, {1_000_000, 1}}) {
                exchange(transport, (context, client) -> {
                    ChannelFuture future = ZeroCopyFiles.write(context, channel, range[0], range[1]);
                    context.flush();
                    future.addListener(done -> context.close());
                    assertArrayEquals(
                            Arrays.copyOfRange(content, range[0], range[0] + range[1]), all(client), Arrays.toString(range));
                    assertNull(cause(future));
                });
            }
        } catch (UnsupportedOperationException e) {
            Assumptions.abort("no O_DIRECT here");
        }
    }

    @ParameterizedTest
    @EnumSource
    void aClientThatVanishesLeavesNothing(Transport transport) throws Exception {
        Path path = file("file", 4 << 20);
        int before = descriptors();
        exchange(transport, (context, client) -> {
            List<ChannelFuture> futures = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                futures.add(ZeroCopyFiles.write(context, path, 0, 4 << 20));
            }
            context.flush();
            client.socket().getInputStream().read();
            client.close();
            for (ChannelFuture future : futures.subList(10, 20)) {
                assertInstanceOf(IOException.class, cause(future));
            }
        });
        for (int i = 0; i < 1500 && descriptors() > before + 3; i++) {
            Thread.sleep(20);
        }
        assertTrue(descriptors() <= before + 3, before + " descriptors became " + descriptors());
    }
}
