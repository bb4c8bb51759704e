package io.zcio.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.concurrent.Promise;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;

/**
 * An upload's file as the event loop knows it: opened and ended outside it, and until it is open its bytes are kept. After a
 * failure they are dropped. What an upload comes to is decided once, by {@link #finish}, and told when the file is closed.
 */
final class UploadFile {
    private final UploadTarget target;
    private final Disk disk;
    private final Promise<Void> done;
    /** Bytes that came before it was open. */
    private final Queue<ByteBuf> early = new ArrayDeque<>();
    private long written;
    private boolean open;
    /** Whether it is decided how it ends … */
    private boolean finishing;
    /** … and why so, if it fails. */
    private Throwable cause;

    UploadFile(UploadTarget target, ChannelHandlerContext context) {
        this.target = target;
        disk = new Disk(context::executor);
        done = context.executor().newPromise();
        done.setUncancellable();
    }

    Promise<Void> done() {
        return done;
    }

    boolean isOpen() {
        return open;
    }

    /** Whether it is decided how it ends. */
    boolean isFinishing() {
        return finishing;
    }

    /** Opens it, or fails, and then goes on. */
    void open(boolean forSplice, Runnable then) {
        disk.run(
                () -> {
                    target.open(forSplice);
                    return null;
                },
                (nothing, failure) -> opened(failure, then),
                (nothing, failure) -> tell(target.end(failure)));
    }

    private void opened(Throwable failure, Runnable then) {
        open = true;
        // A failure that was met meanwhile lets the file have what has arrived.
        for (ByteBuf bytes = early.poll(); bytes != null; bytes = early.poll()) {
            failure = failure == null ? written(bytes) : failure;
            bytes.release();
        }
        if (finishing) {
            end(cause == null ? failure : cause, then);
        } else if (failure != null) {
            finish(failure, then);
        }
        then.run();
    }

    /** Writes the next bytes, or drops them if it has failed; {@code told} runs if it fails by that, when that is known. */
    void write(ByteBuf bytes, Runnable told) {
        if (!open && !finishing) {
            early.add(bytes);
            return;
        }
        Throwable failure = finishing ? null : written(bytes);
        bytes.release();
        if (failure != null) {
            finish(failure, told);
        }
    }

    /** Why not, or null. */
    private Throwable written(ByteBuf bytes) {
        try {
            target.write(bytes, written);
            written += bytes.readableBytes();
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    /** A splice has put so many bytes into it, from its beginning on. */
    void spliced(long bytes) {
        written = bytes;
    }

    /** How much a splice that was broken off has put into it. */
    long count() throws IOException {
        written = target.size();
        return written;
    }

    /** See {@link UploadTarget#takeSplice}. */
    SpliceUpload takeSplice() {
        return target.takeSplice();
    }

    /** See {@link UploadTarget#notSpliced}. */
    void notSpliced(SpliceUpload taken) {
        target.notSpliced(taken);
    }

    /** Closes it, once, when it is open, says how it ended, and goes on. */
    void finish(Throwable failure, Runnable told) {
        if (finishing) {
            return;
        }
        finishing = true;
        cause = failure;
        if (open) {
            end(failure, told);
        }
    }

    private void end(Throwable failure, Runnable told) {
        disk.run(
                () -> target.end(failure),
                (ended, unexpected) -> {
                    tell(ended == null ? unexpected : ended);
                    told.run();
                },
                (ended, unexpected) -> tell(ended));
    }

    private void tell(Throwable failure) {
        if (failure == null) {
            done.trySuccess(null);
        } else {
            done.tryFailure(failure);
        }
    }
}
