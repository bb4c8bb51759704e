package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.internal.logging.InternalLogger;
import io.netty.util.internal.logging.InternalLoggerFactory;
import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Queue;

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
 * <p>An upload that fails never makes its bytes anybody else's message: {@link #done} fails before they have all come, so that an
 * answer can be written, and the handler stays until it has read and dropped the rest of the upload. Where it cannot know how
 * much that is, because a splice has failed, and where it is removed before, the connection is closed. What follows an upload
 * waits until {@link #done} has been told: the answers go out in the order of the requests.
 *
 * <p>The file is opened, closed and renamed outside the event loop, which may mean a wait for a network or another process; it is
 * written to in the event loop. The handler switches auto-read off while the file is opened or closed, and then on.
 */
public final class FileUploadHandler extends ChannelInboundHandlerAdapter {
    private static final InternalLogger LOGGER = InternalLoggerFactory.getInstance(FileUploadHandler.class);

    /** Bytes in one splice of Netty's: it has a special meaning for the largest {@code int}. */
    private static final long SPLICE_LIMIT = Integer.MAX_VALUE - 1;

    private final Path path;
    private final UploadTarget target;
    private final long length;
    /** What came behind the upload before that was over. */
    private final Queue<Object> next = new ArrayDeque<>();
    /** Bytes that were read, but for those of a splice that is under way: kept, or dropped once it has failed. */
    private long received;
    private boolean begun;
    private boolean splicing;
    private boolean spliceBegun;
    /** Whether nothing of the upload can come any more. */
    private boolean over;
    private boolean left;
    /** What the connection was configured to before a splice. */
    private boolean halfClosure;
    private UploadFile file;

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
     * before, or with the error of the file, which is closed then, too. There is one as soon as the handler is in a pipeline.
     *
     * @return the future
     */
    public Future<Void> done() {
        return file == null ? null : file.done();
    }

    /** Whether splice(2) has been at work. */
    boolean spliced() {
        return spliceBegun;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        file = new UploadFile(target, context);
        context.channel().config().setAutoRead(false);
        file.open(SpliceUpload.obstacle(context.channel()) == null, () -> opened(context));
    }

    private void opened(ChannelHandlerContext context) {
        if (received == length) {
            end(context);
        } else if (context.channel().isActive()) {
            begin(context);
        }
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        begin(context);
        context.fireChannelActive();
    }

    private void begin(ChannelHandlerContext context) {
        if (begun || over || !file.isOpen() || context.isRemoved()) {
            return;
        }
        begun = true;
        boolean first = WayOut.handlers(context).stream().allMatch(handler -> handler instanceof FileTurns);
        String obstacle = first ? SpliceUpload.obstacle(context.channel()) : "it is not the first handler";
        if (file.isFinishing()) {
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
        SpliceUpload splice = file.takeSplice();
        try {
            splice.start(context, received, Math.min(length, SPLICE_LIMIT) - received, promise);
            promise.addListener(future -> spliced(context, future.cause()));
            context.channel().config().setAutoRead(true);
        } catch (RuntimeException | LinkageError e) {
            // Nothing has been moved: Netty 4.1 splices in a mode that must be chosen, and a later one no more.
            file.notSpliced(splice);
            endSplicing(context);
            spliceBegun = false;
            fallBack(context, e.toString());
        }
    }

    private void spliced(ChannelHandlerContext context, Throwable cause) {
        if (!splicing) {
            return;
        }
        endSplicing(context);
        if (cause == null && !file.isFinishing()) {
            received = Math.min(length, SPLICE_LIMIT);
            file.spliced(received);
            if (received == length) {
                end(context);
            } else {
                fallBack(context, "Netty cannot splice beyond 2 GiB");
            }
            return;
        }
        if (cause != null) {
            finish(context, ended(cause));
        }
        // What Netty has taken out of the socket is not known, and so neither is what is still to come.
        context.close();
    }

    /** What a splice that was broken off has put into the file. */
    private boolean count(ChannelHandlerContext context) {
        try {
            received = file.count();
            return true;
        } catch (IOException e) {
            finish(context, e);
            return false;
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
            boolean whole = !file.isFinishing() && count(context);
            if (whole) {
                // Everything the peer has sent is in the socket now.
                for (ByteBuf bytes = SpliceUpload.rest(context); bytes != null; bytes = SpliceUpload.rest(context)) {
                    context.pipeline().fireChannelRead(bytes);
                }
            }
            noMore(context);
            if (!whole || !halfClosure) {
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
        if (left || received < length && !(message instanceof ByteBuf)) {
            context.fireChannelRead(message);
            return;
        }
        if (received == length) {
            next.add(message);
            return;
        }
        ByteBuf bytes = (ByteBuf) message;
        ByteBuf mine = bytes.readRetainedSlice((int) Math.min(bytes.readableBytes(), length - received));
        received += mine.readableBytes();
        if (bytes.isReadable()) {
            next.add(bytes);
        } else {
            bytes.release();
        }
        file.write(mine, () -> leave(context));
        if (received == length && file.isOpen()) {
            end(context);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        if (!splicing) {
            noMore(context);
        }
        passOn(context);
        context.fireChannelInactive();
    }

    /** The stream has ended. What came before the file was open is still to be written. */
    private void noMore(ChannelHandlerContext context) {
        over = true;
        if (received < length) {
            finish(context, ended(new ClosedChannelException()));
        }
        leave(context);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        finish(context, cause);
        context.fireExceptionCaught(cause);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        if (over) {
            passOn(context);
            context.channel().config().setAutoRead(true);
            return;
        }
        // What is still to come is no message for the handlers behind; and a splice, which cannot be stopped, would put it into
        // the file. On io_uring a read that is under way ends after the close.
        context.pipeline().addFirst(new Dropping());
        context.close();
        finish(context, ended(new ClosedChannelException()));
    }

    private static final class Dropping extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            ReferenceCountUtil.release(message);
        }
    }

    /** All of the upload was read. */
    private void end(ChannelHandlerContext context) {
        over = true;
        finish(context, null);
        leave(context);
    }

    private void finish(ChannelHandlerContext context, Throwable cause) {
        if (cause == null) {
            // What follows waits, if it can, where it is.
            context.channel().config().setAutoRead(false);
        }
        file.finish(cause, () -> leave(context));
    }

    /** Makes way for what follows, when the upload is over and its outcome known. */
    private void leave(ChannelHandlerContext context) {
        if (!over || !file.done().isDone() || left) {
            return;
        }
        passOn(context);
        if (!context.isRemoved()) {
            context.pipeline().remove(this);
        }
    }

    private void passOn(ChannelHandlerContext context) {
        left = over;
        for (Object message = next.poll(); message != null; message = next.poll()) {
            context.fireChannelRead(message);
            context.fireChannelReadComplete();
        }
    }
}
