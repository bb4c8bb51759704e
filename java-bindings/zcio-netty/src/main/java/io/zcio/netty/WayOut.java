package io.zcio.netty;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandler;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.CombinedChannelDuplexHandler;
import io.netty.handler.codec.ByteToMessageCodec;
import io.netty.handler.codec.MessageToByteEncoder;
import io.netty.handler.codec.MessageToMessageCodec;
import io.netty.handler.codec.MessageToMessageEncoder;
import io.netty.util.concurrent.EventExecutor;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The handlers between a place in a pipeline and the transport, and whether one of them would have to see the bytes of a file.
 *
 * <p>A handler that is not known to leave bytes alone is taken for one that transforms them: plain text behind a cipher is
 * worse than a refusal.
 */
final class WayOut {
    /**
     * Netty's own that see messages and leave file regions and buffers as they are, or know both. By name: their modules need
     * not be there.
     */
    private static final Set<String> PASSING = Set.of(
            "io.netty.handler.codec.http.HttpObjectEncoder",
            "io.netty.handler.codec.http.HttpServerCodec",
            "io.netty.handler.codec.http.HttpClientCodec",
            "io.netty.handler.codec.http.HttpServerKeepAliveHandler",
            "io.netty.handler.codec.http.cors.CorsHandler",
            "io.netty.handler.logging.LoggingHandler",
            "io.netty.handler.stream.ChunkedWriteHandler",
            "io.netty.handler.timeout.IdleStateHandler",
            "io.netty.handler.timeout.WriteTimeoutHandler",
            "io.netty.handler.traffic.AbstractTrafficShapingHandler");

    /** Those of them that may keep messages for a while; so may one of an application's, and any with an executor of its own. */
    private static final Set<String> KEEPING_BACK = Set.of(
            "io.netty.handler.stream.ChunkedWriteHandler", "io.netty.handler.traffic.AbstractTrafficShapingHandler");

    /** Compresses the content of some answers and leaves others alone, as it decides at their heads. */
    private static final String CONTENT_ENCODER = "io.netty.handler.codec.http.HttpContentEncoder";

    /** What carries bytes: who takes one of these for his own transforms it. */
    private static final List<Object> CARRIERS =
            Stream.concat(Stream.of(Unpooled.EMPTY_BUFFER), httpContent().stream()).toList();

    private static final List<String> TRANSPORTS = List.of(
            "io.netty.channel.socket.nio.",
            "io.netty.channel.epoll.",
            "io.netty.channel.uring.",
            "io.netty.channel.kqueue.",
            "io.netty.channel.embedded.");

    private WayOut() {}

    private static Optional<Object> httpContent() {
        try {
            Class<?> last = Class.forName("io.netty.handler.codec.http.LastHttpContent");
            return Optional.of(last.getField("EMPTY_LAST_CONTENT").get(null));
        } catch (ReflectiveOperationException e) {
            return Optional.empty();
        }
    }

    /** The first handler in the way, or null. */
    static ChannelHandler obstacle(ChannelHandlerContext from) {
        return handlers(from).stream()
                .filter(handler -> handler instanceof ChannelOutboundHandler outbound && mayTransform(outbound))
                .findFirst()
                .orElse(null);
    }

    /**
     * Whether a compressor that lets an answer pass may be about to meet another one's head, which somebody between it and there
     * has kept back: what it does with what follows is not known before.
     */
    static boolean isUnsettled(ChannelHandlerContext from) {
        boolean behindCompressor = false;
        for (ChannelHandler handler : handlers(from)) {
            behindCompressor |= known(handler, Set.of(CONTENT_ENCODER)) != null;
            if (behindCompressor && handler instanceof ChannelOutboundHandler && mayKeepBack(handler, from)) {
                return true;
            }
        }
        return false;
    }

    private static boolean mayKeepBack(ChannelHandler handler, ChannelHandlerContext from) {
        ChannelHandlerContext its = from.pipeline().context(handler);
        return handler instanceof PassesFileRegions
                || known(handler, KEEPING_BACK) != null
                || its == null
                || its.executor() != from.executor();
    }

    /** Where what is written there goes first. */
    static EventExecutor executor(ChannelHandlerContext from) {
        List<ChannelHandler> handlers = handlers(from);
        for (int i = handlers.size() - 1; i >= 0; i--) {
            ChannelHandlerContext context = from.pipeline().context(handlers.get(i));
            if (context != null && handlers.get(i) instanceof ChannelOutboundHandler) {
                return context.executor();
            }
        }
        return from.channel().eventLoop();
    }

    /** What is between the transport and there. */
    static List<ChannelHandler> handlers(ChannelHandlerContext from) {
        List<ChannelHandler> handlers = new ArrayList<>();
        for (Map.Entry<String, ChannelHandler> entry : from.pipeline()) {
            if (entry.getKey().equals(from.name())) {
                break;
            }
            handlers.add(entry.getValue());
        }
        return handlers;
    }

    /** Whether what is at the end of the pipeline can send out of a descriptor. */
    static boolean takesRegions(Channel channel) {
        return TRANSPORTS.stream().anyMatch(channel.getClass().getName()::startsWith);
    }

    private static boolean mayTransform(ChannelOutboundHandler handler) {
        try {
            if (handler instanceof PassesFileRegions) {
                return false;
            }
            Class<?> compressor = known(handler, Set.of(CONTENT_ENCODER));
            if (compressor != null) {
                return isCompressing(compressor, handler);
            }
            Class<?> writer = writer(handler);
            if (known(handler, PASSING) != null) {
                // Unless a subclass writes in its own way.
                return !writer.getName().startsWith("io.netty.");
            }
            if (writer == CombinedChannelDuplexHandler.class) {
                return mayTransform(outbound(handler));
            }
            if (writer == ChannelOutboundHandlerAdapter.class || writer == ChannelDuplexHandler.class) {
                return false;
            }
            return !passes(handler, writer);
        } catch (Exception e) {
            return true;
        }
    }

    /** The class among a handler's that has this name. */
    static Class<?> known(ChannelHandler handler, Set<String> names) {
        for (Class<?> type = handler.getClass(); type != null; type = type.getSuperclass()) {
            if (names.contains(type.getName())) {
                return type;
            }
        }
        return null;
    }

    /** The class whose {@code write} it has. */
    private static Class<?> writer(ChannelOutboundHandler handler) throws NoSuchMethodException {
        return handler.getClass()
                .getMethod("write", ChannelHandlerContext.class, Object.class, ChannelPromise.class)
                .getDeclaringClass();
    }

    /** Whether an encoder, which writes on what it does not take for its own, takes nothing that carries bytes. */
    private static boolean passes(ChannelOutboundHandler handler, Class<?> writer) throws Exception {
        for (Object carrier : CARRIERS) {
            boolean takes;
            if (writer == MessageToByteEncoder.class) {
                takes = ((MessageToByteEncoder<?>) handler).acceptOutboundMessage(carrier);
            } else if (writer == ByteToMessageCodec.class) {
                takes = ((ByteToMessageCodec<?>) handler).acceptOutboundMessage(carrier);
            } else if (writer == MessageToMessageEncoder.class) {
                takes = ((MessageToMessageEncoder<?>) handler).acceptOutboundMessage(carrier);
            } else if (writer == MessageToMessageCodec.class) {
                takes = ((MessageToMessageCodec<?, ?>) handler).acceptOutboundMessage(carrier);
            } else {
                return false;
            }
            if (takes) {
                return false;
            }
        }
        return true;
    }

    /** Netty keeps both to itself. Where its modules are closed there is no answer, and so a refusal. */
    private static Object field(Class<?> owner, String name, Object of) throws ReflectiveOperationException {
        Field field = owner.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    private static ChannelOutboundHandler outbound(ChannelOutboundHandler combined) throws ReflectiveOperationException {
        return (ChannelOutboundHandler) field(CombinedChannelDuplexHandler.class, "outboundHandler", combined);
    }

    private static boolean isCompressing(Class<?> encoder, ChannelOutboundHandler handler)
            throws ReflectiveOperationException {
        // Before the head of an answer it has not decided yet.
        return !field(encoder, "state", handler).toString().equals("PASS_THROUGH");
    }
}
