package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ResourceLeakDetector;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Answers and uploads for many clients, some of which vanish: no buffer and no descriptor is left. */
@Timeout(300)
class LoadTest {
    /** Of each transport; a minute with {@code ZCIO_LARGE}. */
    private static final int SECONDS = System.getenv("ZCIO_LARGE") == null ? 2 : 60;
    private static final int AT_LEAST = 20;

    private static final int SIZE = 300_007;
    private static final Logger LEAKS = Logger.getLogger(ResourceLeakDetector.class.getName());

    @TempDir
    Path directory;

    private final Queue<String> leaks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger names = new AtomicInteger();
    private final AtomicInteger operations = new AtomicInteger();
    private Path path;

    private final Handler listener = new Handler() {
        @Override
        public void publish(LogRecord record) {
            leaks.add(String.valueOf(record.getMessage()));
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    };

    private ChannelHandler application() {
        return new ChannelInboundHandlerAdapter() {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) {
                if (message instanceof LastHttpContent) {
                    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
                    head.headers().set("content-length", SIZE);
                    context.write(head);
                    ZeroCopyFiles.write(context, path, 0, SIZE);
                    context.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
                }
                io.netty.util.ReferenceCountUtil.release(message);
            }

            @Override
            public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
                context.close();
            }
        };
    }

    /** Answers one byte when the upload is there. */
    private ChannelHandler[] upload() {
        Path to = directory.resolve("upload" + names.getAndIncrement());
        FileUploadHandler upload =
                names.get() % 2 == 0 ? new FileUploadHandler(to, SIZE) : FileUploadHandler.atomic(to, SIZE);
        return new ChannelHandler[] {upload, new SimpleChannelInboundHandler<ByteBuf>() {
            @Override
            public void handlerAdded(ChannelHandlerContext context) {
                upload.done().addListener(future -> {
                    if (future.isSuccess()) {
                        context.writeAndFlush(context.alloc().buffer(1).writeByte(Files.size(to) == SIZE ? 'y' : 'n'));
                    }
                    Files.deleteIfExists(to);
                });
            }

            @Override
            protected void channelRead0(ChannelHandlerContext context, ByteBuf bytes) {}

            @Override
            public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
                context.close();
            }
        }};
    }

    private void get(Transport.Server server, int requests, boolean vanish) throws Exception {
        try (SocketChannel socket = server.connect()) {
            socket.socket().setSoTimeout(60_000);
            for (int i = 0; i < requests; i++) {
                socket.write(ByteBuffer.wrap("GET / HTTP/1.1\r\nhost: x\r\n\r\n".getBytes()));
            }
            InputStream stream = socket.socket().getInputStream();
            if (vanish) {
                stream.readNBytes(100_000);
                return;
            }
            byte[] content = Files.readAllBytes(path);
            for (int i = 0; i < requests; i++) {
                StringBuilder head = new StringBuilder();
                while (head.indexOf("\r\n\r\n") < 0) {
                    int next = stream.read();
                    assertTrue(next >= 0, i + "th answer of " + requests + ": " + head);
                    head.append((char) next);
                }
                assertTrue(java.util.Arrays.equals(content, stream.readNBytes(SIZE)));
            }
        }
    }

    private void put(Transport.Server server, boolean vanish) throws Exception {
        try (SocketChannel socket = server.connect()) {
            socket.socket().setSoTimeout(60_000);
            Pattern.send(socket, vanish ? SIZE / 2 : SIZE);
            if (!vanish) {
                assertEquals('y', socket.socket().getInputStream().read());
            }
        }
    }

    private void client(Transport.Server files, Transport.Server uploads, long until, int seed) {
        Random random = new Random(seed);
        // So many at least, however slow the machine is.
        while (System.nanoTime() < until || operations.get() < AT_LEAST) {
            boolean upload = random.nextBoolean();
            boolean vanish = random.nextInt(4) == 0;
            try {
                if (upload) {
                    put(uploads, vanish);
                } else {
                    get(files, 1 + random.nextInt(5), vanish);
                }
                operations.incrementAndGet();
            } catch (Exception | AssertionError e) {
                throw new IllegalStateException((upload ? "an upload" : "an answer") + ", vanish " + vanish, e);
            }
        }
    }

    private static int descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    /** What was lost is found by the next allocations after a garbage collection. */
    private void lookForLeaks() {
        for (int i = 0; i < 20; i++) {
            System.gc();
            for (int n = 0; n < 100; n++) {
                PooledByteBufAllocator.DEFAULT.directBuffer(16).release();
                PooledByteBufAllocator.DEFAULT.heapBuffer(16).release();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void nothingIsLeft(Transport transport) throws Exception {
        path = Files.write(directory.resolve("file"), new byte[SIZE]);
        ResourceLeakDetector.Level before = ResourceLeakDetector.getLevel();
        ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.PARANOID);
        LEAKS.addHandler(listener);
        int opened = descriptors();
        try {
            Supplier<ChannelHandler[]> http = () -> new ChannelHandler[] {new HttpServerCodec(), application()};
            try (Transport.Server files = transport.serve(http);
                    Transport.Server uploads = transport.serve(this::upload)) {
                long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
                CompletableFuture.allOf(IntStream.range(0, 4)
                                .mapToObj(i -> CompletableFuture.runAsync(
                                        () -> client(files, uploads, until, i), task -> new Thread(task).start()))
                                .toArray(CompletableFuture<?>[]::new))
                        .get(SECONDS + 120, TimeUnit.SECONDS);
            }
            lookForLeaks();
            assertEquals(List.of(), List.copyOf(leaks), operations + " operations");
            assertTrue(operations.get() >= AT_LEAST, operations + " operations");
            for (int i = 0; i < 1500 && descriptors() > opened + 3; i++) {
                Thread.sleep(20);
            }
            assertTrue(descriptors() <= opened + 3, opened + " descriptors became " + descriptors());
            for (int i = 0; i < 1500 && directory.toFile().list().length > 1; i++) {
                Thread.sleep(20);
            }
            assertEquals(List.of("file"), List.of(directory.toFile().list()), "uploads that were broken off");
            // And a buffer that is lost would have been seen.
            // (Told once for each place.)
            if (transport == Transport.NIO) {
                PooledByteBufAllocator.DEFAULT.directBuffer(16).touch("lost by this test");
                for (int i = 0; i < 10 && leaks.isEmpty(); i++) {
                    lookForLeaks();
                }
                assertTrue(leaks.stream().anyMatch(leak -> leak.contains("LEAK")), "nothing would have been seen");
            }
        } finally {
            LEAKS.removeHandler(listener);
            ResourceLeakDetector.setLevel(before);
        }
    }
}
