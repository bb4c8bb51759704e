package io.zcio;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.util.function.LongConsumer;

/**
 * Decides, while bytes are moved, whether that must stop: because the thread was interrupted, because one of the channels
 * was closed by another thread, or because the caller cancelled it; and tells the caller how far it has come.
 *
 * <p>It only looks. Channels are closed after the native call has returned: a file channel's {@code close} waits for the
 * threads that are inside an operation on it, this one included.
 */
final class Watch {
    private static final long PROGRESS_BYTES = 64L << 20;
    private static final long PROGRESS_NANOS = 100_000_000;

    private final End[] ends;
    private final LongConsumer progress;
    private final CancelToken token;
    private final Thread thread = Thread.currentThread();
    private volatile boolean interrupted;
    /** What the caller's progress callback threw. */
    private Throwable thrown;
    private long told;
    private long toldAt = System.nanoTime();

    Watch(LongConsumer progress, CancelToken token, End... ends) {
        this.ends = ends;
        this.progress = progress;
        this.token = token;
    }

    /** Called with the bytes delivered so far, by the native code among others: whether to stop. Throws nothing. */
    boolean look(long moved) {
        interrupted |= thread.isInterrupted();
        if (progress != null && thrown == null) {
            tell(moved);
        }
        return interrupted || thrown != null || isToEnd();
    }

    private void tell(long moved) {
        long now = System.nanoTime();
        if (moved - told >= PROGRESS_BYTES || (moved != told && now - toldAt >= PROGRESS_NANOS)) {
            told = moved;
            toldAt = now;
            try {
                progress.accept(moved);
            } catch (Throwable e) {
                // Thrown from here it would pass through the native code, and what that holds would be lost.
                thrown = e;
            }
        }
    }

    /** Whether a channel was closed or the token cancelled; asked by any thread. */
    boolean isToEnd() {
        return !isOpen() || isCancelled();
    }

    private boolean isCancelled() {
        return token != null && token.isCancelled();
    }

    private boolean isOpen() {
        for (End end : ends) {
            if (!end.isOpen()) {
                return false;
            }
        }
        return true;
    }

    /** The thread was interrupted, as somebody else noticed. */
    void interrupt() {
        interrupted = true;
    }

    /**
     * As NIO before a blocking operation: a thread whose interrupt status is set closes the channels and fails, and a
     * channel that is closed already is told apart from one that is closed meanwhile.
     */
    void before() throws IOException {
        interrupted |= thread.isInterrupted();
        if (interrupted) {
            throw closedByInterrupt(null);
        }
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        if (isCancelled()) {
            throw new TransferCancelledException(new TransferException("cancelled", 0, 0, new byte[0]));
        }
    }

    /** The last word about the bytes delivered. */
    void after(long moved) {
        if (progress != null && moved != told) {
            told = moved;
            progress.accept(moved);
        }
    }

    /** The exception for a transfer that failed: NIO's own if it failed because it was stopped. */
    IOException after(TransferException failure) {
        if (thrown != null) {
            thrown.addSuppressed(failure);
            if (thrown instanceof RuntimeException e) {
                throw e;
            }
            throw (Error) thrown;
        }
        if (interrupted) {
            return closedByInterrupt(failure);
        }
        // Also when the failure looks like another: closing a channel can show itself as a broken pipe first.
        if (!isOpen()) {
            return withCause(new AsynchronousCloseException(), failure);
        }
        return isCancelled() ? new TransferCancelledException(failure) : failure;
    }

    private IOException closedByInterrupt(TransferException cause) {
        IOException exception = withCause(new ClosedByInterruptException(), cause);
        for (End end : ends) {
            try {
                end.close();
            } catch (IOException e) {
                exception.addSuppressed(e);
            }
        }
        return exception;
    }

    private static IOException withCause(IOException exception, TransferException cause) {
        exception.initCause(cause);
        return exception;
    }
}
