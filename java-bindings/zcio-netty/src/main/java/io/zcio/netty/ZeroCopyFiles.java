package io.zcio.netty;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.util.concurrent.PromiseCombiner;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

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

    private ZeroCopyFiles() {}

    /**
     * Why a file cannot be written from here; to be asked before a header that announces it is written. A handler on the way
     * transforms bytes (a cipher, a frame, an encoding of this answer), or may, because it is neither Netty's own nor
     * {@link PassesFileRegions}. A compressor of HTTP decides with the head of an answer: it is in the way before that, and of
     * an answer that it compresses; behind the head of one that says {@code content-encoding: identity} it is not.
     *
     * @param context where in the pipeline to begin
     * @return the handler and what to do about it; empty if nothing is in the way
     */
    public static Optional<String> obstacle(ChannelHandlerContext context) {
        ChannelHandler handler = WayOut.obstacle(context);
        return handler == null
                ? Optional.empty()
                : Optional.of(handler.getClass().getName() + " transforms bytes, or may, and would not see those of a file"
                        + " region: remove it for this message, write the file in buffers (ChunkedWriteHandler), or let it"
                        + " implement PassesFileRegions if it leaves bytes alone");
    }

    /**
     * Writes a part of a file from here on towards the transport. What was written before goes out before it, what is
     * written later after it: a header, then the file, then a trailer. Call it in the channel's event loop, and flush.
     *
     * @param context  where in the pipeline to begin, like {@link ChannelHandlerContext#write}
     * @param path     the file
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @return succeeds when the last byte has been handed to the kernel; fails with {@link UnsupportedOperationException} if
     *     a handler on the way transforms bytes or may (see {@link #obstacle}), with {@link IOException} if the file cannot be
     *     opened or is too short, or as any write
     */
    public static ChannelFuture write(ChannelHandlerContext context, Path path, long position, long count) {
        ChannelPromise promise = context.newPromise();
        Optional<String> obstacle = obstacle(context);
        if (obstacle.isPresent()) {
            return promise.setFailure(new UnsupportedOperationException(obstacle.get()));
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
}
