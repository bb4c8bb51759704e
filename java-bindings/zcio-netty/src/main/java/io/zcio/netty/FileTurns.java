package io.zcio.netty;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.PendingWriteQueue;
import java.nio.channels.ClosedChannelException;
import java.util.List;

/**
 * Lets the files of a channel go out one after the other, each opened when its turn comes, and keeps back what was written
 * after one until it has gone. As many answers as a client asks for at once have one descriptor among them.
 *
 * <p>A file that fails has been announced, by the header before it; so the connection is closed.
 */
final class FileTurns extends ChannelOutboundHandlerAdapter implements PassesFileRegions {
    private final Disk disk;
    private PendingWriteQueue waiting;
    /** Whether a file is being opened or sent. */
    private boolean busy;
    /** Whether what waits is to be flushed when it is written. */
    private boolean flushing;

    private FileTurns(Channel channel) {
        disk = new Disk(channel.eventLoop());
    }

    /**
     * The one that all writes from this place come by; added if there is none. By the thread that writes: what it writes next
     * must find it there.
     */
    static FileTurns at(ChannelHandlerContext context) {
        List<ChannelHandler> before = WayOut.handlers(context);
        if (!before.isEmpty() && before.get(before.size() - 1) instanceof FileTurns turns) {
            return turns;
        }
        FileTurns turns = new FileTurns(context.channel());
        context.pipeline().addBefore(context.name(), null, turns);
        return turns;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        waiting = new PendingWriteQueue(context);
    }

    /** Has the file looked at that was announced. */
    void announce(FileSource source) {
        disk.run(
                () -> {
                    source.announce();
                    return null;
                },
                (nothing, failure) -> {},
                (nothing, failure) -> {});
    }

    @Override
    public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
        if (!busy && waiting.isEmpty() && !(message instanceof FilePart)) {
            context.write(message, promise);
        } else {
            waiting.add(message, promise.unvoid());
            next(context);
        }
    }

    @Override
    public void flush(ChannelHandlerContext context) {
        flushing |= busy;
        context.flush();
    }

    private void next(ChannelHandlerContext context) {
        while (!busy && !waiting.isEmpty()) {
            if (waiting.current() instanceof FilePart part) {
                busy = true;
                ChannelPromise promise = waiting.remove();
                new FileSend(context, disk, part, promise, this).start();
            } else {
                waiting.removeAndWrite();
            }
        }
    }

    /** Some of a file was written: to be flushed, if that was asked for before there was anything to flush. */
    void written(ChannelHandlerContext context) {
        if (flushing) {
            context.flush();
        }
    }

    /** A file has gone, or failed. */
    void over(ChannelHandlerContext context, Throwable failure) {
        busy = false;
        if (failure != null) {
            context.close();
            waiting.removeAndFailAll(failure);
            return;
        }
        next(context);
        written(context);
        flushing &= busy;
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        Channel channel = context.channel();
        waiting.removeAndFailAll(channel.isOpen() ? new IllegalStateException("removed") : new ClosedChannelException());
    }
}
