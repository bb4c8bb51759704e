package io.zcio;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** The bridge to the native code's batches. Not an API. */
final class NativeBatch {
    static {
        Native.load();
    }

    private NativeBatch() {}

    /** Makes what batches need and gives back a handle. */
    static native long make(boolean snapshot);

    /**
     * Runs a batch.
     *
     * @param ends   each end once
     * @param paths  their paths; null for those that are channels
     * @param places for each item the places of its source and its sink among the ends
     * @param ranges for each item its offset and its count; a negative count for all
     */
    static native BatchReport run(long handle, Object[] ends, byte[][] paths, int[] places, long[] ranges, Watch watch)
            throws IOException;

    /** Must be the last call with this handle. */
    static native void free(long handle);

    /** Called by the native code. */
    static BatchReport report(BatchReport.Result[] items, Attempt refusal, long calls, long waits, long nanoseconds) {
        return new BatchReport(
                List.of(items), Optional.ofNullable(refusal), calls, waits, Duration.ofNanos(nanoseconds));
    }

    /** Called by the native code. */
    static BatchReport.Result result(long bytes, long requested, String mechanism, Throwable failure) {
        return new BatchReport.Result(
                bytes,
                requested < 0 ? OptionalLong.empty() : OptionalLong.of(requested),
                Optional.ofNullable(mechanism).map(Mechanism::of),
                Optional.ofNullable(failure));
    }
}
