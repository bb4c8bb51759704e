package io.zcio.netty;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.ByteToMessageCodec;
import io.netty.handler.codec.MessageToByteEncoder;
import io.netty.handler.codec.MessageToMessageEncoder;
import io.netty.util.concurrent.PromiseCombiner;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes files to a channel without passing them through user space, or says why that cannot be.
 *
 * <p>Two things can go wrong with a bare {@link io.netty.channel.FileRegion}, silently. A handler that encrypts, compresses or
 * frames bytes does not know regions and lets them pass as they are. And Netty's io_uring transport counts the bytes and
 * offsets of a region in an {@code int}. Here the first is refused before anything is written, and for the second a file's
 * part beyond 2 GiB goes out of a mapping: one copy by the kernel, and still none in this process.
 */
public final class ZeroCopyFiles {
    /** What a region on io_uring can reach, with Netty's arithmetic. */
    private static final long URING_LIMIT = Integer.MAX_VALUE;

    /** The most that is mapped at a time. */
    private static final long MAPPING = 1L << 30;

    /** They transform bytes and are no subclass of Netty's encoders; by name, because their modules need not be there. */
    private static final Set<String> TRANSFORMING =
            Set.of("io.netty.handler.ssl.SslHandler", "io.netty.handler.codec.http.HttpContentEncoder");

    private ZeroCopyFiles() {}

    /**
     * Writes a part of a file from here on towards the transport. What was written before goes out before it, what is
     * written later after it: a header, then the file, then a trailer. Call it in the channel's event loop, and flush.
     *
     * @param context  where in the pipeline to begin, like {@link ChannelHandlerContext#write}
     * @param path     the file
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @return succeeds when the last byte has been handed to the kernel; fails with {@link UnsupportedOperationException} if
     *     a handler on the way transforms bytes, with {@link IOException} if the file cannot be opened or is too short, or
     *     as any write
     */
    public static ChannelFuture write(ChannelHandlerContext context, Path path, long position, long count) {
        ChannelPromise promise = context.newPromise();
        ChannelHandler transforming = transformingBefore(context);
        if (transforming != null) {
            return promise.setFailure(new UnsupportedOperationException(transforming.getClass().getName()
                    + " transforms bytes and would not see those of a file region: remove it for this message, or write"
                    + " the file in buffers (ChunkedWriteHandler)"));
        }
        try {
            write(context, FileChannel.open(path), position, count, promise);
        } catch (IOException | RuntimeException e) {
            promise.setFailure(e);
        }
        return promise;
    }

    private static void write(
            ChannelHandlerContext context, FileChannel file, long position, long count, ChannelPromise promise)
            throws IOException {
        boolean uring = context.channel().getClass().getName().startsWith("io.netty.channel.uring.");
        long region = uring ? Math.max(0, Math.min(count, URING_LIMIT - position)) : count;
        List<Object> parts = new ArrayList<>();
        try {
            for (long at = position + region; at < position + count; at += MAPPING) {
                long length = Math.min(MAPPING, position + count - at);
                parts.add(Unpooled.wrappedBuffer(file.map(MapMode.READ_ONLY, at, length)));
            }
            // The region closes the file when it is released, and the mappings live on.
            parts.add(0, new ZeroCopyFileRegion(file, position, region));
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
        PromiseCombiner all = new PromiseCombiner(context.executor());
        for (Object part : parts) {
            all.add(context.write(part));
        }
        all.finish(promise);
    }

    /** A handler between here and the transport that would transform bytes; null if there is none. */
    private static ChannelHandler transformingBefore(ChannelHandlerContext context) {
        for (Map.Entry<String, ChannelHandler> entry : context.pipeline()) {
            if (entry.getKey().equals(context.name())) {
                return null;
            }
            if (transforms(entry.getValue())) {
                return entry.getValue();
            }
        }
        return null;
    }

    private static boolean transforms(ChannelHandler handler) {
        try {
            if (handler instanceof MessageToByteEncoder<?> encoder) {
                return encoder.acceptOutboundMessage(Unpooled.EMPTY_BUFFER);
            }
            if (handler instanceof ByteToMessageCodec<?> codec) {
                return codec.acceptOutboundMessage(Unpooled.EMPTY_BUFFER);
            }
            if (handler instanceof MessageToMessageEncoder<?> encoder) {
                return encoder.acceptOutboundMessage(Unpooled.EMPTY_BUFFER);
            }
        } catch (Exception e) {
            return true;
        }
        for (Class<?> type = handler.getClass(); type != null; type = type.getSuperclass()) {
            if (TRANSFORMING.contains(type.getName())) {
                return true;
            }
        }
        return false;
    }
}
