package io.zcio.netty;

import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelProgressivePromise;
import io.netty.channel.ChannelPromise;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Writes files to a channel, without passing them through user space wherever nothing in the pipeline has to see them.
 *
 * <p>Two things can go wrong with a bare {@link io.netty.channel.FileRegion}, silently. A handler that encrypts, compresses or
 * frames bytes does not know regions and lets them pass as they are. And Netty's io_uring transport counts the bytes and
 * offsets of a region in an {@code int}. Here the bytes go through such a handler in buffers, one of 128 KiB at a time ({@link
 * #obstacle} says so before), and so does what io_uring cannot send: a file's part beyond 2 GiB, and a channel of the caller's.
 *
 * <p>A file is opened when its turn comes, which is when everything that was written before it is on its way and no other file
 * of the channel is: thousands of answers that a client has asked for at once need one descriptor. What is written after a file
 * waits for it. Nothing in the event loop waits for a disk to open a file or to read one into a buffer. Which handlers are in
 * the way is asked when its turn comes, too: those that have come meanwhile see its bytes.
 *
 * <p>A file was announced, by the header in front of it. So if it cannot be opened, is no regular file, is too short, or has
 * given its name to another file since it was handed over, the connection is closed. It is also closed if the handler that keeps
 * the order, which stands before the one that writes, is taken out of the pipeline before the file has gone.
 */
public final class ZeroCopyFiles {
    private ZeroCopyFiles() {}

    /**
     * Why a file written from here would go in buffers through the pipeline, with copies. A handler on the way transforms
     * bytes (a cipher, a frame, an encoding of this answer), or may, because it is neither Netty's own nor {@link
     * PassesFileRegions}; or the transport, as a stream of HTTP/2, takes no regions. A compressor of HTTP decides with the head
     * of an answer: it is in the way before that, and of an answer that it compresses; behind the head of one that says {@code
     * content-encoding: identity} it is not.
     *
     * @param context where in the pipeline to begin
     * @return the handler and what to do about it; empty if nothing is in the way
     */
    public static Optional<String> obstacle(ChannelHandlerContext context) {
        ChannelHandler handler = WayOut.obstacle(context);
        if (handler != null) {
            return Optional.of(handler.getClass().getName() + " transforms bytes, or may, and would not see those of a file"
                    + " region: let it implement PassesFileRegions if it leaves bytes alone");
        }
        return WayOut.takesRegions(context.channel())
                ? Optional.empty()
                : Optional.of(context.channel().getClass().getName() + " takes no file regions");
    }

    /**
     * Writes a part of a file from here on towards the transport. What was written before goes out before it, what is
     * written later after it: a header, then the file, or several, then a trailer. To be flushed as any write; from any thread.
     *
     * @param context  where in the pipeline to begin, like {@link ChannelHandlerContext#write}
     * @param path     a regular file
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @return succeeds when the last byte has been handed to the kernel; fails, and the channel is closed, with {@link
     *     IOException} if the file cannot be opened, is another one or too short, or as any write
     * @throws IllegalArgumentException if a number is negative
     */
    public static ChannelFuture write(ChannelHandlerContext context, Path path, long position, long count) {
        return write(context, path, position, count, context.newPromise());
    }

    /**
     * As {@link #write(ChannelHandlerContext, Path, long, long)}.
     *
     * @param context  where in the pipeline to begin
     * @param path     a regular file
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @param promise  told the outcome; a {@link ChannelProgressivePromise} is also told the bytes on the way
     * @return the promise
     * @throws IllegalArgumentException if a number is negative
     */
    public static ChannelFuture write(
            ChannelHandlerContext context, Path path, long position, long count, ChannelPromise promise) {
        return write(context, FileSource.of(path), position, count, promise);
    }

    /**
     * As {@link #write(ChannelHandlerContext, Path, long, long)}, of an open file, which stays the caller's: to be closed by
     * him, after this future. It may be in use by any number of writes, to any number of channels. One opened with {@code
     * ExtendedOpenOption.DIRECT} goes in buffers where the range begins or ends in the midst of a block.
     *
     * @param context  where in the pipeline to begin
     * @param file     one of the JDK's own channels or a {@link io.zcio.ZeroCopyFileChannel}, open for reading
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @return as there
     * @throws IllegalArgumentException if a number is negative
     */
    public static ChannelFuture write(ChannelHandlerContext context, FileChannel file, long position, long count) {
        return write(context, file, position, count, context.newPromise());
    }

    /**
     * As {@link #write(ChannelHandlerContext, FileChannel, long, long)}.
     *
     * @param context  where in the pipeline to begin
     * @param file     one of the JDK's own channels or a {@link io.zcio.ZeroCopyFileChannel}, open for reading
     * @param position where the part begins, in bytes
     * @param count    its length in bytes
     * @param promise  told the outcome; a {@link ChannelProgressivePromise} is also told the bytes on the way
     * @return the promise
     * @throws IllegalArgumentException if a number is negative
     */
    public static ChannelFuture write(
            ChannelHandlerContext context, FileChannel file, long position, long count, ChannelPromise promise) {
        return write(context, FileSource.of(file), position, count, promise);
    }

    private static ChannelFuture write(
            ChannelHandlerContext context, FileSource source, long position, long count, ChannelPromise promise) {
        FilePart.requireNotNegative(position, count);
        ChannelPromise told = promise.unvoid();
        if (context.isRemoved()) {
            return told.setFailure(new ClosedChannelException());
        }
        FileTurns.at(context).announce(source);
        // It fails on its way where the handler that would open it is just being taken out.
        return context.write(new FilePart(source, position, count), told.addListener(ChannelFutureListener.CLOSE_ON_FAILURE));
    }
}
