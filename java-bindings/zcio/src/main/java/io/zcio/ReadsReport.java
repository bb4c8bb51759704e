package io.zcio;

import java.util.List;
import java.util.Optional;

/**
 * What happened to a number of reads.
 *
 * @param reads       each read's result, in the order of the reads; cannot be changed
 * @param refusal     why io_uring(7) was not used, or not to the end; empty if nothing kept it from being used
 * @param systemCalls system calls made
 */
public record ReadsReport(List<Result> reads, Optional<Attempt> refusal, long systemCalls) {
    /**
     * What happened to one read.
     *
     * @param bytes   bytes that were read, fewer than its buffer had room for only at the end of the file or after a failure
     * @param failure why it failed, if it did
     */
    public record Result(long bytes, Optional<Throwable> failure) {}

    /**
     * Whether no read failed.
     *
     * @return true if all went well
     */
    public boolean isComplete() {
        return reads.stream().noneMatch(read -> read.failure().isPresent());
    }

    /**
     * Bytes read, all reads together.
     *
     * @return their number
     */
    public long bytes() {
        return reads.stream().mapToLong(Result::bytes).sum();
    }
}
