package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.DefaultEventLoop;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContentCompressor;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.stream.ChunkedWriteHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is on the way of a file changes while it waits or goes: what must see its bytes sees them, and nothing comes between. */
@Timeout(180)
class ChangedPipelineTest {
    private static final int SIZE = 4 << 20;

    @TempDir
    Path directory;

    /** A file that is full of one letter. */
    private Path file(char letter) throws IOException {
        byte[] bytes = new byte[SIZE];
        Arrays.fill(bytes, (byte) letter);
        return Files.write(directory.resolve(String.valueOf(letter)), bytes);
    }

    /** Changes every byte that it sees. */
    private static final class Cipher extends ChannelOutboundHandlerAdapter {
        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            if (message instanceof ByteBuf bytes) {
                for (int i = bytes.readerIndex(); i < bytes.writerIndex(); i++) {
                    bytes.setByte(i, Character.toUpperCase(bytes.getByte(i)));
                }
            }
            context.write(message, promise);
        }
    }

    /** Where the compressor stands, and who is between it and the application. */
    private enum Way { BARE, CHUNKS, APPLICATION_ELSEWHERE, COMPRESSOR_ELSEWHERE }

    /** Answers "/a" with a file as it is, and "/b" with one that is to be compressed, before the first has gone. */
    private static ChannelHandler application(Path a, Path b) {
        return new ChannelInboundHandlerAdapter() {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) {
                if (message instanceof HttpRequest request) {
                    boolean first = request.uri().equals("/a");
                    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
                    head.headers().set("content-length", SIZE).set("content-type", "text/plain");
                    if (first) {
                        head.headers().set("content-encoding", "identity");
                    }
                    context.write(head);
                    ZeroCopyFiles.write(context, first ? a : b, 0, SIZE);
                    ChannelFuture last = context.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
                    if (!first) {
                        last.addListener(ChannelFutureListener.CLOSE);
                    }
                }
            }
        };
    }

    @ParameterizedTest
    @EnumSource
    void anAnswerToCompressBehindOneThatIsNot(Way way) throws Exception {
        Path a = file('a');
        Path b = file('b');
        EventLoop elsewhere = new DefaultEventLoop();
        ChannelHandler whole = new ChannelInitializer<>() {
            @Override
            @SuppressWarnings("deprecation")
            protected void initChannel(Channel channel) {
                channel.pipeline().addLast(new HttpServerCodec());
                channel.pipeline().addLast(way == Way.COMPRESSOR_ELSEWHERE ? elsewhere : null, new HttpContentCompressor());
                if (way == Way.CHUNKS) {
                    channel.pipeline().addLast(new ChunkedWriteHandler());
                }
                channel.pipeline().addLast(way == Way.APPLICATION_ELSEWHERE ? elsewhere : null, application(a, b));
            }
        };
        try (Transport.Server server = Transport.NIO.serve(() -> new ChannelHandler[] {whole});
                SocketChannel client = server.connect()) {
            String request = " HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n";
            client.write(ByteBuffer.wrap(("GET /a" + request + "GET /b" + request).getBytes()));
            InputStream stream = client.socket().getInputStream();
            assertTrue(head(stream).contains("identity"));
            assertEquals("a" + SIZE, all(new ByteArrayInputStream(stream.readNBytes(SIZE))));
            String head = head(stream);
            assertTrue(head.contains("gzip") && head.contains("chunked"), head);
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            for (int length; (length = Integer.parseInt(line(stream), 16)) > 0; line(stream)) {
                body.write(stream.readNBytes(length));
            }
            InputStream unpacked = new GZIPInputStream(new ByteArrayInputStream(body.toByteArray()));
            assertEquals("b" + SIZE, all(unpacked));
        } finally {
            elsewhere.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }

    private static String line(InputStream stream) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int next; (next = stream.read()) != '\n'; ) {
            assertTrue(next >= 0, line::toString);
            line.append((char) next);
        }
        return line.toString().trim();
    }

    private static String head(InputStream stream) throws IOException {
        StringBuilder head = new StringBuilder();
        for (String line; !(line = line(stream)).isEmpty(); ) {
            head.append(line).append('\n');
        }
        return head.toString();
    }

    private interface Exchange {
        void with(ChannelHandlerContext context, SocketChannel client) throws Exception;
    }

    private static void exchange(Transport transport, Exchange exchange, ChannelHandler... handlers) throws Exception {
        CompletableFuture<ChannelHandlerContext> context = new CompletableFuture<>();
        ChannelHandler starter = new ChannelInboundHandlerAdapter() {
            @Override
            public void channelActive(ChannelHandlerContext active) {
                context.complete(active);
            }

            @Override
            public void exceptionCaught(ChannelHandlerContext failed, Throwable cause) {}
        };
        List<ChannelHandler> all = new ArrayList<>(List.of(handlers));
        all.add(starter);
        try (Transport.Server server = transport.serve(() -> all.toArray(ChannelHandler[]::new));
                SocketChannel client = server.connect()) {
            exchange.with(context.get(60, TimeUnit.SECONDS), client);
        }
    }

    /** What has arrived: each letter once, in order, with how often it came in a row. Bytes would fill a small heap. */
    private static String all(InputStream stream) throws IOException {
        StringBuilder runs = new StringBuilder();
        byte[] part = new byte[1 << 16];
        int last = -1;
        long count = 0;
        try {
            for (int n = stream.read(part); n >= 0; n = stream.read(part)) {
                for (int i = 0; i < n; i++) {
                    if (part[i] != last) {
                        append(runs, last, count);
                        last = part[i];
                        count = 0;
                    }
                    count++;
                }
            }
        } catch (IOException e) {
            // A connection that is closed with bytes unread is reset.
        }
        append(runs, last, count);
        return runs.toString();
    }

    private static void append(StringBuilder runs, int letter, long count) {
        if (count > 0) {
            runs.append((char) letter).append(count);
        }
    }

    private static String all(SocketChannel client) throws IOException {
        return all(client.socket().getInputStream());
    }

    private static void text(ChannelHandlerContext context, String text) {
        context.write(Unpooled.copiedBuffer(text.getBytes()));
    }

    /** It comes while the first file is opened, and the second waits. */
    @ParameterizedTest
    @EnumSource
    void aCipherThatComesSeesTheFiles(Transport transport) throws Exception {
        Path a = file('a');
        Path b = file('b');
        exchange(transport, (context, client) -> {
            context.executor().submit(() -> {
                text(context, "head");
                ZeroCopyFiles.write(context, a, 0, SIZE);
                ZeroCopyFiles.write(context, b, 0, SIZE);
                context.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(done -> context.close());
                context.pipeline().addFirst(new Cipher());
            }).get();
            assertEquals("h1e1a1d1A" + SIZE + "B" + SIZE, all(client));
        });
    }

    private static void takeOut(ChannelHandlerContext context) {
        for (Map.Entry<String, ChannelHandler> entry : context.pipeline()) {
            if (!entry.getKey().equals(context.name())) {
                context.pipeline().remove(entry.getKey());
            }
        }
    }

    /** Who empties a pipeline while a file goes has no connection any more, whichever way it went, and nothing is out of place. */
    @ParameterizedTest
    @EnumSource
    void allHandlersAreTakenOut(Transport transport) throws Exception {
        Path a = file('a');
        Path b = file('b');
        for (boolean seen : new boolean[] {false, true}) {
            for (boolean late : new boolean[] {false, true}) {
                List<ChannelFuture> futures = new ArrayList<>();
                ChannelHandler[] handlers = seen ? new ChannelHandler[] {new Cipher()} : new ChannelHandler[0];
                exchange(transport, (context, client) -> {
                    context.executor().submit(() -> {
                        text(context, "<");
                        futures.add(ZeroCopyFiles.write(context, a, 0, SIZE));
                        context.flush();
                    }).get();
                    InputStream stream = client.socket().getInputStream();
                    byte[] begin = stream.readNBytes(late ? 2 : 0);
                    context.executor().submit(() -> {
                        takeOut(context);
                        context.pipeline().addFirst(new Cipher());
                        text(context, ">");
                        if (context.channel().isOpen()) {
                            futures.add(ZeroCopyFiles.write(context, b, 0, SIZE));
                        }
                        context.flush();
                        context.executor().schedule(() -> context.close(), 2, TimeUnit.SECONDS);
                    }).get();
                    String arrived = all(new SequenceInputStream(new ByteArrayInputStream(begin), stream));
                    String whole = "<1" + (seen ? "A" : "a") + SIZE;
                    // A file that had gone before has what is written next behind it, and that the cipher sees.
                    boolean gone = arrived.equals(whole) || arrived.equals(whole + ">1B" + SIZE);
                    String part = "(<1(" + (seen ? "A" : "a") + "\\d+)?)?";
                    assertTrue(gone || arrived.matches(part), () -> arrived + ", seen " + seen + ", late " + late);
                    ChannelFuture file = futures.get(0);
                    assertTrue(file.await(60, TimeUnit.SECONDS));
                    assertEquals(file.isSuccess(), gone, arrived);
                }, handlers);
            }
        }
    }

    /** A channel of the caller's is closed too early, and its number is another file's at once. */
    @ParameterizedTest
    @EnumSource
    void theCallersChannelIsClosedInTheMidst(Transport transport) throws Exception {
        Path a = file('a');
        Path b = file('b');
        for (int round = 0; round < 30; round++) {
            exchange(transport, (context, client) -> {
                try (FileChannel file = FileChannel.open(a)) {
                    ChannelFuture future = ZeroCopyFiles.write(context, file, 0, SIZE);
                    future.addListener(done -> context.close());
                    context.flush();
                    InputStream stream = client.socket().getInputStream();
                    byte[] first = stream.readNBytes(1);
                    file.close();
                    List<FileChannel> others = new ArrayList<>();
                    for (int i = 0; i < 4; i++) {
                        others.add(FileChannel.open(b));
                    }
                    String arrived = all(new SequenceInputStream(new ByteArrayInputStream(first), stream));
                    assertTrue(arrived.matches("(a\\d+)?"), () -> "bytes of another file: " + arrived);
                    assertTrue(future.await(60, TimeUnit.SECONDS));
                    assertTrue(!future.isSuccess() || arrived.equals("a" + SIZE), arrived);
                    for (FileChannel other : others) {
                        other.close();
                    }
                }
            });
        }
    }
}
