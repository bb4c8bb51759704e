package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.internal.logging.InternalLogger;
import io.netty.util.internal.logging.InternalLoggerFactory;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Puts so many bytes that arrive on a connection into a file, and then takes itself out of the pipeline: for an upload whose
 * length is known, such as the body of an HTTP request.
 *
 * <p>On the epoll transport, as the first handler, the bytes go by splice(2) from the socket into the file and never enter
 * this process. Elsewhere, behind other handlers (which may have to decrypt or decode), and beyond the 2 GiB where Netty's
 * splice counts in an {@code int}, they arrive in buffers and are written from those; a log message says so once a
 * connection, with the reason. Either way the file has exactly the bytes that were announced, from its beginning on, and
 * what follows them goes to the next handler.
 *
 * <p>An upload that fails never makes its bytes anybody else's message: {@link #done} fails at once, so that an answer can be
 * written, and the handler stays until it has read and dropped the rest of the upload. Where it cannot know how much that is,
 * because a splice has failed, and where it is removed before, the connection is closed.
 *
 * <p>Writing to the file takes place in the event loop. The handler switches auto-read on.
 */
public final class FileUploadHandler extends ChannelInboundHandlerAdapter {
    private static final InternalLogger LOGGER = InternalLoggerFactory.getInstance(FileUploadHandler.class);

    /** Bytes in one splice of Netty's: it has a special meaning for the largest {@code int}. */
    private static final long SPLICE_LIMIT = Integer.MAX_VALUE - 1;

    private final Path path;
    private final UploadTarget target;
    private final long length;
    private FileChannel file;
    private SpliceUpload splice;
    /** Bytes that were read, but for those of a splice that is under way: into the file, or dropped once that has failed. */
    private long received;
    private boolean begun;
    private boolean splicing;
    private boolean spliceBegun;
    /** Whether nothing of the upload can come any more. */
    private boolean over;
    /** What the connection was configured to before a splice. */
    private boolean halfClosure;
    private Promise<Void> done;

    /**
     * An upload into a file, which after a failure has what has arrived and no more; see {@link #atomic} for one that leaves
     * the old file.
     *
     * @param path   the file, which is created, or emptied if it exists
     * @param length how many bytes there will be
     * @throws IllegalArgumentException if the length is negative
     */
    public FileUploadHandler(Path path, long length) {
        this(path, length, false);
    }

    private FileUploadHandler(Path path, long length, boolean atomic) {
        if (length < 0) {
            throw new IllegalArgumentException("length is negative: " + length);
        }
        this.path = path;
        this.length = length;
        this.target = new UploadTarget(path, atomic);
    }

    /**
     * An upload that takes the place of a file in one moment (rename(2)): whoever opens the path finds the old file or the whole
     * new one, and after a failure the old one. The new one has the permission bits of the old one, but not its owner, other
     * links, access lists and extended attributes.
     *
     * @param path   the file, which need not be there; what is there must be a regular file
     * @param length how many bytes there will be
     * @return a handler
     * @throws IllegalArgumentException if the length is negative
     */
    public static FileUploadHandler atomic(Path path, long length) {
        return new FileUploadHandler(path, length, true);
    }

    /**
     * Succeeds when the file has all the bytes and is closed; fails with {@link EOFException} if the connection ends
     * before, or with the error of the file. There is one as soon as the handler is in a pipeline.
     *
     * @return the future
     */
    public Future<Void> done() {
        return done;
    }

    /** Whether splice(2) has been at work. */
    boolean spliced() {
        return spliceBegun;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        done = context.executor().newPromise();
        done.setUncancellable();
        try {
            Path open = target.begin();
            if (SpliceUpload.obstacle(context.channel()) == null) {
                // Now, because Netty empties what it opens, and bytes may come before the splice begins.
                splice = SpliceUpload.into(open);
            }
            file = FileChannel.open(
                    open, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
        } catch (IOException e) {
            finish(e);
        }
        if (context.channel().isActive()) {
            // Later: while an initializer adds handlers it is still among them itself.
            context.executor().execute(() -> begin(context));
        }
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        begin(context);
        context.fireChannelActive();
    }

    private void begin(ChannelHandlerContext context) {
        if (begun || context.isRemoved()) {
            return;
        }
        begun = true;
        boolean first = WayOut.handlers(context).stream().allMatch(handler -> handler instanceof FileTurns);
        String obstacle = first ? SpliceUpload.obstacle(context.channel()) : "it is not the first handler";
        if (received == length) {
            end(context, null);
        } else if (done.isDone()) {
            read(context);
        } else if (obstacle != null) {
            fallBack(context, obstacle);
        } else {
            startSplice(context);
        }
    }

    private void fallBack(ChannelHandlerContext context, String reason) {
        LOGGER.info("{} goes to {} through buffers instead of splice: {}", context.channel(), path, reason);
        read(context);
    }

    private void read(ChannelHandlerContext context) {
        context.channel().config().setAutoRead(true);
        context.read();
    }

    private void startSplice(ChannelHandlerContext context) {
        splicing = true;
        spliceBegun = true;
        halfClosure = context.channel().config().getOption(ChannelOption.ALLOW_HALF_CLOSURE);
        // When the peer ends the stream Netty splices once more and then closes, whatever is still to be read; told to allow
        // half a connection it says so instead, and the rest can be taken (userEventTriggered).
        context.channel().config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
        ChannelPromise promise = context.newPromise();
        try {
            splice.start(context, received, Math.min(length, SPLICE_LIMIT) - received, promise);
            promise.addListener(future -> spliced(context, future.cause()));
        } catch (RuntimeException | LinkageError e) {
            // Nothing has been moved: Netty 4.1 splices in a mode that must be chosen, and a later one no more.
            endSplicing(context);
            spliceBegun = false;
            fallBack(context, e.toString());
        }
    }

    private void spliced(ChannelHandlerContext context, Throwable cause) throws IOException {
        if (!splicing) {
            return;
        }
        endSplicing(context);
        if (cause != null || done.isDone()) {
            finish(cause == null ? null : ended(cause));
            // What Netty has taken out of the socket is not known, and so neither is what is still to come.
            context.close();
            return;
        }
        received = file.size();
        if (received == length) {
            end(context, null);
        } else {
            fallBack(context, "Netty cannot splice beyond 2 GiB");
        }
    }

    private void endSplicing(ChannelHandlerContext context) {
        splicing = false;
        context.channel().config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, halfClosure);
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
        if (splicing && event instanceof ChannelInputShutdownEvent) {
            endSplicing(context);
            boolean failed = file == null;
            if (!failed) {
                received = file.size();
                // Everything the peer has sent is in the socket now.
                for (ByteBuf bytes = SpliceUpload.rest(context); bytes != null; bytes = SpliceUpload.rest(context)) {
                    context.pipeline().fireChannelRead(bytes);
                }
            }
            end(context, ended(new ClosedChannelException()));
            if (failed || !halfClosure) {
                context.close();
            }
        }
        context.fireUserEventTriggered(event);
    }

    private Throwable ended(Throwable cause) {
        if (!(cause instanceof ClosedChannelException)) {
            return cause;
        }
        EOFException end = new EOFException("the connection ended before " + length + " bytes had arrived");
        end.initCause(cause);
        return end;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (!(message instanceof ByteBuf bytes) || received == length) {
            context.fireChannelRead(message);
            return;
        }
        ByteBuf mine = bytes.readSlice((int) Math.min(bytes.readableBytes(), length - received));
        if (file != null) {
            write(mine);
        }
        received += mine.writerIndex();
        if (bytes.isReadable()) {
            // Before this handler leaves, while it still has a place to pass them on from.
            context.fireChannelRead(bytes);
        } else {
            bytes.release();
        }
        if (received == length) {
            end(context, null);
        }
    }

    private void write(ByteBuf bytes) {
        try {
            long at = received;
            for (ByteBuffer buffer : bytes.nioBuffers()) {
                while (buffer.hasRemaining()) {
                    at += file.write(buffer, at);
                }
            }
        } catch (IOException e) {
            finish(e);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        if (!splicing) {
            end(context, ended(new ClosedChannelException()));
        }
        context.fireChannelInactive();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        finish(cause);
        context.fireExceptionCaught(cause);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        if (!over) {
            // What is still to come is no message for the handlers behind; and a splice, which cannot be stopped, would put it
            // into the file.
            context.close();
        }
        finish(ended(new ClosedChannelException()));
    }

    /** The upload is over, and all of it was read, or no more can come. */
    private void end(ChannelHandlerContext context, Throwable cause) {
        over = true;
        finish(cause);
        if (!context.isRemoved()) {
            context.pipeline().remove(this);
        }
    }

    /** Closes the file and says how it ended; once. */
    private void finish(Throwable cause) {
        if (done.isDone()) {
            return;
        }
        Throwable failure = closed(file, cause);
        file = null;
        // A splice that has begun closes its file itself, when Netty no longer uses it.
        failure = closed(splice == null || spliceBegun ? null : splice::close, failure);
        failure = closed(failure == null ? target::keep : target::discard, failure);
        if (failure == null) {
            done.trySuccess(null);
        } else {
            // After a failure to keep it, too.
            done.tryFailure(closed(target::discard, failure));
        }
    }

    /** The first failure. */
    private static Throwable closed(Closeable what, Throwable failure) {
        try {
            if (what != null) {
                what.close();
            }
            return failure;
        } catch (IOException e) {
            return failure == null ? e : failure;
        }
    }
}
