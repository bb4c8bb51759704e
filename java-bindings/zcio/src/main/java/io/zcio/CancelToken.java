package io.zcio;

/**
 * Stops what is under way from another thread, without closing a channel or interrupting anybody: what was given this token
 * ends within 100 ms with a {@link TransferCancelledException}. One token may serve many operations. It cannot be taken back.
 */
public final class CancelToken {
    private volatile boolean cancelled;

    /** A token that has not been cancelled. */
    public CancelToken() {}

    /** Stops everything that was given this token, now or later. Never waits. */
    public void cancel() {
        cancelled = true;
    }

    /**
     * Whether {@link #cancel} was called.
     *
     * @return true if it was
     */
    public boolean isCancelled() {
        return cancelled;
    }
}
