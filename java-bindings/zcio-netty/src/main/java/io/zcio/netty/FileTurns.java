package io.zcio.netty;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.PendingWriteQueue;
import io.netty.util.concurrent.EventExecutor;
import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.function.Supplier;

/**
 * Lets the files of a channel go out one after the other, each opened when its turn comes, and keeps back what was written
 * after one until it has gone. As many answers as a client asks for at once have one descriptor among them.
 *
 * <p>A file that fails has been announced, by the header before it; so the connection is closed. So it is where this handler is
 * taken out before a file has gone: nobody would keep what follows back any more, and what it wrote from where it was would pass
 * those that have come since.
 */
final class FileTurns extends ChannelOutboundHandlerAdapter implements PassesFileRegions {
    private final Disk disk;
    /** Who has put it here, and finds it at work however soon: what it does comes after that in the event loop. */
    private final Thread adder = Thread.currentThread();
    private volatile PendingWriteQueue waiting;
    /** What was written on last. */
    private ChannelFuture before;
    /** Whether a file is being opened or sent. */
    private boolean busy;
    /** Whether what waits is to be flushed when it is written. */
    private boolean flushing;

    private FileTurns(Supplier<EventExecutor> executor) {
        disk = new Disk(executor);
    }

    /**
     * The one that all writes from this place come by; added if there is none. By the thread that writes: what it writes next
     * must find it there.
     *
     * <p>It runs where the next handler does: a message that was written before it was added, and is in the queue of that executor
     * still, comes by here when it has left that.
     */
    @SuppressWarnings("deprecation")
    static FileTurns at(ChannelHandlerContext context) {
        List<ChannelHandler> before = WayOut.handlers(context);
        if (!before.isEmpty()
                && before.get(before.size() - 1) instanceof FileTurns turns
                && (turns.waiting != null || turns.adder == Thread.currentThread())) {
            return turns;
        }
        // One that another thread is just adding would be passed by.
        Channel channel = context.channel();
        EventExecutor next = WayOut.executor(context);
        boolean isChannels = next == channel.eventLoop();
        FileTurns turns = new FileTurns(isChannels ? channel::eventLoop : () -> next);
        context.pipeline().addBefore(isChannels ? null : next, context.name(), null, turns);
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
            before = context.write(message, promise.unvoid());
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
                before = waiting.removeAndWrite();
            }
        }
    }

    /**
     * Runs something when what was written before a file has got to the transport, so that everybody on the way knows about it:
     * false, and it does not run, where nothing was.
     */
    boolean behind(Runnable then) {
        if (before == null) {
            return false;
        }
        before.addListener(written -> disk.inLoop(then));
        return true;
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
        Exception removed = removed(context);
        if (context.channel().isOpen() && (busy || !waiting.isEmpty())) {
            context.close();
        }
        waiting.removeAndFailAll(removed);
    }

    /** Why a file does not go any further: the handlers of a channel that is closed are taken out as well. */
    static Exception removed(ChannelHandlerContext context) {
        return context.channel().isOpen()
                ? new IllegalStateException("the handler that keeps the order of files was taken out of the pipeline")
                : new ClosedChannelException();
    }
}
