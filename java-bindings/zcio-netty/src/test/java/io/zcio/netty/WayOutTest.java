package io.zcio.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.CombinedChannelDuplexHandler;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.LengthFieldPrepender;
import io.netty.handler.codec.MessageToMessageCodec;
import io.netty.handler.codec.MessageToMessageEncoder;
import io.netty.handler.codec.compression.JdkZlibEncoder;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpContentCompressor;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpServerKeepAliveHandler;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.string.StringEncoder;
import io.netty.handler.logging.LoggingHandler;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.stream.ChunkedWriteHandler;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.handler.timeout.WriteTimeoutHandler;
import io.netty.handler.traffic.ChannelTrafficShapingHandler;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is in the way of a file and what is not, decided rightly in both directions. */
@Timeout(120)
class WayOutTest {
    @TempDir
    Path directory;

    /** A cipher in the simplest form. */
    private static class Cipher extends ChannelOutboundHandlerAdapter {
        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            if (message instanceof ByteBuf bytes) {
                for (int i = bytes.readerIndex(); i < bytes.writerIndex(); i++) {
                    bytes.setByte(i, bytes.getByte(i) ^ 0x20);
                }
            }
            context.write(message, promise);
        }
    }

    private static final class CipherCodec extends MessageToMessageCodec<ByteBuf, ByteBuf> {
        @Override
        protected void encode(ChannelHandlerContext context, ByteBuf bytes, List<Object> out) {
            out.add(bytes.retain());
        }

        @Override
        protected void decode(ChannelHandlerContext context, ByteBuf bytes, List<Object> out) {
            out.add(bytes.retain());
        }
    }

    private static final class ContentCipher extends MessageToMessageEncoder<HttpContent> {
        @Override
        protected void encode(ChannelHandlerContext context, HttpContent content, List<Object> out) {
            out.add(content.retain());
        }
    }

    private static final class SecretLog extends LoggingHandler {
        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            new Cipher().write(context, message, promise);
        }
    }

    private static final class Counter extends ChannelDuplexHandler implements PassesFileRegions {
        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            context.write(message, promise);
        }
    }

    private static boolean isFree(ChannelHandler... handlers) {
        EmbeddedChannel channel = new EmbeddedChannel(handlers);
        ChannelHandler last = new ChannelInboundHandlerAdapter();
        channel.pipeline().addLast("last", last);
        boolean free = ZeroCopyFiles.obstacle(channel.pipeline().context("last")).isEmpty();
        channel.finishAndReleaseAll();
        return free;
    }

    private static <I extends ChannelInboundHandlerAdapter> ChannelHandler combined(ChannelOutboundHandlerAdapter inner) {
        return new CombinedChannelDuplexHandler<>(new ChannelInboundHandlerAdapter(), inner);
    }

    @Test
    void whoeverMayTransformBytesIsInTheWay() throws Exception {
        SslHandler tls = SslContextBuilder.forClient().build().newHandler(ByteBufAllocator.DEFAULT);
        Map<String, ChannelHandler> cases = new LinkedHashMap<>();
        cases.put("TLS", tls);
        cases.put("a frame", new LengthFieldPrepender(4));
        cases.put("a compressor of bytes", new JdkZlibEncoder());
        cases.put("a compressor of HTTP", new HttpContentCompressor());
        cases.put("a cipher of one's own", new Cipher());
        cases.put("a codec of one's own", new CipherCodec());
        cases.put("a cipher of contents", new ContentCipher());
        cases.put("a subclass of a harmless one", new SecretLog());
        cases.put("a frame in a pair", combined(new LengthFieldPrepender(4)));
        cases.put("a cipher in a pair", combined(new Cipher()));
        cases.forEach((name, handler) -> assertTrue(!isFree(handler), name));
    }

    @Test
    void whoeverLeavesBytesAloneIsNot() {
        Map<String, ChannelHandler> cases = new LinkedHashMap<>();
        cases.put("HTTP", new HttpServerCodec());
        cases.put("HTTP's encoder", new HttpResponseEncoder());
        cases.put("HTTP's decoder", new HttpRequestDecoder());
        cases.put("HTTP's pair", new CombinedChannelDuplexHandler<>(new HttpRequestDecoder(), new HttpResponseEncoder()));
        cases.put("keep-alive", new HttpServerKeepAliveHandler());
        cases.put("a log", new LoggingHandler());
        cases.put("chunks", new ChunkedWriteHandler());
        cases.put("idle", new IdleStateHandler(1, 1, 1));
        cases.put("time limit", new WriteTimeoutHandler(1));
        cases.put("shaping", new ChannelTrafficShapingHandler(1 << 20));
        cases.put("texts", new StringEncoder());
        cases.put("one's own that says so", new Counter());
        cases.put("one that writes nothing", new ChannelDuplexHandler());
        cases.put("a pair that writes nothing", combined(new ChannelOutboundHandlerAdapter()));
        cases.forEach((name, handler) -> assertTrue(isFree(handler), name));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anAnswerThatIsNotCompressed(boolean pair) throws Exception {
        Path path = Files.writeString(directory.resolve("file"), "content of a file");
        ChannelHandler application = new ChannelInboundHandlerAdapter() {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) {
                if (message instanceof LastHttpContent) {
                    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
                    head.headers().set("content-length", "17").set("content-encoding", "identity");
                    context.write(head);
                    ZeroCopyFiles.write(context, path, 0, 17).addListener(ChannelFutureListener.CLOSE_ON_FAILURE);
                    context.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT).addListener(ChannelFutureListener.CLOSE);
                }
            }
        };
        try (Transport.Server server = Transport.NIO.serve(() -> pair
                        ? new ChannelHandler[] {new HttpRequestDecoder(), new HttpResponseEncoder(), application}
                        : new ChannelHandler[] {new HttpServerCodec(), new HttpContentCompressor(), application});
                SocketChannel socket = server.connect()) {
            socket.write(ByteBuffer.wrap("GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n".getBytes()));
            String answer = new String(socket.socket().getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            assertEquals("content of a file", answer.substring(answer.indexOf("\r\n\r\n") + 4), answer);
        }
    }
}
