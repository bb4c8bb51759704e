package io.zcio;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What happened in a batch.
 *
 * @param items       each item's result, in the order of the items; cannot be changed
 * @param refusal     why io_uring(7) was not used, or not to the end; empty if it was
 * @param systemCalls system calls made
 * @param waits       calls of poll(2) made to wait for a sink
 * @param elapsed     time from the first item to the last
 */
public record BatchReport(
        List<Result> items, Optional<Attempt> refusal, long systemCalls, long waits, Duration elapsed) {
    /**
     * What happened to one item.
     *
     * @param bytes     bytes delivered to the sink
     * @param requested bytes that were asked for; empty for everything to the end of the file
     * @param mechanism how they went: {@link Mechanism#URING} together with others, or what a transfer of their own chose;
     *                  empty after a failure
     * @param failure   why it failed, if it did: the exception that a transfer of its own would have thrown
     */
    public record Result(
            long bytes, OptionalLong requested, Optional<Mechanism> mechanism, Optional<Throwable> failure) {}

    /**
     * Whether no item failed.
     *
     * @return true if all went well
     */
    public boolean isComplete() {
        return items.stream().noneMatch(item -> item.failure().isPresent());
    }

    /**
     * Bytes delivered, all items together.
     *
     * @return their number
     */
    public long bytes() {
        return items.stream().mapToLong(Result::bytes).sum();
    }
}
