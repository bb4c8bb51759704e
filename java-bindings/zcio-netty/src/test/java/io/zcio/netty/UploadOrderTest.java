package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.ssl.SslContext;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What waits for an upload's file to be opened and closed, and what does not. */
@Timeout(180)
class UploadOrderTest {
    private static final long SIZE = (4L << 20) + 12_345;

    @TempDir
    Path directory;

    /** A FIFO is opened when somebody reads it; the event loop goes on meanwhile. */
    @ParameterizedTest
    @EnumSource
    void aFileThatIsSlowToOpenKeepsNobodyElseWaiting(Transport transport) throws Exception {
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        AtomicInteger connections = new AtomicInteger();
        Supplier<ChannelHandler[]> handlers = () -> {
            if (connections.getAndIncrement() > 0) {
                return new ChannelHandler[] {new ChannelInboundHandlerAdapter() {
                    @Override
                    public void channelRead(ChannelHandlerContext context, Object message) {
                        context.writeAndFlush(message);
                    }
                }};
            }
            FileUploadHandler upload = new FileUploadHandler(fifo, SIZE);
            return new ChannelHandler[] {upload, new ChannelInboundHandlerAdapter() {
                @Override
                public void handlerAdded(ChannelHandlerContext context) {
                    upload.done().addListener(future -> outcome.complete(future.cause()));
                }
            }};
        };
        try (Transport.Server server = transport.serve(handlers);
                SocketChannel socket = server.connect();
                SocketChannel other = server.connect()) {
            other.write(ByteBuffer.wrap("ping".getBytes()));
            ByteBuffer answer = ByteBuffer.allocate(4);
            while (answer.hasRemaining() && other.read(answer) >= 0) {
                // Until it is whole.
            }
            assertEquals("ping", new String(answer.array()));
            // It is opened now, and refused: an upload wants a place for each byte.
            try (FileChannel reader = FileChannel.open(fifo)) {
                assertInstanceOf(IOException.class, outcome(socket, outcome));
            }
        }
    }

    private static Throwable outcome(SocketChannel socket, CompletableFuture<Throwable> outcome) throws Exception {
        try {
            Pattern.send(socket, SIZE);
        } catch (IOException e) {
            // The server has closed the connection.
        }
        return outcome.get(60, TimeUnit.SECONDS);
    }

    /** What a cipher has decrypted before the file was open is there, too. */
    @ParameterizedTest
    @EnumSource
    void behindTls(Transport transport) throws Exception {
        SslContext context = Tls.server(directory);
        Path path = directory.resolve("upload");
        Supplier<ChannelHandler[]> handlers = () -> {
            FileUploadHandler upload = new FileUploadHandler(path, SIZE);
            ChannelHandler answer = new ChannelInboundHandlerAdapter() {
                @Override
                public void handlerAdded(ChannelHandlerContext added) {
                    upload.done().addListener(future -> added.writeAndFlush(
                            added.alloc().buffer(1).writeByte(future.isSuccess() ? 'y' : 'n')));
                }
            };
            return new ChannelHandler[] {context.newHandler(ByteBufAllocator.DEFAULT), upload, answer};
        };
        try (Transport.Server server = transport.serve(handlers); SSLSocket socket = Tls.connect(server)) {
            Pattern.send(Channels.newChannel(socket.getOutputStream()), SIZE);
            assertEquals('y', socket.getInputStream().read());
            assertEquals(SIZE, Files.size(path));
            try (FileChannel file = FileChannel.open(path)) {
                assertEquals(SIZE, Pattern.check(file, 0, SIZE, 1));
            }
        }
    }

    /** So the answer to the upload is written before that to what follows it, which may be about this file. */
    @ParameterizedTest
    @EnumSource
    void whatFollowsWaitsForTheOutcome(Transport transport) throws Exception {
        for (boolean behindAnother : new boolean[] {false, true}) {
            for (Path path : List.of(directory.resolve("whole"), Path.of("/dev/full"))) {
                List<String> events = new CopyOnWriteArrayList<>();
                CompletableFuture<Void> ended = new CompletableFuture<>();
                Supplier<ChannelHandler[]> handlers = () -> {
                    FileUploadHandler upload = new FileUploadHandler(path, 100_000);
                    ChannelHandler next = new SimpleChannelInboundHandler<ByteBuf>() {
                        @Override
                        public void handlerAdded(ChannelHandlerContext context) {
                            upload.done().addListener(future -> events.add("done"));
                        }

                        @Override
                        protected void channelRead0(ChannelHandlerContext context, ByteBuf bytes) {
                            events.add("next");
                            ended.complete(null);
                        }

                        @Override
                        public void channelInactive(ChannelHandlerContext context) {
                            ended.complete(null);
                        }
                    };
                    return behindAnother
                            ? new ChannelHandler[] {new ChannelInboundHandlerAdapter(), upload, next}
                            : new ChannelHandler[] {upload, next};
                };
                try (Transport.Server server = transport.serve(handlers);
                        SocketChannel socket = server.connect()) {
                    // At once, so that the handler gets both in one buffer.
                    ByteBuffer all = ByteBuffer.allocate(100_004);
                    while (all.hasRemaining()) {
                        socket.write(all);
                    }
                    ended.get(60, TimeUnit.SECONDS);
                }
                assertEquals("done", events.get(0), events.toString());
            }
        }
    }
}
