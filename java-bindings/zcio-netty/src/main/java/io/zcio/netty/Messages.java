package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import java.util.Set;
import java.util.function.Function;

/**
 * What bytes of a body are in a pipeline that must see them: content for handlers of HTTP, frames on a stream of HTTP/2, else
 * buffers. Netty's modules for HTTP need not be there.
 */
final class Messages {
    /** By name, with their subclasses. */
    private static final Set<String> OF_HTTP = Set.of(
            "io.netty.handler.codec.http.HttpObjectEncoder",
            "io.netty.handler.codec.http.HttpServerCodec",
            "io.netty.handler.codec.http.HttpClientCodec",
            "io.netty.handler.codec.http.HttpContentEncoder",
            "io.netty.handler.codec.http2.HttpToHttp2ConnectionHandler",
            "io.netty.handler.codec.http2.Http2StreamFrameToHttpObjectCodec");

    private static final String STREAM = "io.netty.handler.codec.http2.Http2StreamChannel";

    private Messages() {}

    static Function<ByteBuf, Object> of(ChannelHandlerContext context) {
        if (WayOut.handlers(context).stream().anyMatch(handler -> WayOut.known(handler, OF_HTTP) != null)) {
            return Content::of;
        }
        return isStream(context.channel().getClass()) ? Frames::of : bytes -> bytes;
    }

    private static boolean isStream(Class<?> type) {
        if (type == null) {
            return false;
        }
        for (Class<?> one : type.getInterfaces()) {
            if (one.getName().equals(STREAM)) {
                return true;
            }
        }
        return isStream(type.getSuperclass());
    }

    private static final class Content {
        static Object of(ByteBuf bytes) {
            return new DefaultHttpContent(bytes);
        }
    }

    private static final class Frames {
        static Object of(ByteBuf bytes) {
            return new DefaultHttp2DataFrame(bytes);
        }
    }
}
