package io.zcio;

import java.time.Duration;

/**
 * Stops what is under way from another thread, without closing a channel or interrupting anybody: what was given this token
 * ends within 100 ms with a {@link TransferCancelledException}. One token may serve many operations. It cannot be taken back.
 */
public final class CancelToken {
    /** Another one that this one listens to, or null. */
    private final CancelToken parent;
    /** When it cancels itself, by {@link System#nanoTime}; if {@link #ends}. */
    private final long deadline;
    private final boolean ends;
    private volatile boolean cancelled;

    /** A token that has not been cancelled. */
    public CancelToken() {
        this(null);
    }

    CancelToken(CancelToken parent) {
        this(parent, 0, false);
    }

    private CancelToken(CancelToken parent, long deadline, boolean ends) {
        this.parent = parent;
        this.deadline = deadline;
        this.ends = ends;
    }

    /**
     * A token that cancels itself: a deadline for what is given it.
     *
     * @param time how long from now
     * @return a new token, which can be cancelled before, too
     */
    public static CancelToken after(Duration time) {
        Duration most = Duration.ofNanos(Long.MAX_VALUE / 2);
        long nanos = time.compareTo(most) > 0 ? most.toNanos() : Math.max(0, time.toNanos());
        return new CancelToken(null, System.nanoTime() + nanos, true);
    }

    @Override
    public String toString() {
        return isCancelled() ? "a token that is cancelled" : "a token that is not cancelled";
    }

    /** Stops everything that was given this token, now or later. Never waits. */
    public void cancel() {
        cancelled = true;
    }

    /**
     * Whether {@link #cancel} was called, or its time is over.
     *
     * @return true if what has it is to stop
     */
    public boolean isCancelled() {
        return cancelled || ends && System.nanoTime() - deadline >= 0 || parent != null && parent.isCancelled();
    }
}
