package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.LengthFieldPrepender;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContentCompressor;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.handler.codec.http2.Http2StreamFrame;
import io.netty.handler.ssl.SslContext;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Pipelines that must see the bytes of a file get them: in buffers, in order, with all that is around them. */
@Timeout(180)
class SeenBytesTest {
    private static final int SIZE = 1_000_003;

    @TempDir
    Path directory;

    private Path path;
    private byte[] content;

    @BeforeEach
    void fill() throws Exception {
        content = new byte[SIZE];
        new Random(7).nextBytes(content);
        path = Files.write(directory.resolve("file"), content);
    }

    /** Answers each request over HTTP/1.1. */
    private ChannelHandler application() {
        return new ChannelInboundHandlerAdapter() {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) {
                if (message instanceof LastHttpContent) {
                    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
                    head.headers().set("content-length", SIZE + 10).set("content-type", "text/plain");
                    context.write(head);
                    ZeroCopyFiles.write(context, path, 0, SIZE);
                    ZeroCopyFiles.write(context, path, 5, 10);
                    context.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
                }
            }
        };
    }

    private void assertBody(InputStream body) throws Exception {
        assertArrayEquals(content, body.readNBytes(SIZE));
        assertArrayEquals(java.util.Arrays.copyOfRange(content, 5, 15), body.readNBytes(10));
    }

    private static String head(InputStream stream) throws Exception {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = stream.read();
            assertTrue(next >= 0, head::toString);
            head.append((char) next);
        }
        return head.toString();
    }

    @ParameterizedTest
    @EnumSource
    void tls(Transport transport) throws Exception {
        SslContext context = Tls.server(directory);
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {
                    context.newHandler(io.netty.buffer.ByteBufAllocator.DEFAULT), new HttpServerCodec(), application()
                });
                SSLSocket socket = Tls.connect(server)) {
            for (int request = 0; request < 2; request++) {
                socket.getOutputStream().write("GET / HTTP/1.1\r\nhost: x\r\n\r\n".getBytes());
                head(socket.getInputStream());
                assertBody(socket.getInputStream());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void compression(Transport transport) throws Exception {
        try (Transport.Server server = transport.serve(() ->
                        new ChannelHandler[] {new HttpServerCodec(), new HttpContentCompressor(), application()});
                SocketChannel socket = server.connect()) {
            socket.write(ByteBuffer.wrap("GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n".getBytes()));
            InputStream stream = socket.socket().getInputStream();
            String head = head(stream).toLowerCase(java.util.Locale.ROOT);
            assertTrue(head.contains("content-encoding: gzip") && head.contains("chunked"), head);
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            for (int length = chunk(stream); length > 0; length = chunk(stream)) {
                body.write(stream.readNBytes(length));
                assertEquals("\r\n", new String(stream.readNBytes(2)));
            }
            assertBody(new GZIPInputStream(new ByteArrayInputStream(body.toByteArray())));
        }
    }

    private static int chunk(InputStream stream) throws Exception {
        StringBuilder line = new StringBuilder();
        for (int next = stream.read(); next != '\n'; next = stream.read()) {
            line.append((char) next);
        }
        return Integer.parseInt(line.toString().strip(), 16);
    }

    @ParameterizedTest
    @EnumSource
    void frames(Transport transport) throws Exception {
        ChannelHandler sender = new ChannelInboundHandlerAdapter() {
            @Override
            public void channelActive(ChannelHandlerContext context) {
                ChannelFuture file = ZeroCopyFiles.write(context, path, 0, SIZE);
                context.flush();
                file.addListener(future -> context.close());
            }
        };
        try (Transport.Server server =
                        transport.serve(() -> new ChannelHandler[] {new LengthFieldPrepender(4), sender});
                SocketChannel socket = server.connect()) {
            DataInputStream stream = new DataInputStream(socket.socket().getInputStream());
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            while (all.size() < SIZE) {
                all.write(stream.readNBytes(stream.readInt()));
            }
            assertArrayEquals(content, all.toByteArray());
            assertEquals(-1, stream.read());
        }
    }

    /** On a stream of HTTP/2, in its flow control, beside another that is slow. */
    @ParameterizedTest
    @EnumSource
    void http2(Transport transport) throws Exception {
        ChannelHandler application = new SimpleStream() {
            @Override
            protected void channelRead0(ChannelHandlerContext context, Http2StreamFrame frame) {
                if (frame instanceof Http2HeadersFrame headers && headers.isEndStream()) {
                    context.write(new DefaultHttp2HeadersFrame(new DefaultHttp2Headers().status("200")));
                    ZeroCopyFiles.write(context, path, 0, SIZE);
                    context.writeAndFlush(new DefaultHttp2DataFrame(true));
                }
            }
        };
        try (Transport.Server server = transport.serve(() -> new ChannelHandler[] {
            Http2FrameCodecBuilder.forServer().build(), new Http2MultiplexHandler(application)
        })) {
            Channel client = new Bootstrap()
                    .group(server.clients())
                    .channel(NioSocketChannel.class)
                    .handler(new ChannelInitializer<Channel>() {
                        @Override
                        protected void initChannel(Channel channel) {
                            channel.pipeline().addLast(
                                    Http2FrameCodecBuilder.forClient().build(),
                                    new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()));
                        }
                    })
                    .connect(server.address())
                    .sync()
                    .channel();
            for (int request = 0; request < 3; request++) {
                CompletableFuture<byte[]> body = new CompletableFuture<>();
                Http2StreamChannel stream = new Http2StreamChannelBootstrap(client)
                        .handler(new SimpleStream() {
                            private final ByteArrayOutputStream all = new ByteArrayOutputStream();

                            @Override
                            protected void channelRead0(ChannelHandlerContext context, Http2StreamFrame frame) {
                                if (frame instanceof Http2DataFrame data) {
                                    byte[] bytes = ByteBufUtil.getBytes(data.content());
                                    all.write(bytes, 0, bytes.length);
                                    if (data.isEndStream()) {
                                        body.complete(all.toByteArray());
                                    }
                                }
                            }
                        })
                        .open()
                        .sync()
                        .getNow();
                stream.writeAndFlush(new DefaultHttp2HeadersFrame(
                        new DefaultHttp2Headers().method("GET").path("/").scheme("http").authority("x"), true));
                assertArrayEquals(content, body.get(60, TimeUnit.SECONDS));
            }
            client.close().sync();
        }
    }

    @ChannelHandler.Sharable
    private abstract static class SimpleStream extends SimpleChannelInboundHandler<Http2StreamFrame> {}
}
