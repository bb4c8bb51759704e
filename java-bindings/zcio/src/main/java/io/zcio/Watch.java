package io.zcio;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.util.function.LongConsumer;
import java.util.function.LongPredicate;
import java.util.function.Supplier;

/**
 * Decides, while bytes are moved, whether that must stop: because the thread was interrupted, because one of the channels
 * was closed by another thread, or because the caller cancelled it; and tells the caller how far it has come.
 *
 * <p>In native code it only looks. Channels are closed after the native call has returned: a file channel's {@code close} waits for the
 * threads that are inside an operation on it, this one included.
 */
class Watch implements LongPredicate {
    private static final long PROGRESS_BYTES = 64L << 20;
    private static final long PROGRESS_NANOS = 100_000_000;

    private final End[] ends;
    private final LongConsumer progress;
    private final CancelToken token;
    /** Whether no end cares for an interrupt. */
    private final boolean outlivesInterrupts;
    private volatile boolean interrupted;
    /** What the caller's progress callback threw. */
    private Throwable thrown;
    private long told;
    private long toldAt = System.nanoTime();

    Watch(LongConsumer progress, CancelToken token, End... ends) {
        this.ends = ends;
        this.progress = progress;
        this.token = token;
        outlivesInterrupts = allOutliveInterrupts(ends);
    }

    private static boolean allOutliveInterrupts(End[] ends) {
        for (End end : ends) {
            if (!end.outlivesInterrupts()) {
                return false;
            }
        }
        return ends.length > 0;
    }

    /**
     * Called with the bytes delivered so far, by the native code among others: whether to stop, or only to come back and
     * {@link #tell}. Throws nothing.
     */
    boolean look(long moved) {
        return mustStop() || isDue(moved);
    }

    /** {@link #look} as the native code calls it. */
    @Override
    public final boolean test(long moved) {
        return look(moved);
    }

    /** Whether it is over; after {@link #before} and {@link #look} only that says why. */
    boolean mustStop() {
        lookForInterrupt();
        return interrupted || thrown != null || isToEnd();
    }

    private void lookForInterrupt() {
        interrupted |= !outlivesInterrupts && Thread.currentThread().isInterrupted();
    }

    private boolean isDue(long moved) {
        return progress != null
                && (moved - told >= PROGRESS_BYTES || moved != told && System.nanoTime() - toldAt >= PROGRESS_NANOS);
    }

    /**
     * Calls the listener if it is time, with the bytes delivered so far. It may do anything to the ends and to who calls it,
     * so no end is held then, and no native code is below. The last time is due whenever the count has changed.
     *
     * @return false if it has thrown something, which {@link #after} will throw
     */
    boolean tell(long moved, boolean last) {
        if (thrown == null && (last ? progress != null && moved != told : isDue(moved))) {
            told = moved;
            toldAt = System.nanoTime();
            try {
                progress.accept(moved);
            } catch (Throwable e) {
                // To be thrown when what was taken and not delivered has been found: see after.
                thrown = e;
            }
        }
        return thrown == null;
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
        interrupted |= !outlivesInterrupts;
    }

    /**
     * As NIO before a blocking operation: a thread whose interrupt status is set closes the channels and fails, and a
     * channel that is closed already is told apart from one that is closed meanwhile.
     */
    void before() throws IOException {
        before(() -> null);
    }

    /** {@link #before}, for the first time: each end must have a way for bytes. */
    void begin() throws IOException {
        before();
        for (End end : ends) {
            end.requireConnected();
        }
    }

    /** The same in the middle; {@code soFar} says how far it has come, if it is asked. */
    void before(Supplier<TransferException> soFar) throws IOException {
        lookForInterrupt();
        if (interrupted) {
            throw closedByInterrupt(soFar.get());
        }
        if (!isOpen()) {
            throw withCause(new ClosedChannelException(), soFar.get());
        }
        if (isCancelled()) {
            TransferException moved = soFar.get();
            throw new TransferCancelledException(
                    moved == null ? new TransferException("cancelled", 0, 0, new byte[0], null) : moved);
        }
    }

    /** The exception for a transfer that failed: NIO's own if it failed because it was stopped. */
    IOException after(TransferException failure) {
        Throwable e = thrown;
        if (e != null) {
            thrown = null;
            e.addSuppressed(failure);
            throw Watch.<RuntimeException>unchecked(e);
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

    /** A listener can throw what it does not declare, in another language. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> T unchecked(Throwable e) throws T {
        throw (T) e;
    }

    private IOException closedByInterrupt(TransferException cause) {
        IOException exception = withCause(new ClosedByInterruptException(), cause);
        for (End end : ends) {
            if (end.outlivesInterrupts()) {
                continue;
            }
            try {
                end.close();
            } catch (IOException e) {
                exception.addSuppressed(e);
            }
        }
        return exception;
    }

    static <E extends IOException> E withCause(E exception, Throwable cause) {
        exception.initCause(cause);
        return exception;
    }
}
