package io.zcio;

import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/**
 * What the operations have in common: they are described by one thread, watched and stopped from outside, and run by waiting, or
 * aside.
 *
 * <h2>Interrupt and close</h2>
 *
 * <p>An operation looks at least every 100 ms whether its thread was interrupted or one of its channels closed. After an interrupt
 * its channels are closed, the interrupt status stays set, and {@link java.nio.channels.ClosedByInterruptException} is thrown; paths
 * are interruptible in the same way. After the close of a channel by another thread the other ones stay open and
 * {@link java.nio.channels.AsynchronousCloseException} is thrown. The exception's cause is a {@link TransferException} that says how
 * much had been moved. Closing a file channel waits for the operation to notice. Channels in non-blocking mode are waited for as
 * well. Where another reader of a device was quicker ({@code /proc/kmsg}), the read that sleeps then is woken by a close, but not by
 * an interrupt.
 *
 * @param <R> what is reported
 * @param <T> the operation itself
 */
public abstract sealed class Operation<R, T extends Operation<R, T>> permits Transfer, Relay, FanOut, Copy {
    LongConsumer progress;
    CancelToken token;

    Operation() {}

    @SuppressWarnings("unchecked")
    private T self() {
        return (T) this;
    }

    /**
     * Is told the bytes delivered so far (of a relay in both directions, of a fan-out to every sink), in the thread that moves
     * them, after every 64 MiB or 100 ms in which there were some, and at the end (of a copy before a new file gets its name).
     * What it throws ends the operation and is thrown by it, with the {@link TransferException} that says how far it had come
     * {@linkplain Throwable#getSuppressed suppressed}. It may do anything to the ends and to the operation, but a
     * {@link Stepper} makes no step within its own step.
     *
     * @param progress the listener
     * @return this operation
     */
    public T progress(LongConsumer progress) {
        this.progress = Objects.requireNonNull(progress, "progress");
        return self();
    }

    /**
     * Can be stopped by this token; see {@link CancelToken#after} for a deadline.
     *
     * @param token the token
     * @return this operation
     */
    public T cancelledBy(CancelToken token) {
        this.token = Objects.requireNonNull(token, "token");
        return self();
    }

    /**
     * Runs to the end, waiting as needed.
     *
     * @return what happened
     * @throws IOException as the operation says
     */
    public R run() throws IOException {
        return run(token);
    }

    abstract R run(CancelToken token) throws IOException;

    /** For a description: where a file's bytes begin and how many there are at most, as far as that was said. */
    static String range(long offset, long count) {
        return (offset < 0 ? "" : ", from byte " + offset) + (count < 0 ? "" : ", at most " + count + " bytes");
    }

    /**
     * Runs in a thread of zcio's own. The ends are in use until the future is completed, and up to 100 ms longer if it is
     * {@linkplain CompletableFuture#cancel cancelled}, which stops the operation as a token does.
     *
     * @return what happens; fails with what {@link #run} throws
     */
    public CompletableFuture<R> runAsync() {
        CancelToken stop = new CancelToken(token);
        try {
            CompletableFuture<R> future = Threads.aside(() -> run(stop));
            future.whenComplete((report, failure) -> {
                if (future.isCancelled()) {
                    stop.cancel();
                }
            });
            return future;
        } catch (IOException e) {
            return CompletableFuture.failedFuture(e);
        }
    }
}
